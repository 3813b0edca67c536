/** From what the warehouse and the ledger said to the report's document. Pure. */
import { measureOf } from '../project/outcomes.ts'
import type { Problem } from '../project/problem.ts'
import type { Row } from '../warehouse/warehouse.ts'
import type { Comparison } from './comparison.ts'
import type { ComparisonEntry, ExperimentEntry, ReportDocument } from './document.ts'
import type { Experiment } from './experiment.ts'
import { contaminationFindings, epochFindings, type Finding, type StageRows, sampleRatioFindings } from './findings.ts'
import { funnelOf } from './funnel.ts'
import type { HealthDocument } from './health/health.ts'
import { type Integrity, type IntegrityRows, judgeIntegrity } from './integrity.ts'
import { type Measured, measure, type OutcomeRows } from './outcome-entry.ts'
import { benjaminiHochberg, holm } from './stats/multiplicity.ts'
import { type Judged, type Verdict, verdictOn, verdictOnUnmeasured } from './verdict.ts'

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
export type { OutcomeDetail, OutcomeRows } from './outcome-entry.ts'
export type { Verdict }
