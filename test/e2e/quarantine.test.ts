import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Story } from '../../src/report/story.ts'
import type { PlanDocument, RunDocument } from '../../src/run.ts'
import { command as activate } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, startReceiver } from './receiver.ts'

let far: Receiver
let project: TestProject

beforeEach(async () => {
  far = await startReceiver()
  project = await makeProject({
    'activate.yml': projectFile(),
    'models/scores.sql': modelFile('quarantine'),
    'syncs/scores.yml':
      'model: scores\ndestination: hook\naction: upsert\nmode: mirror\nfields: { score: score, email: email }\n',
    'data/people.csv': people({ a: 1, b: 2, c: 3 }),
  })
})

afterEach(async () => {
  await project.remove()
  await far.close()
})

const projectFile = (source = '{ csv: data/people.csv }') => `
name: acme
sources:
  people: ${source}
destinations:
  hook:
    type: http
    base_url: ${far.url}
    allow_private_network: true
    actions:
      upsert: { method: POST, path: /customers, batch: { max_records: 10, wrap: records }, idempotency: natural }
      delete: { method: POST, path: /customers/delete, for: leavers, batch: { max_records: 10, wrap: records }, idempotency: natural }
`

const modelFile = (onViolation: string, more = '') => `/*---
key: id
on_violation: ${onViolation}
columns:
  score: { type: integer, tests: [{ between: [0, 100] }] }
${more}---*/
select id, score::bigint as score, id || '@acme.example' as email from {{source "people"}}
`

function people(scores: Readonly<Record<string, number | string>>): string {
  const rows = Object.entries(scores).map(([id, score]) => `${id},${score}\n`)
  return `id,score\n${rows.join('')}`
}

const broken = people({ a: 1, b: 200, c: 3 })

async function run(day: number, ...args: readonly string[]) {
  const asOf = `2026-03-0${day}T00:00:00Z`
  const { code, json } = await activate(project.root, 'run', '--json', '--as-of', asOf, ...args)
  const { runs } = json<RunDocument>()
  return { code, runs, first: runs[0] }
}

const stored = () => Object.fromEntries([...far.records].map(([key, fields]) => [key, fields.score]))

describe('a row that breaks its model', () => {
  test('stays at the destination as it was, is shown with its reason, and re-enters by itself when mended', async () => {
    await run(1)
    await project.write({ 'data/people.csv': broken })
    const dry = await activate(project.root, 'dry-run', '--json', '--as-of', '2026-03-02')
    const [plan] = dry.json<PlanDocument>().plans
    expect([dry.code, plan?.rows.quarantined, plan?.changes, plan?.reasons]).toEqual([
      0,
      1,
      { enter: 0, change: 0, leave: 0 },
      { 'quarantine.between:score': 1 },
    ])
    expect((await activate(project.root, 'inspect', 'b')).stdout).not.toContain('quarantine')

    expect((await run(2)).code).toBe(0)
    expect(stored()).toEqual({ a: 1, b: 2, c: 3 })
    const { stdout } = await activate(project.root, 'inspect', 'b')
    expect(stdout).toContain(`scores is in quarantine since 2026-03-02 00:00Z because between:score
      id     "b"
      score  200
      email  "b***@acme.example"`)
    const status = await activate(project.root, 'status', '--json')
    expect(status.json()).toMatchObject({ syncs: [{ sync: 'scores', quarantined: 1 }] })

    await project.write({ 'data/people.csv': people({ a: 1, b: 20, c: 3 }) })
    expect((await run(3)).first?.plan?.changes).toEqual({ enter: 0, change: 1, leave: 0 })
    expect(stored()).toEqual({ a: 1, b: 20, c: 3 })
    const story = (await activate(project.root, 'inspect', 'b', '--json')).json<Story>()
    expect(story.quarantined).toMatchObject([
      { sync: 'scores', since: '2026-03-02T00:00:00Z', until: '2026-03-03T00:00:00Z' },
    ])
  })

  test('is remembered also when the run is held', async () => {
    await run(1)
    await project.write({ 'data/people.csv': people({ a: 1, b: 200 }) })
    const sync =
      'model: scores\ndestination: hook\naction: upsert\nmode: mirror\nfields: { score: score, email: email }\n'
    await project.write({ 'syncs/scores.yml': `${sync}guard: { max_leavers: 0 }\n` })
    expect((await run(2)).code).toBe(5)
    expect((await activate(project.root, 'inspect', 'b')).stdout).toContain('in quarantine since 2026-03-02')
    expect(stored()).toEqual({ a: 1, b: 2, c: 3 })
  })

  test('stops the sync under fail with exit code 1, and only warns under warn', async () => {
    await project.write({ 'data/people.csv': broken, 'models/scores.sql': modelFile('fail') })
    const failed = await run(1)
    expect([
      failed.code,
      failed.first?.problems?.map(({ code, place }) => `${code} ${place?.file}`),
      far.requests,
    ]).toEqual([1, ['A2022 models/scores.sql'], 0])
    await project.write({ 'models/scores.sql': modelFile('warn') })
    const { code, first } = await run(1)
    expect([code, first?.outcomes.acked, first?.plan?.warnings]).toEqual([
      0,
      3,
      [
        'scores: "score is between 0 and 100" does not hold: 1 row offends, and counts all the same (on_violation: warn)',
      ],
    ])
  })
})

describe('a row that breaks its source', () => {
  const tested = (onViolation: string, from = 'csv: data/people.csv') =>
    projectFile(
      `{ ${from}, on_violation: ${onViolation}, columns: { id: { tests: [unique] }, score: { tests: [not_null, { between: [0, 100] }] } } }`,
    )

  test('is not read by any model under quarantine, so that whom it described may leave', async () => {
    await project.write({ 'activate.yml': tested('quarantine'), 'models/scores.sql': modelFile('fail') })
    await run(1)
    await project.write({ 'data/people.csv': people({ a: 1, b: 200, c: '' }) })
    const { code, first } = await run(2, '--yes')
    expect([code, first?.plan?.rows.model, first?.plan?.changes.leave]).toEqual([0, 1, 2])
    expect(first?.plan?.warnings).toEqual([
      'source "people": 2 rows are in quarantine, and no model reads them (between:score 1, not_null:score 1)',
    ])
    expect(stored()).toEqual({ a: 1 })
  })

  test('stops every sync that reads it under fail, one error for each broken test, and only warns under warn', async () => {
    await project.write({
      'activate.yml': tested('fail'),
      'models/scores.sql': modelFile('warn'),
      'models/through.sql': '/*---\nkey: id\n---*/\nselect * from {{ref "scores"}}\n',
      'syncs/through.yml':
        'model: through\ndestination: hook\naction: upsert\nmode: mirror\nfields: { score: score }\n',
      'data/people.csv': people({ a: 1, b: 200, c: '' }),
    })
    const { code, runs } = await run(1)
    expect([code, far.requests]).toEqual([1, 0])
    expect(runs.map(each => each.problems?.map(problem => `${problem.code} ${problem.place?.file}`))).toEqual([
      ['A2022 activate.yml', 'A2022 activate.yml'],
      ['A2022 activate.yml', 'A2022 activate.yml'],
    ])
    await project.write({ 'activate.yml': tested('warn') })
    const warned = await run(1)
    expect([warned.code, warned.runs.map(each => each.plan?.warnings.length)]).toEqual([0, [3, 2]])
  })
})
