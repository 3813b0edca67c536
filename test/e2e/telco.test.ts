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
  let due: Set<string>

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
description: Contracts that renew next month, or have just begun
key: customerID
columns:
  customerID: { type: string, tests: [not_null, unique] }
  months_left: { type: integer, tests: [{ between: [0, 1] }] }
  TotalCharges: { type: number }
---*/
with terms as (
  select *, case "Contract" when 'One year' then 12 when 'Two year' then 24 end as term from {{source "subscribers"}}
)
select "customerID", "TotalCharges", case when tenure = 0 then 0 else 1 end as months_left
from terms where term is not null and (tenure % term = term - 1 or tenure = 0)
`,
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
    await project.write({ 'syncs/renewal_due.yml': sync('baseline') })
    const { stdout } = await activate(project.root, 'dry-run', '--json')
    const [plan] = JSON.parse(stdout).plans
    expect(plan).toMatchObject({
      changes: { enter: due.size },
      decisions: { send: 0, skip: due.size },
      reasons: { 'first_run.baseline': due.size },
    })
  })

  test('a first run that sends reaches exactly those that plain SQL finds, once each', async () => {
    await project.write({ 'syncs/renewal_due.yml': sync('send') })
    const { code, stdout } = await activate(project.root, 'run', '--json')
    const [run] = (JSON.parse(stdout) as RunDocument).runs
    expect([code, run?.outcomes.acked]).toEqual([0, due.size])
    expect(messenger.received.map(({ key }) => key).sort()).toEqual([...due].sort())
    const fresh = messenger.received.find(({ fields }) => fields.months_left === 0)
    expect(fresh?.fields.charges).toBeNull()
  })

  test('a repeated run sends nothing', async () => {
    const before = messenger.requests
    expect((await activate(project.root, 'run')).code).toBe(0)
    expect(messenger.requests).toBe(before)
  })
})

async function renewalsBySql(): Promise<Set<string>> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const reader = await connection.runAndReadAll(`select "customerID" from read_csv('${data}', all_varchar = true)
where ("Contract" = 'One year' and (tenure::int % 12 = 11 or tenure::int = 0)) or ("Contract" = 'Two year' and (tenure::int % 24 = 23 or tenure::int = 0))`)
  const keys = new Set(reader.getRows().map(([key]) => String(key)))
  connection.closeSync()
  instance.closeSync()
  return keys
}
