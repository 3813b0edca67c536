/** Reads from the warehouse what the report on experiments is made of: sums and counts, never a row. */
import { identityRelation } from '../plan/identity/identity-state.ts'
import { countReached } from '../plan/policies/holdout.ts'
import { localTime } from '../plan/policies/local-time.ts'
import { query, writeScratch } from '../plan/stage.ts'
import { stateRelation, stateTables } from '../plan/state.ts'
import { prepareTable } from '../plan/state-tables.ts'
import type { Sync } from '../project/project.ts'
import { type Experiment, experimentsOf } from '../report/experiment.ts'
import {
  countAssignments,
  countDelivered,
  countUnits,
  exposuresIn,
  membersOf,
  selectUnits,
} from '../report/experiment-sql.ts'
import { columnsOf } from '../report/outcome-columns.ts'
import { countEvents, selectAggregates, selectEvents, selectValues } from '../report/outcome-sql.ts'
import { assembleReport, type ExperimentRows, type OutcomeRows, type ReportDocument } from '../report/report.ts'
import { computeModel, modelNamed, type Night, openNight } from '../run/night.ts'
import type { Fragment } from '../warehouse/sql.ts'
import type { Row } from '../warehouse/warehouse.ts'
import type { Wired } from '../wire.ts'

interface State {
  readonly exposures: Fragment
  readonly deliveries: Fragment
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
  return assembleReport(await measureExperiments(night, experiments), asOf)
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
  for (const table of ['exposures', 'deliveries'] as const)
    await prepareTable(warehouse, stateRelation(dialect, state, table), stateTables[table])
  const { identity } = wired.project
  const known = (await warehouse.tables(state, 'identities')).includes('identities')
  return {
    exposures: stateRelation(dialect, state, 'exposures'),
    deliveries: stateRelation(dialect, state, 'deliveries'),
    members:
      identity === undefined || !known
        ? undefined
        : membersOf(identityRelation(dialect, state, 'identities'), identity.key),
  }
}

async function measureExperiment(
  night: Night,
  { exposures, deliveries, members }: State,
  experiment: Experiment,
  name: string,
): Promise<ExperimentRows> {
  const { warehouse } = night
  const { dialect } = warehouse
  const { holdout, sync } = experiment
  const scope = { exposures, sync, holdout: holdout.name, epoch: holdout.epoch }
  const units = await writeScratch(warehouse, `units__${name}`, selectUnits(scope, members))
  const [reached = {}] = await query(
    warehouse,
    countReached(dialect, { exposures: exposuresIn(scope), deliveries }, [holdout]),
  )
  const outcomes: OutcomeRows[] = []
  for (const [index, measured] of experiment.outcomes.entries()) {
    const { events, counts } = await eventsOf(night, measured.outcome, members)
    const params = { units, events, outcome: measured.outcome, asOf: new Date(night.asOf).toISOString() }
    const values = await writeScratch(warehouse, `values__${index}__${name}`, selectValues(dialect, params))
    outcomes.push({ measured, events: counts, aggregates: await query(warehouse, selectAggregates(values)) })
  }
  return {
    ...{ experiment, outcomes, reached: Number(reached.n ?? 0) },
    units: await query(warehouse, countUnits(units)),
    delivered: await query(warehouse, countDelivered(units, deliveries, scope, members)),
    assignments: await query(warehouse, countAssignments(dialect, scope, { ...holdout, members })),
  }
}

/** An outcome's model is computed once for all experiments that are measured by it. */
function eventsOf(
  night: Night,
  outcome: Experiment['outcomes'][number]['outcome'],
  members: Fragment | undefined,
): Promise<{ readonly events: Fragment; readonly counts: Row }> {
  return night.once(`outcome ${outcome.name}`, async () => {
    const { warehouse, wired } = night
    const model = modelNamed(night, outcome.model)
    const { stage } = await computeModel(night, model, `outcome__${outcome.name}__${night.name}`)
    const columns = columnsOf(outcome, model, stage.columns, wired.project.identity)
    const params = { ...columns, members, stage: stage.relation }
    const [counts = {}] = await query(warehouse, countEvents(warehouse.dialect, params))
    const select = selectEvents(warehouse.dialect, params)
    return { events: await writeScratch(warehouse, `events__${outcome.name}__${night.name}`, select), counts }
  })
}
