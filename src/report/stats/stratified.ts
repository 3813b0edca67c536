/**
 * The difference of shares, strata weighted by their size (Miratrix, Sekhon and Yu, "Adjusting treatment effect estimates by
 * post-stratification in randomized experiments", JRSS B 75, 2013).
 */
import { type Count, checkCount } from './aggregates.ts'
import { type Answer, type Effect, estimated, notEstimable } from './answer.ts'
import { demandLevel } from './demand.ts'
import { normalUpperQuantile } from './distributions.ts'

export interface Stratum {
  readonly treated: Count
  readonly withheld: Count
}

/** Shares. `not_estimable` when a stratum lacks one arm, or has a single unit of it: weighting would leave it out or guess. */
export function postStratified(strata: readonly Stratum[], alpha: number): Answer<Effect & { readonly se: number }> {
  demandLevel(alpha, 'alpha')
  for (const { treated, withheld } of strata) {
    checkCount(treated)
    checkCount(withheld)
  }
  const arms = strata.flatMap(({ treated, withheld }) => [treated.n, withheld.n])
  if (arms.length === 0 || arms.includes(0)) return notEstimable('empty_arm')
  if (arms.includes(1)) return notEstimable('single_unit')
  const units = arms.reduce((total, n) => total + n)
  let [estimate, variance] = [0, 0]
  for (const { treated, withheld } of strata) {
    const weight = (treated.n + withheld.n) / units
    estimate += weight * (treated.x / treated.n - withheld.x / withheld.n)
    variance += weight ** 2 * (ofShare(treated) + ofShare(withheld))
  }
  if (variance === 0) return notEstimable('zero_variance', { estimate })
  const se = Math.sqrt(variance)
  const half = normalUpperQuantile(alpha / 2) * se
  return estimated({ estimate, lower: estimate - half, upper: estimate + half, se })
}

function ofShare({ n, x }: Count): number {
  return ((x / n) * (1 - x / n)) / (n - 1)
}
