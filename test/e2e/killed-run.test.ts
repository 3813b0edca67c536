import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RunDocument } from '../../src/run.ts'
import { activate, command, finish, start, until } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

const people = 300

let far: Receiver
let project: TestProject

beforeEach(async () => {
  far = await startReceiver()
  far.slowness = 3
  const rows = Array.from({ length: people }, (_, index) => `p${index},Name ${index}`)
  project = await makeProject({
    'activate.yml': `
name: acme
sources:
  people: { csv: data/people.csv, columns: { id: { type: string } } }
destinations:
  far: ${receiverSettings(far.url).replace(/max_records: 100/g, 'max_records: 10')}
`,
    'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, name from {{source "people"}}\n',
    'data/people.csv': `id,name\n${rows.join('\n')}\n`,
  })
})

afterEach(async () => {
  await project.remove()
  await far.close()
})

const sync = (action: string, mode: string) =>
  project.write({
    'syncs/everyone.yml': `model: everyone\ndestination: far\naction: ${action}\nmode: ${mode}\nfields: { name: name }\n${
      mode === 'trigger' ? 'trigger: { on: enter, reentry: never, first_run: send }\n' : ''
    }`,
  })

/** Kills a run at a moment that differs from one test run to the next, some time after so many more requests. */
async function killAfter(requests: number): Promise<void> {
  const child = start(project.root, 'run')
  const finished = finish(child)
  const target = far.requests + requests
  // On a busy machine a run may be through before it can be killed.
  await until(() => far.requests >= target || child.exitCode !== null)
  await new Promise(resolve => setTimeout(resolve, Math.random() * 20))
  child.kill('SIGKILL')
  expect([null, 0, 3]).toContain((await finished).code)
}

async function run(): Promise<RunDocument['runs'][number]> {
  const { stdout, stderr } = await command(project.root, 'run', '--json')
  const [summary] = (JSON.parse(stdout) as RunDocument).runs
  if (summary === undefined) throw new Error(stderr)
  return summary
}

describe('a run that is killed', () => {
  test('loses nothing of an upsert, and the next run is not locked out', async () => {
    await sync('upsert', 'mirror')
    for (const requests of [1, 7, 5]) await killAfter(requests)
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { parked: 0, pending: 0 } })
    expect(far.records.size).toBe(people)
    expect(await run()).toMatchObject({ requests: 0 })
  })

  test('loses no change and no leaver of a later night either', async () => {
    await sync('upsert', 'mirror')
    await run()
    const rows = Array.from({ length: people - 50 }, (_, index) => `p${index},Other ${index}`)
    await project.write({ 'data/people.csv': `id,name\n${rows.join('\n')}\n` })
    for (const requests of [3, 9]) await killAfter(requests)
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { parked: 0, pending: 0 } })
    const expected = rows.map(row => row.split(',')).map(([id = '', name]) => [id, { name }])
    expect(Object.fromEntries(far.records)).toEqual(Object.fromEntries(expected))
  })

  test('never repeats what cannot be repeated, and says what it does not know', async () => {
    await sync('send', 'trigger')
    for (const requests of [1, 40, 60]) await killAfter(requests)
    const next = await run()
    const { acked, rejected, parked, pending } = next.outcomes
    expect(acked + rejected + parked + pending).toBe(next.plan?.decisions.send)
    await run()
    const keys = far.received.map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
    // What was on its way when a run died, four requests at most, is parked and blocked from then on.
    const blocked = next.plan?.reasons['unresolved.parked'] ?? 0
    expect(blocked).toBeGreaterThan(0)
    expect(blocked).toBeLessThanOrEqual(3 * 4)
    expect(keys.length).toBeGreaterThanOrEqual(people - blocked)
    expect(acked + blocked).toBeLessThanOrEqual(people)
  })

  test('sends again under the same key and with the same bytes where the far end recognises it', async () => {
    await sync('send_keyed', 'trigger')
    for (const requests of [1, 40, 60]) await killAfter(requests)
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { parked: 0, pending: 0 } })
    const keys = new Set(far.exchanges.map(({ headers }) => headers['idempotency-key']))
    const messages = new Set(far.exchanges.map(({ headers, body }) => `${headers['idempotency-key']} ${body}`))
    const persons = new Set(far.received.map(({ key }) => key))
    expect([keys.size, messages.size, persons.size]).toEqual([people, people, people])
    expect(far.exchanges.length).toBeGreaterThan(people)
  })

  test('asks before it sends again, where the far end can be asked: nobody is told twice, and nobody is left out', async () => {
    await sync('send_lookup', 'trigger')
    let sends = 0
    far.fault = () => {
      sends += 1
      return sends % 20 === 0 ? 'drop' : sends % 20 === 10 ? 503 : undefined
    }
    for (const requests of [1, 40, 60]) await killAfter(requests)
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { parked: 0, pending: 0 } })
    const keys = far.received.map(({ key }) => key)
    expect([keys.length, new Set(keys).size]).toEqual([people, people])
    expect(await run()).toMatchObject({ requests: 0 })
  })

  test('sends whole batches again as they were', async () => {
    await sync('send_keyed_batch', 'upsert')
    for (const requests of [1, 5, 9]) await killAfter(requests)
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { parked: 0, pending: 0 } })
    const keys = new Set(far.exchanges.map(({ headers }) => headers['idempotency-key']))
    const messages = new Set(far.exchanges.map(({ headers, body }) => `${headers['idempotency-key']} ${body}`))
    const records = new Set(far.received.map(record => JSON.stringify(record)))
    expect(messages.size).toBe(keys.size)
    expect([records.size, far.records.size]).toEqual([people, people])
    expect(far.exchanges.length).toBeGreaterThan(keys.size)
  })
})

describe('a run that is interrupted', () => {
  test('drains, exits with 130, and the next run completes it', async () => {
    await sync('send', 'trigger')
    const child = start(project.root, 'run')
    const finished = finish(child)
    await until(() => far.requests >= 20)
    child.kill('SIGINT')
    expect((await finished).code).toBe(130)
    expect(far.received.length).toBeLessThan(people)
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { parked: 0, pending: 0 } })
    expect(far.received.map(({ key }) => key).sort()).toEqual([...new Set(far.received.map(({ key }) => key))].sort())
    expect(far.received).toHaveLength(people)
  })
})

describe('a second runner', () => {
  test('is turned away while the first is at work, with exit code 6', async () => {
    await sync('upsert', 'mirror')
    far.slowness = 0
    let open = () => {}
    far.gate = new Promise(resolve => {
      open = resolve
    })
    const first = finish(start(project.root, 'run'))
    await until(() => far.requests > 0)
    const second = await activate(project.root, 'run', '--json')
    expect([second.code, far.records.size < people]).toEqual([6, true])
    expect(second.json<RunDocument>().runs[0]).toMatchObject({
      status: 'locked',
      problems: [{ code: 'A9001', help: expect.stringContaining('wait') }],
    })
    const dry = await activate(project.root, 'dry-run')
    expect([dry.code, dry.stderr]).toEqual([6, expect.stringContaining('error[A3002]')])
    open()
    expect((await first).code).toBe(0)
    expect(far.records.size).toBe(people)
  })
})
