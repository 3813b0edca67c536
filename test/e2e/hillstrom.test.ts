import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunDocument } from '../../src/run.ts'
import { activate } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

const data = join(process.env.ACTIVATE_DATA_DIR ?? join(import.meta.dirname, '../../../shared/data'), 'hillstrom.csv')

describe.skipIf(!existsSync(data))('Hillstrom, 64,000 customers (skipped where the data set is absent)', () => {
  let crm: Receiver
  let project: TestProject

  beforeAll(async () => {
    crm = await startReceiver()
    const [header, ...lines] = readFileSync(data, 'utf8').trim().split(/\r?\n/)
    const numbered = lines.map((line, index) => `${String(index + 1).padStart(5, '0')},${line}`)
    project = await makeProject({
      'data/customers.csv': `customer_id,${header}\n${numbered.join('\n')}\n`,
      'activate.yml': `
name: hillstrom
sources:
  customers: { csv: data/customers.csv, columns: { customer_id: { type: string }, history: { type: number }, recency: { type: integer } } }
destinations:
  crm: ${receiverSettings(crm.url)}
`,
      'models/everyone.sql': `/*---
key: customer_id
columns:
  customer_id: { type: string, tests: [not_null, unique] }
  recency: { type: integer, tests: [{ between: [1, 12] }] }
---*/
select customer_id, recency, history, channel, segment from {{source "customers"}}
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
    expect(crm.records.get('00001')).toEqual({
      arm: 'Womens E-Mail',
      channel: 'Phone',
      months_since_order: 10,
      spent_last_year: 142.44,
    })
  })

  test('the second run sends nothing', async () => {
    const { code, stdout } = await activate(project.root, 'run', '--json')
    const [run] = (JSON.parse(stdout) as RunDocument).runs
    expect([code, run?.status, run?.requests, run?.plan?.rows.unchanged]).toEqual([0, 'succeeded', 0, 64_000])
    expect(crm.requests).toBe(640)
  })
})
