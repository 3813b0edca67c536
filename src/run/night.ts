/**
 * A night: the project compiled for one logical instant, and what its syncs share. `prepareSync` takes one sync from its
 * model to a checked population, ready to be planned.
 */
import type { DeliveryContext, Route } from '../delivery/deliver.ts'
import { optOutsOf, reportedReason, reporter } from '../delivery/opted-out.ts'
import type { ReportedOptOut } from '../delivery/resolve-outcome.ts'
import type { Lease } from '../ledger/ledger.ts'
import { type CompiledProject, compileModels } from '../models/compile.ts'
import { selectSends } from '../plan/outbox.ts'
import type { Operation, PlannedChange } from '../plan/plan.ts'
import {
  checkPopulation,
  execute,
  materialise,
  type Stage,
  type StagedFor,
  type StagedPopulation,
} from '../plan/stage.ts'
import { outboxName } from '../plan/state.ts'
import { prepareState, type StateRelations } from '../plan/state-tables.ts'
import type { DeliveryShape } from '../plan/summary.ts'
import { ActivateError } from '../project/problem.ts'
import type { Json, Model, Sync } from '../project/project.ts'
import { type Fragment, raw, render } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import type { Wired } from '../wire.ts'
import { judgeModel, refuseDrift } from './contract.ts'
import { refuseOverBudget } from './cost.ts'
import { placed } from './placed.ts'
import { type JudgedSource, makeOnce, refuseBadSources } from './sources.ts'

export interface Night {
  readonly wired: Wired
  readonly warehouse: Warehouse
  readonly compiled: CompiledProject
  /** The same compiled for the epoch: what people wrote, whatever the clock says. */
  readonly timeless: CompiledProject
  /** The logical clock, in milliseconds. */
  readonly asOf: number
  /** Views and tables that were made for an earlier sync of this night. */
  readonly built: Set<string>
  /** Part of the names of what the syncs of the night share in the warehouse. */
  readonly name: string
  /** Does the work for the first that asks; later ones get what came of it. */
  readonly once: <Result>(name: string, work: () => Promise<Result>) => Promise<Result>
  /** The communications that earlier plans of this night will send, for those that come after. */
  readonly tonight: { relation: Fragment | undefined }
  /** Sources that were judged for an earlier sync of this night. */
  readonly judged: Map<string, JudgedSource>
}

/** Opens the warehouse and compiles every model for the logical instant. */
export async function openNight(wired: Wired, asOf: number): Promise<Night> {
  const warehouse = await wired.warehouse()
  const { dialect, state } = warehouse
  const compile = (instant: number) =>
    compileModels(wired.project, { dialect, asOf: instant, state, stageFiles: true, loadFiles: true })
  return {
    wired,
    warehouse,
    compiled: compile(asOf),
    timeless: compile(0),
    asOf,
    built: new Set(),
    name: newRunId({ name: 'night' }, wired),
    once: remembering(),
    tonight: { relation: undefined },
    judged: new Map(),
  }
}

function remembering(): Night['once'] {
  const made = new Map<string, Promise<unknown>>()
  return <Result>(name: string, work: () => Promise<Result>) => {
    const known = made.get(name) as Promise<Result> | undefined
    const making = known ?? work()
    made.set(name, making)
    return making
  }
}

export interface PreparedSync {
  readonly sync: Sync
  readonly runId: string
  readonly configuration: unknown
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
  const model = modelNamed(night, sync.model)
  onStep('materialise')
  const purpose = warehouse.dialect.billsByColumn ? await prepareStage(night, model, sync) : undefined
  const { stage, sources } = await computeModel(night, model, `stage__${runId}`, purpose)
  await night.wired.failpoints.reach('materialise')
  onStep('check')
  const contract = await judgeModel(warehouse, model, stage, sync, compiled)
  const population = await checkPopulation(warehouse, runId, stage, model, sync, contract.broken)
  const [first, ...others] = contract.problems
  if (first !== undefined) throw new ActivateError('failed', [first, ...others])
  const state = await prepareState(warehouse, sync.name)
  const staged = { stage, modelRows: population.modelRows }
  const { columns, notes } = await refuseDrift(warehouse, state.tables.runs, sync, model, staged)
  await night.wired.failpoints.reach('check')
  return {
    ...{ sync, runId, population, sources, columns, state },
    configuration: configurationOf(night, sync),
    notes: [...sources.flatMap(({ warnings }) => warnings), ...contract.warnings, ...notes],
    shape: shapeOf(night.wired, sync),
  }
}

/** Where the engine bills by column, the stage is written for its sync, and a night beyond the budget does not begin. */
async function prepareStage({ warehouse, compiled }: Night, model: Model, sync: Sync): Promise<StagedFor> {
  const state = await prepareState(warehouse, sync.name)
  await refuseOverBudget(warehouse, model, compiled.model(model.name).sql, sync, state)
  return { model, sync, snapshot: state.snapshot }
}

/** Computes a model into a scratch table, once the sources that it reads were found fresh and good. */
export async function computeModel(
  night: Night,
  model: Model,
  name: string,
  purpose?: StagedFor,
): Promise<{ readonly stage: Stage; readonly sources: readonly JudgedSource[] }> {
  const { warehouse, compiled, wired } = night
  const scope = { ...night, models: wired.project.models, sources: wired.project.sources }
  const sources = await refuseBadSources(scope, model)
  await makeOnce(scope, compiled.statementsFor(model.name))
  const stage = await placed(model, () => materialise(warehouse, name, compiled.model(model.name).sql, purpose))
  return { stage, sources }
}

/** Places move with every comment in a file, and decide nothing. */
export function configurationOf({ wired, timeless }: Night, sync: Sync): unknown {
  const { identity, policies, destinations, vars } = wired.project
  const models = new Set([sync.model, ...(sync.qaAudience === undefined ? [] : [sync.qaAudience])])
  const destination = destinations.find(({ name }) => name === sync.destination)
  const written = {
    sql: [...models].map(model => timeless.model(model).sql),
    ...{ vars, identity, policies },
    destination: { type: destination?.type, settings: destination?.settings },
  }
  return JSON.parse(JSON.stringify(written, (name, value: unknown) => (name === 'place' ? undefined : value)))
}

/** Drops what planning left in scratch tables, so that the next sync of the night has the memory. */
export async function dropScratch(night: Night, runId: string): Promise<void> {
  const { dialect } = night.warehouse
  const kinds = [
    'stage',
    'duplicates',
    'quarantine',
    'change',
    'about',
    'ineligible',
    'erased',
    'released',
    'exposures',
    'quiet_zone',
    'window_zone',
  ]
  for (const name of [...kinds.map(kind => `${kind}__${runId}`), outboxName(runId)])
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
  const actionOf = (op: Operation) => actions[routes(op).action]
  const size = (op: Operation) => actionOf(op)?.batch?.maxRecords ?? 1
  const { irrevocable, leaverFields } = actionOf('leave') ?? {}
  const [change, leave] = [actionOf('change')?.limits, actionOf('leave')?.limits]
  return {
    maxRecords: { enter: size('enter'), change: size('change'), leave: size('leave') },
    limits,
    ofActions: { ...(change && { change }), ...(leave && { leave }) },
    leaversApart: routes('leave').action !== sync.action,
    ...(leaverFields && { leaverFields }),
    ...(routes('leave').action !== sync.action && {
      leaversTo: { action: routes('leave').action, ...(irrevocable !== undefined && { irrevocable }) },
    }),
  }
}

export function modelNamed({ wired }: Night, name: string): Model {
  const model = wired.project.models.find(candidate => candidate.name === name)
  if (model === undefined) throw new TypeError(`there is no model ${name}, which loading should have refused`)
  return model
}

interface SendsOptions {
  readonly range?: { readonly from: number; readonly to: number }
  /** Milliseconds by which the run's logical clock lags behind the wall clock. */
  readonly behind: number
  readonly onNote?: (note: { readonly code: string; readonly message: string }) => void
}

/** The outbox's sends in `seq` order, with their fields parsed. */
export async function* readSends(
  warehouse: Warehouse,
  outbox: Fragment,
  { range, behind, onNote }: SendsOptions,
): AsyncGenerator<readonly PlannedChange[]> {
  const select = render(selectSends(outbox, range), warehouse.dialect.placeholder)
  // Where a plan is cut off by a limit or not, those that it sends are numbered without a gap.
  for await (const rows of warehouse.stream(select, { numbered: 'seq', ...(onNote && { onNote }) })) {
    yield rows.map(row => ({
      seq: Number(row.seq),
      key: String(row.key),
      op: row.op as Operation,
      changeId: String(row.change_id),
      fields: JSON.parse(String(row.payload)) as Readonly<Record<string, Json>>,
      ...(typeof row.subjects === 'string' ? { subjects: JSON.parse(row.subjects) as readonly string[] } : {}),
      ...(typeof row.not_after === 'string' ? { notAfter: Date.parse(row.not_after) + behind } : {}),
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
  const { clock, random, leaseLength } = wired
  return {
    runId,
    lease,
    leaseMargin: leaseLength / 12,
    clock,
    random,
    signal,
    onUncertain: sync.onUncertain,
    ...(sync.maxErrorRate === undefined ? {} : { maxErrorRate: sync.maxErrorRate }),
    log: note => wired.log(sync.name, note),
    onOptOuts: reported => suppressReported(wired, sync, reported),
  }
}

/** Who opted out at the destination is suppressed here, from the moment at which it says so. */
async function suppressReported(
  { project, clock, ledger, log }: Wired,
  { name, destination, channel }: Sync,
  reported: readonly ReportedOptOut[],
): Promise<void> {
  const optOuts = reported.flatMap(({ address, key }) => optOutsOf(project, address, [channel], key))
  if (optOuts.length < reported.length) {
    const message = 'somebody opted out at the destination, and the project has no identifier for such an address'
    log(name, { kind: 'opt_out', code: 'A5030', message })
  }
  if (optOuts.length === 0) return
  const deed = { reason: reportedReason, actor: reporter(destination), at: clock.now() }
  await (await ledger()).suppress(optOuts, deed)
}
