/** The report on a programme that really ran: exposures of the tool's own runs, outcomes planted by who was withheld. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { readReport } from '../../src/cli/measure.ts'
import type { ReportDocument } from '../../src/report/report.ts'
import { command as activate } from './command-line.ts'
import { makeProject, type TestProject, withProject } from './project.ts'

const people = Array.from({ length: 2000 }, (_, index) => `C${String(index).padStart(4, '0')}`)

const files = {
  'activate.yml': `
name: programme
warehouse: { type: duckdb, path: state.duckdb, threads: 1 }
sources:
  people: { csv: data/people.csv, columns: { customer_id: { type: string } } }
  renewals: { csv: data/renewals.csv, columns: { customer_id: { type: string }, renewed_at: { type: timestamp } } }
policies:
  holdouts:
    - { name: global, share: 10%, epoch: 2026H1, salt: acme-2026H1, applies_to: communications }
destinations:
  mails: { type: file, path: out, format: csv }
`,
  'data/people.csv': `customer_id\n${people.join('\n')}\n`,
  'data/renewals.csv': 'customer_id,renewed_at\n',
  'models/people.sql': '/*---\nkey: customer_id\n---*/\nselect customer_id from {{source "people"}}',
  'models/renewals.sql': 'select customer_id, renewed_at from {{source "renewals"}}',
  'syncs/reminder.yml': `
model: people
destination: mails
action: write
mode: trigger
trigger: { on: enter, reentry: never, first_run: send }
fields: { to: customer_id }
channel: email
purpose: renewals
holdout: { share: 20%, epoch: "1", salt: reminder-1 }
`,
  'outcomes/renewed.yml': `
model: renewals
unit: customer_id
at: renewed_at
window: 30d
planned_units: 2000
syncs: { reminder: primary }
holdouts: { global: primary }
`,
}

let project: TestProject

/** The night is run once; every test begins with the state that it left. */
beforeAll(async () => {
  project = await makeProject(files)
  const run = await activate(project.root, 'run', '--as-of', '2026-03-01T02:00:00Z', '--yes')
  expect(run.code, run.stderr).toBe(0)
  await copyFile(join(project.root, 'state.duckdb'), join(project.root, 'ran.duckdb'))
})

beforeEach(async () => {
  await copyFile(join(project.root, 'ran.duckdb'), join(project.root, 'state.duckdb'))
  await project.write(files)
})

afterAll(async () => {
  await project?.remove()
})

async function inWarehouse(statement: string): Promise<readonly (readonly unknown[])[]> {
  const instance = await DuckDBInstance.create(join(project.root, 'state.duckdb'))
  const connection = await instance.connect()
  const result = await connection.runAndReadAll(statement)
  const rows = result.getRows()
  connection.closeSync()
  instance.closeSync()
  return rows
}

/** Every `one in` n-th person renews, of either arm. */
async function plant(oneIn: { readonly treated: number; readonly withheld: number }): Promise<void> {
  const exposed = await inWarehouse(
    "select key, arm from activate.exposures where sync = 'reminder' and holdout = 'reminder' order by key",
  )
  const seen = { treated: 0, withheld: 0 }
  const renewed = exposed.flatMap(([key, arm]) => {
    const side = arm === 'withheld' ? 'withheld' : 'treated'
    seen[side] += 1
    return seen[side] % oneIn[side] === 0 ? [`${String(key)},2026-03-10 12:00:00`] : []
  })
  await project.write({ 'data/renewals.csv': `customer_id,renewed_at\n${renewed.join('\n')}\n` })
}

function report(asOf: string): Promise<ReportDocument> {
  return withProject(project, wired => readReport(wired, Date.parse(asOf), undefined))
}

const ofSync = ({ experiments }: ReportDocument) => experiments.find(({ sync }) => sync === 'reminder')

test('a reminder that works is kept, and the draw of everybody is found to be right', async () => {
  await plant({ treated: 3, withheld: 6 })
  const entry = ofSync(await report('2026-05-01'))
  expect(entry?.verdicts).toMatchObject([{ arm: 'treated', advice: 'keep' }])
  expect(entry?.checks).toMatchObject({ assignment: { verdict: 'exact', misassigned: 0 }, alarms: [], reached: 0 })
  expect(entry?.checks.assignment.people).toBe(entry?.arms.reduce((sum, { people: n }) => sum + n, 0))
  const [comparison] = entry?.outcomes[0]?.comparisons ?? []
  expect(comparison?.treated.mean).toBeCloseTo(1 / 3, 2)
  expect(comparison?.withheld.mean).toBeCloseTo(1 / 6, 2)
  expect(entry?.arms.find(({ arm }) => arm === 'treated')).toMatchObject({ delivered: comparison?.treated.people })
  expect(entry?.arms.find(({ arm }) => arm === 'withheld')).toMatchObject({ delivered: 0 })
})

test('one that does harm is stopped', async () => {
  await plant({ treated: 6, withheld: 3 })
  expect(ofSync(await report('2026-05-01'))?.verdicts).toMatchObject([{ advice: 'stop' }])
})

test('nothing is said before the window of the first is over', async () => {
  await plant({ treated: 3, withheld: 6 })
  const entry = ofSync(await report('2026-03-20'))
  const exposed = entry?.arms.reduce((sum, { people: n }) => sum + n, 0)
  expect(entry?.outcomes[0]?.open).toBe(exposed)
  expect(entry?.verdicts).toMatchObject([{ advice: 'wait' }])
  expect(entry?.outcomes[0]?.comparisons[0]?.lift).toMatchObject({ kind: 'not_estimable', reason: 'empty_arm' })
})

test('a lift that cannot be told from chance waits for a date', async () => {
  await plant({ treated: 5, withheld: 6 })
  const [verdict] = ofSync(await report('2026-05-01'))?.verdicts ?? []
  expect(verdict?.advice).toBe('wait')
  expect(verdict?.text).toMatch(/^wait(, but as it looks| until about 20\d\d-\d\d-\d\d)/)
})

test('somebody in the wrong arm makes the figures unreliable, and is counted', async () => {
  await plant({ treated: 3, withheld: 6 })
  await inWarehouse(
    "update activate.exposures set arm = 'treated' where holdout = 'reminder' and key = (select min(key) from activate.exposures where holdout = 'reminder' and arm = 'withheld')",
  )
  const entry = ofSync(await report('2026-05-01'))
  expect(entry?.verdicts).toMatchObject([{ advice: 'unreliable' }])
  expect(entry?.checks.assignment).toMatchObject({ verdict: 'misassigned', misassigned: 1 })
})

test('a third of the withheld that went missing is noticed by the size of the arms', async () => {
  await plant({ treated: 3, withheld: 6 })
  await inWarehouse(
    "delete from activate.exposures where holdout = 'reminder' and arm = 'withheld' and hash(key) % 3 = 0",
  )
  const entry = ofSync(await report('2026-05-01'))
  expect(entry?.checks.sample_ratio.verdict).toBe('mismatch')
  expect(entry?.verdicts[0]?.text).toContain(
    'do not rely on these figures: the arms are not as large as they were drawn',
  )
})

test('a message that reached somebody withheld is an alarm', async () => {
  await plant({ treated: 3, withheld: 6 })
  await inWarehouse(`
insert into activate.deliveries (sync, key, change_id, outcome, run_id, as_of, delivered_at, communication)
select sync, key, 'leak', 'acked', 'r', timestamptz '2026-03-02', timestamptz '2026-03-02', true
from activate.exposures where holdout = 'reminder' and arm = 'withheld' limit 1`)
  const entry = ofSync(await report('2026-05-01'))
  expect(entry?.checks).toMatchObject({ reached: 1 })
  expect(entry?.verdicts[0]).toMatchObject({ advice: 'unreliable' })
})

test('the shared holdout is reported over all that it withholds, and a sync by name alone', async () => {
  await plant({ treated: 3, withheld: 6 })
  const { experiments } = await report('2026-05-01')
  expect(experiments.map(({ sync, holdout }) => [sync, holdout])).toEqual([
    [null, 'global'],
    ['reminder', 'reminder'],
  ])
  const one = await activate(project.root, 'report', 'reminder', '--as-of', '2026-05-01')
  expect(one.stdout).toContain('keep: it works. "renewed" is 33.3 % with it')
  const slip = await activate(project.root, 'report', 'remindre')
  expect(slip.stderr).toContain('there is no sync "remindre"')
})

test('an outcome that names what is not there says where, and nothing is measured', async () => {
  await project.write({
    'outcomes/renewed.yml': `${files['outcomes/renewed.yml'].replace('at: renewed_at', 'at: renewd_at')}`,
  })
  const column = await activate(project.root, 'report')
  expect(column.code).toBe(7)
  expect(column.stderr).toContain('A8512')
  expect(column.stderr).toContain('outcomes/renewed.yml:4')
  await project.write({
    'outcomes/renewed.yml': files['outcomes/renewed.yml'].replace('reminder: primary', 'remind: primary'),
  })
  expect((await activate(project.root, 'validate')).stderr).toContain('A1197')
})
