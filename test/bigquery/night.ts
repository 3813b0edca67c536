/**
 * Two nights of one sync on a counting server: what each statement of the second reads, which a bench scales to large tables and a test holds
 * to what was promised. The source has twenty columns of 251 bytes a row, as in the estimate that the promise is made by.
 */
import { createHash } from 'node:crypto'
import { noFailpoints } from '../../src/failpoints/failpoints.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { buildPlan } from '../../src/plan/planner.ts'
import { noPolicies } from '../../src/plan/policies/relations.ts'
import { checkPopulation, materialise, query } from '../../src/plan/stage.ts'
import { prepareState } from '../../src/plan/state-tables.ts'
import type { Sync } from '../../src/project/project.ts'
import { settleRun } from '../../src/run/settle.ts'
import { billedBytes, type TableSize } from '../../src/warehouse/billing.ts'
import { type Fragment, sql } from '../../src/warehouse/sql.ts'
import type { Row, SeedColumn, Warehouse } from '../../src/warehouse/warehouse.ts'
import { syncOf } from '../plan/plan-nights.ts'
import type { Scan } from './bytes.ts'
import { type BigqueryServer, type Bill, testProject } from './server.ts'
import { openState } from './state.ts'

/** The key and nineteen fields. */
const columns: readonly SeedColumn[] = [
  { name: 'customer_id', type: 'string' },
  ...['email', 'first_name', 'last_name', 'city', 'street', 'country', 'tier', 'note'].map(
    name => ({ name, type: 'string' }) as const,
  ),
  ...['orders', 'visits', 'points', 'returns'].map(name => ({ name, type: 'integer' }) as const),
  ...['p_alive', 'ltv', 'margin'].map(name => ({ name, type: 'number' }) as const),
  ...['born_on', 'last_order'].map(name => ({ name, type: 'date' }) as const),
  { name: 'seen_at', type: 'timestamp' },
  { name: 'vip', type: 'boolean' },
]

const place = { file: 'syncs/s.yml', line: 1, column: 1 }

export interface CountedNight {
  /** `key`, `payload`. */
  readonly sends: readonly Row[]
  readonly outbox: TableSize
  /** Of the snapshot, before the second night. */
  readonly snapshot: TableSize
  /** Those of the second night, in their order. */
  readonly bills: readonly Bill[]
  readonly warehouse: Warehouse
  readonly state: string
  close(): Promise<void>
}

export interface NightSizes {
  readonly rows: number
  readonly changes: number
  /** As many enter. */
  readonly leavers: number
}

export async function countNight(
  server: BigqueryServer,
  sizes: NightSizes,
  mode: Sync['mode'] = 'mirror',
  options: { readonly leaverFields?: readonly string[] } = {},
  /** Happens in the second night, once the stage is written. */
  between: (warehouse: Warehouse, snapshot: Fragment) => Promise<void> = async () => undefined,
): Promise<CountedNight> {
  const { warehouse, cleanup } = await openState(server)
  server.engine.datasets.set('shop', 'EU')
  const sync = syncOf({
    mode,
    fields: columns.slice(1).map(({ name }) => ({ field: name, from: { column: name }, place })),
  })
  await loadPeople(warehouse, 0, sizes.rows, 0)
  await night(server, warehouse, sync, 's__20260301t020000_abc123', options)
  const { snapshotTable } = await prepareState(warehouse, sync.name)
  const size = await warehouse.bill?.sizeOf(snapshotTable.texts[0] ?? '')
  await loadPeople(warehouse, sizes.leavers, sizes.rows + sizes.leavers, sizes.changes)
  const before = server.bills.length
  const second = await night(server, warehouse, sync, 's__20260302t020000_abc123', options, () =>
    between(warehouse, snapshotTable),
  )
  return {
    ...{
      ...second,
      snapshot: size ?? { rows: 0, bytes: 0 },
      bills: server.bills.slice(before),
      warehouse,
      state: warehouse.state[0] ?? '',
    },
    close: cleanup,
  }
}

/** What a statement of a small night bills at `factor` times the rows. The table of runs has a row for each, however many rows there are. */
export function billedAt(scans: readonly Scan[], factor: number): number {
  const scaled = scans.map(({ table, rows, columns }) => ({
    rows: rows * (table.endsWith('.runs') ? 1 : factor),
    width: rows === 0 ? 0 : Object.values(columns).reduce((sum, bytes) => sum + bytes, 0) / rows,
  }))
  return billedBytes(scaled)
}

async function night(
  { bills }: BigqueryServer,
  warehouse: Warehouse,
  sync: Sync,
  runId: string,
  options: { readonly leaverFields?: readonly string[] },
  between = async () => {},
): Promise<Night> {
  const model = { name: 'm', key: ['customer_id'], place }
  const compiled = `select * from \`${testProject}.shop.people\``
  const state = await prepareState(warehouse, sync.name)
  const purpose = { model, sync, snapshot: state.snapshot }
  const stage = await materialise(warehouse, `stage__${runId}`, compiled, purpose)
  await between()
  const population = await checkPopulation(warehouse, runId, stage, model, sync)
  const at = '2026-03-01T02:00:00.000Z'
  const { plan, mapping, outbox } = await buildPlan(
    {
      ...{ warehouse, project: 'p', sync, runId, asOf: at, recordedAt: at, configuration: compiled, population, model },
      ...{ notes: [], fullResync: false, limit: undefined, samples: 0, keepOutbox: true, timezone: 'UTC' },
      shape: { maxRecords: { enter: 100, change: 100, leave: 100 }, limits: [], leaversApart: true, ...options },
      identity: undefined,
      policies: { suppression: [], caps: [], holdouts: [] },
      relations: noPolicies,
      sha256: text => createHash('sha256').update(text).digest('hex'),
    },
    state,
  )
  const size = await warehouse.bill?.sizeOf(outbox.texts[0] ?? '')
  const sends = await query(warehouse, sql`select key, payload from ${outbox} where seq is not null order by key`)
  bills.pop() // that was the test's own
  const lease = { scope: 's', holder: { host: 'h', pid: 1, token: 't' }, fence: 1, expiresAt: 0 }
  await settleRun(
    {
      ...{
        failpoints: noFailpoints,
        warehouse,
        ledger: acknowledging(runId, plan.decisions.send),
        lease: () => lease,
        sync,
      },
      ...{
        run: { runId, asOf: Date.parse(at), startedAt: 0 },
        status: 'succeeded',
        mapping,
        plan,
        now: Date.parse(at),
      },
    },
    state,
  )
  return { sends, outbox: size ?? { rows: 0, bytes: 0 } }
}

async function loadPeople(warehouse: Warehouse, from: number, to: number, changes: number): Promise<void> {
  const rows = Array.from({ length: to - from }, (_, index) => person(from + index, index < changes))
  await warehouse.load(
    ['shop', 'people'],
    columns,
    (async function* () {
      yield rows
    })(),
  )
}

interface Night {
  readonly sends: readonly Row[]
  readonly outbox: TableSize
}

/** 251 bytes as BigQuery counts them. */
function person(id: number, changed: boolean): readonly string[] {
  const number = String(id).padStart(8, '0')
  return [
    ...[`c${number}`, `user${number}@example.com`, `First${number.slice(4)}`, `Last${number.slice(4)}`, 'Manchester'],
    ...[`${number.slice(5)} Station Road`, 'GB', ['bronze', 'silver', 'golden'][id % 3] ?? ''],
    `remembered since the spring of the year ${2000 + (id % 20)}, and never without a reason`.slice(0, 68),
    ...[String(id % 50), String(changed ? 1000 : id % 7), String(id % 900), String(id % 5)],
    ...[String((id % 97) / 97), String((id % 10_000) / 100), String((id % 31) / 31)],
    ...['1980-04-01', '2026-02-11', '2026-02-28T10:00:00Z', String(id % 2 === 0)],
  ]
}

/** A ledger in which one request, of everything, was acknowledged. */
function acknowledging(runId: string, sends: number): Ledger {
  const members = { from: 1, to: sends }
  const request = { requestId: 'r', runId, destination: 'crm', action: 'upsert', members, state: 'acked' }
  return { requests: async () => (sends === 0 ? [] : [request]), exceptions: async () => [] } as unknown as Ledger
}
