/**
 * Conversions of two arms compared, by the score test of Miettinen and Nurminen ("Comparative analysis of two rates", Statistics
 * in Medicine 4, 1985): its interval of the difference and its interval of the ratio are inversions of one test, and both hold
 * their coverage at 19:1, where Wald's falls to 0.90.
 */

import { type Count, checkCount } from './aggregates.ts'
import { type Answer, type Effect, estimated, type Interval, notEstimable, type TooFew } from './answer.ts'
import { type Boundary, critical, pValue } from './boundary.ts'
import { accepted, asRelative, type Lift, verdictOf } from './lift.ts'

/** Units of both arms that must have, and that must not have, the outcome in the withheld arm before a lift is shown. */
export function outcomesNeeded(boundary: Boundary): number {
  return boundary.kind === 'fixed' ? 5 : 30
}

/**
 * The lift in the share of units that had an outcome. `too_few` below `atLeast` withheld units with and without the outcome
 * (default: 5, and 30 while a test runs), `not_estimable` when an arm is empty. When nobody withheld had the outcome, the
 * relative lift has a lower bound only. Throws A8510 for counts that cannot be.
 */
export function compareProportions(
  treated: Count,
  withheld: Count,
  boundary: Boundary,
  atLeast: number = outcomesNeeded(boundary),
): Answer<Lift> {
  checkCount(treated)
  checkCount(withheld)
  if (treated.n === 0 || withheld.n === 0) return notEstimable('empty_arm')
  const few = tooFew(withheld, atLeast)
  if (few !== undefined) return few
  const information = { units: treated.n + withheld.n, df: Number.POSITIVE_INFINITY }
  const c = critical(boundary, information)
  const statistic = scoreOfDifference(treated, withheld, 0)
  return estimated({
    absolute: difference(treated, withheld, c),
    relative: relative(treated, withheld, c),
    statistic,
    critical: c,
    pValue: pValue(boundary, statistic, information),
    verdict: verdictOf(statistic, c),
  })
}

function tooFew({ n, x }: Count, need: number): TooFew | undefined {
  const few = { kind: 'too_few', arm: 'withheld', need } as const
  if (x < need) return { ...few, what: 'outcomes', have: x }
  return n - x < need ? { ...few, what: 'units_without_outcome', have: n - x } : undefined
}

function difference(treated: Count, withheld: Count, c: number): Effect {
  const estimate = treated.x / treated.n - withheld.x / withheld.n
  const test = (delta: number) => scoreOfDifference(treated, withheld, delta)
  const interval = accepted({ test, critical: c, inside: estimate, none: 0, least: -1, greatest: 1 })
  return { estimate, ...(interval ?? { lower: -1, upper: 1 }) }
}

function relative(treated: Count, withheld: Count, c: number): Answer<Effect> {
  const [pT, pC] = [treated.x / treated.n, withheld.x / withheld.n]
  if (withheld.x === 0) {
    if (treated.x === 0) return notEstimable('nothing_to_compare_with')
    // The ratio is infinite; its inverse is not, and its upper bound is the lower bound that we look for.
    const inverse = ratioInterval(withheld, treated, 0, c)
    const lower = inverse === undefined ? -1 : 1 / inverse.upper - 1
    return notEstimable('nothing_to_compare_with', { interval: { lower, upper: Number.POSITIVE_INFINITY } })
  }
  const interval = ratioInterval(treated, withheld, pT / pC, c)
  return interval === undefined ? notEstimable('denominator_near_zero') : asRelative(pT / pC, interval, pC)
}

function ratioInterval(numerator: Count, denominator: Count, ratio: number, c: number): Interval | undefined {
  const test = (supposed: number) => scoreOfRatio(numerator, denominator, supposed)
  return accepted({ test, critical: c, inside: ratio, none: 1, least: 0, greatest: Number.POSITIVE_INFINITY })
}

/** The score of a supposed difference: falls as it grows. */
export function scoreOfDifference(treated: Count, withheld: Count, delta: number): number {
  const q = constrainedShare(treated, withheld, delta)
  return score(treated, withheld, { pT: within(q + delta), pC: q }, 1, delta)
}

/** The score of a supposed ratio ≥ 0: falls as it grows. */
export function scoreOfRatio(treated: Count, withheld: Count, ratio: number): number {
  const [nT, nC, x] = [treated.n, withheld.n, treated.x + withheld.x]
  const b = nT * ratio + treated.x + nC + withheld.x * ratio
  // The smaller root of the likelihood's quadratic, in the form that does not cancel.
  const q = (2 * x) / (b + Math.sqrt(Math.max(0, b ** 2 - 4 * (nT + nC) * ratio * x)))
  return score(treated, withheld, { pT: within(q * ratio), pC: within(q) }, ratio, 0)
}

/** (p̂T − R·p̂C − δ) over its standard error under the constraint, with N/(N − 1). */
function score(
  treated: Count,
  withheld: Count,
  { pT, pC }: { readonly pT: number; readonly pC: number },
  ratio: number,
  delta: number,
): number {
  const units = treated.n + withheld.n
  const distance = treated.x / treated.n - (ratio * withheld.x) / withheld.n - delta
  const variance = (pT * (1 - pT)) / treated.n + (ratio ** 2 * pC * (1 - pC)) / withheld.n
  if (distance === 0) return 0
  return distance / Math.sqrt((variance * units) / (units - 1))
}

/** The likeliest share of withheld conversions when treated ones have `delta` more: a root of a cubic (appendix of the paper). */
function constrainedShare(treated: Count, withheld: Count, delta: number): number {
  const [n, x] = [treated.n + withheld.n, treated.x + withheld.x]
  const [least, greatest] = [Math.max(0, -delta), Math.min(1, 1 - delta)]
  const a = (treated.n + 2 * withheld.n) * delta - n - x
  const b = (withheld.n * delta - n - 2 * withheld.x) * delta + x
  const c = withheld.x * delta * (1 - delta)
  const cubic = (p: number) => ((n * p + a) * p + b) * p + c
  const slope = (p: number) => (3 * n * p + 2 * a) * p + b
  const third = a / (3 * n)
  const q = third ** 3 - (a * b) / (6 * n ** 2) + c / (2 * n)
  const r = Math.sign(q) * Math.sqrt(Math.max(0, third ** 2 - b / (3 * n)))
  const angle = r === 0 ? Math.PI / 2 : (Math.PI + Math.acos(Math.max(-1, Math.min(1, q / r ** 3)))) / 3
  let p = between(2 * r * Math.cos(angle) - third, least, greatest)
  // The closed form loses half its digits where two roots are close; Newton's steps bring them back.
  for (let step = 0; step < 3 && slope(p) !== 0; step++) p = between(p - cubic(p) / slope(p), least, greatest)
  return p
}

function between(p: number, least: number, greatest: number): number {
  return Math.max(least, Math.min(greatest, p))
}

function within(p: number): number {
  return between(p, 0, 1)
}
