/**
 * Methods that the report does not use, because they err with small holdouts or contradict each other, written by their
 * textbook formulas: what the methods in use are compared with here. They are held to the same reference values.
 */
import type { Count, Moments } from '../../../src/report/stats/aggregates.ts'
import type { Effect, Interval } from '../../../src/report/stats/answer.ts'
import { normalUpperQuantile } from '../../../src/report/stats/distributions.ts'
import { wilson } from '../../../src/report/stats/single-share.ts'
import { lnGamma } from '../../../src/report/stats/special-functions.ts'

/** Newcombe 1998, method 10. */
export function newcombe(treated: Count, control: Count, alpha: number): Effect {
  const [t, c] = [wilson(treated, alpha), wilson(control, alpha)]
  if (t.kind !== 'estimated' || c.kind !== 'estimated') throw new Error('an arm is empty')
  const estimate = t.estimate - c.estimate
  return {
    estimate,
    lower: estimate - Math.hypot(t.estimate - t.lower, c.upper - c.estimate),
    upper: estimate + Math.hypot(t.upper - t.estimate, c.estimate - c.lower),
  }
}

/** Agresti and Caffo 2000: one success and one failure more in each arm. */
export function agrestiCaffo(treated: Count, control: Count, alpha: number): Interval {
  const [pT, pC] = [(treated.x + 1) / (treated.n + 2), (control.x + 1) / (control.n + 2)]
  const se = Math.sqrt((pT * (1 - pT)) / (treated.n + 2) + (pC * (1 - pC)) / (control.n + 2))
  const half = normalUpperQuantile(alpha / 2) * se
  return { lower: pT - pC - half, upper: pT - pC + half }
}

/** Fisher's exact test, two-sided by the likelihood of tables. Rows are arms, columns converted and not. */
export function fisherExact(table: readonly (readonly number[])[]): number {
  const [[a = 0, b = 0] = [], [c = 0, d = 0] = []] = table
  const [row, other, column, n] = [a + b, c + d, a + c, a + b + c + d]
  const ln = (k: number) => lnGamma(k + 1)
  const chance = (k: number) =>
    Math.exp(
      ln(row) -
        ln(k) -
        ln(row - k) +
        ln(other) -
        ln(column - k) -
        ln(other - column + k) -
        ln(n) +
        ln(column) +
        ln(n - column),
    )
  let p = 0
  for (let k = Math.max(0, column - other); k <= Math.min(row, column); k++) {
    if (chance(k) <= chance(a) * (1 + 1e-7)) p += chance(k)
  }
  return p
}

/** Relative lift by the delta method: its verdict may contradict that of the difference. */
export function deltaRelative(treated: Moments, control: Moments, critical: number): Effect & { readonly se: number } {
  const [t, c] = [treated.sum / treated.n, control.sum / control.n]
  const [vT, vC] = [treated.m2 / (treated.n - 1) / treated.n, control.m2 / (control.n - 1) / control.n]
  const se = Math.sqrt(vT / c ** 2 + (vC * t ** 2) / c ** 4)
  const estimate = t / c - 1
  return { estimate, se, lower: estimate - critical * se, upper: estimate + critical * se }
}

/** The usual interval of a difference of shares. */
export function wald(treated: Count, control: Count, critical: number): Interval & { readonly se: number } {
  const [pT, pC] = [treated.x / treated.n, control.x / control.n]
  const se = Math.sqrt((pT * (1 - pT)) / treated.n + (pC * (1 - pC)) / control.n)
  return { lower: pT - pC - critical * se, upper: pT - pC + critical * se, se }
}
