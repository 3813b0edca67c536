/** Reads what a forecast of experiments is made of: history from the state, and what people in the model did of late. */
import { identityRelation } from '../plan/identity/identity-state.ts'
import type { Plan } from '../plan/plan.ts'
import { localTime } from '../plan/policies/local-time.ts'
import { keyExpression } from '../plan/population.ts'
import { query, writeScratch } from '../plan/stage.ts'
import { stateRelation, stateTables } from '../plan/state.ts'
import { prepareTable } from '../plan/state-tables.ts'
import { measureOf } from '../project/outcomes.ts'
import { ActivateError } from '../project/problem.ts'
import type { Sync } from '../project/project.ts'
import { type Experiment, experimentsOf, type MeasuredOutcome } from '../report/experiment.ts'
import { membersOf, selectUnits } from '../report/experiment-sql.ts'
import { type ForecastEntry, forecastOf } from '../report/forecast.ts'
import { countExposed, countTriggered, selectPopulationUnits } from '../report/forecast-sql.ts'
import { selectAggregates, selectValues } from '../report/outcome-sql.ts'
import { modelNamed, type Night, type PreparedSync } from '../run/night.ts'
import type { OnPlanned } from '../run.ts'
import type { Fragment } from '../warehouse/sql.ts'
import type { Row } from '../warehouse/warehouse.ts'
import type { Wired } from '../wire.ts'
import { eventsOf } from './measure.ts'

export interface Forecaster {
  readonly onPlanned: OnPlanned
  /** Of every sync that was planned so far, in the order of the experiments. */
  readonly entries: () => readonly ForecastEntry[]
}

/**
 * Forecasts for the syncs with a holdout of their own, and for those with an outcome of their own under a shared one. Each is made when its sync has just
 * been planned, so that neither its model nor a source is computed once more.
 */
export function forecaster(wired: Wired, asOf: number, syncs: readonly Sync[]): Forecaster {
  const { date } = localTime(wired.project.timezone, asOf)
  const experiments = experimentsOf(wired.project, date, syncs).filter(
    ({ shared, outcomes }) => !shared || outcomes.length > 0,
  )
  const entries = new Map<Experiment, ForecastEntry>()
  return {
    onPlanned: async (night, prepared, plan) => {
      const { name } = prepared.sync
      for (const [index, experiment] of experiments.entries()) {
        if (experiment.sync !== name) continue
        const part = `${index}__${night.name}`
        entries.set(experiment, await readForecast(night, { ...experiment, sync: name }, prepared, plan, part))
      }
    },
    entries: () => experiments.flatMap(experiment => entries.get(experiment) ?? []),
  }
}

async function readForecast(
  night: Night,
  experiment: Experiment & { readonly sync: string },
  prepared: PreparedSync,
  plan: Plan,
  name: string,
): Promise<ForecastEntry> {
  const { sync } = prepared
  const { warehouse, asOf } = night
  const { dialect, state } = warehouse
  const [exposures, decisions] = (['exposures', 'decisions'] as const).map(table =>
    stateRelation(dialect, state, table),
  )
  if (exposures === undefined || decisions === undefined) throw new TypeError('two tables were asked for')
  await prepareTable(warehouse, exposures, stateTables.exposures)
  await prepareTable(warehouse, decisions, stateTables.decisions)
  const op = sync.trigger?.on === 'exit' ? 'leave' : (sync.trigger?.on ?? 'enter')
  const [exposed = {}] = await query(
    warehouse,
    countExposed(dialect, exposures, { sync: sync.name, holdout: experiment.holdout.name, asOf }),
  )
  const [decided = {}] = await query(warehouse, countTriggered(dialect, decisions, { sync: sync.name, op, asOf }))
  const tonight = plan.decisions.send + plan.decisions.withhold
  const primary = experiment.outcomes.find(({ role }) => role === 'primary')
  const history =
    primary === undefined ? noHistory : await historyOf(night, experiment, prepared, primary, { exposures, name })
  return forecastOf({ experiment, exposed, decided, tonight, ...history }, asOf)
}

interface History {
  readonly withheld: Row | undefined
  readonly population: Row | undefined
  readonly problem: string | undefined
}

const noHistory: History = { withheld: undefined, population: undefined, problem: undefined }

/** A source that is stale, or a model that fails, is no reason to keep back the plan: the forecast says why it knows nothing. */
async function historyOf(
  night: Night,
  experiment: Experiment & { readonly sync: string },
  { sync, population: { stage } }: PreparedSync,
  { outcome }: MeasuredOutcome,
  { exposures, name }: { readonly exposures: Fragment; readonly name: string },
): Promise<History> {
  const { warehouse, asOf } = night
  const { dialect } = warehouse
  try {
    const members = await membersIn(night)
    const { events } = await eventsOf(night, outcome, members)
    const sums = async (units: Fragment, part: string) => {
      const params = { units, events, outcome, asOf: new Date(asOf).toISOString() }
      const values = await writeScratch(warehouse, `${part}_values__${name}`, selectValues(dialect, params))
      return query(warehouse, selectAggregates(values, measureOf(outcome)))
    }
    const { holdout } = experiment
    const scope = { exposures, sync: experiment.sync, holdout: holdout.name, epoch: holdout.epoch }
    const units = await writeScratch(warehouse, `forecast__${name}`, selectUnits(scope, members))
    const withheld = (await sums(units, 'withheld')).find(row => row.arm === 'withheld')
    const model = modelNamed(night, sync.model)
    const own = stage.columns.find(column => column.name === night.wired.project.identity?.key)
    const keys = model.key.flatMap(key => stage.columns.find(column => column.name === key) ?? [])
    const person = keyExpression(dialect, own === undefined ? keys : [own])
    const params = { stage: stage.relation, person, asOf, window: outcome.window, members }
    const everybody = await writeScratch(warehouse, `everybody__${name}`, selectPopulationUnits(dialect, params))
    const [population] = await sums(everybody, 'everybody')
    return { withheld, population, problem: undefined }
  } catch (error) {
    if (!(error instanceof ActivateError)) throw error
    const [{ code, message }] = error.problems
    return { ...noHistory, problem: `${code}, ${message}` }
  }
}

async function membersIn({ warehouse, wired }: Night): Promise<Fragment | undefined> {
  const { identity } = wired.project
  if (identity === undefined || !(await warehouse.tables(warehouse.state, 'identities')).includes('identities'))
    return undefined
  return membersOf(identityRelation(warehouse.dialect, warehouse.state, 'identities'), identity.key)
}
