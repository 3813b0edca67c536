import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunDocument } from '../../src/run.ts'
import { activate } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

const data = join(process.env.ACTIVATE_DATA_DIR ?? join(import.meta.dirname, '../../../shared/data'), 'telco.csv')

const sync = (firstRun: string) => `
model: renewal_due
destination: messenger
action: send_keyed
mode: trigger
trigger: { on: enter, reentry: 300d, first_run: ${firstRun} }
channel: email
purpose: renewals
fields: { to: { template: "{{customerID}}@example.com" }, charges: TotalCharges, months_left: months_left }
`

describe.skipIf(!existsSync(data))('Telco, renewals (skipped where the data set is absent)', () => {
  let messenger: Receiver
  let project: TestProject
  let due: Map<string, Renewal>

  beforeAll(async () => {
    messenger = await startReceiver()
    project = await makeProject({
      'data/telco.csv': readFileSync(data, 'utf8'),
      'activate.yml': `
name: telco
sources:
  subscribers:
    csv: data/telco.csv
    columns:
      customerID: { type: string, tests: [not_null, unique] }
      tenure: { type: integer, tests: [not_null] }
      Contract: { type: string, tests: [{ accepted_values: [Month-to-month, One year, Two year] }] }
      TotalCharges: { type: number }
destinations:
  messenger: ${receiverSettings(messenger.url)}
`,
      'models/renewal_due.sql': `/*---
description: Contracts that renew within a month
key: customerID
columns:
  customerID: { type: string, tests: [not_null, unique] }
  months_left: { type: integer, tests: [not_null, { between: [1, 24] }] }
  TotalCharges: { type: number }
---*/
with terms as (
  select *, case "Contract" when 'Month-to-month' then 1 when 'One year' then 12 when 'Two year' then 24 end as term
  from {{source "subscribers"}}
)
select "customerID", "TotalCharges", "Contract", term - tenure % term as months_left
from terms where term - tenure % term <= 1 or tenure = 0
`,
      'syncs/remembered.yml': sync('baseline'),
      'syncs/renewal_due.yml': sync('send'),
    })
    due = await renewalsBySql()
  })

  afterAll(async () => {
    await project?.remove()
    await messenger?.close()
  })

  test('the declared tests of source and model hold, blank charges included', async () => {
    const { code, stderr } = await activate(project.root, 'test')
    expect({ code, stderr }).toMatchObject({ code: 0 })
  })

  test('a baseline remembers everyone who is due and sends nothing', async () => {
    const { code, json } = await activate(project.root, 'run', '--json', '--select', 'remembered')
    const [run] = json<RunDocument>().runs
    expect([code, run?.requests, messenger.requests]).toEqual([0, 0, 0])
    expect(run?.plan).toMatchObject({
      changes: { enter: due.size, change: 0, leave: 0 },
      decisions: { send: 0, withhold: 0, defer: 0, skip: due.size, blocked: 0 },
      reasons: { 'first_run.baseline': due.size },
    })
  })

  test('a first run that sends reaches exactly those that plain SQL finds, once each', async () => {
    const { code, json } = await activate(project.root, 'run', '--json')
    const { runs } = json<RunDocument>()
    expect([code, runs.map(run => [run.sync, run.outcomes.acked, run.plan?.rows.unchanged])]).toEqual([
      0,
      [
        ['remembered', 0, due.size],
        ['renewal_due', due.size, 0],
      ],
    ])
    expect(messenger.received).toHaveLength(due.size)
    const told = messenger.received.map(({ key, fields }) => [
      key,
      { months: fields.months_left, charges: fields.charges },
    ])
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(due))
    expect([...due.values()].filter(({ charges }) => charges === null)).toHaveLength(11)
  })

  test('a repeated run sends nothing', async () => {
    const before = messenger.requests
    expect((await activate(project.root, 'run')).code).toBe(0)
    expect(messenger.requests).toBe(before)
  })
})

interface Renewal {
  readonly months: number
  readonly charges: number | null
}

/** Who renews within a month or is new, by SQL written for this test. */
async function renewalsBySql(): Promise<Map<string, Renewal>> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const reader = await connection.runAndReadAll(`with people as (
  select "customerID" as id, "Contract" as contract, tenure::int as months, try_cast("TotalCharges" as double) as charges
  from read_csv('${data}', all_varchar = true)
)
select id, 1::int, charges from people where contract = 'Month-to-month'
union all select id, case months when 0 then 12 else 1 end, charges from people where contract = 'One year' and (months = 0 or (months + 1) % 12 = 0)
union all select id, case months when 0 then 24 else 1 end, charges from people where contract = 'Two year' and (months = 0 or (months + 1) % 24 = 0)`)
  const found = reader.getRows().map(([id, months, charges]) => {
    return [String(id), { months: Number(months), charges: charges === null ? null : Number(charges) }] as const
  })
  connection.closeSync()
  instance.closeSync()
  return new Map(found)
}
