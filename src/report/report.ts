/** The report on experiments as a document: what `activate report --json` prints and every rendering is made of. Pure. */
import { formatDuration } from '../project/duration.ts'
import type { OutcomeRole } from '../project/outcomes.ts'
import type { Row } from '../warehouse/warehouse.ts'
import { type ArmFigures, type Comparison, compareArms, figuresOf } from './comparison.ts'
import type { Experiment, MeasuredOutcome } from './experiment.ts'
import { type Integrity, type IntegrityRows, judgeIntegrity } from './integrity.ts'
import type { Answer, Effect, NotEstimableReason } from './stats/answer.ts'
import type { Boundary } from './stats/boundary.ts'
import { incremental } from './stats/incremental.ts'
import type { Lift, Verdict as Side } from './stats/lift.ts'
import { benjaminiHochberg, holm } from './stats/multiplicity.ts'
import { type Judged, type Verdict, verdictOn } from './verdict.ts'

/** Two-sided risk of a false alarm of each interval. */
export const alpha = 0.05

/** An end that is null has no bound. */
interface EffectEntry {
  readonly estimate: number
  readonly lower: number | null
  readonly upper: number | null
}

type AnswerEntry<Figures> =
  | ({ readonly kind: 'estimated' } & Figures)
  | {
      readonly kind: 'too_few'
      readonly arm: string
      readonly what: string
      readonly have: number
      readonly need: number
    }
  | { readonly kind: 'not_estimable'; readonly reason: NotEstimableReason; readonly estimate: number | null }

interface LiftEntry {
  /** Treated minus withheld, per person. */
  readonly absolute: EffectEntry
  /** Treated over withheld, minus 1. */
  readonly relative: AnswerEntry<EffectEntry>
  /** `absolute` times the treated people. */
  readonly incremental: EffectEntry
  readonly statistic: number
  readonly critical: number
  readonly p_value: number
  readonly side: Side
}

interface ArmEntry {
  readonly people: number
  /** People whose value is not zero. */
  readonly with_outcome: number
  readonly mean: number | null
}

export interface ComparisonEntry {
  readonly arm: string
  readonly treated: ArmEntry
  readonly withheld: ArmEntry
  readonly lift: AnswerEntry<LiftEntry>
  /** By which share a covariate narrowed the interval; null without one. */
  readonly noise_removed: number | null
  /** Adjusted over every primary comparison of the report (Holm; Benjamini and Hochberg); null for others. */
  readonly p_holm: number | null
  readonly q_value: number | null
}

export interface OutcomeEntry {
  readonly outcome: string
  readonly role: OutcomeRole
  readonly direction: 'up' | 'down'
  readonly measure: 'share' | 'mean'
  readonly window: string
  /** `sequential` may be looked at every day; `fixed` is for an experiment that is over. */
  readonly boundary: Boundary['kind']
  /** People whose window is still open, who are not counted. */
  readonly open: number
  readonly rows: Readonly<Record<'total' | 'nobody' | 'undated' | 'unusable' | 'repeated', number>>
  readonly comparisons: readonly ComparisonEntry[]
}

export interface ExperimentEntry {
  /** Null for everything that the holdout withholds. */
  readonly sync: string | null
  readonly holdout: string
  readonly epoch: string
  readonly share: number
  readonly shared: boolean
  readonly status: 'running' | 'ended'
  readonly arms: readonly { readonly arm: string; readonly people: number; readonly delivered: number | null }[]
  readonly first_at: string | null
  readonly checks: {
    readonly assignment: { readonly verdict: string; readonly people: number; readonly misassigned: number }
    readonly sample_ratio: { readonly verdict: string; readonly p_value: number | null; readonly method: string | null }
    readonly reached: number
    readonly mixed: number
    readonly alarms: readonly string[]
  }
  readonly outcomes: readonly OutcomeEntry[]
  readonly verdicts: readonly Verdict[]
}

export interface ReportDocument {
  readonly schema: 'activate.report/1'
  readonly as_of: string
  readonly experiments: readonly ExperimentEntry[]
}

/** What the warehouse said of an experiment. */
export interface ExperimentRows extends Omit<IntegrityRows, 'mixed' | 'ended'> {
  readonly experiment: Experiment
  /** Of `countUnits` and `countDelivered`. */
  readonly units: readonly Row[]
  readonly delivered: readonly Row[]
  readonly outcomes: readonly OutcomeRows[]
}

export interface OutcomeRows {
  readonly measured: MeasuredOutcome
  /** Of `countEvents` and `selectAggregates`. */
  readonly events: Row
  readonly aggregates: readonly Row[]
}

/** `asOf` in milliseconds. */
export function assembleReport(rows: readonly ExperimentRows[], asOf: number): ReportDocument {
  const entries = rows.map(each => experimentEntry(each, asOf))
  return { schema: 'activate.report/1', as_of: new Date(asOf).toISOString(), experiments: withAdjustedP(entries) }
}

function experimentEntry(rows: ExperimentRows, asOf: number): ExperimentEntry {
  const { experiment, units, delivered } = rows
  const { holdout, sync, shared, ended } = experiment
  const people = new Map(units.map(row => [String(row.arm), Number(row.n)]))
  const mixed = units.reduce((sum, row) => sum + Number(row.mixed), 0)
  const integrity = judgeIntegrity({ ...rows, mixed, ended })
  const firstAt = firstOf(units)
  const total = [...people.values()].reduce((sum, n) => sum + n, 0)
  const outcomes = rows.outcomes.map(each => measure(each, total, ended))
  return {
    sync: sync ?? null,
    ...{ holdout: holdout.name, epoch: holdout.epoch, share: holdout.share, shared },
    status: ended ? 'ended' : 'running',
    arms: [...people].map(([arm, n]) => ({ arm, people: n, delivered: deliveredTo(delivered, arm) })),
    first_at: firstAt === undefined ? null : new Date(firstAt).toISOString(),
    checks: checksOf(integrity),
    outcomes: outcomes.map(({ entry }) => entry),
    verdicts: verdictsOf(outcomes, { integrity, firstAt, asOf, total, expires: holdout.expires }),
  }
}

function firstOf(units: readonly Row[]): number | undefined {
  const instants = units.flatMap(row => (typeof row.first_at === 'string' ? [Date.parse(row.first_at)] : []))
  return instants.length === 0 ? undefined : Math.min(...instants)
}

function deliveredTo(delivered: readonly Row[], arm: string): number | null {
  const row = delivered.find(each => each.arm === arm)
  return row === undefined ? null : Number(row.delivered)
}

function checksOf({ assignment, sampleRatio, reached, mixed, alarms }: Integrity): ExperimentEntry['checks'] {
  return {
    assignment: {
      verdict: assignment.kind,
      people: assignment.kind === 'empty' ? 0 : assignment.units,
      misassigned:
        assignment.kind === 'misassigned' ? assignment.treatedThoughWithheld + assignment.withheldThoughTreated : 0,
    },
    sample_ratio:
      sampleRatio.kind === 'estimated'
        ? { verdict: sampleRatio.verdict, p_value: sampleRatio.pValue, method: sampleRatio.method }
        : { verdict: sampleRatio.kind, p_value: null, method: null },
    ...{ reached, mixed, alarms },
  }
}

interface Measured {
  readonly measured: MeasuredOutcome
  readonly finished: boolean
  readonly comparisons: readonly Comparison[]
  readonly entry: OutcomeEntry
}

function measure({ measured, events, aggregates }: OutcomeRows, total: number, ended: boolean): Measured {
  const { outcome, role } = measured
  const figures = aggregates.map(figuresOf)
  const open = total - figures.reduce((sum, { n }) => sum + n, 0)
  const finished = ended && open === 0
  const boundary: Boundary = finished
    ? { kind: 'fixed', alpha }
    : { kind: 'sequential', alpha, plannedUnits: outcome.plannedUnits }
  const counts = outcome.value === undefined
  const comparisons = compareArms(figures, boundary, { counts, covariate: outcome.covariate !== undefined })
  const number = (column: string) => Number(events[column] ?? 0)
  const entry: OutcomeEntry = {
    ...{ outcome: outcome.name, role, direction: outcome.direction, measure: counts ? 'share' : 'mean' },
    ...{ window: formatDuration(outcome.window), boundary: boundary.kind, open },
    rows: {
      ...{ total: number('n'), nobody: number('nobody'), undated: number('undated') },
      ...{ unusable: number('unusable'), repeated: number('repeated') },
    },
    comparisons: comparisons.map(comparisonEntry),
  }
  return { measured, finished, comparisons, entry }
}

function comparisonEntry({ arm, treated, withheld, lift, reduction }: Comparison): ComparisonEntry {
  return {
    arm,
    treated: armEntry(treated),
    withheld: armEntry(withheld),
    lift: liftEntry(lift, treated.n),
    ...{ noise_removed: reduction ?? null, p_holm: null, q_value: null },
  }
}

function armEntry({ n, nonZero, sum }: ArmFigures): ArmEntry {
  return { people: n, with_outcome: nonZero, mean: n === 0 ? null : sum / n }
}

function liftEntry(lift: Answer<Lift>, treatedPeople: number): AnswerEntry<LiftEntry> {
  return answerEntry(lift, ({ absolute, relative, statistic, critical, pValue, verdict }) => ({
    absolute: effectEntry(absolute),
    relative: answerEntry(relative, effectEntry),
    incremental: effectEntry(incremental(absolute, treatedPeople)),
    ...{ statistic, critical, p_value: pValue, side: verdict },
  }))
}

function answerEntry<Figures, Entry>(answer: Answer<Figures>, entry: (figures: Figures) => Entry): AnswerEntry<Entry> {
  if (answer.kind === 'estimated') return { kind: 'estimated', ...entry(answer) }
  if (answer.kind === 'too_few') return answer
  return { kind: 'not_estimable', reason: answer.reason, estimate: answer.estimate ?? null }
}

function effectEntry({ estimate, lower, upper }: Effect): EffectEntry {
  const bound = (value: number) => (Number.isFinite(value) ? value : null)
  return { estimate, lower: bound(lower), upper: bound(upper) }
}

interface Around {
  readonly integrity: Integrity
  readonly firstAt: number | undefined
  readonly asOf: number
  readonly total: number
  readonly expires: string | undefined
}

function verdictsOf(outcomes: readonly Measured[], around: Around): readonly Verdict[] {
  const nothing = (text: string): readonly Verdict[] => [{ arm: 'treated', advice: 'nothing_to_measure', text }]
  const { integrity, firstAt, asOf, expires } = around
  if (around.total === 0 || firstAt === undefined) return nothing('nobody has been exposed in this epoch yet')
  const primary = outcomes.find(({ measured }) => measured.role === 'primary')
  if (primary === undefined) return nothing('no outcome is declared as primary: name one in outcomes/*.yml')
  const guardrails = outcomes.filter(({ measured }) => measured.role === 'guardrail')
  const { finished, measured } = primary
  const circumstances = { integrity, finished, firstAt, asOf, window: measured.outcome.window, expires }
  return primary.comparisons.map(comparison =>
    verdictOn(
      judged(primary, comparison),
      guardrails.flatMap(each =>
        each.comparisons.filter(({ arm }) => arm === comparison.arm).map(other => judged(each, other)),
      ),
      circumstances,
    ),
  )
}

function judged({ measured: { outcome } }: Measured, comparison: Comparison): Judged {
  return { comparison, outcome: outcome.name, direction: outcome.direction, counts: outcome.value === undefined }
}

/** Of many syncs one looks good by chance: every primary comparison of the report is adjusted for the others. */
function withAdjustedP(entries: readonly ExperimentEntry[]): readonly ExperimentEntry[] {
  const primaries = entries.flatMap(({ outcomes }) =>
    outcomes.filter(({ role }) => role === 'primary').flatMap(({ comparisons }) => comparisons),
  )
  const tested = primaries.flatMap(each => (each.lift.kind === 'estimated' ? [{ each, p: each.lift.p_value }] : []))
  const [strict, loose] = [holm, benjaminiHochberg].map(adjust => adjust(tested.map(({ p }) => p)))
  const adjustedOf = (comparison: ComparisonEntry): ComparisonEntry => {
    const index = tested.findIndex(({ each }) => each === comparison)
    return index < 0 ? comparison : { ...comparison, p_holm: strict?.[index] ?? null, q_value: loose?.[index] ?? null }
  }
  return entries.map(entry => ({
    ...entry,
    outcomes: entry.outcomes.map(outcome => ({ ...outcome, comparisons: outcome.comparisons.map(adjustedOf) })),
  }))
}

export type { Verdict }
