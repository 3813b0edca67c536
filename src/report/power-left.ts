/** What an experiment can still see: the least difference that would be noticed with the people there are, and with those to come. Pure. */
import type { Measure } from '../project/outcomes.ts'
import { type ArmFigures, averageOf } from './comparison.ts'
import type { Answer } from './stats/answer.ts'
import { type Boundary, critical } from './stats/boundary.ts'
import { normalUpper } from './stats/distributions.ts'
import { detectableMean, detectableShare } from './stats/power.ts'
import { outcomesNeeded } from './stats/proportions.ts'
import { ratioDeviation, ratioMoments } from './stats/ratio-metrics.ts'

/** Chance of noticing a difference that is there. */
export const power = 0.8

export interface Reach {
  /** Of both arms. */
  readonly people: number
  /** Least difference per person that is noticed four times in five, in the unit of the outcome, without its sign. */
  readonly absolute: number
  /** The same, as a share of what withheld people do; null where they do nothing. */
  readonly relative: number | null
}

export interface PowerLeft {
  readonly now: Reach | null
  /** When the holdout ends, at the pace so far; null when it has no end or has ended. */
  readonly at_end: (Reach & { readonly date: string }) | null
  readonly people_per_week: number | null
}

export interface Baseline {
  /** What withheld people do on average, and how much people differ in it. */
  readonly mean: number
  readonly sd: number
  readonly measure: Measure
  readonly direction: 'up' | 'down'
}

/** A share for which as few as this is expected of the smaller arm has no interval yet. */
export function reachOf(
  { mean, sd, measure, direction }: Baseline,
  people: number,
  share: number,
  boundary: Boundary,
): Reach | null {
  const sizes = { treated: people * (1 - share), withheld: people * share }
  const enough = outcomesNeeded(boundary)
  const expected = measure === 'share' ? Math.min(mean, 1 - mean) * sizes.withheld : sizes.withheld
  if (!(people >= 2) || expected < enough) return null
  const units = Math.round(people)
  const alpha = 2 * normalUpper(critical(boundary, { units, df: Number.POSITIVE_INFINITY }))
  const found: Answer<{ readonly absolute: number }> =
    measure === 'share'
      ? detectableShare(mean, sizes, { alpha, power }, direction)
      : { kind: 'estimated', absolute: detectableMean(sd, sizes, { alpha, power }) }
  if (found.kind !== 'estimated') return null
  const absolute = Math.abs(found.absolute)
  return { people: units, absolute, relative: mean === 0 ? null : absolute / Math.abs(mean) }
}

export function baselineOf(figures: ArmFigures, direction: 'up' | 'down', measure: Measure): Baseline | null {
  const { n, m2 } = figures
  const mean = averageOf(figures, measure)
  if (n < 2 || mean === null) return null
  const sd = measure === 'ratio' ? ratioDeviation(ratioMoments(figures)) : Math.sqrt(m2 / (n - 1))
  return { mean, sd, measure, direction }
}

const week = 7 * 86_400_000

export function powerLeft(
  withheld: ArmFigures | undefined,
  {
    direction,
    measure,
    boundary,
    share,
    people,
    firstAt,
    asOf,
    window,
    expires,
    ended,
  }: {
    readonly direction: 'up' | 'down'
    readonly measure: Measure
    readonly boundary: Boundary
    readonly share: number
    /** All who were exposed so far, and those of them who are counted. */
    readonly people: { readonly exposed: number; readonly counted: number }
    readonly firstAt: number
    readonly asOf: number
    readonly window: number
    readonly expires: string | undefined
    readonly ended: boolean
  },
): PowerLeft {
  const weeks = (asOf - firstAt) / week
  // The first night may bring a backlog of everybody: a pace is known after some weeks only.
  const pace = ended || weeks < 2 ? null : people.exposed / weeks
  const base = withheld === undefined ? null : baselineOf(withheld, direction, measure)
  if (base === null) return { now: null, at_end: null, people_per_week: pace }
  const last = expires === undefined ? undefined : Date.parse(expires)
  const coming =
    pace === null || last === undefined || last <= asOf ? undefined : people.exposed + pace * ((last - asOf) / week)
  const atEnd = coming === undefined ? null : reachOf(base, coming, share, boundary)
  return {
    now: reachOf(base, people.counted, share, boundary),
    at_end:
      atEnd === null || last === undefined
        ? null
        : { ...atEnd, date: new Date(last + window).toISOString().slice(0, 10) },
    people_per_week: pace,
  }
}
