/** Checks, breakdowns and health of the report, on a programme that really ran and was then tampered with. */
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { readReport } from '../../src/cli/measure.ts'
import type { ForecastEntry } from '../../src/report/forecast.ts'
import type { ExperimentEntry, ReportDocument } from '../../src/report/report.ts'
import { runSyncs } from '../../src/run.ts'
import { command as activate } from './command-line.ts'
import { makeProject, runOptions, type TestProject, withProject } from './project.ts'

const people = Array.from({ length: 3000 }, (_, index) => `C${String(index).padStart(4, '0')}`)

const files = {
  'activate.yml': `
name: programme
warehouse: { type: duckdb, path: state.duckdb, threads: 1 }
destinations:
  mails: { type: file, path: out, format: csv }
`,
  // A third of the people enters each week.
  'models/people.sql': `/*---
key: customer_id
---*/
select customer_id, case when cast(substr(customer_id, 2) as integer) % 2 = 0 then 'gold' else 'silver' end as tier
from read_csv('data/people.csv', header = true)
where cast(substr(customer_id, 2) as integer) % 3 <= date_diff('day', date '2026-03-01', {{run_date}}) / 7`,
  'data/people.csv': `customer_id\n${people.join('\n')}\n`,
  'models/renewals.sql': `select customer_id, cast(renewed_at as timestamp) as renewed_at from read_csv('data/renewals.csv', header = true, all_varchar = true)`,
  'data/renewals.csv': 'customer_id,renewed_at\n',
  'syncs/reminder.yml': `
model: people
destination: mails
action: write
mode: trigger
trigger: { on: enter, reentry: never, first_run: send }
fields: { to: customer_id }
channel: email
purpose: renewals
cost_per_message: 0.05
holdout: { share: 20%, epoch: "1", salt: reminder-1, stratify: tier }
`,
  'outcomes/renewed.yml': `
model: renewals
unit: customer_id
at: renewed_at
window: 10d
planned_units: 2000
syncs: { reminder: primary }
`,
}

let project: TestProject

beforeAll(async () => {
  const root = (text: string, at: string) => text.replaceAll("'data/", `'${at}/data/`)
  project = await makeProject(files)
  const placed = Object.entries(files).filter(([path]) => path.startsWith('models/'))
  await project.write(Object.fromEntries(placed.map(([path, text]) => [path, root(text, project.root)])))
  for (const night of ['2026-03-01', '2026-03-08', '2026-03-15']) {
    const { runs } = await withProject(project, wired =>
      runSyncs(wired, wired.project.syncs, runOptions(`${night}T02:00:00Z`, { yes: true })),
    )
    expect(runs.map(({ status }) => status)).toEqual(['succeeded'])
  }
  await copyFile(join(project.root, 'state.duckdb'), join(project.root, 'ran.duckdb'))
})

beforeEach(async () => {
  await copyFile(join(project.root, 'ran.duckdb'), join(project.root, 'state.duckdb'))
  await plant({ treated: 2, withheld: 4 })
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

/** Every `one in` n-th person of an arm renews five days after their trigger; `more` lines follow. */
async function plant(
  oneIn: { readonly treated: number; readonly withheld: number },
  more: (key: string, arm: 'treated' | 'withheld') => readonly string[] = () => [],
): Promise<void> {
  const exposed = await inWarehouse(
    "select key, arm, strftime(triggered_at + interval 5 day, '%Y-%m-%d %H:%M:%S') from activate.exposures order by key",
  )
  const seen = { treated: 0, withheld: 0 }
  const lines = exposed.flatMap(([key, arm, at]) => {
    const side = arm === 'withheld' ? 'withheld' : 'treated'
    seen[side] += 1
    const own = seen[side] % oneIn[side] === 0 ? [`${String(key)},${String(at)}`] : []
    return [...own, ...more(String(key), side)]
  })
  await project.write({ 'data/renewals.csv': `customer_id,renewed_at\n${lines.join('\n')}\n` })
}

async function report(asOf = '2026-05-01'): Promise<ReportDocument> {
  return withProject(project, wired => readReport(wired, Date.parse(asOf), undefined))
}

async function entry(asOf?: string): Promise<ExperimentEntry> {
  const [first] = (await report(asOf)).experiments
  if (first === undefined) throw new Error('there is no experiment')
  return first
}

const checksOf = ({ checks }: ExperimentEntry) => checks.findings.map(({ check, severity }) => [check, severity])

test('a sound programme has no finding, and its parts are everybody', async () => {
  const { outcomes, checks, funnel } = await entry()
  expect(checks.findings).toEqual([])
  const [renewed] = outcomes
  const people = (parts: readonly { treated: { people: number }; withheld: { people: number } }[] = []) =>
    parts.reduce((sum, { treated, withheld }) => sum + treated.people + withheld.people, 0)
  expect(people(renewed?.cohorts)).toBe(3000)
  expect(renewed?.cohorts.map(({ part }) => part)).toEqual([
    'week of 2026-02-23',
    'week of 2026-03-02',
    'week of 2026-03-09',
  ])
  expect(people(renewed?.segments)).toBe(3000)
  expect(renewed?.segments.map(({ part }) => part).sort()).toEqual(['gold', 'silver'])
  const last = renewed?.series[0]?.points.at(-1)
  expect([last?.treated, last?.withheld]).toEqual([
    renewed?.comparisons[0]?.treated.people,
    renewed?.comparisons[0]?.withheld.people,
  ])
  expect(funnel).toMatchObject({ due: 3000, skipped: 0, waiting: 0, rejected: 0 })
  expect(funnel?.withheld_reasons).toEqual([{ reason: 'holdout.reminder', n: funnel?.withheld }])
  expect(funnel?.acked).toBe(3000 - (funnel?.withheld ?? 0))
})

test('each look of a running experiment counts whose window was over by then', async () => {
  const { outcomes } = await entry('2026-03-20T03:00:00Z')
  const points = outcomes[0]?.series[0]?.points ?? []
  expect(points.map(({ treated, withheld }) => treated + withheld).at(-1)).toBe(2000)
  expect(points.map(({ treated, withheld }) => treated + withheld)).toContain(1000)
  expect(outcomes[0]).toMatchObject({ boundary: 'sequential', open: 1000 })
})

test('says what it cost, and what the effect on those reached is', async () => {
  const { outcomes } = await entry()
  const [comparison] = outcomes[0]?.comparisons ?? []
  const { worth, treated, lift } = comparison ?? {}
  expect(worth).toMatchObject({ delivered_share: 1, cost: (treated?.people ?? 0) * 0.05 })
  if (lift?.kind !== 'estimated' || worth?.on_reached?.kind !== 'estimated') throw new Error('no figures')
  expect(worth.on_reached.estimate).toBeCloseTo(lift.absolute.estimate, 9)
  if (worth.cost_per_incremental?.kind !== 'estimated') throw new Error('no price')
  expect(worth.cost_per_incremental.estimate).toBeCloseTo((worth.cost ?? 0) / (lift.incremental?.estimate ?? 0), 9)
})

test('half of the treated who were never reached double the effect on the others', async () => {
  await inWarehouse('delete from activate.deliveries where hash(key) % 2 = 0')
  const { outcomes } = await entry()
  const [comparison] = outcomes[0]?.comparisons ?? []
  const { worth, lift } = comparison ?? {}
  if (lift?.kind !== 'estimated' || worth?.on_reached?.kind !== 'estimated') throw new Error('no figures')
  expect(worth.delivered_share).toBeLessThan(0.6)
  expect(worth.on_reached.estimate).toBeCloseTo(lift.absolute.estimate / (worth.delivered_share ?? 1), 9)
})

test('an address that a withheld and a treated person share is told', async () => {
  await inWarehouse(`update activate.snapshot__reminder set address = 'a-' || key`)
  expect(checksOf(await entry())).toEqual([])
  await inWarehouse(`update activate.snapshot__reminder set address = 'shared'
    where key in (select min(key) from activate.exposures group by arm)`)
  expect(checksOf(await entry())).toEqual([['contamination', 'warning']])
})

test('rows without a time in one arm alone are an alarm', async () => {
  await plant({ treated: 2, withheld: 4 }, (key, arm) =>
    arm === 'withheld' && Number(key.slice(1)) % 3 === 0 ? [`${key},`] : [],
  )
  const found = await entry()
  expect(checksOf(found)).toEqual([['missing_outcomes', 'alarm']])
  expect(found.verdicts[0]).toMatchObject({ advice: 'unreliable' })
})

test('an arm without a single outcome is told', async () => {
  await plant({ treated: 2, withheld: 100_000 })
  expect(checksOf(await entry())).toEqual([['missing_outcomes', 'warning']])
})

test('arms that differed before anything was done are told', async () => {
  await plant({ treated: 2, withheld: 2 }, (key, arm) => (arm === 'treated' ? [`${key},2026-02-27 12:00:00`] : []))
  expect(checksOf(await entry())).toEqual([['carry_over', 'warning']])
})

test('an epoch that goes on with the salt of another is told', async () => {
  await inWarehouse(`insert into activate.exposures (sync, key, person, holdout, epoch, arm, triggered_at)
    select sync, key, person, holdout, '0', arm, triggered_at - interval 200 day from activate.exposures`)
  expect(checksOf(await entry())).toEqual([['carry_over', 'warning']])
})

test('an epoch that was rotated away, and one that is over, are told', async () => {
  const sync = files['syncs/reminder.yml']
  await project.write({ 'syncs/reminder.yml': sync.replace('epoch: "1"', 'epoch: "2"') })
  expect((await entry()).checks.findings[0]?.text).toContain('epoch "2" has exposed nobody yet; "1" exposed 3000')
  await project.write({ 'syncs/reminder.yml': sync.replace('salt:', 'expires: "2026-04-01", salt:') })
  const ended = await entry()
  expect(checksOf(ended)).toEqual([['epoch', 'warning']])
  expect(ended.outcomes[0]?.boundary).toBe('fixed')
  await project.write({ 'syncs/reminder.yml': sync })
})

test('people lost between the draw and the end of the window are an alarm that says where', async () => {
  await inWarehouse(
    `update activate.exposures set triggered_at = timestamptz '2026-04-30 00:00:00Z' where arm = 'withheld' and hash(key) % 2 = 0`,
  )
  const { checks } = await entry()
  expect(checks.findings).toMatchObject([{ check: 'sample_ratio', severity: 'alarm' }])
  expect(checks.alarms[0]).toContain('whose window for "renewed" is over')
})

test('health comes from the runs of the last thirty days before the report', async () => {
  const { health } = await report('2026-03-20T03:00:00Z')
  expect(health?.all).toMatchObject({
    runs: { total: 3, succeeded: 3, failed: 0 },
    ...{ model_rows: 3000, eligible: 3000, eligible_share: 1, contract_compliance: 1, duplicates_prevented: 0 },
    ...{ error_rate: 0, waiting: 0, queue_lag: null, dead_letters: 0 },
  })
  expect(health?.all.unknown.queue_lag).toBe('no run was started by the schedule')
  expect((await report('2026-08-01')).health?.all).toMatchObject({ runs: { total: 0 }, error_rate: null })
})

test('the page is written beside the usual output, and a file that cannot be written is an error', async () => {
  const written = await activate(project.root, 'report', '--html', 'report.html', '--as-of', '2026-05-01')
  expect(written.code, written.stderr).toBe(0)
  expect(written.stderr).toContain('wrote report.html')
  expect(written.stdout).toContain('keep: it works.')
  const html = await readFile(join(project.root, 'report.html'), 'utf8')
  expect(html).toMatch(/^<!doctype html>/)
  expect(html).toContain('Keep it')
  const refused = await activate(project.root, 'report', '--html', 'no/such/folder.html')
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('A8010')])
})

test('a dry run tells when the experiment can be decided, from those who came and what they did', async () => {
  const { stdout, code } = await activate(project.root, 'dry-run', '--json', '--as-of', '2026-04-05T02:00:00Z')
  expect(code).toBe(0)
  const { experiments } = JSON.parse(stdout) as { readonly experiments: readonly ForecastEntry[] }
  expect(experiments).toMatchObject([
    { sync: 'reminder', outcome: 'renewed', people_per_week: 600, people_from: 'exposures' },
  ])
  expect(experiments[0]?.baseline).toMatchObject({ from: 'withheld' })
  expect(experiments[0]?.baseline?.mean).toBeCloseTo(0.25, 1)
  expect(experiments[0]?.decided_in_weeks).toBeGreaterThan(4)
  const text = await activate(project.root, 'dry-run', '--as-of', '2026-04-05T02:00:00Z')
  expect(text.stdout).toContain('about 600 people a week, as in the last weeks; without it 2')
})

test('a dry run computes a model once, for its plan and its forecast', async () => {
  await inWarehouse('create sequence computed')
  const path = join(project.root, 'models/people.sql')
  const model = await readFile(path, 'utf8')
  await project.write({ 'models/people.sql': model.replace(' as tier', " as tier, nextval('computed') as nr") })
  try {
    const planned = await activate(project.root, 'dry-run', '--json', '--as-of', '2026-04-05T02:00:00Z')
    expect(planned.code, planned.stderr).toBe(0)
    const { experiments } = planned.json<{ readonly experiments: readonly ForecastEntry[] }>()
    expect(experiments[0]?.baseline).not.toBeNull()
    expect(await inWarehouse("select nextval('computed')")).toEqual([[BigInt(people.length + 1)]])
  } finally {
    await project.write({ 'models/people.sql': model })
  }
})

test('results are kept in a table of the state, once for each report', async () => {
  const write = (...more: readonly string[]) => activate(project.root, 'report', '--write-back', '--json', ...more)
  const { code, stdout, stderr } = await write('--as-of', '2026-05-01')
  expect(code, stderr).toBe(0)
  expect((await write('--as-of', '2026-05-01')).code).toBe(0)
  await write('--as-of', '2026-05-02')
  const { experiments } = JSON.parse(stdout) as ReportDocument
  const lift = experiments[0]?.outcomes[0]?.comparisons[0]?.lift
  if (lift?.kind !== 'estimated') throw new Error('no figures')
  const rows = await inWarehouse(
    `select cast(as_of as date)::varchar, sync, arm, answer, difference, difference_lower, p_value, advice, alarms::integer from activate.results order by as_of`,
  )
  expect(rows).toHaveLength(2)
  expect(rows[0]).toEqual([
    ...['2026-05-01', 'reminder', 'treated', 'estimated'],
    ...[lift.absolute.estimate, lift.absolute.lower, lift.p_value, 'keep', 0],
  ])
})
