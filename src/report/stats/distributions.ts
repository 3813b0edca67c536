/**
 * Tails and quantiles of the distributions that reports use. Tails are upper tails P(X ≥ x), computed as such: a p-value of
 * 1e-40 keeps its digits. Quantiles are bracketed roots of those tails, so that the two never disagree.
 */
import { demand, demandLevel } from './demand.ts'
import { findRoot } from './root.ts'
import { betaLower, gammaUpper } from './special-functions.ts'

/** P(Z ≥ z) of the standard normal distribution. */
export function normalUpper(z: number): number {
  const tail = gammaUpper(0.5, z ** 2 / 2) / 2
  return z >= 0 ? tail : 1 - tail
}

/** The z of which P(Z ≥ z) = `tail`, for a tail in (0, 1). */
export function normalUpperQuantile(tail: number): number {
  demandLevel(tail, 'a tail probability')
  if (tail > 0.5) return -normalUpperQuantile(1 - tail)
  // 39 is beyond the least double: the bracket always holds.
  return findRoot(z => Math.log(Math.max(normalUpper(z), Number.MIN_VALUE)) - Math.log(tail), 0, 39)
}

/** P(T ≥ t) of Student's t with `df` degrees of freedom, which need not be whole and may be infinite. */
export function tUpper(t: number, df: number): number {
  demand(df > 0, `degrees of freedom must be above 0, and are ${df}`)
  if (df === Number.POSITIVE_INFINITY || Math.abs(t) === Number.POSITIVE_INFINITY) return normalUpper(t)
  const tail = betaLower(df / 2, 0.5, df / (df + t ** 2), t ** 2 / (df + t ** 2)) / 2
  return t >= 0 ? tail : 1 - tail
}

/** The t of which P(T ≥ t) = `tail`, for a tail in (0, 1). */
export function tUpperQuantile(tail: number, df: number): number {
  demandLevel(tail, 'a tail probability')
  if (df === Number.POSITIVE_INFINITY) return normalUpperQuantile(tail)
  if (tail > 0.5) return -tUpperQuantile(1 - tail, df)
  const excess = (t: number) => Math.log(tUpper(t, df)) - Math.log(tail)
  // Student's tails are heavier than the normal ones, so the root is at or above the normal quantile.
  const from = normalUpperQuantile(tail)
  let to = from + 1
  while (excess(to) > 0) to *= 2
  return findRoot(excess, from * (1 - 1e-12), to)
}

/** P(X ≥ x) of χ² with `df` degrees of freedom, for x ≥ 0. */
export function chiSquareUpper(x: number, df: number): number {
  return gammaUpper(df / 2, x / 2)
}

/** The x of which P(X ≤ x) = p of a beta distribution, for p in (0, 1). */
export function betaQuantile(p: number, a: number, b: number): number {
  demandLevel(p, 'a probability')
  return findRoot(x => betaLower(a, b, x) - p, 0, 1)
}

/** P(K ≤ k) of a binomial distribution of `n` trials. */
export function binomialLower(k: number, n: number, p: number): number {
  if (k < 0) return 0
  return k >= n ? 1 : betaLower(n - k, k + 1, 1 - p, p)
}

/** P(K ≥ k) of a binomial distribution of `n` trials. */
export function binomialUpper(k: number, n: number, p: number): number {
  if (k > n) return 0
  return k <= 0 ? 1 : betaLower(k, n - k + 1, p, 1 - p)
}
