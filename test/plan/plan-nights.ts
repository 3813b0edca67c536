import { createHash } from 'node:crypto'
import type { ContractScope } from '../../src/models/contract.ts'
import type { Plan } from '../../src/plan/plan.ts'
import { buildPlan } from '../../src/plan/planner.ts'
import { noPolicies, type PolicyRelations } from '../../src/plan/policies/relations.ts'
import { recordStatements } from '../../src/plan/quarantine.ts'
import { decisionStatements } from '../../src/plan/record.ts'
import { selectOutcomes, settleStatements } from '../../src/plan/settle.ts'
import { checkPopulation, materialise, query, writeScratch } from '../../src/plan/stage.ts'
import { snapshotColumns, wholeSnapshot } from '../../src/plan/state.ts'
import { prepareState, type StateRelations } from '../../src/plan/state-tables.ts'
import type { Identity, Policies } from '../../src/project/policies.ts'
import { ActivateError, type Place } from '../../src/project/problem.ts'
import type {
  ColumnContract,
  ColumnTest,
  ColumnType,
  FieldMapping,
  FieldSource,
  Model,
  OnViolation,
  RelationTest,
  Sync,
} from '../../src/project/project.ts'
import { judgeModel, refuseDrift } from '../../src/run/contract.ts'
import { raw, render, sql } from '../../src/warehouse/sql.ts'
import type { Row, Warehouse } from '../../src/warehouse/warehouse.ts'
import { openEngine } from './engine.ts'

const place: Place = { file: 'syncs/s.yml', line: 1, column: 1 }

export function fieldsOf(fields: Readonly<Record<string, FieldSource | string>>): readonly FieldMapping[] {
  return Object.entries(fields).map(([field, from]) => ({
    field,
    from: typeof from === 'string' ? { column: from } : from,
    place,
  }))
}

export function columnOf(name: string, type?: ColumnType, tests: readonly ColumnTest[] = []): ColumnContract {
  return { name, tests, place, ...(type === undefined ? {} : { type }) }
}

export function syncOf(more: Partial<Sync> = {}): Sync {
  return {
    name: 's',
    path: 'syncs/s.yml',
    model: 'm',
    destination: 'crm',
    action: 'upsert',
    mode: 'mirror',
    fields: fieldsOf({ v: 'v' }),
    guard: { minRows: 1, mappingChange: 'pass' },
    onMappingChange: 'resend',
    onBadKey: 'fail',
    onUncertain: 'park',
    priority: 0,
    requireApproval: 'never',
    owners: [],
    tags: [],
    enabled: true,
    place,
    ...more,
  }
}

function modelOf({ key = ['id'], columns = [], tests = [], onViolation = 'fail' }: NightOptions): Model {
  return {
    ...{ name: 'm', path: 'models/m.sql', template: '', templateLine: 1, materialised: 'ephemeral', tags: [] },
    place: { file: 'models/m.sql', line: 1, column: 1 },
    ...{ key, columns, tests, onViolation },
  }
}

const anyRelation: ContractScope = { relationOf: name => name, testSql: test => test.sql }

export interface NightOptions {
  readonly asOf?: string
  readonly sync?: Partial<Sync>
  readonly identity?: Identity
  readonly policies?: Partial<Policies>
  readonly relations?: Partial<PolicyRelations>
  readonly configuration?: string
  readonly key?: readonly string[]
  /** The model's contract. Its tests may look into any relation of the warehouse, by its name. */
  readonly columns?: readonly ColumnContract[]
  readonly tests?: readonly RelationTest[]
  readonly onViolation?: OnViolation
  readonly fullResync?: boolean
  readonly limit?: number
  /** Of leavers, what the destination uses beside the key; all unless told. */
  readonly leaverFields?: readonly string[]
  readonly samples?: number
  /** Keys that the destination refuses or leaves in doubt; all others are acknowledged. */
  readonly rejected?: readonly string[]
  readonly parked?: readonly string[]
  /** Planned and never sent. */
  readonly pending?: readonly string[]
}

/** Nights of one sync over a real warehouse: plan, then settle as if the destination had answered so. */
export interface PlanNights {
  readonly warehouse: Warehouse
  plan(model: string, options?: NightOptions): Promise<Plan>
  /** Plans and settles; returns the plan. */
  night(model: string, options?: NightOptions): Promise<Plan>
  /** Settles the last night a second time. */
  settleAgain(): Promise<void>
  /** Plans, writes down what is decided, and leaves the run as a crash after that would. */
  crash(model: string, options?: NightOptions): Promise<Plan>
  outbox(): Promise<readonly Row[]>
  snapshot(): Promise<readonly Row[]>
  rows(table: string): Promise<readonly Row[]>
  close(): Promise<void>
}

export async function openNights(): Promise<PlanNights> {
  const { warehouse, close } = await openEngine()
  let count = 0
  let lastSettle: (() => Promise<void>) | undefined
  let lastOutbox = raw('')

  async function planNight(model: string, options: NightOptions) {
    count += 1
    const runId = `${options.sync?.name ?? 's'}__${count}`
    const sync = syncOf(options.sync)
    const declared = modelOf(options)
    const state = await prepareState(warehouse, sync.name)
    const purpose = { model: declared, sync, snapshot: state.snapshot }
    const stage = await materialise(warehouse, `stage__${runId}`, model, purpose)
    const contract = await judgeModel(warehouse, declared, stage, sync, anyRelation)
    const population = await checkPopulation(warehouse, runId, stage, declared, sync, contract.broken)
    const [first, ...others] = contract.problems
    if (first !== undefined) throw new ActivateError('failed', [first, ...others])
    const staged = { stage, modelRows: population.modelRows }
    const { columns, notes } = await refuseDrift(warehouse, state.tables.runs, sync, declared, staged)
    const asOf = options.asOf ?? '2026-03-01T02:00:00.000Z'
    const planned = await buildPlan(
      {
        warehouse,
        project: 'p',
        sync,
        runId,
        asOf,
        configuration: options.configuration ?? model,
        population,
        notes: [...contract.warnings, ...notes],
        shape: {
          maxRecords: { enter: 2, change: 2, leave: 2 },
          limits: [{ requests: 1, perMilliseconds: 1000 }],
          leaversApart: true,
          ...(options.leaverFields && { leaverFields: options.leaverFields }),
        },
        fullResync: options.fullResync ?? false,
        limit: options.limit,
        samples: options.samples ?? 0,
        keepOutbox: true,
        timezone: 'UTC',
        model: { name: 'm', key: options.key ?? ['id'], place },
        identity: options.identity,
        policies: { suppression: [], caps: [], holdouts: [], ...options.policies },
        relations: { ...noPolicies, ...options.relations },
        recordedAt: asOf,
        sha256: text => createHash('sha256').update(text).digest('hex'),
      },
      state,
    )
    lastOutbox = planned.outbox
    return { ...planned, runId, sync, asOf, state, population, columns }
  }

  async function record(planned: Awaited<ReturnType<typeof planNight>>) {
    const { dialect } = warehouse
    const statements = decisionStatements(dialect, {
      ...planned,
      tables: planned.state.tables,
      holdouts: planned.drawing,
    })
    await warehouse.transaction(statements.map(statement => render(statement, dialect.placeholder)))
  }

  async function settle(planned: Awaited<ReturnType<typeof planNight>>, options: NightOptions, state: StateRelations) {
    const quoted = (keys: readonly string[] = []) => keys.map(key => `'${key}'`).join(', ') || `''`
    const sends = `select seq, key from ${planned.outbox.texts[0]} where seq is not null`
    const out = [...(options.rejected ?? []), ...(options.parked ?? []), ...(options.pending ?? [])]
    const acked = await writeScratch(
      warehouse,
      `acked__${planned.runId}`,
      // Merged, as a ledger's are.
      raw(`select min(seq) as seq_from, max(seq) as seq_to from (
select seq, seq - row_number() over (order by seq) as island from (${sends}) sends where key not in (${quoted(out)})) islands group by island`),
    )
    const exceptions = await writeScratch(
      warehouse,
      `exceptions__${planned.runId}`,
      raw(`select seq, case when key in (${quoted(options.rejected)}) then 'rejected' else 'parked' end as outcome, 'bad' as code, 'no' as message
from (${sends}) sends where key in (${quoted([...(options.rejected ?? []), ...(options.parked ?? [])])})`),
    )
    const outcomesOfChanges = await writeScratch(
      warehouse,
      `settle__${planned.runId}`,
      selectOutcomes(warehouse.dialect, { outbox: planned.outbox, acked, exceptions }),
    )
    const params = {
      sync: planned.sync,
      runId: planned.runId,
      asOf: planned.asOf,
      startedAt: planned.asOf,
      settledAt: planned.asOf,
      status: 'succeeded',
      mapping: planned.mapping,
      plan: '{}',
      outcomes: '{}',
      columns: planned.columns,
      outbox: planned.outbox,
      acked,
      exceptions,
      ...{ snapshotTable: state.snapshotTable, payloads: state.payloads },
      ...{ tables: state.tables, outcomesOfChanges, parked: options.parked?.length ?? 0 },
    }
    const { dialect } = warehouse
    const record = {
      ...{ table: state.tables.quarantine, scope: 'model:m', sync: 's', runId: planned.runId, asOf: planned.asOf },
      found: planned.population.quarantine?.relation,
    }
    const statements = [...recordStatements(dialect, record), ...settleStatements(dialect, params)]
    const run = () => warehouse.transaction(statements.map(statement => render(statement, dialect.placeholder)))
    lastSettle = run
    await run()
  }

  return {
    warehouse,
    plan: async (model, options = {}) => (await planNight(model, options)).plan,
    async night(model, options = {}) {
      const planned = await planNight(model, options)
      await record(planned)
      await settle(planned, options, planned.state)
      return planned.plan
    },
    async crash(model, options = {}) {
      const planned = await planNight(model, options)
      await record(planned)
      return planned.plan
    },
    async settleAgain() {
      await lastSettle?.()
    },
    outbox: () => query(warehouse, raw(`select * from ${lastOutbox.texts[0]} order by seq nulls last, key`)),
    async snapshot() {
      const { snapshot, payloads } = await prepareState(warehouse, 's')
      const columns = raw(Object.keys(snapshotColumns).join(', '))
      return query(warehouse, sql`select ${columns} from ${wholeSnapshot(snapshot, payloads)} order by key`)
    },
    rows: async table => inOrder(await query(warehouse, raw(`select * from activate.${table}`))),
    close,
  }
}

/** By all columns, NULL last. */
function inOrder(rows: readonly Row[]): readonly Row[] {
  const names = Object.keys(rows[0] ?? {})
  return [...rows].sort((a, b) => names.map(name => compare(a[name], b[name])).find(order => order !== 0) ?? 0)
}

function compare(a: Row[string] | undefined, b: Row[string] | undefined): number {
  if (a === b) return 0
  if (a === null || a === undefined) return 1
  if (b === null || b === undefined) return -1
  return a < b ? -1 : 1
}

/** A model of these rows, as SQL. */
export function model(rows: Readonly<Record<string, string | number | null>>): string {
  const values = Object.entries(rows).map(([id, v]) => `('${id}', ${typeof v === 'string' ? `'${v}'` : v})`)
  return values.length === 0
    ? 'select null::varchar as id, null::varchar as v where false'
    : `select * from (values ${values.join(', ')}) t(id, v)`
}
