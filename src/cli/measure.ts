/** Reads from the warehouse what the report on experiments is made of: sums and counts, never a row. */
import { identityRelation } from '../plan/identity/identity-state.ts'
import { countReached } from '../plan/policies/holdout.ts'
import { localTime } from '../plan/policies/local-time.ts'
import { query, writeScratch } from '../plan/stage.ts'
import { snapshotRelation, stateRelation, stateTables } from '../plan/state.ts'
import { prepareSnapshot, prepareTable } from '../plan/state-tables.ts'
import { concerns, isCommunication } from '../project/communication.ts'
import { measureOf } from '../project/outcomes.ts'
import { ActivateError, type Problem } from '../project/problem.ts'
import type { Sync } from '../project/project.ts'
import { type Experiment, experimentsOf, type MeasuredOutcome } from '../report/experiment.ts'
import {
  countAssignments,
  countDelivered,
  countUnits,
  type ExposureScope,
  exposuresIn,
  membersOf,
  selectUnits,
} from '../report/experiment-sql.ts'
import { columnsOf } from '../report/outcome-columns.ts'
import {
  countEvents,
  type EventsParams,
  selectAggregates,
  selectAggregatesBy,
  selectEvents,
  selectValues,
} from '../report/outcome-sql.ts'
import {
  countBefore,
  countBySync,
  countDecisions,
  countEarlier,
  countIneligible,
  countMatured,
  countMessages,
  countSharedAddresses,
  countUnusable,
  selectCompliance,
  selectEpochs,
  selectJoint,
  selectParticipants,
  selectTriggers,
} from '../report/participants-sql.ts'
import {
  assembleReport,
  type ExperimentDetail,
  type ExperimentRows,
  type OutcomeDetail,
  type OutcomeRows,
  type ReportDocument,
} from '../report/report.ts'
import { computeModel, modelNamed, type Night, openNight } from '../run/night.ts'
import type { Fragment } from '../warehouse/sql.ts'
import type { Row } from '../warehouse/warehouse.ts'
import type { Wired } from '../wire.ts'
import { readHealth } from './measure-health.ts'

interface State extends Readonly<Record<'exposures' | 'deliveries' | 'decisions' | 'ineligible', Fragment>> {
  readonly members: Fragment | undefined
}

/** `asOf` in milliseconds. `syncs`: those that are asked for; undefined asks for all, and for shared holdouts as a whole. */
export async function readReport(
  wired: Wired,
  asOf: number,
  syncs: readonly Sync[] | undefined,
): Promise<ReportDocument> {
  const night = await openNight(wired, asOf)
  const { date } = localTime(wired.project.timezone, asOf)
  const experiments = experimentsOf(wired.project, date, syncs)
  const rows = await measureExperiments(night, experiments)
  return assembleReport(rows, asOf, await readHealth(night, syncs ?? wired.project.syncs))
}

async function measureExperiments(
  night: Night,
  experiments: readonly Experiment[],
): Promise<readonly ExperimentRows[]> {
  const state = await openState(night)
  const rows: ExperimentRows[] = []
  for (const [index, experiment] of experiments.entries())
    rows.push(await measureExperiment(night, state, experiment, `${index}__${night.name}`))
  return rows
}

async function openState({ warehouse, wired }: Night): Promise<State> {
  const { dialect, state } = warehouse
  const tables = ['exposures', 'deliveries', 'decisions', 'ineligible'] as const
  for (const table of tables) await prepareTable(warehouse, stateRelation(dialect, state, table), stateTables[table])
  const { identity } = wired.project
  const known = (await warehouse.tables(state, 'identities')).includes('identities')
  return {
    exposures: stateRelation(dialect, state, 'exposures'),
    deliveries: stateRelation(dialect, state, 'deliveries'),
    decisions: stateRelation(dialect, state, 'decisions'),
    ineligible: stateRelation(dialect, state, 'ineligible'),
    members:
      identity === undefined || !known
        ? undefined
        : membersOf(identityRelation(dialect, state, 'identities'), identity.key),
  }
}

/** One experiment as its statements see it. */
interface Measuring {
  readonly night: Night
  readonly state: State
  readonly experiment: Experiment
  readonly scope: ExposureScope
  /** Relation of `selectParticipants`. */
  readonly people: Fragment
  /** Part of the names of scratch tables. */
  readonly name: string
  /** Those whose triggers are its exposures. */
  readonly syncs: readonly Sync[]
}

async function measureExperiment(
  night: Night,
  state: State,
  experiment: Experiment,
  name: string,
): Promise<ExperimentRows> {
  const { warehouse, wired } = night
  const { dialect } = warehouse
  const { exposures, deliveries, members } = state
  const { holdout, sync } = experiment
  const scope = { exposures, sync, holdout: holdout.name, epoch: holdout.epoch }
  const units = await writeScratch(warehouse, `units__${name}`, selectUnits(scope, members))
  const participants = { units, deliveries, sync, members, share: holdout.share }
  const people = await writeScratch(warehouse, `people__${name}`, selectParticipants(dialect, participants))
  const [reached = {}] = await query(
    warehouse,
    countReached(dialect, { exposures: exposuresIn(scope), deliveries }, [holdout]),
  )
  const syncs = wired.project.syncs.filter(each =>
    sync === undefined ? concerns(holdout.appliesTo, each) : each.name === sync,
  )
  const measuring = { night, state, experiment, scope, people, name, syncs }
  const measures: MeasuredRows[] = []
  for (const [index, measured] of experiment.outcomes.entries())
    measures.push(await measureOutcome(measuring, measured, `${index}__${name}`))
  const outcomes = await withJoint(night, measures)
  return {
    ...{ experiment, outcomes, reached: Number(reached.n ?? 0) },
    units: await query(warehouse, countUnits(units)),
    delivered: await query(warehouse, countDelivered(units, deliveries, scope, members)),
    assignments: await query(warehouse, countAssignments(dialect, scope, { ...holdout, members })),
    detail: await measureDetail(measuring),
  }
}

async function measureDetail({ night, state, scope, people, syncs }: Measuring): Promise<ExperimentDetail> {
  const { warehouse } = night
  const { exposures, members, decisions, ineligible } = state
  const names = syncs.map(({ name }) => name)
  return {
    stages: stagesOf(await query(warehouse, countBySync(people)), syncs),
    epochs: await query(warehouse, selectEpochs(exposures, scope)),
    earlier: await query(warehouse, countEarlier(exposures, people, scope, members)),
    addresses: await sharedAddresses(night, people, syncs, members),
    decisions: names.length === 0 ? [] : await query(warehouse, countDecisions(decisions, names)),
    ineligible: names.length === 0 ? [] : await query(warehouse, countIneligible(ineligible, names)),
  }
}

/** Of several destinations, each is a stage of its own at which people can be lost. */
function stagesOf(rows: readonly Row[], syncs: readonly Sync[]): ExperimentDetail['stages'] {
  const destinations = [...new Set(syncs.map(({ destination }) => destination))]
  const of = (destination: string) =>
    rows.filter(row => syncs.some(each => each.name === row.sync && each.destination === destination))
  return destinations.map(destination => ({ where: `at destination ${destination}`, rows: of(destination) }))
}

async function sharedAddresses(
  { warehouse }: Night,
  people: Fragment,
  syncs: readonly Sync[],
  members: Fragment | undefined,
): Promise<Row> {
  const { dialect, state } = warehouse
  const snapshots: Fragment[] = []
  for (const sync of syncs.filter(isCommunication)) {
    await prepareSnapshot(warehouse, sync.name)
    snapshots.push(snapshotRelation(dialect, state, sync.name))
  }
  if (snapshots.length === 0) return {}
  const [row = {}] = await query(warehouse, countSharedAddresses(people, snapshots, members))
  return row
}

/** What an outcome came to, and the relation of `selectValues`; undefined where it could not be looked at. */
interface MeasuredRows {
  readonly rows: OutcomeRows
  readonly values: Fragment | undefined
}

/** Where the primary outcome is a share, how it goes together with what people spend. */
async function withJoint({ warehouse }: Night, measures: readonly MeasuredRows[]): Promise<readonly OutcomeRows[]> {
  const spent = measures.flatMap(({ rows: { measured }, values }) =>
    values === undefined || measureOf(measured.outcome) !== 'mean' ? [] : [{ outcome: measured.outcome.name, values }],
  )
  const all: OutcomeRows[] = []
  for (const { rows, values } of measures) {
    const { role, outcome } = rows.measured
    if (role !== 'primary' || outcome.value !== undefined || rows.detail === undefined || values === undefined) {
      all.push(rows)
      continue
    }
    const joint = []
    for (const { outcome: name, values: others } of spent)
      joint.push({ outcome: name, rows: await query(warehouse, selectJoint(values, others)) })
    all.push({ ...rows, detail: { ...rows.detail, joint } })
  }
  return all
}

async function measureOutcome(measuring: Measuring, measured: MeasuredOutcome, name: string): Promise<MeasuredRows> {
  const { night, people, state } = measuring
  const { warehouse } = night
  const { dialect } = warehouse
  const staged = await eventsOf(night, measured.outcome, state.members).catch(problemsOf)
  if ('problems' in staged)
    return { rows: { measured, events: {}, aggregates: [], problems: staged.problems }, values: undefined }
  const { events, counts, read } = staged
  const measure = measureOf(measured.outcome)
  const asOf = new Date(night.asOf).toISOString()
  const carried = ['entity', 'day', 'stratum', 'share', 'several', 'delivered']
  const params = { units: people, events, outcome: measured.outcome, asOf, carried }
  const values = await writeScratch(warehouse, `values__${name}`, selectValues(dialect, params))
  const rows = {
    ...{ measured, events: counts, aggregates: await query(warehouse, selectAggregates(values, measure)) },
    detail: await outcomeDetail(measuring, measured, { name, asOf, events, values, read }),
  }
  return { rows, values }
}

/** A source that is stale, or a model that fails, is no reason to keep back what does not depend on it. */
function problemsOf(error: unknown): { readonly problems: readonly Problem[] } {
  if (error instanceof ActivateError && (error.exit === 'failed' || error.exit === 'invalid'))
    return { problems: error.problems }
  throw error
}

/** Where the rows of one outcome stand. */
interface Staged {
  /** Part of the names of scratch tables. */
  readonly name: string
  readonly asOf: string
  readonly events: Fragment
  readonly values: Fragment
  readonly read: EventsParams
}

async function outcomeDetail(
  measuring: Measuring,
  { outcome, role }: MeasuredOutcome,
  staged: Staged,
): Promise<OutcomeDetail> {
  const { night, experiment, people } = measuring
  const { values, events, read } = staged
  const { warehouse } = night
  const { dialect } = warehouse
  const primary = role === 'primary'
  const by = (column: string) => query(warehouse, selectAggregatesBy(dialect, values, column, measureOf(outcome)))
  return {
    days: await by('day'),
    segments: experiment.holdout.stratify === undefined ? [] : await by('stratum'),
    triggers: primary ? await measureTriggers(measuring, outcome, staged) : [],
    matured: await query(warehouse, countMatured(values)),
    before: await query(warehouse, countBefore(dialect, people, events, outcome.window)),
    unusable: await query(warehouse, countUnusable(dialect, people, read)),
    compliance: primary ? await query(warehouse, selectCompliance(values)) : [],
    cost: primary ? await measureCost(measuring, outcome, staged) : null,
  }
}

async function measureTriggers(
  { night, people, scope, state }: Measuring,
  outcome: MeasuredOutcome['outcome'],
  { name, asOf, events }: Staged,
): Promise<readonly Row[]> {
  const { warehouse } = night
  const { dialect } = warehouse
  const select = selectTriggers(people, state.decisions, scope, state.members)
  const triggers = await writeScratch(warehouse, `triggers__${name}`, select)
  const params = { units: triggers, events, outcome, asOf, carried: ['nth'] }
  const values = await writeScratch(warehouse, `nth__${name}`, selectValues(dialect, params))
  return query(warehouse, selectAggregatesBy(dialect, values, 'nth', measureOf(outcome)))
}

/** Null when no sync says what a message costs. */
async function measureCost(
  { night, people, state, syncs }: Measuring,
  { window }: MeasuredOutcome['outcome'],
  { asOf }: Staged,
): Promise<number | null> {
  const { warehouse } = night
  const prices = new Map(
    syncs.flatMap(({ name, costPerMessage: price }) => (price === undefined ? [] : [[name, price] as const])),
  )
  if (prices.size === 0) return null
  const params = { units: people, deliveries: state.deliveries, window, asOf }
  const rows = await query(warehouse, countMessages(warehouse.dialect, params, state.members))
  return rows.reduce((sum, row) => sum + Number(row.n) * (prices.get(String(row.sync)) ?? 0), 0)
}

/** An outcome's model is computed once for all experiments that are measured by it. */
export function eventsOf(
  night: Night,
  outcome: Experiment['outcomes'][number]['outcome'],
  members: Fragment | undefined,
): Promise<{ readonly events: Fragment; readonly counts: Row; readonly read: EventsParams }> {
  return night.once(`outcome ${outcome.name}`, async () => {
    const { warehouse, wired } = night
    const model = modelNamed(night, outcome.model)
    const { stage } = await computeModel(night, model, `outcome__${outcome.name}__${night.name}`)
    const columns = columnsOf(outcome, model, stage.columns, wired.project.identity)
    const params = { ...columns, members, stage: stage.relation }
    const [counts = {}] = await query(warehouse, countEvents(warehouse.dialect, params))
    const select = selectEvents(warehouse.dialect, params)
    const events = await writeScratch(warehouse, `events__${outcome.name}__${night.name}`, select)
    return { events, counts, read: params }
  })
}
