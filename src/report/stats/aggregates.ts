/**
 * What is known of an arm: counts, sums and centred moments, as the warehouse computes them in two passes. Rows never come
 * here. Centred sums (about the arm's own mean) keep their digits where sums of squares lose them all.
 */
import { demand, isCount } from './demand.ts'

/** Units of an arm, and how many of them had the outcome. */
export interface Count {
  readonly n: number
  readonly x: number
}

/** Of a value x per unit: number of units, Σx, Σ(x − x̄)², Σ(x − x̄)³. */
export interface Moments {
  readonly n: number
  /** Units whose value is not zero. */
  readonly nonZero: number
  readonly sum: number
  readonly m2: number
  readonly m3: number
}

/** Of two values per unit: number of units, both sums, both centred sums of squares and the centred sum of products. */
export interface PairedMoments {
  readonly n: number
  readonly sumX: number
  readonly sumY: number
  readonly mxx: number
  readonly myy: number
  readonly mxy: number
}

export function mean({ n, sum }: Pick<Moments, 'n' | 'sum'>): number {
  return sum / n
}

/** Throws A8510 unless 0 ≤ x ≤ n are whole numbers. */
export function checkCount({ n, x }: Count): void {
  demand(isCount(n) && isCount(x) && x <= n, `conversions and units must be whole, 0 ≤ x ≤ n, and are ${x} of ${n}`)
}

/** Throws A8510 unless the figures are finite and the centred sum of squares is not negative. */
export function checkMoments({ n, nonZero, sum, m2, m3 }: Moments): void {
  checkCount({ n, x: nonZero })
  demand([sum, m2, m3].every(Number.isFinite) && m2 >= 0, `sums must be finite, and are ${sum}, ${m2}, ${m3}`)
}

/** Throws A8510 unless the figures are finite and no centred sum of squares is negative. */
export function checkPaired({ n, sumX, sumY, mxx, myy, mxy }: PairedMoments): void {
  demand(isCount(n), `the number of units must be whole and not negative, and is ${n}`)
  const finite = [sumX, sumY, mxx, myy, mxy].every(Number.isFinite)
  demand(finite && mxx >= 0 && myy >= 0, `sums must be finite, and are ${sumX}, ${sumY}, ${mxx}, ${myy}, ${mxy}`)
}

/** The moments of a 0/1 value: what means and ratios need of a count. */
export function momentsOfCount({ n, x }: Count): Moments {
  if (n === 0) return { n: 0, nonZero: 0, sum: 0, m2: 0, m3: 0 }
  const p = x / n
  const m2 = n * p * (1 - p)
  return { n, nonZero: x, sum: x, m2, m3: m2 * (1 - 2 * p) }
}

/**
 * Two groups as one, without a look at their rows (Chan, Golub and LeVeque 1979; third moment: Pébay, Sandia SAND2008-6212):
 * e-mails as one arm, weeks as a whole.
 */
export function merge(a: Moments, b: Moments): Moments {
  const n = a.n + b.n
  if (a.n === 0 || b.n === 0) return a.n === 0 ? b : a
  const delta = mean(b) - mean(a)
  const spread = (delta ** 2 * a.n * b.n) / n
  return {
    n,
    nonZero: a.nonZero + b.nonZero,
    sum: a.sum + b.sum,
    m2: a.m2 + b.m2 + spread,
    m3: a.m3 + b.m3 + (spread * delta * (a.n - b.n)) / n + (3 * delta * (a.n * b.m2 - b.n * a.m2)) / n,
  }
}
