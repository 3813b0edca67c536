/**
 * The warehouse side of one night in a process of its own: `tsx bench/warehouse-night.ts ROWS CHURN FOLDER [postgres]`. Prints one JSON line.
 * The bare comparison is the full join of the same two tables on the hash of the same twelve columns.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { noFailpoints } from '../src/failpoints/failpoints.ts'
import type { Ledger } from '../src/ledger/ledger.ts'
import { mappingFingerprint } from '../src/plan/mapping.ts'
import { buildPlan } from '../src/plan/planner.ts'
import { noPolicies } from '../src/plan/policies/relations.ts'
import { checkPopulation, execute, materialise } from '../src/plan/stage.ts'
import { prepareState } from '../src/plan/state-tables.ts'
import type { Sync } from '../src/project/project.ts'
import { settleRun } from '../src/run/settle.ts'
import { openDuckdb } from '../src/warehouse/duckdb.ts'
import { raw } from '../src/warehouse/sql.ts'
import { openPostgresShop, type Shop } from './postgres-shop.ts'
import { timed } from './report.ts'

const [rows = 1_000_000, churn = 0.015] = process.argv.slice(2, 4).map(Number)
const folder = process.argv[4] ?? 'out/bench'

const columns = [
  'email',
  'first_name',
  'last_name',
  'p_alive',
  'ltv',
  'orders',
  'last_order',
  'vip',
  'tier',
  'country',
  'score',
]
const person = `'c' || lpad(i::varchar, 8, '0') as customer_id, 'user' || i || '@example.com' as email, 'First' || (i % 1000) as first_name,
  'Last' || (i % 5000) as last_name, (i % 97)::double / 97 as p_alive, ((i % 10000) / 100.0)::decimal(12, 2) as ltv, (i % 50)::integer as orders,
  date '2020-01-01' + (i % 2000)::integer as last_order, (i % 3 = 0) as vip, ['gold', 'silver', 'bronze'][1 + i % 3] as tier, 'GB' as country`

const place = { file: 'syncs/bench.yml', line: 1, column: 1 }
const sync: Sync = {
  name: 'bench',
  path: 'syncs/bench.yml',
  model: 'people',
  destination: 'crm',
  action: 'upsert',
  mode: 'mirror',
  fields: columns.map(column => ({ field: column, from: { column }, place })),
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
}

// Making the shop's tables takes memory that is not the tool's, so a process of its own does it.
if (process.argv[5] === 'make') {
  await makeShop(join(folder, 'shop.duckdb'))
} else if (process.argv[5] === 'postgres') {
  const shop = await openPostgresShop(rows, churn, columns)
  console.log(JSON.stringify(await measure(shop)))
  await shop.close()
} else {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const self = process.argv[1] ?? ''
  execFileSync(process.execPath, ['--import', 'tsx', self, String(rows), String(churn), folder, 'make'])
  const shop = await openDuckdbShop()
  console.log(JSON.stringify(await measure(shop)))
  await shop.close()
  await rm(folder, { recursive: true, force: true })
}

/** Two nights of the same customers: a share changed, some left and some are new. */
async function makeShop(path: string): Promise<void> {
  const instance = await DuckDBInstance.create(path, { memory_limit: '2GB' })
  const connection = await instance.connect()
  const every = Math.round(1 / churn)
  await connection.run(`create table night1 as select ${person}, (i % 7)::bigint as score from range(${rows}) r(i)`)
  await connection.run(`create table night2 as select ${person}, case when i % ${every} = 0 then 99 else i % 7 end::bigint as score
    from range(${rows / 1000}, ${rows + rows / 1000}) r(i)`)
  connection.closeSync()
  instance.closeSync()
}

async function openDuckdbShop(): Promise<Shop> {
  const attach = { shop: join(folder, 'shop.duckdb') }
  const warehouse = await openDuckdb({
    type: 'duckdb',
    path: join(folder, 'warehouse.duckdb'),
    state: 'activate',
    attach,
    memory: '2GB',
    threads: 2,
  })
  const list = (alias: string) => columns.map(column => `${alias}.${column}`).join(', ')
  const bare = () =>
    execute(
      warehouse,
      raw(`create or replace temp table bare as select coalesce(a.customer_id, b.customer_id) as k from shop.night2 a
full join shop.night1 b on a.customer_id = b.customer_id where hash(${list('a')}) is distinct from hash(${list('b')})`),
    )
  return { warehouse, bare, rest: async () => undefined, close: () => warehouse.close() }
}

async function measure({ warehouse, bare, rest }: Shop) {
  await firstNight()
  const bareSeconds: number[] = []
  bareSeconds.push((await timed(bare)).seconds, (await timed(bare)).seconds)

  const steps: Record<string, number> = {}
  const step = async <Result>(name: string, work: () => Promise<Result>) => {
    const { seconds, result } = await timed(work)
    steps[name] = seconds
    return result
  }
  const compiled = 'select * from shop.night2'
  const runId = 'bench__2'
  const stage = await step('materialise', () => materialise(warehouse, `stage__${runId}`, compiled))
  const population = await step('check', () =>
    checkPopulation(warehouse, runId, stage, { name: 'people', key: ['customer_id'], place }, sync),
  )
  const state = await prepareState(warehouse, sync.name)
  const planned = await step('diff, decide, outbox, summary', () => plan(runId, compiled, population))
  await step('settle', () =>
    settleRun(
      {
        failpoints: noFailpoints,
        warehouse,
        ledger: acknowledged(runId, planned.plan.decisions.send),
        lease: () => ({ scope: 's', holder: { host: 'h', pid: 1, token: 't' }, fence: 1, expiresAt: 0 }),
        sync,
        run: { runId, asOf: 0, startedAt: 0 },
        status: 'succeeded',
        mapping: planned.mapping,
        plan: planned.plan,
        now: 0,
      },
      state,
    ),
  )
  await execute(warehouse, raw(`drop table ${warehouse.dialect.scratch(`stage__${runId}`)}`))
  bareSeconds.push((await timed(bare)).seconds)

  const quiet = await timed(async () => {
    const again = await materialise(warehouse, 'stage__quiet', compiled)
    const same = await checkPopulation(warehouse, 'quiet', again, { name: 'people', key: ['customer_id'], place }, sync)
    return plan('bench__3', compiled, same)
  })
  return {
    rows,
    sends: planned.plan.decisions.send,
    quietSends: quiet.result.plan.decisions.send,
    bareSeconds,
    steps,
    quietSeconds: quiet.seconds,
    peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
  }

  async function plan(run: string, sql: string, population: Awaited<ReturnType<typeof checkPopulation>>) {
    const shape = { maxRecords: { enter: 100, change: 100, leave: 100 }, limits: [], leaversApart: true }
    const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
    const options = { fullResync: false, limit: undefined, samples: 5, keepOutbox: true }
    return buildPlan(
      {
        warehouse,
        project: 'bench',
        sync,
        runId: run,
        asOf: '2026-03-02T02:00:00.000Z',
        configuration: sql,
        timezone: 'UTC',
        model: { name: 'people', key: ['customer_id'], place },
        identity: undefined,
        policies: { suppression: [], caps: [], holdouts: [] },
        relations: noPolicies,
        recordedAt: '2026-03-02T02:00:00.000Z',
        population,
        notes: [],
        shape,
        sha256,
        ...options,
      },
      await prepareState(warehouse, sync.name),
    )
  }

  /** The snapshot of the first night, written as its settle would have. */
  async function firstNight() {
    const stage1 = { relation: raw('shop.night1'), columns: await warehouse.describe('select * from shop.night1') }
    const population = await checkPopulation(
      warehouse,
      'first',
      stage1,
      { name: 'people', key: ['customer_id'], place },
      sync,
    )
    const { snapshot, tables } = await prepareState(warehouse, sync.name)
    const select = population.populated.texts[0] ?? ''
    await execute(
      warehouse,
      raw(
        `insert into ${snapshot.texts[0]} select key, payload, digest, 1, 1, 'member', 'bench__1', now(), null, null, null from (${select}) populated`,
      ),
    )
    await rest(snapshot.texts[0] ?? '')
    const mapping = mappingFingerprint(sync).replaceAll("'", "''")
    await execute(
      warehouse,
      raw(
        `insert into ${tables.runs.texts[0]} (run_id, sync, as_of, started_at, settled_at, status, mapping, plan, outcomes) values ('bench__1', 'bench', now(), now(), now(), 'succeeded', '${mapping}', '{}', '{}')`,
      ),
    )
  }
}

function acknowledged(runId: string, sends: number): Ledger {
  const request = {
    requestId: 'r',
    runId,
    destination: 'crm',
    action: 'upsert',
    members: { from: 1, to: sends },
    state: 'acked',
  }
  return { requests: async () => [request], exceptions: async () => [] } as unknown as Ledger
}
