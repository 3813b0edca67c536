/**
 * How far a statistic must be from zero before something is said. A fixed boundary may be looked at once, at an end that was
 * planned; a sequential one at any time and as often as one likes. The same intervals are inverted at either, so that a
 * sequential alarm is always a fixed one too.
 */
import { demand, demandLevel, isCount } from './demand.ts'
import { normalUpper, tUpper, tUpperQuantile } from './distributions.ts'

export type Boundary =
  /** `alpha`: two-sided risk of a false alarm, in (0, 1). */
  | { readonly kind: 'fixed'; readonly alpha: number }
  /** `plannedUnits`: units of both arms at which the boundary is tightest, chosen before the data. */
  | { readonly kind: 'sequential'; readonly alpha: number; readonly plannedUnits: number }

/** What the statistic was computed from: units of both arms, and degrees of freedom (infinite for a normal statistic). */
export interface Information {
  readonly units: number
  readonly df: number
}

/**
 * ρ² of the Gaussian mixture whose boundary is tightest at `plannedUnits` (Waudby-Smith et al., "Time-uniform central limit
 * theory", Annals of Statistics 2024, arXiv 2103.06476).
 */
export function mixtureRhoSquared(alpha: number, plannedUnits: number): number {
  demandLevel(alpha, 'alpha')
  demand(plannedUnits > 0, `the planned number of units must be above 0, and is ${plannedUnits}`)
  return (-2 * Math.log(alpha) + Math.log(1 - 2 * Math.log(alpha))) / plannedUnits
}

/** The c of which |statistic| > c means: there is an effect. Above 0. */
export function critical(boundary: Boundary, { units, df }: Information): number {
  demandLevel(boundary.alpha, 'alpha')
  if (boundary.kind === 'fixed') return tUpperQuantile(boundary.alpha / 2, df)
  demand(isCount(units) && units > 0, `the number of units must be above 0, and is ${units}`)
  const v = units * mixtureRhoSquared(boundary.alpha, boundary.plannedUnits)
  return Math.sqrt(((2 * (v + 1)) / v) * Math.log(Math.sqrt(v + 1) / boundary.alpha))
}

/**
 * Two-sided p-value in [0, 1]: below alpha exactly when |statistic| is above `critical`. That of a sequential boundary is
 * always valid: its least value over all looks so far may be reported.
 */
export function pValue(boundary: Boundary, statistic: number, { units, df }: Information): number {
  const z = Math.abs(statistic)
  if (boundary.kind === 'fixed')
    return Math.min(1, 2 * (df === Number.POSITIVE_INFINITY ? normalUpper(z) : tUpper(z, df)))
  const v = units * mixtureRhoSquared(boundary.alpha, boundary.plannedUnits)
  return Math.min(1, Math.sqrt(v + 1) * Math.exp((-v * z ** 2) / (2 * (v + 1))))
}
