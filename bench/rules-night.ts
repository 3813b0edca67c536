/**
 * One night of a trigger in a process of its own: `tsx bench/rules-night.ts ROWS CHURN FOLDER make`
 * writes the world that both nights read; `… none|all before` leaves the state as an earlier night would; `… none|all` measures the night without
 * policies or with all of them, and prints one JSON line. Without, it also times the bare comparison: the full join of the same two nights on the hash
 * of their columns.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { noFailpoints } from '../src/failpoints/failpoints.ts'
import type { Ledger } from '../src/ledger/ledger.ts'
import { findIneligible, findSubject } from '../src/plan/decide.ts'
import { mappingFingerprint } from '../src/plan/mapping.ts'
import { buildPlan, type PlanInput, type Planned } from '../src/plan/planner.ts'
import { countOddConsents, selectAnswers, selectDenied } from '../src/plan/policies/consent.ts'
import { rememberIneligible } from '../src/plan/policies/eligibility.ts'
import { noPolicies, type PolicyRelations } from '../src/plan/policies/relations.ts'
import { decisionStatements } from '../src/plan/record.ts'
import { checkPopulation, execute, materialise, query, writeScratch } from '../src/plan/stage.ts'
import type { StateTable } from '../src/plan/state.ts'
import { prepareState, type StateRelations } from '../src/plan/state-tables.ts'
import type { Identity, Policies, SuppressionList } from '../src/project/policies.ts'
import type { Sync } from '../src/project/project.ts'
import { settleRun } from '../src/run/settle.ts'
import { openDuckdb } from '../src/warehouse/duckdb.ts'
import { raw, render, type Statement, sql } from '../src/warehouse/sql.ts'
import type { Warehouse } from '../src/warehouse/warehouse.ts'
import { timed } from './report.ts'
import { asOf, makeWorld } from './rules-data.ts'

const [rows = 1_000_000, churn = 0.015] = process.argv.slice(2, 4).map(Number)
const folder = process.argv[4] ?? 'out/bench'
const variant = process.argv[5]

const place = { file: 'activate.yml', line: 1, column: 1 }
const day = 86_400_000
const timezone = { column: 'timezone', default: 'Europe/London' }
const model = { name: 'people', key: ['customer_id'], place }
const names = 'email first_name last_name p_alive ltv orders renews_on vip tier timezone score'.split(' ')

const bare: Sync = {
  ...{ name: 'rules', path: 'syncs/rules.yml', model: 'people', destination: 'messaging', action: 'send_email' },
  ...{ mode: 'trigger', trigger: { on: 'enter', reentry: 'always', firstRun: 'baseline' } },
  ...{ channel: 'email', purpose: 'marketing' },
  fields: names.map(column => ({ field: column, from: { column }, place })),
  guard: { minRows: 1, mappingChange: 'pass' },
  ...{ onMappingChange: 'resend', onBadKey: 'fail', onUncertain: 'park', requireApproval: 'never' },
  ...{ priority: 50, owners: [], tags: [], enabled: true, place },
}

const ruled: Sync = {
  ...bare,
  trigger: { on: 'enter', reentry: { after: 30 * day }, firstRun: 'baseline' },
  holdout: { name: 'rules', share: 0.1, epoch: '1', salt: 'rules-1', appliesTo: 'all', place },
  sendWindow: { from: 9 * 60, to: 18 * 60, days: [1, 2, 3, 4, 5], timezone },
  expires: { column: 'renews_on' },
}

const identity: Identity = {
  ...{ entity: 'customer', key: 'customer_id', links: [], maxCluster: 50, minConfidence: 0, place },
  identifiers: [{ name: 'email', normalise: 'email', place }],
}

const lists: readonly SuppressionList[] = [
  { from: { model: 'fraud_cases' }, appliesTo: 'all', reason: 'fraud', place },
  { from: { model: 'do_not_contact' }, identifier: 'email', appliesTo: 'all', reason: 'do_not_contact', place },
]

const none: Policies = { suppression: [], caps: [], holdouts: [] }
const all: Policies = {
  consent: { model: 'consents', default: { communications: 'deny', data: 'allow' }, place },
  suppression: lists,
  caps: [
    { name: 'marketing_email', channel: 'email', purposes: ['marketing'], max: 3, per: 7 * day, place },
    { name: 'everything', max: 6, per: 30 * day, place },
  ],
  quietHours: { from: 21 * 60, to: 8 * 60, channels: ['email'], timezone, place },
  holdouts: [
    { name: 'global', share: 0.05, epoch: '2026H1', salt: 'global-2026H1', appliesTo: 'communications', place },
  ],
}

const [sync, policies] = variant === 'all' ? [ruled, all] : [bare, none]
const world = join(folder, 'shop.duckdb')

if (variant === 'make') await makeWorld(world, rows, churn)
else if (process.argv[6] === 'before') await lastNight()
else console.log(JSON.stringify(await measure()))

function open(): Promise<Warehouse> {
  const path = join(folder, `${variant}.duckdb`)
  return openDuckdb({ type: 'duckdb', path, state: 'activate', attach: { shop: world }, memory: '2GB', threads: 2 })
}

async function measure() {
  const warehouse = await open()
  const state = await prepareState(warehouse, sync.name)
  const steps: Record<string, number> = {}
  const processor: Record<string, number> = {}
  const add: Add = (name, { seconds, processorSeconds }) => {
    steps[name] = (steps[name] ?? 0) + seconds
    processor[name] = (processor[name] ?? 0) + processorSeconds
  }
  const step = async <Result>(name: string, work: () => Promise<Result>) => {
    const done = await timed(work)
    add(name, done)
    return done.result
  }
  const stage = await step('materialise', () => materialise(warehouse, 'stage__2', 'select * from shop.night2'))
  const population = await step('check', () => checkPopulation(warehouse, '2', stage, model, sync))
  const relations = variant === 'all' ? await step('policies', () => relationsOf(warehouse)) : noPolicies
  const planned = await buildPlan(inputOf(observed(warehouse, add), '2', { population, relations }), state)
  await step('record', () => record(warehouse, state, planned))
  const { plan, mapping } = planned
  const run = { runId: '2', asOf: Date.parse(asOf), startedAt: Date.parse(asOf) }
  const ledger = acknowledged(run.runId, plan.decisions.send)
  const lease = () => ({ scope: 's', holder: { host: 'h', pid: 1, token: 't' }, fence: 1, expiresAt: 0 })
  const settled = { run, mapping, plan, now: run.asOf, status: 'succeeded' }
  const settling = { warehouse, ledger, lease, sync, failpoints: noFailpoints, ...settled }
  await step('settle', () => settleRun(settling, state))
  const bareSeconds = variant === 'none' ? await timeBareJoins(warehouse) : []
  await warehouse.close()
  const { changes, decisions, reasons, rows: counts } = plan
  const peakMegabytes = Math.round(process.resourceUsage().maxRSS / 1024)
  return { rows, steps, processor, bareSeconds, counts, changes, decisions, reasons, peakMegabytes }
}

async function timeBareJoins(warehouse: Warehouse): Promise<readonly number[]> {
  const list = (alias: string) => names.map(column => `${alias}.${column}`).join(', ')
  const bareJoin =
    raw(`create or replace temp table bare as select coalesce(a.customer_id, b.customer_id) as k from shop.night2 a
full join shop.night1 b on a.customer_id = b.customer_id where hash(${list('a')}) is distinct from hash(${list('b')})`)
  const seconds: number[] = []
  for (let time = 0; time < 3; time++) seconds.push((await timed(() => execute(warehouse, bareJoin))).seconds)
  return seconds
}

function inputOf(warehouse: Warehouse, runId: string, night: Pick<PlanInput, 'population' | 'relations'>): PlanInput {
  return {
    ...{ warehouse, project: 'bench', sync, runId, asOf, recordedAt: asOf, configuration: '', timezone: 'UTC', model },
    ...{ identity, policies, ...night, notes: [], fullResync: false, limit: undefined, samples: 5, keepOutbox: true },
    shape: { maxRecords: { enter: 100, change: 100, leave: 100 }, limits: [], leaversApart: true },
    sha256: text => createHash('sha256').update(text).digest('hex'),
  }
}

/** What a run makes ready before it plans (see src/run/policies.ts); who is who is given. */
async function relationsOf(warehouse: Warehouse): Promise<PolicyRelations> {
  if (variant !== 'all') return noPolicies
  const { dialect } = warehouse
  const write = (name: string, select: string) => writeScratch(warehouse, name, raw(select))
  const members = await write('members', 'select * from shop.members')
  const identifiers = await write('identifiers', 'select * from shop.identifiers')
  const consents = (await materialise(warehouse, 'consents', 'select * from shop.consents')).relation
  const person = raw('customer_id')
  await query(warehouse, countOddConsents(dialect, consents, person, asOf))
  const about = { channel: 'email', purpose: 'marketing', asOf, members, has: { basis: true, evidence: true } }
  const keys = await write('fraud_cases', 'select distinct customer_id as value from shop.fraud_cases')
  const values = await write('do_not_contact', 'select distinct email as value from shop.do_not_contact')
  const peoples = [
    `select distinct coalesce(m.entity, v.value) as entity from ${keys.texts[0]} v left join ${members.texts[0]} m on m.key = v.value`,
    `select distinct entity from ${identifiers.texts[0]} where type = 'email' and value in (select value from ${values.texts[0]})`,
  ]
  const answers = sql`(${selectAnswers(dialect, { consents, person, ...about })}) answers`
  const suppressed = []
  for (const [index, list] of lists.entries()) {
    const people = await write(`people_${index}`, peoples[index] ?? '')
    suppressed.push({ list, people, values: list.identifier === undefined ? undefined : values })
  }
  return {
    ...{ ...noPolicies, members, identifiers, suppressed },
    optOuts: [{ reason: 'opt_out', kind: 'email', hashes: await write('opt_outs', 'select hash from shop.opt_outs') }],
    answers,
    denied: await writeScratch(warehouse, 'denied', selectDenied(answers)),
  }
}

async function record(warehouse: Warehouse, { tables }: StateRelations, planned: Planned): Promise<void> {
  const { outbox, exposures, ineligible, drawing: holdouts } = planned
  const { dialect } = warehouse
  const params = { sync, runId: '2', asOf, outbox, tables, exposures, ineligible, holdouts }
  await warehouse.transaction(decisionStatements(dialect, params).map(part => render(part, dialect.placeholder)))
}

/** The state as an earlier night would have left it: who takes part is in, who may not is known, others were sent to. */
async function lastNight(): Promise<void> {
  const warehouse = await open()
  const { dialect } = warehouse
  const { snapshot, tables } = await prepareState(warehouse, sync.name)
  const stage = { relation: raw('shop.night1'), columns: await warehouse.describe('select * from shop.night1') }
  const population = await checkPopulation(warehouse, '1', stage, model, sync)
  const input = inputOf(warehouse, '1', { population, relations: await relationsOf(warehouse) })
  const ineligible = (await findIneligible(input, findSubject(input)))?.relation
  const known = { sync: sync.name, runId: '1', at: raw(dialect.timestamp(`'${asOf}'`)), known: tables.ineligible }
  const in1 = ineligible === undefined ? sql`` : sql`where key not in (select key from ${ineligible})`
  const insert = (table: StateTable, columns: string, select: string) =>
    execute(warehouse, raw(`insert into ${tables[table].texts[0]} (${columns}) ${select}`))
  await execute(
    warehouse,
    sql`insert into ${snapshot} select key, payload, digest, 1, 1, 'member', '1', now(), key, '', sha256(payload ->> 'email')
from (${population.populated}) ${in1}`,
  )
  for (const statement of rememberIneligible(known, ineligible)) await execute(warehouse, statement)
  const past = 'sync, key, channel, purpose, change_id, as_of'
  await insert(
    'deliveries',
    `${past}, person, topic, outcome, op, communication, priority`,
    `select ${past}, key, '', 'acked', 'enter', true, 50 from shop.past`,
  )
  await insert(
    'runs',
    'run_id, sync, as_of, started_at, settled_at, status, mapping, plan, outcomes',
    `select '1', '${sync.name}', now(), now(), now(), 'succeeded', '${mappingFingerprint(sync).replaceAll("'", "''")}', '{}', '{}'`,
  )
  await warehouse.close()
}

type Add = (name: string, time: { readonly seconds: number; readonly processorSeconds: number }) => void

/** The warehouse with the time of each statement, under the name of the table that it makes. */
function observed(warehouse: Warehouse, add: Add): Warehouse {
  const timing = async <Result>(statement: Statement, work: () => Promise<Result>) => {
    const done = await timed(work)
    add(/^create (?:temp )?table .*?"([a-z_]+?)__/s.exec(statement.sql)?.[1] ?? 'questions', done)
    return done.result
  }
  return {
    ...{ dialect: warehouse.dialect, state: warehouse.state },
    query: statement => timing(statement, () => warehouse.query(statement)),
    execute: statement => timing(statement, () => warehouse.execute(statement)),
    stream: (statement, options) => warehouse.stream(statement, options),
    transaction: statements => warehouse.transaction(statements),
    describe: select => warehouse.describe(select),
    tables: (schema, prefix) => warehouse.tables(schema, prefix),
    columns: schema => warehouse.columns(schema),
    load: (relation, columns, chunks) => warehouse.load(relation, columns, chunks),
    close: () => warehouse.close(),
  }
}

function acknowledged(runId: string, sends: number): Ledger {
  const members = { from: 1, to: sends }
  const request = { requestId: 'r', runId, destination: 'messaging', action: 'send_email', members, state: 'acked' }
  return { requests: async () => (sends > 0 ? [request] : []), exceptions: async () => [] } as unknown as Ledger
}
