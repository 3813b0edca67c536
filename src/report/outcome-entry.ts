/** One outcome of an experiment: from sums of the warehouse to its entry in the report's document. Pure. */
import { formatDuration } from '../project/duration.ts'
import { measureOf } from '../project/outcomes.ts'
import type { Problem } from '../project/problem.ts'
import type { Row } from '../warehouse/warehouse.ts'
import { liftEntry } from './answer-entry.ts'
import { cohortsOf, partsOf, segmentsOf, seriesOf } from './breakdown.ts'
import {
  type ArmFigures,
  averageOf,
  type Comparison,
  compareArms,
  comparedBy,
  figuresOf,
  withheldArm,
} from './comparison.ts'
import { type Decision, decisionsOf } from './decision.ts'
import type { ArmEntry, ComparisonEntry, OutcomeEntry } from './document.ts'
import type { Experiment, MeasuredOutcome } from './experiment.ts'
import { changeFindings, type Finding, missingFindings } from './findings.ts'
import { type PowerLeft, powerLeft } from './power-left.ts'
import type { Boundary } from './stats/boundary.ts'
import { type JointRows, noveltyOf, type WorthEntry, worthOf } from './worth.ts'

/** Two-sided risk of a false alarm of each interval. */
export const alpha = 0.05

export interface OutcomeRows {
  readonly measured: MeasuredOutcome
  /** Of `countEvents` and `selectAggregates`. */
  readonly events: Row
  readonly aggregates: readonly Row[]
  readonly detail?: OutcomeDetail
  /** Why there are no rows. */
  readonly problems?: readonly Problem[]
}

export interface OutcomeDetail {
  /** Of `selectAggregatesBy`: by the day of the first trigger, by segment, by which trigger of the person it was. */
  readonly days: readonly Row[]
  readonly segments: readonly Row[]
  readonly triggers: readonly Row[]
  /** Of `countMatured`, `countBefore` and `countUnusable`. */
  readonly matured: readonly Row[]
  readonly before: readonly Row[]
  readonly unusable: readonly Row[]
  /** Of `selectCompliance`; empty unless primary. */
  readonly compliance: readonly Row[]
  /** Of the messages within the window, in the unit of the syncs' `cost_per_message`; null when none has one. */
  readonly cost: number | null
  /** Of `selectJoint`, with each outcome that sums values; absent unless this one is primary and a share. */
  readonly joint?: readonly JointRows[]
}

export interface Measured {
  readonly measured: MeasuredOutcome
  readonly finished: boolean
  readonly comparisons: readonly Comparison[]
  /** By arm; of what decides. */
  readonly decisions: ReadonlyMap<string, Decision>
  readonly findings: readonly Finding[]
  readonly entry: OutcomeEntry
}

export interface Surroundings {
  readonly total: number
  readonly ended: boolean
  readonly firstAt: number | undefined
  readonly asOf: number
  readonly holdout: Experiment['holdout']
}

/** Figures where there are some, else why there are none. */
export function measure(rows: OutcomeRows, around: Surroundings): Measured {
  const { measured, events, aggregates, detail, problems = [] } = rows
  if (problems.length > 0) return unmeasured(measured, problems)
  const { outcome, role } = measured
  const { total, ended } = around
  const figures = aggregates.map(figuresOf)
  const open = total - figures.reduce((sum, { n }) => sum + n, 0)
  const finished = ended && open === 0
  const sequence: Boundary = { kind: 'sequential', alpha, plannedUnits: outcome.plannedUnits }
  const boundary: Boundary = finished ? { kind: 'fixed', alpha } : sequence
  const compared = comparedBy(outcome)
  const comparisons = compareArms(figures, boundary, compared)
  const number = (column: string) => Number(events[column] ?? 0)
  const days = partsOf(detail?.days ?? [])
  const nth = partsOf(detail?.triggers ?? [])
  const looked = { ...compared, window: outcome.window, asOf: around.asOf }
  const decisions = role === 'secondary' ? new Map<string, Decision>() : decisionsOf(days, sequence, looked)
  const wearing =
    role === 'primary' && nth.length > 1 ? noveltyOf(nth, comparisons[0]?.arm ?? '', { alpha, ...compared }) : null
  const entry: OutcomeEntry = {
    ...{ outcome: outcome.name, role, direction: outcome.direction, measure: compared.measure },
    ...{ window: formatDuration(outcome.window), boundary: boundary.kind, open, problems },
    rows: {
      ...{ total: number('n'), nobody: number('nobody'), undated: number('undated') },
      ...{ unusable: number('unusable'), repeated: number('repeated') },
    },
    hints: hintsOf(outcome, comparisons),
    comparisons: comparisons.map(each => {
      const worth = worthEntry(each, detail, boundary, outcome)
      const decided = decidedEntry(decisions.get(each.arm))
      return { ...comparisonEntry(each, outcome), decided, worth: role === 'primary' ? worth : null }
    }),
    series: seriesOf(days, sequence, looked),
    cohorts: cohortsOf(days, boundary, compared),
    segments: segmentsOf(partsOf(detail?.segments ?? []), boundary, compared),
    power: role === 'primary' ? powerOf(figures, measured, boundary, around) : null,
    novelty: wearing,
  }
  const fades: readonly Finding[] =
    wearing?.trend === 'fades'
      ? [
          {
            ...{ check: 'novelty', severity: 'warning' },
            text: `the effect on "${outcome.name}" wears off with each further trigger: what is measured of new people is more than what stays`,
          },
        ]
      : []
  const findings = [
    ...(detail === undefined ? [] : missingFindings(outcomeChecks(outcome.name, detail, figures))),
    ...fades,
    ...changeFindings(outcome.name, decisions),
  ]
  return { measured, finished, comparisons, decisions, findings, entry }
}

/** Without a figure, since none would be of all that happened. */
function unmeasured(measured: MeasuredOutcome, problems: readonly Problem[]): Measured {
  const { outcome, role } = measured
  const entry: OutcomeEntry = {
    ...{ outcome: outcome.name, role, direction: outcome.direction, measure: measureOf(outcome), problems },
    ...{ window: formatDuration(outcome.window), boundary: 'sequential', open: 0 },
    rows: { total: 0, nobody: 0, undated: 0, unusable: 0, repeated: 0 },
    ...{ hints: [], comparisons: [], series: [], cohorts: [], segments: [], power: null, novelty: null },
  }
  return { measured, finished: false, comparisons: [], decisions: new Map(), findings: [], entry }
}

/** Values of which a few decide everything: a cap that is fixed beforehand takes their weight. */
function hintsOf({ name, cap }: MeasuredOutcome['outcome'], comparisons: readonly Comparison[]): readonly string[] {
  const uneven = comparisons.flatMap(({ treated, withheld, lift }) =>
    lift.kind === 'estimated' && 'skew' in lift && Math.min(treated.n, withheld.n) < lift.unitsForNormality
      ? [lift.skew]
      : [],
  )
  if (cap !== undefined || uneven.length === 0) return []
  const skew = Math.max(...uneven.map(Math.abs)).toFixed(1)
  return [
    `a few large values of "${name}" weigh much (skewness ${skew}): its range is made for that, and would be narrower with a cap, fixed beforehand, such as the 99th percentile of last year`,
  ]
}

function decidedEntry(decision: Decision | undefined): ComparisonEntry['decided'] {
  if (decision?.kind !== 'decided') return null
  return { side: decision.side, at: new Date(decision.at).toISOString() }
}

function outcomeChecks(outcome: string, { before, unusable }: OutcomeDetail, figures: readonly ArmFigures[]) {
  const of = (some: readonly ArmFigures[]) => ({
    n: some.reduce((sum, { n }) => sum + n, 0),
    x: some.reduce((sum, { nonZero }) => sum + nonZero, 0),
  })
  const withheld = figures.filter(({ arm }) => arm === withheldArm)
  const treated = figures.filter(({ arm }) => arm !== withheldArm)
  return { outcome, before, unusable, after: { treated: of(treated), withheld: of(withheld) } }
}

function worthEntry(
  comparison: Comparison,
  detail: OutcomeDetail | undefined,
  boundary: Boundary,
  outcome: MeasuredOutcome['outcome'],
): WorthEntry | null {
  if (detail === undefined || detail.compliance.length === 0) return null
  return worthOf(comparison, { ...detail, boundary, direction: outcome.direction, measure: measureOf(outcome) })
}

function powerOf(
  figures: readonly ArmFigures[],
  { outcome }: MeasuredOutcome,
  boundary: Boundary,
  { total, ended, firstAt, asOf, holdout }: Surroundings,
): PowerLeft | null {
  if (firstAt === undefined) return null
  const counted = figures.reduce((sum, { n }) => sum + n, 0)
  return powerLeft(
    figures.find(({ arm }) => arm === withheldArm),
    {
      ...{ direction: outcome.direction, measure: measureOf(outcome), boundary, share: holdout.share },
      ...{ people: { exposed: total, counted }, firstAt, asOf, window: outcome.window },
      ...{ expires: holdout.expires, ended },
    },
  )
}

function comparisonEntry(
  { arm, treated, withheld, lift, reduction }: Comparison,
  outcome: MeasuredOutcome['outcome'],
): Omit<ComparisonEntry, 'decided'> {
  const measure = measureOf(outcome)
  return {
    arm,
    treated: armEntry(treated, measure),
    withheld: armEntry(withheld, measure),
    lift: liftEntry(lift, treated.n, measure),
    ...{ noise_removed: reduction ?? null, p_holm: null, q_value: null, worth: null },
  }
}

function armEntry(figures: ArmFigures, measure: OutcomeEntry['measure']): ArmEntry {
  return { people: figures.n, with_outcome: figures.nonZero, mean: averageOf(figures, measure) }
}
