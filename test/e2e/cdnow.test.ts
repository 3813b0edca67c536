import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runSyncs } from '../../src/run.ts'
import type { Wired } from '../../src/wire.ts'
import { makeProject, runOptions, type TestProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

const data = join(process.env.ACTIVATE_DATA_DIR ?? join(import.meta.dirname, '../../../shared/data'), 'cdnow.txt')
const first = '1997-07-01'
const nights = 365

/**
 * BG/NBD parameters fitted on the published 1/10 sample (Fader, Hardie and Lee 2005, "Counting Your Customers the Easy
 * Way"); time in weeks.
 */
const customerState = (asOf: string) => `
with facts as (
  select customer_id, count(distinct day) - 1 as x,
    (max(day) - min(day)) / 7.0 as t_x, (cast(${asOf} as date) - min(day)) / 7.0 as t, sum(dollars) as spent
  from purchases where day < cast(${asOf} as date) group by customer_id
), alive as (
  select *, case when x = 0 then 1.0
    else 1 / (1 + (0.793 / (2.426 + x - 1)) * pow((4.414 + t) / (4.414 + t_x), 0.243 + x)) end as p_alive
  from facts
)
select customer_id, x as repeat_orders, cast(floor(t_x) as integer) as last_week, round(p_alive, 1) as p_alive,
  case when spent >= 250 then 'gold' when spent >= 80 then 'silver' else 'bronze' end as tier
from alive`

/** What both segments look at: computed once a night. */
const customers = `/*---
materialised: table
key: customer_id
---*/
with purchases as (select customer_id, day, dollars from {{source "purchases"}})
${customerState('{{run_date}}').replace(/^\s*with /, ', ')}
`

const model = (where: string) => `/*---
key: customer_id
columns:
  customer_id: { type: string, tests: [not_null, unique] }
  p_alive: { type: number, tests: [{ between: [0, 1] }] }
---*/
select * from {{ref "customers"}} where ${where}
`

const population = { at_risk: 'p_alive < 0.5 and repeat_orders > 0', value_tier: 'true' }
type SyncName = keyof typeof population

const sync = (name: SyncName, mode: string) => `
model: ${name}
destination: ${name}_crm
action: upsert
mode: ${mode}
fields: { p_alive: p_alive, tier: tier, repeat_orders: repeat_orders, last_week: last_week }
guard: { max_leavers: 100% }
`

describe.skipIf(!existsSync(data))('CDNOW, a year of nights (skipped where the data set is absent)', () => {
  let project: TestProject
  let crm: Record<SyncName, Receiver>
  let wired: Wired
  let truth: Truth

  beforeAll(async () => {
    crm = { at_risk: await startReceiver(), value_tier: await startReceiver() }
    project = await makeProject({
      'data/purchases.csv': csv(readFileSync(data, 'utf8')),
      'activate.yml': `
name: cdnow
timezone: UTC
warehouse: { type: duckdb, path: .activate/warehouse.duckdb, threads: 1, attach: { shop: data/shop.duckdb } }
sources:
  purchases:
    table: shop.main.purchases
    columns: { customer_id: { type: string }, day: { type: date }, dollars: { type: number } }
destinations:
  at_risk_crm: ${receiverSettings(crm.at_risk.url)}
  value_tier_crm: ${receiverSettings(crm.value_tier.url)}
`,
      'models/customers.sql': customers,
      'models/at_risk.sql': model(population.at_risk),
      'models/value_tier.sql': model(population.value_tier),
      'syncs/at_risk.yml': sync('at_risk', 'mirror'),
      'syncs/value_tier.yml': sync('value_tier', 'upsert'),
    })
    await loadShop(join(project.root, 'data/shop.duckdb'), join(project.root, 'data/purchases.csv'))
    wired = await project.open()
    truth = await openTruth(join(project.root, 'data/purchases.csv'))
  })

  afterAll(async () => {
    await wired?.close()
    await truth?.close()
    await crm?.at_risk.close()
    await crm?.value_tier.close()
    await project?.remove()
  })

  test('agrees with plain SQL on every night, and on where the destination ends up', {
    timeout: 1_200_000,
  }, async () => {
    const totals = { at_risk: 0, value_tier: 0 }
    for (let night = 0; night < nights; night++) {
      const asOf = new Date(Date.parse(`${first}T02:00:00Z`) + night * 86_400_000).toISOString()
      const { runs } = await runSyncs(wired, wired.project.syncs, runOptions(asOf))
      const expectations = await truth.night(asOf.slice(0, 10))
      for (const run of runs) {
        const name = run.sync as SyncName
        const { population, ...expected } = expectations[name]
        const sent = expected.enter + expected.change + (name === 'at_risk' ? expected.leave : 0)
        expect({
          night: asOf,
          sync: name,
          status: run.status,
          changes: run.plan?.changes,
          population: run.plan?.rows.population,
          acked: run.outcomes.acked,
        }).toEqual({
          night: asOf,
          sync: name,
          status: 'succeeded',
          changes: expected,
          population,
          acked: sent,
        })
        totals[name] += sent
      }
    }
    for (const name of ['at_risk', 'value_tier'] as const) expect(crm[name].received).toHaveLength(totals[name])
    expect(canonical(crm.at_risk.records)).toEqual(await truth.members('at_risk'))
    expect(canonical(crm.value_tier.records)).toEqual(await truth.members('value_tier'))
  })

  test('sends nothing when the last night is repeated', async () => {
    const requests = crm.at_risk.requests + crm.value_tier.requests
    const asOf = new Date(Date.parse(`${first}T02:00:00Z`) + (nights - 1) * 86_400_000).toISOString()
    const { runs } = await runSyncs(wired, wired.project.syncs, runOptions(asOf))
    expect(runs.map(run => [run.status, run.outcomes.acked, run.requests])).toEqual([
      ['succeeded', 0, 0],
      ['succeeded', 0, 0],
    ])
    expect(crm.at_risk.requests + crm.value_tier.requests).toBe(requests)
  })
})

function csv(fixedWidth: string): string {
  const rows = fixedWidth
    .split('\n')
    .slice(1)
    .map(line => line.trim().split(/\s+/))
    .filter(fields => fields.length === 4)
    .map(([id, day = '', , dollars]) => `${id},${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6, 8)},${dollars}`)
  return `customer_id,day,dollars\n${rows.join('\n')}\n`
}

/** The shop's own database, as it would stand beside the project. */
async function loadShop(path: string, file: string): Promise<void> {
  const instance = await DuckDBInstance.create(path)
  const connection = await instance.connect()
  await connection.run(`create table purchases as ${purchasesOf(file)}`)
  connection.closeSync()
  instance.closeSync()
}

const purchasesOf = (file: string) =>
  `select customer_id, cast(day as date) as day, cast(dollars as double) as dollars from read_csv('${file}', all_varchar = true)`

interface Expectation {
  readonly population: number
  readonly enter: number
  readonly change: number
  readonly leave: number
}

interface Truth {
  /** What one more night changes, counted by SQL. */
  night(day: string): Promise<Record<SyncName, Expectation>>
  /** The fields of everyone as of the last night. */
  members(sync: SyncName): Promise<Map<string, string>>
  close(): Promise<void>
}

/** The populations by SQL written for this test, in a database of its own. */
async function openTruth(file: string): Promise<Truth> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  const rows = async (sql: string) => (await connection.runAndReadAll(sql)).getRowObjectsJson()
  const fields = 'customer_id, p_alive, tier, repeat_orders, last_week'
  await connection.run(`create table purchases as ${purchasesOf(file)}`)
  for (const name of Object.keys(population))
    await connection.run(`create table ${name} as select ${fields} from (${customerState(`'1900-01-01'`)}) where false`)

  async function compare(name: SyncName): Promise<Expectation> {
    await connection.run(`create or replace temp table tonight as select * from everyone where ${population[name]}`)
    const [counts = {}] = await rows(`select
  (select count(*) from tonight) as population,
  (select count(*) from tonight where customer_id not in (select customer_id from ${name})) as enter,
  (select count(*) from ((select * from tonight) except (select * from ${name})) t where customer_id in (select customer_id from ${name})) as change,
  (select count(*) from ${name} where customer_id not in (select customer_id from tonight)) as leave`)
    await connection.run(`create or replace table ${name} as select * from tonight`)
    const count = (column: string) => Number(counts[column])
    return { population: count('population'), enter: count('enter'), change: count('change'), leave: count('leave') }
  }

  return {
    async night(day) {
      await connection.run(
        `create or replace temp table everyone as select ${fields} from (${customerState(`'${day}'`)})`,
      )
      return { at_risk: await compare('at_risk'), value_tier: await compare('value_tier') }
    },
    async members(name) {
      const everyone = await rows(`select * from ${name}`)
      return new Map(
        everyone.map(({ customer_id, ...values }) => [
          String(customer_id),
          text({ ...values, repeat_orders: Number(values.repeat_orders) }),
        ]),
      )
    },
    close: async () => {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

function text(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))))
}

function canonical(records: ReadonlyMap<string, Readonly<Record<string, unknown>>>): Map<string, string> {
  return new Map([...records].map(([key, fields]) => [key, text(fields)]))
}
