/**
 * Before the data: which effect can be seen with so many units, and how many units an effect needs. Proportions after Fleiss
 * ("Statistical Methods for Rates and Proportions", 1981): the pooled variance at no effect, each arm's own at the effect.
 */
import { type Answer, estimated, notEstimable } from './answer.ts'
import { demand, demandLevel } from './demand.ts'
import { normalUpper, normalUpperQuantile } from './distributions.ts'
import { findRoot } from './root.ts'

export interface Sizes {
  /** Units of each arm; need not be whole, since they may be expectations. Above 0. */
  readonly treated: number
  readonly withheld: number
}

export interface Risks {
  /** Two-sided risk of a false alarm, in (0, 1). */
  readonly alpha: number
  /** Chance of seeing an effect that is there, in (0, 1). */
  readonly power: number
}

export type Direction = 'up' | 'down'

/** Effects in the unit of the outcome; relative ones as a share of the withheld arm. */
export interface DetectableEffect {
  readonly absolute: number
  readonly relative: number
}

/**
 * The least difference of shares that is seen with the given power; negative when `direction` is down. `baseline`: the
 * share of the withheld arm, in (0, 1). `not_estimable` (`out_of_reach`) when no share is far enough from it.
 */
export function detectableShare(
  baseline: number,
  sizes: Sizes,
  risks: Risks,
  direction: Direction,
): Answer<DetectableEffect> {
  check(sizes, risks)
  demandLevel(baseline, 'a baseline share')
  const sign = direction === 'up' ? 1 : -1
  const furthest = direction === 'up' ? 1 - baseline : baseline
  const lacking = (effect: number) => reach(baseline, baseline + sign * effect, sizes, risks) - effect
  if (lacking(furthest) > 0) return notEstimable('out_of_reach')
  const effect = sign * findRoot(lacking, 0, furthest)
  return estimated({ absolute: effect, relative: effect / baseline })
}

/** The least difference of means that is seen with the given power, in the unit of `sd`, above 0. */
export function detectableMean(sd: number, sizes: Sizes, risks: Risks): number {
  check(sizes, risks)
  demand(sd >= 0 && Number.isFinite(sd), `a standard deviation must not be negative, and is ${sd}`)
  return quantiles(risks) * sd * Math.sqrt(1 / sizes.treated + 1 / sizes.withheld)
}

/** The chance, in (0, 1), that a difference of these shares is seen. Shares in [0, 1]. */
export function powerOfShares(treated: number, withheld: number, sizes: Sizes, alpha: number): number {
  check(sizes, { alpha, power: 0.5 })
  const pooled = pooledShare(treated, withheld, sizes)
  const none = spread(pooled, pooled, sizes)
  const there = spread(treated, withheld, sizes)
  if (there === 0) return Math.abs(treated - withheld) > 0 ? 1 : 0
  return normalUpper((normalUpperQuantile(alpha / 2) * none - Math.abs(treated - withheld)) / there)
}

/**
 * Units of both arms together that see a difference of shares with the given power; `share` of them is withheld, in (0, 1).
 * `not_estimable` when the shares are the same.
 */
export function unitsForShares(
  treated: number,
  withheld: number,
  share: number,
  risks: Risks,
): Answer<{ readonly units: number }> {
  demandLevel(share, 'the withheld share')
  const effect = Math.abs(treated - withheld)
  if (effect === 0) return notEstimable('out_of_reach')
  const ofOneUnit = reach(withheld, treated, { treated: 1 - share, withheld: share }, risks)
  return estimated({ units: Math.ceil((ofOneUnit / effect) ** 2) })
}

/** Units of both arms together that see a difference of means. */
export function unitsForMeans(
  effect: number,
  sd: number,
  share: number,
  risks: Risks,
): Answer<{ readonly units: number }> {
  demandLevel(share, 'the withheld share')
  if (effect === 0) return notEstimable('out_of_reach')
  const ofOneUnit = detectableMean(sd, { treated: 1 - share, withheld: share }, risks)
  return estimated({ units: Math.ceil((ofOneUnit / effect) ** 2) })
}

/** How far the shares must be apart, were their variances those of these shares. */
function reach(withheld: number, treated: number, sizes: Sizes, { alpha, power }: Risks): number {
  const pooled = pooledShare(treated, withheld, sizes)
  const alarm = normalUpperQuantile(alpha / 2) * spread(pooled, pooled, sizes)
  return alarm + normalUpperQuantile(1 - power) * spread(treated, withheld, sizes)
}

function pooledShare(treated: number, withheld: number, sizes: Sizes): number {
  return (treated * sizes.treated + withheld * sizes.withheld) / (sizes.treated + sizes.withheld)
}

function spread(treated: number, withheld: number, sizes: Sizes): number {
  return Math.sqrt((treated * (1 - treated)) / sizes.treated + (withheld * (1 - withheld)) / sizes.withheld)
}

function quantiles({ alpha, power }: Risks): number {
  return normalUpperQuantile(alpha / 2) + normalUpperQuantile(1 - power)
}

function check({ treated, withheld }: Sizes, { alpha, power }: Risks): void {
  demand(treated > 0 && withheld > 0, `both arms must have units, and have ${treated} and ${withheld}`)
  demandLevel(alpha, 'alpha')
  demandLevel(power, 'power')
}
