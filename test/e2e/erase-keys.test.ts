import { afterEach, beforeEach, expect, test } from 'vitest'
import { stateFilesOf } from '../../src/cli/state-files.ts'
import { erasePerson } from '../../src/run/erase.ts'
import { runSyncs } from '../../src/run.ts'
import type { Wired } from '../../src/wire.ts'
import { makeProject, runOptions, type TestProject, withProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

let far: Receiver
let project: TestProject

const invoices = (rows: readonly string[]) => `customer_id,month,spent\n${rows.join('\n')}\n`
const all = ['C-9,A-1,1', 'C-9,A-2,-5', 'X,C-9,2', 'Y,A-3,3']

beforeEach(async () => {
  far = await startReceiver()
  project = await makeProject({
    'activate.yml': `
name: acme
sources:
  invoices: { csv: invoices.csv, on_violation: quarantine, columns: { customer_id: { type: string }, month: { type: string }, spent: { type: integer, tests: [{ between: [0, 9] }] } } }
  listed: { csv: listed.csv }
destinations:
  hook:${receiverSettings(far.url)}
identity: { entity: customer, key: customer_id }
policies:
  suppression: [{ model: fraud, reason: fraud }]
`,
    'invoices.csv': invoices(all),
    'listed.csv': 'customer_id\nC-9\n',
    'models/fraud.sql': '/*---\nkey: customer_id\n---*/\nselect customer_id from {{source "listed"}}\n',
    'models/invoices.sql':
      '/*---\nkey: [customer_id, month]\n---*/\nselect customer_id, month, spent from {{source "invoices"}}\n',
    'syncs/crm.yml': 'model: invoices\ndestination: hook\naction: upsert\nmode: upsert\nfields: { spent: spent }\n',
  })
})

afterEach(async () => {
  await far.close()
  await project.remove()
})

const run = (day: number) =>
  withProject(project, wired => runSyncs(wired, wired.project.syncs, runOptions(`2026-03-0${day}T00:00:00Z`)))

const rows = async (wired: Wired, table: string) => {
  const warehouse = await wired.warehouse()
  const sql = `select * from activate.${table}`
  return JSON.stringify(await warehouse.query({ sql, params: [] }), (_, value) =>
    typeof value === 'bigint' ? String(value) : value,
  )
}

test('finds rows by composite keys in which the person stands where persons do, and rows of sources', async () => {
  await run(1)
  await withProject(project, async wired => {
    expect(await rows(wired, 'ineligible')).toContain('C-9')
    expect(await rows(wired, 'quarantine')).toContain('C-9')
    const options = { dryRun: false, atDestinations: undefined, actor: 'dpo' } as const
    const erased = await erasePerson(wired, stateFilesOf(project.root), 'C-9', options)
    expect(erased.warehouse).toEqual({ ineligible: 1, quarantine: 1 })
    expect(await rows(wired, 'ineligible')).toBe('[]')
    expect(await rows(wired, 'quarantine')).toBe('[]')
    // X is another customer, who bought in what happens to be called C-9.
    expect(await rows(wired, 'snapshot__crm')).toContain('C-9')
  })
})

test('neither the list that they are on nor their broken row brings them back', async () => {
  await withProject(project, wired =>
    erasePerson(wired, stateFilesOf(project.root), 'C-9', { dryRun: false, atDestinations: undefined, actor: 'dpo' }),
  )
  const { runs } = await run(1)
  expect(runs[0]?.plan?.reasons).toMatchObject({ 'suppression.erased': 1 })
  expect(far.received.map(({ key }) => key).sort()).toEqual(['["X","C-9"]', '["Y","A-3"]'])
  await withProject(project, async wired => {
    for (const table of ['ineligible', 'quarantine', 'identities'].slice(0, 2))
      expect(await rows(wired, table)).toBe('[]')
  })
})
