/**
 * A quotient of two sums compared between arms, where the unit of assignment is not the unit of the denominator: revenue per
 * order, clicks per mail (Deng, Knoblich and Lu, "Applying the delta method in metric analytics", KDD 2018).
 */
import { checkPaired, type PairedMoments } from './aggregates.ts'
import { type Answer, estimated, notEstimable } from './answer.ts'
import type { Boundary } from './boundary.ts'
import type { Lift } from './lift.ts'
import { liftOfMeans, type MeanOf } from './skew-fieller.ts'

/**
 * The lift in Σy/Σx, in units of y per unit of x. `not_estimable` for an arm of no or one unit, a denominator that sums to zero,
 * or when units do not differ. Throws A8510 for sums that are not finite.
 */
export function compareRatios(treated: PairedMoments, withheld: PairedMoments, boundary: Boundary): Answer<Lift> {
  checkPaired(treated)
  checkPaired(withheld)
  if (treated.n === 0 || withheld.n === 0) return notEstimable('empty_arm')
  if (treated.sumX === 0 || withheld.sumX === 0) return notEstimable('denominator_near_zero')
  const estimate = treated.sumY / treated.sumX - withheld.sumY / withheld.sumX
  if (treated.n === 1 || withheld.n === 1) return notEstimable('single_unit', { estimate })
  const [t, w] = [ratioOf(treated), ratioOf(withheld)]
  if (t.variance + w.variance === 0) return notEstimable('zero_variance', { estimate })
  const information = { units: treated.n + withheld.n, df: Number.POSITIVE_INFINITY }
  return estimated(liftOfMeans({ treated: t, withheld: w, skewness: () => 0, information }, boundary))
}

/** The ratio of an arm and the delta-method variance of it. */
export function ratioOf({ n, sumX, sumY, mxx, myy, mxy }: PairedMoments): MeanOf {
  const ratio = sumY / sumX
  const spread = Math.max(0, myy - 2 * ratio * mxy + ratio ** 2 * mxx)
  return { mean: ratio, variance: spread / (n - 1) / n / (sumX / n) ** 2 }
}
