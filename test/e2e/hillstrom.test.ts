import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunDocument } from '../../src/run.ts'
import { activate } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

const data = join(process.env.ACTIVATE_DATA_DIR ?? join(import.meta.dirname, '../../../shared/data'), 'hillstrom.csv')

/** The file has no id; numbering its rows in the order of all columns is the same every night. */
const columns =
  'history, recency, history_segment, mens, womens, zip_code, newbie, channel, segment, visit, conversion, spend'

describe.skipIf(!existsSync(data))('Hillstrom, 64,000 customers (skipped where the data set is absent)', () => {
  let crm: Receiver
  let project: TestProject

  beforeAll(async () => {
    crm = await startReceiver()
    project = await makeProject({
      'data/customers.csv': readFileSync(data, 'utf8'),
      'activate.yml': `
name: hillstrom
sources:
  customers: { csv: data/customers.csv, columns: { history: { type: number }, recency: { type: integer }, visit: { type: integer } } }
destinations:
  crm: ${receiverSettings(crm.url)}
`,
      'models/everyone.sql': `/*---
key: customer_id
columns:
  customer_id: { type: string, tests: [not_null, unique] }
  recency: { type: integer, tests: [{ between: [1, 12] }] }
---*/
select printf('%05d', row_number() over (order by ${columns})) as customer_id, recency, history, channel, segment
from {{source "customers"}}
`,
      'syncs/everyone.yml': `
model: everyone
destination: crm
action: upsert
mode: upsert
fields: { months_since_order: recency, spent_last_year: history, channel: channel, arm: { column: segment } }
`,
    })
  })

  afterAll(async () => {
    await project?.remove()
    await crm?.close()
  })

  test('the first run sends everyone once', async () => {
    const { code, stdout } = await activate(project.root, 'run', '--json')
    const [run] = (JSON.parse(stdout) as RunDocument).runs
    expect(code).toBe(0)
    expect(run).toMatchObject({
      status: 'succeeded',
      outcomes: { acked: 64_000, rejected: 0, parked: 0, pending: 0 },
      requests: 640,
      retries: 0,
    })
    expect(crm.records.size).toBe(64_000)
    expect(crm.received).toHaveLength(64_000)
    const { rows, changes, decisions } = run?.plan ?? {}
    expect(rows).toEqual({ model: 64_000, quarantined: 0, ineligible: 0, population: 64_000, unchanged: 0 })
    expect(changes).toEqual({ enter: 64_000, change: 0, leave: 0 })
    expect(decisions).toEqual({ send: 64_000, withhold: 0, defer: 0, skip: 0, blocked: 0 })
    expect(totals([...crm.records.values()])).toEqual(await truth())
  })

  test('the second run sends nothing', async () => {
    const { code, stdout } = await activate(project.root, 'run', '--json')
    const [run] = (JSON.parse(stdout) as RunDocument).runs
    expect([code, run?.status, run?.requests, run?.plan?.rows.unchanged]).toEqual([0, 'succeeded', 0, 64_000])
    expect(crm.requests).toBe(640)
  })
})

/** Customers and cents spent by arm and channel, as the destination got them. */
function totals(records: readonly Readonly<Record<string, unknown>>[]): Record<string, string> {
  const groups = new Map<string, { customers: number; cents: number }>()
  for (const { arm, channel, spent_last_year } of records) {
    const group = groups.get(`${arm} ${channel}`) ?? { customers: 0, cents: 0 }
    group.customers += 1
    group.cents += Math.round(Number(spent_last_year) * 100)
    groups.set(`${arm} ${channel}`, group)
  }
  return Object.fromEntries([...groups].map(([name, { customers, cents }]) => [name, `${customers} ${cents}`]))
}

/** The same by plain SQL over the file. */
async function truth(): Promise<Record<string, string>> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const reader = await connection.runAndReadAll(`select segment || ' ' || channel as name,
  count(*) || ' ' || cast(sum(cast(cast(history as decimal(12, 2)) * 100 as bigint)) as varchar) as total
from read_csv('${data}', all_varchar = true) group by 1`)
  const found = Object.fromEntries(reader.getRows().map(([name, total]) => [String(name), String(total)]))
  connection.closeSync()
  instance.closeSync()
  return found
}
