/** From what the warehouse and the ledger said to the report's document. Pure. */
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
import type { ArmEntry, ComparisonEntry, ExperimentEntry, OutcomeEntry, ReportDocument } from './document.ts'
import type { Experiment, MeasuredOutcome } from './experiment.ts'
import {
  changeFindings,
  contaminationFindings,
  epochFindings,
  type Finding,
  missingFindings,
  type StageRows,
  sampleRatioFindings,
} from './findings.ts'
import { funnelOf } from './funnel.ts'
import type { HealthDocument } from './health/health.ts'
import { type Integrity, type IntegrityRows, judgeIntegrity } from './integrity.ts'
import { type PowerLeft, powerLeft } from './power-left.ts'
import type { Boundary } from './stats/boundary.ts'
import { benjaminiHochberg, holm } from './stats/multiplicity.ts'
import { type Judged, type Verdict, verdictOn, verdictOnUnmeasured } from './verdict.ts'
import { type JointRows, noveltyOf, type WorthEntry, worthOf } from './worth.ts'

/** Two-sided risk of a false alarm of each interval. */
export const alpha = 0.05

/** What the warehouse said of an experiment. */
export interface ExperimentRows extends Omit<IntegrityRows, 'mixed' | 'ended'> {
  readonly experiment: Experiment
  /** Of `countUnits` and `countDelivered`. */
  readonly units: readonly Row[]
  readonly delivered: readonly Row[]
  readonly outcomes: readonly OutcomeRows[]
  readonly detail?: ExperimentDetail
}

export interface ExperimentDetail {
  /** At each destination whether the arms are as large as they were drawn. */
  readonly stages: readonly StageRows[]
  /** Of `selectEpochs` and `countEarlier`. */
  readonly epochs: readonly Row[]
  readonly earlier: readonly Row[]
  /** Of `countSharedAddresses`. */
  readonly addresses: Row
  /** Of `countDecisions` and `countIneligible`. */
  readonly decisions: readonly Row[]
  readonly ineligible: readonly Row[]
}

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

/** `asOf` in milliseconds. */
export function assembleReport(
  rows: readonly ExperimentRows[],
  asOf: number,
  health: HealthDocument | null = null,
): ReportDocument {
  const entries = rows.map(each => experimentEntry(each, asOf))
  return {
    ...{ schema: 'activate.report/1', as_of: new Date(asOf).toISOString() },
    ...{ experiments: withAdjustedP(entries), health, problems: problemsOf(entries) },
  }
}

/** Each once, however many outcomes depend on it. */
function problemsOf(entries: readonly ExperimentEntry[]): readonly Problem[] {
  const all = entries.flatMap(({ outcomes }) => outcomes.flatMap(({ problems }) => problems))
  return [...new Map(all.map(problem => [JSON.stringify(problem), problem])).values()]
}

function experimentEntry(rows: ExperimentRows, asOf: number): ExperimentEntry {
  const { experiment, units, delivered } = rows
  const { holdout, sync, shared, ended } = experiment
  const people = new Map(units.map(row => [String(row.arm), Number(row.n)]))
  const mixed = units.reduce((sum, row) => sum + Number(row.mixed), 0)
  const firstAt = firstOf(units)
  const total = [...people.values()].reduce((sum, n) => sum + n, 0)
  const outcomes = rows.outcomes.map(each => measure(each, { total, ended, firstAt, asOf, holdout }))
  const drawn = judgeIntegrity({ ...rows, mixed, ended })
  const findings = findingsOf(rows, outcomes, drawn)
  const integrity = { ...drawn, alarms: findings.flatMap(({ severity, text }) => (severity === 'alarm' ? [text] : [])) }
  return {
    sync: sync ?? null,
    ...{ holdout: holdout.name, epoch: holdout.epoch, share: holdout.share, shared },
    status: ended ? 'ended' : 'running',
    arms: [...people].map(([arm, n]) => ({ arm, people: n, delivered: deliveredTo(delivered, arm) })),
    first_at: firstAt === undefined ? null : new Date(firstAt).toISOString(),
    checks: { ...checksOf(integrity), findings },
    funnel: rows.detail === undefined ? null : funnelOf(rows.detail.decisions, rows.detail.ineligible),
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

/** Everything that speaks against the figures, the worst first. */
function findingsOf(
  { experiment: { holdout, ended }, detail, outcomes: rows }: ExperimentRows,
  outcomes: readonly Measured[],
  { findings: drawn }: Integrity,
): readonly Finding[] {
  const stages = rows.flatMap(({ measured, detail: own }) =>
    own === undefined ? [] : [{ where: `whose window for "${measured.outcome.name}" is over`, rows: own.matured }],
  )
  const ofRatio = drawn.some(({ check }) => check === 'sample_ratio')
    ? []
    : sampleRatioFindings([...(detail?.stages ?? []), ...stages], ended)
  const found = [
    ...drawn,
    ...ofRatio,
    ...(detail === undefined
      ? []
      : [
          ...contaminationFindings({
            withheld: Number(detail.addresses.withheld ?? 0),
            shared: Number(detail.addresses.shared ?? 0),
          }),
          ...epochFindings({ epoch: holdout.epoch, expires: holdout.expires, ended, ...detail }),
        ]),
    ...outcomes.flatMap(({ findings }) => findings),
  ]
  return [
    ...found.filter(({ severity }) => severity === 'alarm'),
    ...found.filter(({ severity }) => severity !== 'alarm'),
  ]
}

function checksOf({
  assignment,
  sampleRatio,
  reached,
  mixed,
  alarms,
}: Integrity): Omit<ExperimentEntry['checks'], 'findings'> {
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
  /** By arm; of what decides. */
  readonly decisions: ReadonlyMap<string, Decision>
  readonly findings: readonly Finding[]
  readonly entry: OutcomeEntry
}

interface Surroundings {
  readonly total: number
  readonly ended: boolean
  readonly firstAt: number | undefined
  readonly asOf: number
  readonly holdout: Experiment['holdout']
}

function measure(rows: OutcomeRows, around: Surroundings): Measured {
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
    ...{ comparisons: [], series: [], cohorts: [], segments: [], power: null, novelty: null },
  }
  return { measured, finished: false, comparisons: [], decisions: new Map(), findings: [], entry }
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
  const [problem] = primary.entry.problems
  if (problem !== undefined) return [verdictOnUnmeasured(primary.entry.outcome, problem, integrity)]
  const guardrails = outcomes.filter(({ measured }) => measured.role === 'guardrail')
  const unseen = guardrails.flatMap(({ entry }) => (entry.problems.length > 0 ? [entry.outcome] : []))
  const { finished, measured } = primary
  const circumstances = { unseen, integrity, finished, firstAt, asOf, window: measured.outcome.window, expires }
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

function judged({ measured: { outcome }, decisions }: Measured, comparison: Comparison): Judged {
  const decision = decisions.get(comparison.arm)
  return { comparison, outcome: outcome.name, direction: outcome.direction, measure: measureOf(outcome), decision }
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

export type { ComparisonEntry, ExperimentEntry, OutcomeEntry, ReportDocument } from './document.ts'
export type { Verdict }
