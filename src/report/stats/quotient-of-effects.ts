/**
 * What one effect is per unit of another, both measured on the same units, so that they are correlated (Fieller, JRSS B 16, 1954):
 *
 * - revenue (y) per incremental conversion (x: 0 or 1);
 * - the effect on those who were reached, y the outcome and x whether a unit was delivered to: the complier average causal
 *   effect (Angrist, Imbens and Rubin, JASA 91, 1996). It is above zero exactly when the effect on everybody assigned is.
 */
import { checkPaired, type PairedMoments } from './aggregates.ts'
import { type Answer, type Effect, estimated, notEstimable } from './answer.ts'
import { demandLevel } from './demand.ts'
import { normalUpperQuantile } from './distributions.ts'

export interface EffectQuotient extends Effect {
  /** By the delta method; the interval does not come of it. */
  readonly se: number
  /** Treated minus withheld, of y and of x, per unit. */
  readonly effectOnY: number
  readonly effectOnX: number
}

/**
 * In units of y per unit of x. `not_estimable` (`denominator_near_zero`, with the point estimate if there is one) when the effect
 * on x cannot be told from zero: then the quotient could be anything. Throws A8510 for sums that are not finite.
 */
export function quotientOfEffects(
  treated: PairedMoments,
  withheld: PairedMoments,
  alpha: number,
): Answer<EffectQuotient> {
  checkPaired(treated)
  checkPaired(withheld)
  demandLevel(alpha, 'alpha')
  if (treated.n === 0 || withheld.n === 0) return notEstimable('empty_arm')
  if (treated.n === 1 || withheld.n === 1) return notEstimable('single_unit')
  const effectOnY = treated.sumY / treated.n - withheld.sumY / withheld.n
  const effectOnX = treated.sumX / treated.n - withheld.sumX / withheld.n
  const { vx, vy, vxy } = effectVariances(treated, withheld)
  const c2 = normalUpperQuantile(alpha / 2) ** 2
  const a = effectOnX ** 2 - c2 * vx
  const estimate = effectOnY / effectOnX
  if (a <= 0) return notEstimable('denominator_near_zero', effectOnX === 0 ? {} : { estimate })
  const b = effectOnX * effectOnY - c2 * vxy
  const root = Math.sqrt(Math.max(0, b ** 2 - a * (effectOnY ** 2 - c2 * vy)))
  const se = Math.sqrt(Math.max(0, vy - 2 * estimate * vxy + estimate ** 2 * vx)) / Math.abs(effectOnX)
  return estimated({ estimate, lower: (b - root) / a, upper: (b + root) / a, se, effectOnY, effectOnX })
}

/** Variances and covariance of the two effects. */
export function effectVariances(
  treated: PairedMoments,
  withheld: PairedMoments,
): { readonly vx: number; readonly vy: number; readonly vxy: number } {
  const ofBoth = (moment: 'mxx' | 'myy' | 'mxy') =>
    treated[moment] / (treated.n - 1) / treated.n + withheld[moment] / (withheld.n - 1) / withheld.n
  return { vx: ofBoth('mxx'), vy: ofBoth('myy'), vxy: ofBoth('mxy') }
}
