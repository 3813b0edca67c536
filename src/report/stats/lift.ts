/**
 * What one arm has more than the other, absolutely and relatively. Both are inversions of one test at one boundary, so
 * they never disagree: the verdict is read off the test, and where an interval could not be made to agree there is none.
 */
import { type Answer, type Effect, estimated, type Interval, notEstimable } from './answer.ts'
import { findRoot } from './root.ts'

/** `higher`: treated units have more than withheld ones; whether that is good, the outcome's direction says. */
export type Verdict = 'higher' | 'lower' | 'undecided'

export interface Lift {
  /** Treated minus withheld, in the unit of the outcome per unit (a share for conversions). */
  readonly absolute: Effect
  /** Treated over withheld, minus 1: 0.1 is ten per cent more. With a negative withheld mean, of its absolute value. */
  readonly relative: Answer<Effect>
  /** Compared with ±`critical`. */
  readonly statistic: number
  readonly critical: number
  readonly pValue: number
  readonly verdict: Verdict
}

export function verdictOf(statistic: number, critical: number): Verdict {
  if (statistic > critical) return 'higher'
  return statistic < -critical ? 'lower' : 'undecided'
}

interface Acceptance {
  /** The test of a supposed value: falls as the value grows, ±critical at the ends of the interval. */
  readonly test: (value: number) => number
  readonly critical: number
  /** A value that is certainly inside. */
  readonly inside: number
  /** The value of no effect: the ends are looked for on the side of it that the verdict demands. */
  readonly none: number
  /** Values that can be at all. */
  readonly least: number
  readonly greatest: number
}

/**
 * The values that the test does not refuse, from `inside` outwards. An end is the last possible value when the test refuses none on
 * that side. Undefined when an infinite end is not refused, or when what is found would contradict the test of "none": with
 * extreme skew in a handful of units the accepted values need not be an interval.
 */
export function accepted(acceptance: Acceptance): Interval | undefined {
  const { test, critical, inside, none, least, greatest } = acceptance
  if (Math.abs(test(inside)) > critical) return undefined
  const upper = inside < greatest ? end(acceptance, greatest) : greatest
  const lower = inside > least ? end(acceptance, least) : least
  if (upper === undefined || lower === undefined) return undefined
  const said = lower > none ? 'higher' : upper < none ? 'lower' : 'undecided'
  return said === verdictOf(test(none), critical) ? { lower, upper } : undefined
}

function end({ test, critical, inside, none }: Acceptance, furthest: number): number | undefined {
  const up = furthest > inside
  /** Above 0 where the test refuses. */
  const refusal = (value: number) => (up ? -critical - test(value) : test(value) - critical)
  const beyond = up ? none > inside : none < inside
  if (beyond && refusal(none) > 0) return findRoot(refusal, inside, none)
  const from = beyond ? none : inside
  if (refusal(from) > 0) return undefined
  if (Number.isFinite(furthest)) return refusal(furthest) > 0 ? findRoot(refusal, from, furthest) : furthest
  const to = outwards(from, up, value => refusal(value) > 0)
  return to === undefined ? undefined : findRoot(refusal, from, to)
}

const furthestStep = 1e12

/** The first value, by doubling steps, that is refused. */
function outwards(from: number, up: boolean, refused: (value: number) => boolean): number | undefined {
  for (let step = Math.max(Math.abs(from), 1e-3) / 8; step < furthestStep; step *= 2) {
    const value = up ? from + step : from - step
    if (refused(value)) return value
  }
  return undefined
}

/** A ratio R as a relative lift: of the size of what it is relative to, whatever its sign. */
export function asRelative(ratio: number, interval: Interval, denominator: number): Answer<Effect> {
  if (denominator === 0) return notEstimable('nothing_to_compare_with')
  const estimate = ratio - 1
  if (denominator > 0) return estimated({ estimate, lower: interval.lower - 1, upper: interval.upper - 1 })
  return estimated({ estimate: -estimate, lower: 1 - interval.upper, upper: 1 - interval.lower })
}
