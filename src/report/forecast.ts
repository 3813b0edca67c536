/** Before the rollout: how many people will come, which lift they can show, and when. Pure. */
import { formatDuration } from '../project/duration.ts'
import { type Measure, measureOf, type OutcomeRole } from '../project/outcomes.ts'
import type { Row } from '../warehouse/warehouse.ts'
import { figuresOf } from './comparison.ts'
import type { Experiment } from './experiment.ts'
import { type Baseline, baselineOf, type Reach, reachOf } from './power-left.ts'
import type { Boundary } from './stats/boundary.ts'

const day = 86_400_000

/** Nobody plans further. */
const mostWeeks = 104
/** Weeks whose reach is told. */
export const milestones = [4, 13, 26, 52] as const
const usualLeastLift = 0.1

export interface ForecastEntry {
  readonly sync: string
  readonly holdout: string
  readonly share: number
  /** Null when no primary outcome is declared. */
  readonly outcome: string | null
  readonly window: string | null
  /** `null` where history does not tell; then tonight's people are all there is to say. */
  readonly people_per_week: number | null
  readonly people_from: 'exposures' | 'decisions' | 'tonight'
  readonly people_tonight: number
  /** What people do without it: of the withheld, or of those in the model, over as long a time as the window. */
  readonly baseline: { readonly mean: number; readonly people: number; readonly from: 'withheld' | 'model' } | null
  readonly measure: Measure | null
  readonly direction: 'up' | 'down'
  readonly reach: readonly (Reach & { readonly weeks: number })[]
  readonly least_lift: number
  /** Until `least_lift` can be told from chance, the window included; null when it never can. */
  readonly decided_in_weeks: number | null
  readonly warnings: readonly string[]
}

export interface ForecastRows {
  readonly experiment: Experiment & { readonly sync: string }
  /** `n` first triggers since `first_at`, of the last eight weeks; likewise changes by which people would have been triggered. */
  readonly exposed: Row
  readonly decided: Row
  /** Of tonight's plan. */
  readonly tonight: number
  /** Of `selectAggregates`, one row each; undefined where there is nobody. */
  readonly withheld: Row | undefined
  readonly population: Row | undefined
  /** Why the outcome could not be looked at. */
  readonly problem: string | undefined
}

/** Below so many, withheld people tell less of what people do without it than everybody in the model does. */
const withheldNeeded = 100

/** `asOf` in milliseconds. */
export function forecastOf(rows: ForecastRows, asOf: number): ForecastEntry {
  const { experiment, exposed, decided, tonight } = rows
  const { sync, holdout } = experiment
  const primary = experiment.outcomes.find(({ role }) => role === ('primary' satisfies OutcomeRole))?.outcome
  const pace = paceOf(exposed, asOf) ?? paceOf(decided, asOf)
  const head = {
    ...{ sync, holdout: holdout.name, share: holdout.share },
    people_per_week: pace ?? null,
    people_from: paceOf(exposed, asOf) !== undefined ? 'exposures' : pace !== undefined ? 'decisions' : 'tonight',
    people_tonight: tonight,
  } as const
  if (primary === undefined) {
    const warning = 'no outcome is declared as primary: whoever is withheld is withheld for nothing (outcomes/*.yml)'
    const none = { outcome: null, window: null, baseline: null, measure: null, direction: 'up', reach: [] } as const
    return { ...head, ...none, least_lift: usualLeastLift, decided_in_weeks: null, warnings: [warning] }
  }
  const { direction, window, leastLift: least = usualLeastLift, plannedUnits } = primary
  const measure = measureOf(primary)
  const told = baselineFrom(rows, direction, measure)
  const boundary: Boundary = { kind: 'sequential', alpha: 0.05, plannedUnits }
  const reachAfter = (weeks: number) =>
    told === undefined || pace === undefined ? null : reachOf(told.baseline, pace * weeks, holdout.share, boundary)
  const horizon = experiment.ended ? 0 : horizonOf(holdout.expires, asOf)
  const enough = (weeks: number) => {
    const reach = reachAfter(weeks)
    return reach !== null && reach.relative !== null && reach.relative <= least
  }
  const weeks = Array.from({ length: horizon }, (_, index) => index + 1).find(enough)
  const decided_in_weeks = weeks === undefined ? null : weeks + Math.ceil(window / (7 * day))
  const atEnd = horizon < 1 ? null : reachAfter(horizon)
  return {
    ...head,
    ...{ outcome: primary.name, window: formatDuration(window), measure, direction },
    baseline: told === undefined ? null : { mean: told.baseline.mean, people: told.people, from: told.from },
    reach: milestones.flatMap(each => {
      const reach = each > horizon ? null : reachAfter(each)
      return reach === null ? [] : [{ weeks: each, ...reach }]
    }),
    ...{ least_lift: least, decided_in_weeks },
    warnings: warningsOf(rows, {
      told: told !== undefined,
      mean: told?.baseline.mean,
      pace,
      horizon,
      least,
      decided: weeks,
      atEnd,
    }),
  }
}

/** People a week; undefined before a week has passed. */
function paceOf({ n, first_at: first }: Row, asOf: number): number | undefined {
  if (Number(n ?? 0) === 0 || typeof first !== 'string') return undefined
  const weeks = (asOf - Date.parse(first)) / (7 * day)
  return weeks < 1 ? undefined : Number(n) / weeks
}

interface Told {
  readonly baseline: Baseline
  readonly people: number
  readonly from: 'withheld' | 'model'
}

function baselineFrom(
  { withheld, population }: ForecastRows,
  direction: 'up' | 'down',
  measure: Measure,
): Told | undefined {
  const of = (row: Row | undefined, from: Told['from'], atLeast: number): Told | undefined => {
    if (row === undefined || Number(row.n) < atLeast) return undefined
    const baseline = baselineOf(figuresOf(row), direction, measure)
    return baseline === null ? undefined : { baseline, people: Number(row.n), from }
  }
  return of(withheld, 'withheld', withheldNeeded) ?? of(population, 'model', 2) ?? of(withheld, 'withheld', 2)
}

/** Whole weeks in which people can still be exposed. */
function horizonOf(expires: string | undefined, asOf: number): number {
  if (expires === undefined) return mostWeeks
  return Math.max(0, Math.min(mostWeeks, Math.floor((Date.parse(expires) - asOf) / (7 * day))))
}

interface Judged {
  readonly told: boolean
  readonly mean: number | undefined
  readonly pace: number | undefined
  readonly horizon: number
  readonly least: number
  readonly decided: number | undefined
  readonly atEnd: Reach | null
}

function warningsOf({ problem, experiment }: ForecastRows, around: Judged): readonly string[] {
  const { told, mean, pace, horizon, least, decided, atEnd } = around
  const until =
    experiment.holdout.expires === undefined
      ? 'within two years'
      : `before the holdout ends on ${experiment.holdout.expires}`
  if (experiment.ended) return [`the holdout has ended on ${experiment.holdout.expires}: nobody is withheld`]
  if (problem !== undefined) return [`the outcome cannot be looked at: ${problem}`]
  if (!told) return ['nothing is known of what people do without it']
  if (mean === 0) return ['it has never happened so far: a relative lift cannot be planned']
  if (pace === undefined) return ['it is not known yet how many people come in a week: look again after some nights']
  if (decided !== undefined) return []
  const lift = `a lift of ${(least * 100).toFixed(1)} %`
  if (atEnd === null || atEnd.relative === null)
    return [
      `it can never be decided: ${until} too few withheld people have the outcome for any figure. Withhold more, or choose an outcome that is more frequent`,
    ]
  return [
    `${lift} can never be told from chance ${until} (${horizon} weeks): by then one of ${(atEnd.relative * 100).toFixed(0)} % can. Withhold more, choose an outcome that is more frequent, or be content with a larger lift (least_lift)`,
  ]
}
