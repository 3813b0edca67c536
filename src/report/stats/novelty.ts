/**
 * Whether an effect wears off with repetition: the lift by nth exposure, and its slope by weighted least squares. Only the first
 * exposure of a unit is randomised cleanly; later ones happen to those who stayed eligible, so a slope is a hint and no
 * verdict (Johnson, Lewis and Nubbemeyer, "Ghost Ads", JMR 2017).
 */
import { type Answer, type Effect, estimated, type TooFew } from './answer.ts'
import { demand, demandLevel } from './demand.ts'
import { normalUpperQuantile } from './distributions.ts'

export interface NthEffect {
  /** 1 is the first exposure. */
  readonly nth: number
  readonly estimate: number
  /** Standard error, above 0. */
  readonly se: number
}

export interface Novelty {
  /** Change of the effect with each further exposure, in the effect's unit. */
  readonly slope: Effect
  /** Of the size of the effect; `steady` when the slope cannot be told from zero. */
  readonly trend: 'fades' | 'grows' | 'steady'
}

const pointsNeeded = 3

/** `too_few` below three different exposures. Throws A8510 for a standard error that is not above 0. */
export function novelty(effects: readonly NthEffect[], alpha: number): Answer<Novelty> {
  demandLevel(alpha, 'alpha')
  const sound = effects.every(({ nth, estimate, se }) => nth >= 1 && Number.isFinite(estimate) && se > 0)
  demand(sound, 'effects by exposure must be finite, with standard errors above 0')
  const have = new Set(effects.map(({ nth }) => nth)).size
  if (have < pointsNeeded) return tooFewExposures(have)
  const weights = effects.map(({ se }) => 1 / se ** 2)
  const total = weights.reduce((sum, weight) => sum + weight)
  const average = (of: (effect: NthEffect) => number) =>
    effects.reduce((sum, effect, index) => sum + (weights[index] ?? 0) * of(effect), 0) / total
  const [centre, level] = [average(({ nth }) => nth), average(({ estimate }) => estimate)]
  const spread = average(({ nth }) => (nth - centre) ** 2)
  const estimate = average(({ nth, estimate: effect }) => (nth - centre) * (effect - level)) / spread
  const half = normalUpperQuantile(alpha / 2) / Math.sqrt(total * spread)
  const trend = Math.abs(estimate) <= half ? 'steady' : Math.sign(estimate) === Math.sign(level) ? 'grows' : 'fades'
  return estimated({ slope: { estimate, lower: estimate - half, upper: estimate + half }, trend })
}

function tooFewExposures(have: number): TooFew {
  return { kind: 'too_few', arm: 'treated', what: 'exposures', have, need: pointsNeeded }
}
