/**
 * Two means compared when they are skewed and one arm is small. Welch's statistic errs there, because the mean of a small arm
 * is itself skewed; Hall's cubic ("On the removal of skewness by transformation", JRSS B 54, 1992; for two samples: Zhou and Dinh,
 * Biostatistics 2005, kxi002) straightens it. The third moment is pooled, which is a variant of ours: with each arm's own,
 * coverage falls below nominal where arms are equal. Of the ratio, the same transform in Fieller's form ("Some problems in
 * interval estimation", JRSS B 16, 1954): at the ratio 1 it is the very test of the difference. Without skew both are the
 * classic Welch and Fieller intervals.
 */
import { type Answer, type Effect, notEstimable } from './answer.ts'
import { type Boundary, critical, type Information, pValue } from './boundary.ts'
import { accepted, asRelative, type Lift, verdictOf } from './lift.ts'

/** A mean and the variance of that mean. */
export interface MeanOf {
  readonly mean: number
  readonly variance: number
}

export interface Comparison {
  readonly treated: MeanOf
  readonly withheld: MeanOf
  /** Skewness of x̄T − R·x̄C, had its sign no cause but the sizes of the arms; 0 when it is not known. */
  readonly skewness: (ratio: number) => number
  readonly information: Information
}

/** Absolute and relative lift of means whose variances are not both zero. */
export function liftOfMeans(comparison: Comparison, boundary: Boundary): Lift {
  const { treated, withheld, skewness, information } = comparison
  const c = critical(boundary, information)
  const se = Math.sqrt(treated.variance + withheld.variance)
  const estimate = treated.mean - withheld.mean
  const kappa = skewness(1)
  const statistic = straightened(estimate / se, kappa)
  const lower = estimate - se * skewed(c, kappa)
  const upper = estimate - se * skewed(-c, kappa)
  return {
    absolute: { estimate, lower, upper },
    relative: relative(comparison, c),
    statistic,
    critical: c,
    pValue: pValue(boundary, statistic, information),
    verdict: verdictOf(statistic, c),
  }
}

function relative({ treated, withheld, skewness }: Comparison, c: number): Answer<Effect> {
  const ratio = treated.mean / withheld.mean
  // Fieller's condition: the withheld mean itself must differ from zero, or any ratio could be.
  if (withheld.mean ** 2 <= c ** 2 * withheld.variance) return notEstimable('denominator_near_zero')
  const sign = Math.sign(withheld.mean)
  const test = (supposed: number) => {
    const distance = treated.mean - supposed * withheld.mean
    const se = Math.sqrt(treated.variance + supposed ** 2 * withheld.variance)
    return sign * straightened(distance === 0 ? 0 : distance / se, skewness(supposed))
  }
  const interval = accepted({
    ...{ test, critical: c, inside: ratio, none: 1 },
    ...{ least: Number.NEGATIVE_INFINITY, greatest: Number.POSITIVE_INFINITY },
  })
  return interval === undefined
    ? notEstimable('denominator_near_zero', { estimate: sign * (ratio - 1) })
    : asRelative(ratio, interval, withheld.mean)
}

/** Hall's g(t): a skewed statistic on the scale of a symmetric one. */
export function straightened(t: number, kappa: number): number {
  return t + (kappa * t ** 2) / 3 + (kappa ** 2 * t ** 3) / 27 + kappa / 6
}

/** The inverse of `straightened`, which is exact: g is a cubic that never falls. */
export function skewed(y: number, kappa: number): number {
  const root = Math.cbrt(1 + kappa * (y - kappa / 6))
  return (3 * (y - kappa / 6)) / (root ** 2 + root + 1)
}
