import { createHmac } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Plan } from '../../src/plan/plan.ts'
import { modes } from '../../src/project/project.ts'
import type { PlanDocument, RunDocument } from '../../src/run.ts'
import { command as activate } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, startReceiver } from './receiver.ts'

const secret = `whsec_${Buffer.from('a secret of the receiver').toString('base64')}`

let far: Receiver
let project: TestProject

const outcomes = 'outcomes: { list: results, id: key, ok: { field: status, equals: ok }, error: error }'

beforeEach(async () => {
  far = await startReceiver()
  project = await makeProject({
    'secrets/hook': secret,
    'activate.yml': `
name: acme
timezone: Europe/London
sources:
  people: { csv: data/people.csv, columns: { id: { type: string }, score: { type: integer } } }
destinations:
  hook:
    type: http
    base_url: ${far.url}
    allow_private_network: true
    headers: { authorization: "Bearer \${env:SECRET_TOKEN}" }
    signing: { standard_webhooks: "\${file:secrets/hook}" }
    actions:
      upsert: { method: POST, path: /customers, batch: { max_records: 2, wrap: records }, idempotency: natural, ${outcomes} }
      delete: { method: POST, path: /customers/delete, for: leavers, batch: { max_records: 2, wrap: records }, idempotency: natural }
      bare: { method: PUT, path: "/customers/{key}", envelope: none, idempotency: natural }
      headed: { method: POST, path: /headed, idempotency: { header: Idempotency-Key, window: 24h } }
      headed_batch: { method: POST, path: /headed, batch: { max_records: 2, wrap: records }, idempotency: { header: Idempotency-Key, window: 24h } }
      fielded: { method: POST, path: /fielded, idempotency: { field: request_id, window: 24h } }
`,
    'models/everyone.sql': model('id', 'id, score, {{run_date}} as today'),
    'data/people.csv': people({ a: 1, b: 2, c: 3 }),
  })
})

afterEach(async () => {
  await project.remove()
  await far.close()
})

function model(key: string, columns: string): string {
  return `/*---\nkey: ${key}\n---*/\nselect ${columns} from {{source "people"}}\n`
}

function people(scores: Readonly<Record<string, number>>): string {
  const rows = Object.entries(scores).map(([id, score]) => `${id},${score}\n`)
  return `id,score\n${rows.join('')}`
}

const sync = (action: string, mode: string, more = '') =>
  `model: everyone\ndestination: hook\naction: ${action}\nmode: ${mode}\nfields: { score: score }\n${more}`
const trigger = (first: string) => `trigger: { on: enter, reentry: never, first_run: ${first} }\n`
const write = (text: string) => project.write({ 'syncs/everyone.yml': text })

async function run(...args: readonly string[]) {
  const { code, json, stderr } = await activate(project.root, 'run', '--json', ...args)
  const { runs, schema } = json<RunDocument>()
  return { code, schema, stderr, runs, first: runs[0] }
}

const bodies = () => far.exchanges.map(({ body }) => JSON.parse(body))

function expectSums({ rows, changes, decisions, reasons }: Plan): void {
  const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0)
  expect(rows.model).toBe(rows.quarantined + rows.ineligible + rows.population)
  expect(rows.population).toBe(rows.unchanged + changes.enter + changes.change)
  expect(sum(changes)).toBe(sum(decisions))
  expect(sum(reasons)).toBe(sum(changes) - decisions.send + rows.ineligible + rows.quarantined)
}

describe('what the http destination sends', () => {
  test('is an envelope of key, change id, operation and fields, in batches', async () => {
    await write(sync('upsert', 'mirror'))
    expect((await run()).code).toBe(0)
    const record = (key: string, score: number) => ({
      ...{ key, op: 'enter', fields: { score } },
      change_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
    expect(bodies()).toHaveLength(2)
    expect(bodies()).toContainEqual({ records: [record('a', 1), record('b', 2)] })
    expect(bodies()).toContainEqual({ records: [record('c', 3)] })
  })

  test('names a composite key by the text of a JSON array', async () => {
    await project.write({ 'models/everyone.sql': model('[id, month]', `id, '2026-03' as month, score`) })
    await write(sync('upsert', 'mirror'))
    expect((await run()).code).toBe(0)
    expect([...far.records.keys()].sort()).toEqual(['["a","2026-03"]', '["b","2026-03"]', '["c","2026-03"]'])
    const { code, stdout } = await activate(project.root, 'inspect', '["a","2026-03"]')
    expect([code, stdout]).toEqual([0, expect.stringContaining('everyone')])
  })

  test('is just the fields without an envelope, and the key can stand in the path', async () => {
    await write(sync('bare', 'upsert'))
    expect((await run()).code).toBe(0)
    expect(far.exchanges.map(({ path, body }) => `${path} ${body}`).sort()).toEqual([
      '/customers/a {"score":1}',
      '/customers/b {"score":2}',
      '/customers/c {"score":3}',
    ])
  })

  test('goes to the action for leavers when somebody leaves a mirror', async () => {
    await write(sync('upsert', 'mirror'))
    await run()
    await project.write({ 'data/people.csv': people({ a: 1, b: 5 }) })
    const { first } = await run()
    expect(first).toMatchObject({ plan: { changes: { enter: 0, change: 1, leave: 1 } }, outcomes: { acked: 2 } })
    expect(far.received.slice(3).map(({ path, op, key }) => [path, op, key])).toEqual([
      ['/customers', 'change', 'b'],
      ['/customers/delete', 'leave', 'c'],
    ])
    expect(Object.fromEntries(far.records)).toEqual({ a: { score: 1 }, b: { score: 5 } })
  })

  test('carries credentials and a signature that the receiver can verify', async () => {
    await write(sync('upsert', 'mirror'))
    await run()
    for (const { headers, body } of far.exchanges) {
      const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
      const hmac = createHmac('sha256', 'a secret of the receiver').update(signed).digest('base64')
      expect(headers).toMatchObject({ authorization: 'Bearer s3cret-token', 'webhook-signature': `v1,${hmac}` })
      expect(Math.abs(Number(headers['webhook-timestamp']) * 1000 - Date.now())).toBeLessThan(300_000)
    }
    expect(new Set(far.exchanges.map(({ headers }) => headers['webhook-id'])).size).toBe(2)
  })

  test('carries an idempotency key in a header: the change id of one record, one of its own for several', async () => {
    await write(sync('headed', 'trigger', trigger('send')))
    await run()
    expect(far.exchanges.map(({ headers }) => headers['idempotency-key'])).toEqual(
      bodies().map(({ change_id }) => change_id),
    )
    far.exchanges.length = 0
    await project.write({ 'syncs/batched.yml': sync('headed_batch', 'upsert') })
    await run('--select', 'batched')
    const keys = far.exchanges.map(({ headers }) => headers['idempotency-key'])
    expect([keys.length, new Set(keys).size]).toEqual([2, 2])
    expect(keys).not.toContain(undefined)
  })

  test('carries an idempotency key in a field', async () => {
    await write(sync('fielded', 'trigger', trigger('send')))
    await run()
    expect(bodies().map(({ request_id }) => request_id)).toEqual(bodies().map(({ change_id }) => change_id))
  })

  test('is repeated under the same key and with the same bytes when the answer is a fault', async () => {
    far.fault = () => (far.requests === 1 ? 503 : undefined)
    await write(sync('headed_batch', 'upsert'))
    expect((await run()).first).toMatchObject({ status: 'succeeded', requests: 2, retries: 1 })
    const distinct = new Set(far.exchanges.map(({ headers, body }) => `${headers['idempotency-key']} ${body}`))
    expect([far.exchanges.length, distinct.size]).toEqual([3, 2])
  })
})

describe('the documents for scripts', () => {
  test('add up in every mode, night after night, and a run does what its dry run said', async () => {
    for (const mode of modes)
      await project.write({
        [`syncs/${mode}.yml`]: sync('upsert', mode, mode === 'trigger' ? trigger('baseline') : ''),
      })
    const nights = [
      { a: 1, b: 2, c: 3 },
      { a: 1, b: 5, d: 4 },
      { b: 5, c: 3, d: 4 },
    ]
    for (const [night, scores] of nights.entries()) {
      await project.write({ 'data/people.csv': people(scores) })
      const day = `2026-03-0${night + 1}`
      const args = ['--as-of', day, ...(night === 0 ? ['--limit', '2'] : [])]
      const dry = await activate(project.root, 'dry-run', '--json', '--sample', '0', ...args)
      const { plans, ...head } = dry.json<PlanDocument>()
      expect(head).toMatchObject({ schema: 'activate.plan/1', as_of: `${day}T00:00:00.000Z` })
      expect([dry.code, plans.map(plan => plan.mode).sort()]).toEqual([0, [...modes].sort()])
      for (const plan of plans) expectSums(plan)

      const before = far.requests
      const { code, schema, runs } = await run(...args)
      expect([code, schema]).toEqual([0, 'activate.run/1'])
      expect(runs.map(each => each.plan)).toEqual(plans)
      expect(runs.map(each => each.outcomes)).toEqual(
        plans.map(({ decisions }) => ({ acked: decisions.send, rejected: 0, parked: 0, pending: 0 })),
      )
      expect(runs.map(each => each.requests)).toEqual(plans.map(each => each.requests))
      expect(far.requests - before).toBe(runs.reduce((sum, each) => sum + each.requests, 0))
    }
  })

  test('count a refused record, and the run is partial with exit code 3', async () => {
    far.refuse = ({ key }) => (key === 'b' ? 'no such address' : undefined)
    await write(sync('upsert', 'mirror'))
    const { code, first } = await run()
    expect([code, first?.status, first?.outcomes]).toEqual([
      3,
      'partial',
      { acked: 2, rejected: 1, parked: 0, pending: 0 },
    ])
    expect((await run()).first?.plan).toMatchObject({
      decisions: { send: 0, blocked: 1 },
      reasons: { 'rejection.not_due': 1 },
    })
  })

  test('count rows with bad keys that a sync leaves out', async () => {
    await project.write({ 'data/people.csv': 'id,score\na,1\nb,2\nb,3\n,4\n' })
    await write(sync('upsert', 'mirror', 'on_bad_key: quarantine\n'))
    const { code, first } = await run()
    expect([code, first?.plan?.rows]).toEqual([
      0,
      { model: 4, quarantined: 3, ineligible: 0, population: 1, unchanged: 0 },
    ])
    expect([...far.records.keys()]).toEqual(['a'])
  })

  test('are all that stands on stdout, also with --verbose, and an error is a document too', async () => {
    await write(sync('upsert', 'mirror'))
    const verbose = await activate(project.root, 'run', '--json', '--verbose')
    expect(verbose.json()).toMatchObject({ schema: 'activate.run/1' })
    expect(verbose.stdout.endsWith('}\n')).toBe(true)
    const failed = await activate(project.root, 'run', '--json', '--select', 'nobody')
    expect([failed.code, failed.stderr]).toEqual([7, ''])
    expect(failed.json()).toMatchObject({ schema: 'activate.error/1', errors: [{ code: 'A1180' }] })
  })
})

describe('the switches', () => {
  test('--as-of sets the date in the SQL, midnight of the time zone of the project', async () => {
    await write(sync('upsert', 'mirror').replace('score: score', 'day: today'))
    const dry = await activate(project.root, 'dry-run', '--json', '--as-of', '2026-07-01')
    expect(dry.json<PlanDocument>().as_of).toBe('2026-06-30T23:00:00.000Z')
    await run('--as-of', '2026-07-01')
    expect(far.records.get('a')).toEqual({ day: '2026-07-01' })
    await run('--as-of', '2026-07-01T23:30:00Z')
    expect(far.records.get('a')).toEqual({ day: '2026-07-02' })
  })

  test('--select and --exclude choose the syncs', async () => {
    await project.write({
      'syncs/one.yml': sync('upsert', 'mirror', 'tags: [nightly]\n'),
      'syncs/two.yml': sync('upsert', 'upsert'),
      'syncs/three.yml': sync('upsert', 'append'),
    })
    const chosen = async (...args: readonly string[]) =>
      (await activate(project.root, 'dry-run', '--json', ...args)).json<PlanDocument>().plans.map(plan => plan.sync)
    expect(await chosen('--select', 'tag:nightly')).toEqual(['one'])
    expect(await chosen('--select', 't*')).toEqual(['three', 'two'])
    expect(await chosen('--exclude', 't*')).toEqual(['one'])
    expect(await chosen('--select', 'model:everyone', '--exclude', 'one')).toEqual(['three', 'two'])
  })

  test('--limit sends so many, and the next run the rest', async () => {
    await write(sync('upsert', 'mirror'))
    expect((await run('--limit', '2')).first?.plan?.decisions).toMatchObject({ send: 2, defer: 1 })
    expect((await run()).first?.plan?.decisions).toMatchObject({ send: 1, defer: 0 })
    expect(far.received.map(({ key }) => key)).toEqual(['a', 'b', 'c'])
  })

  test('--full-resync sends everyone again under new change ids, but repeats no communication', async () => {
    await write(sync('upsert', 'mirror'))
    await project.write({ 'syncs/message.yml': sync('fielded', 'trigger', trigger('send')) })
    await run()
    const before = far.received.length
    const { runs } = await run('--full-resync')
    expect(runs.map(each => [each.sync, each.outcomes.acked])).toEqual([
      ['everyone', 3],
      ['message', 0],
    ])
    expect(far.received.slice(before).map(({ path, key }) => [path, key])).toEqual([
      ['/customers', 'a'],
      ['/customers', 'b'],
      ['/customers', 'c'],
    ])
    expect(new Set(far.received.map(({ changeId }) => changeId)).size).toBe(far.received.length)
  })

  test('--save writes the plan that --json shows, and --plan executes it once', async () => {
    await write(sync('upsert', 'mirror'))
    const dry = await activate(project.root, 'dry-run', '--json', '--save', 'plan.json', '--limit', '2')
    const saved = await readFile(join(project.root, 'plan.json'), 'utf8')
    expect(JSON.parse(saved)).toEqual(dry.json())
    expect((await run('--plan', 'plan.json')).first).toMatchObject({ status: 'succeeded', outcomes: { acked: 2 } })
    const again = await run('--plan', 'plan.json')
    expect([again.code, again.first?.problems?.[0]?.code, far.received.length]).toEqual([1, 'A4010', 2])
  })

  test('--plan refuses a plan whose sync is gone', async () => {
    await project.write({ 'syncs/one.yml': sync('upsert', 'mirror'), 'syncs/two.yml': sync('upsert', 'upsert') })
    await activate(project.root, 'dry-run', '--save', 'plan.json')
    await rm(join(project.root, 'syncs/two.yml'))
    const { code, stderr } = await activate(project.root, 'run', '--plan', 'plan.json')
    expect([code, stderr, far.requests]).toEqual([1, expect.stringMatching(/error\[A4010\].* two /), 0])
  })

  test('--plan sends nothing at all when one of its syncs is stale', async () => {
    await project.write({
      'models/other.sql': model('id', 'id, score'),
      'syncs/one.yml': sync('upsert', 'mirror'),
      'syncs/two.yml': sync('upsert', 'upsert').replace('everyone', 'other'),
    })
    await activate(project.root, 'dry-run', '--save', 'plan.json')
    await project.write({ 'models/other.sql': model('id', 'id, score + 1 as score') })
    const { code, runs } = await run('--plan', 'plan.json')
    expect([code, far.requests]).toEqual([1, 0])
    expect(runs.map(each => [each.sync, each.status, each.problems?.[0]?.code])).toEqual([
      ['one', 'skipped', undefined],
      ['two', 'failed', 'A4010'],
    ])
    await project.write({ 'models/other.sql': model('id', 'id, score') })
    expect((await run('--plan', 'plan.json')).runs.map(each => each.outcomes.acked)).toEqual([3, 3])
  })
})
