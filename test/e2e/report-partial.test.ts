/** A report of which one part cannot be measured: the rest is there, and everybody is told what is not. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { ReportDocument } from '../../src/report/report.ts'
import { runSyncs } from '../../src/run.ts'
import { command as activate } from './command-line.ts'
import { makeProject, runOptions, type TestProject, withProject } from './project.ts'

const people = Array.from({ length: 1200 }, (_, index) => `C${String(index).padStart(4, '0')}`)

const sync = (name: string) => `
model: people
destination: mails
action: write
mode: trigger
trigger: { on: enter, reentry: never, first_run: send }
fields: { to: customer_id }
channel: email
purpose: renewals
holdout: { share: 25%, epoch: "1", salt: ${name}-1 }
`

const files = {
  'activate.yml': `
name: programme
warehouse: { type: duckdb, path: state.duckdb, threads: 1 }
sources:
  people: { csv: people.csv, columns: { customer_id: { type: string } } }
  renewals: { csv: renewals.csv, columns: { customer_id: { type: string }, renewed_at: { type: timestamp } }, freshness: { column: renewed_at, max_age: 60d } }
  visits: { csv: visits.csv, columns: { customer_id: { type: string }, visited_at: { type: timestamp } } }
destinations:
  mails: { type: file, path: out, format: csv }
`,
  'people.csv': `customer_id\n${people.join('\n')}\n`,
  'models/people.sql': '/*---\nkey: customer_id\n---*/\nselect customer_id from {{source "people"}}',
  'models/renewals.sql': 'select customer_id, renewed_at from {{source "renewals"}}',
  'models/visits.sql': 'select customer_id, visited_at from {{source "visits"}}',
  'syncs/reminder.yml': sync('reminder'),
  'syncs/news.yml': sync('news'),
  'outcomes/renewed.yml':
    'model: renewals\nunit: customer_id\nat: renewed_at\nwindow: 10d\nplanned_units: 1200\nsyncs: { reminder: primary, news: guardrail }\n',
  'outcomes/visited.yml':
    'model: visits\nunit: customer_id\nat: visited_at\nwindow: 10d\nplanned_units: 1200\nsyncs: { news: primary, reminder: secondary }\n',
}

/** Whoever got the news visits more often; everybody renews as often as others. */
const treatedByNews = new Set<string>()

let project: TestProject
let page: string

beforeAll(async () => {
  const nothing = { 'renewals.csv': 'customer_id,renewed_at\n', 'visits.csv': 'customer_id,visited_at\n' }
  project = await makeProject({ ...files, ...nothing })
  page = join(project.root, 'report.html')
  const { runs } = await withProject(project, wired =>
    runSyncs(wired, wired.project.syncs, runOptions('2026-03-01T02:00:00Z', { yes: true })),
  )
  expect(runs.map(({ status }) => status)).toEqual(['succeeded', 'succeeded'])
  const instance = await DuckDBInstance.create(join(project.root, 'state.duckdb'))
  const connection = await instance.connect()
  const read = await connection.runAndReadAll(
    "select key from activate.exposures where sync = 'news' and arm = 'treated'",
  )
  for (const [key] of read.getRows()) treatedByNews.add(String(key))
  connection.closeSync()
  instance.closeSync()
})

beforeEach(() =>
  project.write({
    ...files,
    'renewals.csv': `customer_id,renewed_at\n${people.flatMap((key, index) => (index % 4 === 0 ? [`${key},2026-03-05 10:00:00`] : [])).join('\n')}\n`,
    'visits.csv': `customer_id,visited_at\n${people.flatMap((key, index) => (index % (treatedByNews.has(key) ? 2 : 4) === 0 ? [`${key},2026-03-05 10:00:00`] : [])).join('\n')}\n`,
  }),
)

afterAll(() => project?.remove())

const reported = (...args: readonly string[]) => activate(project.root, 'report', ...args)

test('all is reported while every source is fresh', async () => {
  const fresh = await reported('--as-of', '2026-04-01', '--json')
  expect(fresh.code, fresh.stderr).toBe(0)
  const { experiments, problems } = fresh.json<ReportDocument>()
  expect(problems).toEqual([])
  const advice = experiments.map(({ sync, verdicts }) => [sync, verdicts[0]?.advice])
  expect(Object.fromEntries(advice)).toEqual({ news: 'keep', reminder: 'wait' })
})

test('a stale source keeps back the outcomes that read it and nothing else, and the exit code tells', async () => {
  const stale = await reported('--as-of', '2026-06-20', '--json')
  expect(stale.code).toBe(3)
  const { experiments, problems, health } = stale.json<ReportDocument>()
  expect(problems).toMatchObject([
    { code: expect.stringMatching(/^A\d{4}$/), message: expect.stringContaining('renewals') },
  ])
  expect(health?.syncs).toHaveLength(2)
  const reminder = experiments.find(each => each.sync === 'reminder')
  expect(reminder?.verdicts).toMatchObject([{ advice: 'unmeasured' }])
  expect(reminder?.verdicts[0]?.text).toMatch(
    /^"renewed" could not be measured, so that nothing is known of the lift: .*renewals/,
  )
  expect(reminder?.outcomes[0]).toMatchObject({
    outcome: 'renewed',
    problems,
    comparisons: [],
    series: [],
    power: null,
  })
  expect(reminder?.outcomes[1]).toMatchObject({
    outcome: 'visited',
    problems: [],
    comparisons: [{ lift: { kind: 'estimated' } }],
  })
  expect(reminder?.checks).toMatchObject({ assignment: { verdict: 'exact' }, alarms: [] })
  expect(reminder?.funnel?.due).toBe(1200)
})

test('a guardrail that nobody could look at lets nobody say keep', async () => {
  const { experiments } = (await reported('--as-of', '2026-06-20', '--json')).json<ReportDocument>()
  const [verdict] = experiments.find(({ sync }) => sync === 'news')?.verdicts ?? []
  expect(verdict?.advice).toBe('wait')
  expect(verdict?.text).toMatch(
    /^wait: it works, but the guardrail "renewed" could not be measured\. "visited" is 5\d\.\d %/,
  )
})

test('terminal, page and table say what is missing, and show the rest', async () => {
  const stale = await reported('--as-of', '2026-06-20', '--html', page, '--write-back')
  expect(stale.code).toBe(3)
  expect(stale.stdout).toContain('! renewed could not be measured: the source "renewals" is stale')
  expect(stale.stdout).toMatch(/visited \(primary\) .* 5\d\.\d %/)
  expect(stale.stderr.match(/error\[A\d{4}\]/g)).toHaveLength(1)
  const html = await readFile(page, 'utf8')
  expect(html).toContain('Could not be measured')
  expect(html).not.toMatch(/NaN|undefined|Infinity/)
  const instance = await DuckDBInstance.create(join(project.root, 'state.duckdb'))
  const connection = await instance.connect()
  const read = await connection.runAndReadAll(
    'select sync, outcome, answer, advice, lift is null, decided_at is not null from activate.results order by 1, 2',
  )
  expect(read.getRows()).toEqual([
    ['news', 'renewed', 'unmeasured', null, true, false],
    ['news', 'visited', 'estimated', 'wait', false, true],
    ['reminder', 'renewed', 'unmeasured', 'unmeasured', true, false],
    ['reminder', 'visited', 'estimated', null, false, false],
  ])
  connection.closeSync()
  instance.closeSync()
})

test('a model that fails, and a column that is not there, stop what depends on them alone', async () => {
  await project.write({ 'models/renewals.sql': 'select customer_id, renewed_at / 0 from {{source "renewals"}}' })
  const broken = await reported('--as-of', '2026-04-01', '--json')
  expect(broken.code).toBe(3)
  const { experiments, problems } = broken.json<ReportDocument>()
  expect(problems).toMatchObject([{ place: { file: 'models/renewals.sql' } }])
  expect(experiments.find(({ sync }) => sync === 'news')?.outcomes[0]).toMatchObject({
    outcome: 'visited',
    problems: [],
  })
  await project.write({
    ...files,
    'outcomes/renewed.yml': files['outcomes/renewed.yml'].replace('at: renewed_at', 'at: gone'),
  })
  const wrong = await reported('--as-of', '2026-04-01', '--json')
  expect(wrong.code).toBe(7)
  expect(wrong.json<ReportDocument>().problems).toMatchObject([
    { code: 'A8512', place: { file: 'outcomes/renewed.yml' } },
  ])
})
