import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ActivateError } from '../../src/project/problem.ts'
import { type Progress, planSyncs, runSyncs } from '../../src/run.ts'
import type { Wired } from '../../src/wire.ts'
import { makeProject, planOptions, runOptions, type TestProject, withProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

let crm: Receiver
let project: TestProject

beforeEach(async () => {
  crm = await startReceiver()
  project = await makeProject({
    'activate.yml': `
name: acme
warehouse: { type: duckdb, path: .activate/warehouse.duckdb, threads: 1 }
sources:
  people: { csv: data/people.csv, columns: { id: { type: string }, score: { type: integer } } }
destinations:
  crm: ${receiverSettings(crm.url)}
`,
    'models/everyone.sql': `/*---
key: id
---*/
select id, name, score from {{source "people"}}
`,
    'syncs/everyone.yml': sync('mirror', 'upsert'),
    'data/people.csv': people({ a: 1, b: 2, c: 3 }),
  })
})

afterEach(async () => {
  await project.remove()
  await crm.close()
})

function sync(mode: string, action: string, more = ''): string {
  return `model: everyone\ndestination: crm\naction: ${action}\nmode: ${mode}\nfields: { name: name, score: score }\n${more}`
}

function people(scores: Readonly<Record<string, number>>): string {
  return `id,name,score\n${Object.entries(scores)
    .map(([id, score]) => `${id},Name ${id},${score}\n`)
    .join('')}`
}

const first = '2026-03-01T02:00:00Z'
const second = '2026-03-02T02:00:00Z'
const run = (asOf: string, more = {}) =>
  withProject(project, wired => runSyncs(wired, wired.project.syncs, runOptions(asOf, more)))
const plan = (asOf: string, more = {}) =>
  withProject(project, wired => planSyncs(wired, wired.project.syncs, planOptions(asOf, more)))

describe('a night', () => {
  test('sends everything once, then only what changed, then nothing', async () => {
    const { runs } = await run(first)
    expect(runs[0]).toMatchObject({
      status: 'succeeded',
      outcomes: { acked: 3, rejected: 0, parked: 0, pending: 0 },
      requests: 1,
    })
    await project.write({ 'data/people.csv': people({ a: 1, b: 20, d: 4 }) })
    expect((await run(second)).runs[0]).toMatchObject({
      plan: { changes: { enter: 1, change: 1, leave: 1 } },
      requests: 2,
    })
    expect(Object.fromEntries(crm.records)).toEqual({
      a: { name: 'Name a', score: 1 },
      b: { name: 'Name b', score: 20 },
      d: { name: 'Name d', score: 4 },
    })
    expect((await run(second)).runs[0]).toMatchObject({ status: 'succeeded', outcomes: { acked: 0 }, requests: 0 })
    expect(crm.requests).toBe(3)
  })

  test('a dry run sends nothing and moves nothing', async () => {
    const before = await plan(first, { samples: 1 })
    expect(before.plans[0]).toMatchObject({ changes: { enter: 3 }, requests: 1, guard: { verdict: 'pass' } })
    expect((await plan(first)).plans[0]?.plan_hash).toBe(before.plans[0]?.plan_hash)
    expect(crm.requests).toBe(0)
    expect((await run(first)).runs[0]?.plan?.plan_hash).toBe(before.plans[0]?.plan_hash)
  })

  test('sends again on the next night what the destination refused to take part of', async () => {
    crm.refuse = record => (record.key === 'b' ? 'no such name' : undefined)
    expect((await run(first)).runs[0]).toMatchObject({ status: 'partial', outcomes: { acked: 2, rejected: 1 } })
    crm.refuse = () => undefined
    expect((await run(second)).runs[0]).toMatchObject({
      plan: { reasons: { 'rejection.not_due': 1 } },
      outcomes: { acked: 0 },
    })
    await project.write({ 'data/people.csv': people({ a: 1, b: 22, c: 3 }) })
    expect((await run(second)).runs[0]).toMatchObject({ status: 'succeeded', outcomes: { acked: 1 } })
  })
})

describe('a guard', () => {
  test('holds an empty model and sends nothing', async () => {
    await run(first)
    await project.write({ 'data/people.csv': people({}) })
    const { runs } = await run(second)
    expect(runs[0]).toMatchObject({
      status: 'held',
      outcomes: { acked: 0 },
      plan: { guard: { reasons: ['the model has 0 rows, fewer than min_rows 1'] } },
    })
    expect(crm.records.size).toBe(3)
  })

  test('lets a held plan pass when a person says so', async () => {
    await run(first)
    await project.write({ 'data/people.csv': people({}) })
    expect((await run(second, { yes: true })).runs[0]).toMatchObject({ status: 'succeeded', outcomes: { acked: 3 } })
    expect(crm.records.size).toBe(0)
  })

  test('holds a plan that would remove more than a fifth of the audience', async () => {
    const hundred = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`p${index}`, index]))
    await project.write({ 'data/people.csv': people(hundred) })
    await run(first)
    const fewer = (count: number) => Object.fromEntries(Object.entries(hundred).slice(0, count))
    await project.write({ 'data/people.csv': people(fewer(79)) })
    expect((await run(second)).runs[0]).toMatchObject({ status: 'held' })
    await project.write({ 'data/people.csv': people(fewer(80)) })
    expect((await run(second)).runs[0]).toMatchObject({ status: 'succeeded', outcomes: { acked: 20 } })
  })
})

describe('a saved plan', () => {
  test('is executed exactly', async () => {
    const saved = await plan(first)
    expect((await run(first, { saved })).runs[0]).toMatchObject({ status: 'succeeded', outcomes: { acked: 3 } })
  })

  test('is refused as stale when a row has changed, and nothing is sent', async () => {
    const saved = await plan(first)
    await project.write({ 'data/people.csv': people({ a: 1, b: 2, c: 30 }) })
    expect((await run(first, { saved })).runs[0]).toMatchObject({ status: 'failed', problems: [{ code: 'A4010' }] })
    expect(crm.requests).toBe(0)
  })
})

describe('a send that cannot be repeated', () => {
  beforeEach(() =>
    project.write({
      'syncs/everyone.yml': sync('trigger', 'send', 'trigger: { on: enter, reentry: never, first_run: send }'),
    }),
  )

  test('is parked when its answer is lost, and the person is left alone until somebody decides', async () => {
    crm.fault = () => (crm.requests === 2 ? 'drop' : undefined)
    expect((await run(first)).runs[0]).toMatchObject({ status: 'partial', outcomes: { acked: 2, parked: 1 } })
    crm.fault = undefined
    expect((await run(second)).runs[0]).toMatchObject({
      plan: { reasons: { 'unresolved.parked': 1 } },
      outcomes: { acked: 0 },
    })
    expect(new Set(crm.received.map(record => record.changeId)).size).toBe(crm.received.length)
  })
})

describe('the end of each sync', () => {
  const endings = async (more = {}) => {
    const seen: Progress[] = []
    await run(first, { onProgress: (at: Progress) => seen.push(at), ...more })
    return seen.filter(({ step }) => step === 'done').map(({ sync, status }) => ({ sync, status }))
  }

  test('is told as what it was: sent, held, failed or skipped', async () => {
    await project.write({
      'data/nobody.csv': 'id,name,score\n',
      'models/nobody.sql': `/*---\nkey: id\n---*/\nselect 'x' as id, 'x' as name, 1 as score where false\n`,
      'syncs/held.yml': sync('mirror', 'upsert').replace('everyone', 'nobody'),
      'models/broken.sql': `/*---\nkey: id\n---*/\nselect id, name, 1 / 0 as score, error('no') from {{source "people"}}\n`,
      'syncs/broken.yml': sync('mirror', 'upsert').replace('everyone', 'broken'),
      'syncs/off.yml': sync('mirror', 'upsert', 'enabled: false\n'),
    })
    expect(await endings()).toEqual([
      { sync: 'broken', status: 'failed' },
      { sync: 'everyone', status: 'succeeded' },
      { sync: 'held', status: 'held' },
      { sync: 'off', status: 'skipped' },
    ])
  })
})

describe('a run that fails midway', () => {
  const refuse = () => Promise.reject(new ActivateError('failed', { code: 'A3007', message: 'the disk is full' }))

  /** The warehouse takes in no outcome, as when its disk fills up between delivery and settling. */
  const unableToSettle = (wired: Wired): Wired => ({
    ...wired,
    async warehouse() {
      const warehouse = await wired.warehouse()
      return new Proxy(warehouse, {
        get(real, name) {
          if (name === 'load') return refuse
          const value: unknown = Reflect.get(real, name)
          return typeof value === 'function' ? value.bind(real) : value
        },
      })
    },
  })

  test('says what the ledger knows of it, and the next run takes that in', async () => {
    crm.refuse = ({ key }) => (key === 'b' ? 'no' : undefined)
    const { runs } = await withProject(project, wired =>
      runSyncs(unableToSettle(wired), wired.project.syncs, runOptions(first)),
    )
    expect(runs[0]).toMatchObject({
      status: 'failed',
      plan: { decisions: { send: 3 } },
      outcomes: { acked: 2, rejected: 1, parked: 0, pending: 0 },
      requests: 1,
      retries: 0,
      problems: [{ code: 'A3007' }],
    })
    expect((await run(second)).runs[0]).toMatchObject({ status: 'succeeded', requests: 0 })
  })

  test('says nothing of what it cannot read', async () => {
    const { runs } = await withProject(project, wired =>
      runSyncs(
        {
          ...unableToSettle(wired),
          ledger: async () => ({ ...(await wired.ledger()), requests: refuse, updateRun: refuse }),
        },
        wired.project.syncs,
        runOptions(first),
      ),
    )
    expect(runs[0]).toMatchObject({ status: 'failed', outcomes: { acked: 0, pending: 0 }, requests: 0 })
  })

  test('is told also when its lease cannot be given back', async () => {
    const { runs } = await withProject(project, wired =>
      runSyncs(
        { ...unableToSettle(wired), ledger: async () => ({ ...(await wired.ledger()), release: refuse }) },
        wired.project.syncs,
        runOptions(first),
      ),
    )
    expect(runs[0]).toMatchObject({ status: 'failed', outcomes: { acked: 3 } })
  })
})

describe('a destination in trouble', () => {
  test('that refuses the credentials stops the run, and nothing is lost', async () => {
    crm.fault = () => 401
    expect((await run(first)).runs[0]).toMatchObject({ status: 'failed', outcomes: { pending: 3 }, requests: 1 })
    crm.fault = undefined
    expect((await run(first)).runs[0]).toMatchObject({ status: 'succeeded', outcomes: { acked: 3 } })
  })
})
