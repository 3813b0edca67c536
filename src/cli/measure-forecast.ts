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
import { computeModel, modelNamed, type Night, openNight } from '../run/night.ts'
import type { Fragment } from '../warehouse/sql.ts'
import type { Row } from '../warehouse/warehouse.ts'
import type { Wired } from '../wire.ts'
import { eventsOf } from './measure.ts'

/** Of the syncs with a holdout of their own, and of those with an outcome of their own under a shared one. */
export async function readForecasts(
  wired: Wired,
  asOf: number,
  syncs: readonly Sync[],
  plans: readonly Plan[],
): Promise<readonly ForecastEntry[]> {
  const { date } = localTime(wired.project.timezone, asOf)
  const experiments = experimentsOf(wired.project, date, syncs).filter(
    ({ shared, outcomes }) => !shared || outcomes.length > 0,
  )
  if (experiments.length === 0) return []
  const night = await openNight(wired, asOf)
  const entries: ForecastEntry[] = []
  for (const [index, experiment] of experiments.entries()) {
    const sync = syncs.find(({ name }) => name === experiment.sync)
    if (sync === undefined) continue
    const plan = plans.find(each => each.sync === sync.name)
    entries.push(await readForecast(night, { ...experiment, sync: sync.name }, sync, plan, `${index}__${night.name}`))
  }
  return entries
}

async function readForecast(
  night: Night,
  experiment: Experiment & { readonly sync: string },
  sync: Sync,
  plan: Plan | undefined,
  name: string,
): Promise<ForecastEntry> {
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
  const tonight = plan === undefined ? 0 : plan.decisions.send + plan.decisions.withhold
  const primary = experiment.outcomes.find(({ role }) => role === 'primary')
  const history =
    primary === undefined ? noHistory : await historyOf(night, experiment, sync, primary, { exposures, name })
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
  sync: Sync,
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
    const { stage } = await night.once(`forecast ${model.name}`, () =>
      computeModel(night, model, `forecast_model__${model.name}__${night.name}`),
    )
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
