/**
 * A night: the project compiled for one logical instant, and what its syncs share. `prepareSync` takes one sync from its
 * model to a checked population, ready to be planned.
 */
import type { DeliveryContext, Route } from '../delivery/deliver.ts'
import type { Lease } from '../ledger/ledger.ts'
import { type CompiledProject, compileModels } from '../models/compile.ts'
import { selectSends } from '../plan/outbox.ts'
import type { Operation, PlannedChange } from '../plan/plan.ts'
import { prepareState, type StateRelations } from '../plan/planner.ts'
import { checkPopulation, execute, materialise, type StagedPopulation } from '../plan/stage.ts'
import { outboxName } from '../plan/state.ts'
import type { DeliveryShape } from '../plan/summary.ts'
import { ActivateError } from '../project/problem.ts'
import type { Json, Model, Sync } from '../project/project.ts'
import { type Fragment, raw, render } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import type { Wired } from '../wire.ts'
import { judgeModel, refuseDrift } from './contract.ts'
import { placed } from './placed.ts'
import { type JudgedSource, makeOnce, refuseBadSources } from './sources.ts'

export interface Night {
  readonly wired: Wired
  readonly warehouse: Warehouse
  readonly compiled: CompiledProject
  /** The logical clock, in milliseconds. */
  readonly asOf: number
  /** Views and tables that were made for an earlier sync of this night. */
  readonly built: Set<string>
  /** Sources that were judged for an earlier sync of this night. */
  readonly judged: Map<string, JudgedSource>
}

/** Opens the warehouse and compiles every model for the logical instant. */
export async function openNight(wired: Wired, asOf: number): Promise<Night> {
  const warehouse = await wired.warehouse()
  const { dialect, state } = warehouse
  return {
    wired,
    warehouse,
    compiled: compileModels(wired.project, { dialect, asOf, state, stageFiles: true }),
    asOf,
    built: new Set(),
    judged: new Map(),
  }
}

export interface PreparedSync {
  readonly sync: Sync
  readonly runId: string
  readonly compiled: string
  readonly population: StagedPopulation
  readonly sources: readonly JudgedSource[]
  /** Types of the model's columns as JSON, for the next run to compare with. */
  readonly columns: string | undefined
  /** Warnings for the plan. */
  readonly notes: readonly string[]
  readonly state: StateRelations
  readonly shape: DeliveryShape
}

/** Computes the sync's model once and checks it. Throws what is wrong with sources, models, keys and fields. */
export async function prepareSync(
  night: Night,
  sync: Sync,
  runId: string,
  onStep: (step: 'materialise' | 'check') => void,
): Promise<PreparedSync> {
  const { warehouse, compiled } = night
  const model = modelOf(night, sync)
  const { models, sources } = night.wired.project
  const scope = { ...night, models, sources }
  onStep('materialise')
  const judged = await refuseBadSources(scope, model)
  await makeOnce(scope, compiled.statementsFor(model.name))
  const { sql } = compiled.model(model.name)
  const stage = await placed(model, () => materialise(warehouse, `stage__${runId}`, sql))
  onStep('check')
  const contract = await judgeModel(warehouse, model, stage, sync, compiled)
  const population = await checkPopulation(warehouse, runId, stage, model, sync, contract.broken)
  const [first, ...others] = contract.problems
  if (first !== undefined) throw new ActivateError('failed', [first, ...others])
  const state = await prepareState(warehouse, sync.name)
  const staged = { stage, modelRows: population.modelRows }
  const { columns, notes } = await refuseDrift(warehouse, state.tables.runs, sync, model, staged)
  return {
    ...{ sync, runId, compiled: sql, population, sources: judged, columns, state },
    notes: [...judged.flatMap(({ warnings }) => warnings), ...contract.warnings, ...notes],
    shape: shapeOf(night.wired, sync),
  }
}

/** Drops what planning left in scratch tables, so that the next sync of the night has the memory. */
export async function dropScratch(night: Night, runId: string): Promise<void> {
  const { dialect } = night.warehouse
  for (const name of [
    `stage__${runId}`,
    `duplicates__${runId}`,
    `quarantine__${runId}`,
    `change__${runId}`,
    outboxName(runId),
  ])
    await execute(night.warehouse, raw(`drop table if exists ${dialect.scratch(name)}`))
}

/** `<sync>__<wall time>_<random>`: unique, sortable, and part of the names of the run's tables. */
export function newRunId(sync: Pick<Sync, 'name'>, { clock, random }: Pick<Wired, 'clock' | 'random'>): string {
  const time = new Date(clock.now()).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase()
  const suffix = Math.floor(random() * 36 ** 6)
    .toString(36)
    .padStart(6, '0')
  return `${sync.name}__${time}_${suffix}`
}

/** The action that takes each operation. */
export function routesOf(wired: Wired, sync: Sync): (op: Operation) => Route {
  const { actions } = wired.shape(sync.destination)
  const leavers = sync.mode === 'mirror' || sync.mode === 'audience' ? actions[sync.action]?.leavers : undefined
  return op => ({ action: op === 'leave' ? (leavers ?? sync.action) : sync.action })
}

function shapeOf(wired: Wired, sync: Sync): DeliveryShape {
  const { actions, limits } = wired.shape(sync.destination)
  const routes = routesOf(wired, sync)
  const size = (op: Operation) => actions[routes(op).action]?.batch?.maxRecords ?? 1
  return {
    maxRecords: { enter: size('enter'), change: size('change'), leave: size('leave') },
    limits,
    leaversApart: routes('leave').action !== sync.action,
  }
}

function modelOf({ wired }: Night, sync: Sync): Model {
  const model = wired.project.models.find(({ name }) => name === sync.model)
  if (model === undefined)
    throw new TypeError(`sync ${sync.name} has no model ${sync.model}, which loading should have refused`)
  return model
}

/** The outbox's sends in `seq` order, with their fields parsed. */
export async function* readSends(
  warehouse: Warehouse,
  outbox: Fragment,
  range?: { readonly from: number; readonly to: number },
): AsyncGenerator<readonly PlannedChange[]> {
  for await (const rows of warehouse.stream(render(selectSends(outbox, range), warehouse.dialect.placeholder))) {
    yield rows.map(row => ({
      seq: Number(row.seq),
      key: String(row.key),
      op: row.op as Operation,
      changeId: String(row.change_id),
      fields: JSON.parse(String(row.payload)) as Readonly<Record<string, Json>>,
    }))
  }
}

/** What delivery works with, whether the rows are tonight's or a dead run's. */
export function deliveryContext(
  { wired }: Night,
  sync: Sync,
  runId: string,
  lease: () => Lease,
  signal: AbortSignal,
): Omit<DeliveryContext, 'destination' | 'ledger' | 'onProgress'> {
  const { clock, random } = wired
  return {
    runId,
    lease,
    clock,
    random,
    signal,
    onUncertain: sync.onUncertain,
    ...(sync.maxErrorRate === undefined ? {} : { maxErrorRate: sync.maxErrorRate }),
    log: note => wired.log(sync.name, note),
  }
}
