import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RunDocument } from '../../src/run.ts'
import { activate, finish, start, until } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

const people = 300

let far: Receiver
let project: TestProject

beforeEach(async () => {
  far = await startReceiver()
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

async function killAfter(requests: number): Promise<void> {
  const child = start(project.root, 'run')
  const finished = finish(child)
  const target = far.requests + requests
  await until(() => far.requests >= target)
  child.kill('SIGKILL')
  await finished
}

async function run(): Promise<RunDocument['runs'][number]> {
  const { stdout, stderr } = await activate(project.root, 'run', '--json')
  const [summary] = (JSON.parse(stdout) as RunDocument).runs
  if (summary === undefined) throw new Error(stderr)
  return summary
}

describe('a run that is killed', () => {
  test('loses nothing of an upsert, and the next run is not locked out', async () => {
    await sync('upsert', 'mirror')
    await killAfter(7)
    await killAfter(5)
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { parked: 0, pending: 0 } })
    expect(far.records.size).toBe(people)
    expect(await run()).toMatchObject({ requests: 0 })
  })

  test('never repeats what cannot be repeated, and says what it does not know', async () => {
    await sync('send', 'trigger')
    await killAfter(40)
    const next = await run()
    await run()
    const keys = far.received.map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
    // What was on its way when the run died is parked, and blocked from then on; everybody else was sent to.
    const blocked = next.plan?.reasons['unresolved.parked'] ?? 0
    expect(blocked).toBeLessThanOrEqual(4)
    expect(keys.length).toBeGreaterThanOrEqual(people - blocked)
    const { outcomes } = next
    expect(next.plan?.decisions.send).toBe(outcomes.acked + outcomes.rejected + outcomes.parked + outcomes.pending)
  })

  test('sends again under the same change id where the far end recognises it, and nobody is left out', async () => {
    await sync('send_keyed', 'trigger')
    await killAfter(40)
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { parked: 0, pending: 0 } })
    const keys = new Set(far.received.map(({ key }) => key))
    const different = new Set(far.received.map(record => JSON.stringify(record)))
    expect([keys.size, different.size]).toEqual([people, people])
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
    await sync('send', 'trigger')
    const child = start(project.root, 'run')
    const finished = finish(child)
    await until(() => far.requests >= 5)
    child.kill('SIGSTOP')
    const second = await activate(project.root, 'run', '--json')
    child.kill('SIGCONT')
    expect(second.code).toBe(6)
    expect((JSON.parse(second.stdout) as RunDocument).runs[0]).toMatchObject({ status: 'locked' })
    expect((await finished).code).toBe(0)
    expect(far.received).toHaveLength(people)
  })
})
