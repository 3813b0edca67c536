/** What a lift amounts to, over all who were treated. */
import { type Answer, type Effect, estimated, notEstimable } from './answer.ts'
import { demand, isCount } from './demand.ts'

/** Conversions (or units of value) that would not have been without it: the effect per unit times the treated units. */
export function incremental({ estimate, lower, upper }: Effect, treatedUnits: number): Effect {
  demand(isCount(treatedUnits), `the number of treated units must be whole and not negative, and is ${treatedUnits}`)
  return { estimate: treatedUnits * estimate, lower: treatedUnits * lower, upper: treatedUnits * upper }
}

/**
 * Cost of each incremental conversion, in the unit of `cost`: the inverted interval of the increment, whose upper end is
 * infinite when the increment may be zero. `not_estimable` (`nothing_gained`) when the estimate is not above zero. For an
 * outcome whose decrease is good, the increment is what was prevented: turn its sign first.
 */
export function costPerIncremental({ estimate, lower, upper }: Effect, cost: number): Answer<Effect> {
  demand(cost >= 0 && Number.isFinite(cost), `a cost must be finite and not negative, and is ${cost}`)
  if (!(estimate > 0)) return notEstimable('nothing_gained')
  const highest = lower > 0 ? cost / lower : Number.POSITIVE_INFINITY
  return estimated({ estimate: cost / estimate, lower: cost / upper, upper: highest })
}
