/**
 * Delivery that ends while an answer is missing: by Ctrl-C, because a day's budget is used up, or because the destination will have none
 * of a recovery. Nobody is asked, and nothing is parked.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runSyncs } from '../../src/run.ts'
import { mortal, runOnce, wallClock } from '../torture/in-process.ts'
import { inspectState } from '../torture/inspection.ts'
import { makeProject, runOptions, type TestProject, withProject } from './project.ts'
import { type Receiver, startReceiver } from './receiver.ts'

let far: Receiver
let project: TestProject

const people = ['anna', 'ben', 'cara', 'dan', 'eve']

async function make(idempotency: string, limits = ''): Promise<void> {
  project = await makeProject({
    'activate.yml': `
name: acme
warehouse: { type: duckdb, path: .activate/warehouse.duckdb, threads: 1 }
sources:
  people: { csv: data/people.csv, columns: { id: { type: string } } }
destinations:
  hook:
    type: http
    base_url: ${far.url}
    allow_private_network: true
    concurrency: 1${limits}
    actions: { send: { method: POST, path: /messages, idempotency: ${idempotency} } }
`,
    'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id from {{source "people"}}\n',
    'syncs/news.yml':
      'model: everyone\ndestination: hook\naction: send\nmode: trigger\ntrigger: { on: enter, reentry: never, first_run: send }\nfields: { to: id }\n',
    'data/people.csv': `id\n${people.join('\n')}\n`,
  })
}

beforeEach(async () => {
  far = await startReceiver()
})
afterEach(async () => {
  await project.remove()
  await far.close()
})

async function run(signal = new AbortController().signal) {
  const { runs } = await withProject(project, wired =>
    runSyncs(wired, wired.project.syncs, runOptions('2026-03-01', { signal })),
  )
  return runs[0]
}

const told = () => far.received.map(({ key }) => key).sort()
const keys = () => far.exchanges.map(({ headers }) => headers['idempotency-key'])

test.each([
  ['{ header: Idempotency-Key, window: 24h }', 'is repeated under its key'],
  ['{ lookup: { path: "/messages?ids={change_ids}", settle: 50ms, list: items, id: id } }', 'is asked about'],
])('with %s, what Ctrl-C left without an answer %s by the next run', async idempotency => {
  await make(idempotency)
  const controller = new AbortController()
  far.fault = () => {
    controller.abort()
    return 503
  }
  const interrupted = await run(controller.signal)
  expect(interrupted).toMatchObject({
    status: 'interrupted',
    outcomes: { acked: 0, parked: 0, pending: people.length },
  })
  const { unsettledRuns, requests, parked } = await inspectState(project.root, 'news')
  expect([unsettledRuns.length, requests[0]?.state, parked.size]).toEqual([1, 'uncertain', 0])

  far.fault = undefined
  expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { parked: 0, pending: 0 } })
  expect(told()).toEqual(people)
  expect([new Set(keys()).size, keys()[1] === keys()[0]]).toEqual([
    idempotency.includes('header') ? people.length : 1,
    true,
  ])
  expect((await inspectState(project.root, 'news')).unsettledRuns).toEqual([])
})

test("a day's budget that is used up leaves what a dead run had on its way to the next day, and parks nothing", async () => {
  await make('{ header: Idempotency-Key, window: 3d }', '\n    limits: [{ requests: 3, per: 1d }]')
  const clock = wallClock()
  const night = { asOf: '2026-03-01', clock }
  await runOnce(project, { ...night, failpoints: mortal({ name: 'send.after', hit: 3 }) })
  expect(told()).toEqual(people.slice(0, 3))

  const [paused] = await runOnce(project, night)
  expect(paused).toMatchObject({ status: 'failed', problems: [{ code: 'A6060' }], requests: 0 })
  expect(paused?.problems?.[0]?.message).toContain('1 records of run')
  const { requests, parked } = await inspectState(project.root, 'news')
  expect([requests.map(({ state }) => state), parked.size]).toEqual([['acked', 'acked', 'uncertain'], 0])
  expect(far.exchanges).toHaveLength(3)

  clock.ahead += 25 * 3_600_000
  const [next] = await runOnce(project, night)
  expect(next).toMatchObject({ outcomes: { acked: 2, parked: 0, pending: 0 } })
  expect(keys()[3]).toBe(keys()[2])
  expect(told()).toEqual(['anna', 'ben', 'cara', 'cara', 'dan', 'eve'])
})

test('a destination that refuses a recovery costs an error, and the next run repeats what was in doubt under its key', async () => {
  await make('{ header: Idempotency-Key, window: 3d }')
  const night = { asOf: '2026-03-01', clock: wallClock() }
  await runOnce(project, { ...night, failpoints: mortal({ name: 'send.after', hit: 3 }) })
  far.fault = () => 401
  const [refused] = await runOnce(project, night)
  expect(refused).toMatchObject({ status: 'failed', problems: [{ code: 'A6001' }], requests: 0 })
  expect(refused?.problems?.[0]?.message).toMatch(/[1-3] records of run/)
  const { requests, parked } = await inspectState(project.root, 'news')
  expect([requests.some(({ state }) => state === 'uncertain'), parked.size]).toEqual([true, 0])

  far.fault = undefined
  const [next] = await runOnce(project, night)
  expect(next).toMatchObject({ status: 'succeeded', outcomes: { parked: 0, pending: 0 } })
  expect(new Set(told())).toEqual(new Set(people))
  // Whoever was told twice was told under one key.
  expect(new Set(keys()).size).toBe(people.length)
  expect((await inspectState(project.root, 'news')).unsettledRuns).toEqual([])
})
