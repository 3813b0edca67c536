import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Story } from '../../src/report/story.ts'
import { resolveParked } from '../../src/run/resolve.ts'
import type { RunDocument } from '../../src/run.ts'
import { shell } from '../cli/activate.ts'
import { finish, start, until } from './command-line.ts'
import { makeProject, type TestProject, withProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

let far: Receiver
let project: TestProject

const sync = (name: string) => `model: everyone
destination: far
action: send
mode: trigger
trigger: { on: enter, reentry: never, first_run: send }
channel: sms
purpose: ${name}
fields: { name: name }
`

beforeEach(async () => {
  far = await startReceiver()
  project = await makeProject({
    'activate.yml': `
name: acme
sources:
  people: { csv: data/people.csv, columns: { id: { type: string } } }
destinations:
  far: ${receiverSettings(far.url).replace('concurrency: 4', 'concurrency: 1')}
`,
    'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, name from {{source "people"}}\n',
    'data/people.csv': 'id,name\nann,Ann\nbob,Bob\ncat,Cat\n',
    'syncs/hello.yml': sync('hello'),
  })
})

afterEach(async () => {
  await project.remove()
  await far.close()
})

interface Parked {
  readonly parked: readonly { readonly key: string; readonly change_id: string; readonly run_id: string }[]
}

/** The command line in this process. */
const activate = (...args: readonly string[]) => shell(() => project.root, { ACTIVATE_USER: 'eve' })(...args)
const resolve = (...args: readonly string[]) => activate('resolve', ...args)
const parked = async () => (JSON.parse((await resolve('--json')).stdout) as Parked).parked
const decide = (verdict: string, ...args: readonly string[]) =>
  resolve(verdict, '--reason', 'asked the provider', '--by', 'ada', ...args)
const story = async (key: string) => JSON.parse((await activate('inspect', key, '--json')).stdout) as Story
const messages = () => far.received.map(({ key }) => key)

async function run() {
  const { stdout, stderr } = await activate('run', '--json')
  const [summary] = (JSON.parse(stdout) as RunDocument).runs
  if (summary === undefined) throw new Error(stderr)
  return summary
}

/** Every message arrives, and no answer does. */
async function loseAnswers(): Promise<RunDocument['runs'][number]> {
  far.fault = () => 'drop'
  const summary = await run()
  far.fault = undefined
  return summary
}

const requestStates = (runId: string) =>
  withProject(project, async wired => {
    const counts = await (await wired.ledger()).countByState(runId)
    return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
  })

describe('rows whose answer was lost', () => {
  test('are listed, resolved one way or the other, and told by inspect and the audit trail', async () => {
    const lost = await loseAnswers()
    expect(lost).toMatchObject({ outcomes: { parked: 3 } })
    expect((await parked()).map(({ key, run_id }) => [key, run_id])).toEqual(
      ['ann', 'bob', 'cat'].map(key => [key, lost.run_id]),
    )
    expect((await resolve('hello')).stdout).toContain('3 rows may or may not have arrived')
    expect(await run()).toMatchObject({ requests: 0, plan: { reasons: { 'unresolved.parked': 3 } } })

    expect(await decide('--acked', '--key', 'ann')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('1 row of'),
    })
    expect(await decide('--retry', 'hello', '--key', 'bob')).toMatchObject({ code: 0 })
    const dropped = await decide('--drop', 'hello', '--all', '--json')
    expect([dropped.code, dropped.json()]).toMatchObject([
      0,
      { schema: 'activate.resolve/1', sync: 'hello', verdict: 'drop', by: 'ada', resolved: [{ key: 'cat' }] },
    ])
    expect(await parked()).toEqual([])
    expect((await resolve()).stdout).toBe('nothing is parked\n')
    expect(await requestStates(lost.run_id)).toEqual({ acked: 1, cancelled: 1, dead: 1 })

    expect(await run()).toMatchObject({ status: 'succeeded', requests: 1, outcomes: { acked: 1, parked: 0 } })
    expect(messages()).toEqual(['ann', 'bob', 'cat', 'bob'])
    const ids = far.received.filter(({ key }) => key === 'bob').map(({ changeId }) => changeId)
    expect(new Set(ids).size).toBe(1)
    expect(await run()).toMatchObject({ requests: 0, plan: { reasons: {} } })

    const first = async (key: string) => (await story(key)).events[0]?.outcome
    expect([await first('ann'), await first('bob'), await first('cat')]).toEqual(['acked', 'parked', 'dropped'])
    expect((await activate('inspect', 'cat')).stdout).toContain('sent, dropped: it may have arrived')
    const trail = (await activate('audit', '--json')).stdout
    const { entries } = JSON.parse(trail) as { entries: readonly unknown[] }
    expect(entries).toMatchObject(
      ['drop', 'retry', 'acked'].map(verdict => ({
        ...{ action: 'resolve', subject: 'sync:hello', by: 'ada' },
        detail: { verdict, rows: 1, reason: 'asked the provider' },
      })),
    )
    expect(trail).not.toMatch(/ann|bob|cat/)
    const verified = await withProject(project, async wired => (await wired.ledger()).verifyAudit())
    expect(verified).toMatchObject({ kind: 'ok', entries: 3 })
  })

  test('are resolved all or none, and not a second time', async () => {
    await loseAnswers()
    const unknown = await decide('--acked', 'hello', '--key', 'ann', '--key', 'bobb')
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('error[A4045]: "bobb" is not parked') })
    expect(unknown.stderr).toContain('did you mean "bob"?')
    expect(await parked()).toHaveLength(3)
    expect((await decide('--acked', 'hello', '--all')).code).toBe(0)
    for (const args of [
      ['--retry', 'hello', '--all'],
      ['--acked', '--key', 'ann'],
    ]) {
      const [verdict = '', ...more] = args
      expect(await decide(verdict, ...more)).toMatchObject({ code: 1, stderr: expect.stringContaining('error[A4045]') })
    }
    expect(await run()).toMatchObject({ requests: 0 })
    expect(messages()).toEqual(['ann', 'bob', 'cat'])
  })

  test('must be named with their sync where two have the key', async () => {
    await project.write({ 'syncs/bye.yml': sync('bye') })
    await loseAnswers()
    expect(await decide('--acked', '--key', 'ann')).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('the keys are parked in bye, hello'),
    })
    expect((await decide('--acked', 'bye', '--key', 'ann')).code).toBe(0)
    expect((await decide('--acked', '--key', 'ann')).stdout).toContain('1 row of hello')
  })

  test('take their request along only when all of it was resolved alike', async () => {
    const batched = receiverSettings(far.url).replace(
      'path: /messages\n',
      'path: /messages\n        batch: { max_records: 2, wrap: records }\n',
    )
    await project.write({
      'activate.yml': `
name: acme
sources:
  people: { csv: data/people.csv, columns: { id: { type: string } } }
destinations:
  far: ${batched}`,
      'data/people.csv': 'id,name\nann,Ann\nbob,Bob\ncat,Cat\ndan,Dan\n',
    })
    const lost = await loseAnswers()
    expect([lost.requests, lost.outcomes.parked]).toEqual([2, 4])
    await decide('--acked', '--key', 'ann', '--key', 'cat', '--key', 'dan')
    expect(await requestStates(lost.run_id)).toEqual({ acked: 1, parked: 1 })
    await decide('--retry', '--key', 'bob')
    expect((await parked()).length).toBe(0)
    expect(await run()).toMatchObject({ requests: 1, outcomes: { acked: 1, parked: 0 } })
    expect(messages()).toEqual(['ann', 'bob', 'cat', 'dan', 'bob'])
  })

  test('are listed of the chosen syncs alone', async () => {
    await project.write({ 'syncs/bye.yml': sync('bye') })
    await loseAnswers()
    const listed = async (...args: readonly string[]) => {
      const { parked } = JSON.parse((await resolve('--json', ...args)).stdout) as {
        parked: readonly { sync: string }[]
      }
      return [...new Set(parked.map(row => row.sync))]
    }
    expect(await listed()).toEqual(['bye', 'hello'])
    expect(await listed('--select', 'bye')).toEqual(['bye'])
    expect(await listed('--exclude', 'bye')).toEqual(['hello'])
    expect(await listed('hello', '--exclude', 'bye')).toEqual(['hello'])
    expect(await resolve('--select', 'nobody')).toMatchObject({ code: 7 })
    expect(await decide('--acked', '--select', 'bye', '--key', 'ann')).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('--select and --exclude choose what is listed'),
    })
  })

  test.each([
    'acked',
    'retry',
    'drop',
  ])('can be resolved with --%s when the project no longer has their sync', async verdict => {
    await project.write({ 'syncs/other.yml': sync('other').replace('channel', 'enabled: false\nchannel') })
    await loseAnswers()
    await rm(join(project.root, 'syncs/hello.yml'))
    expect((await resolve()).stdout).toContain('hello (no longer in the project)')
    expect(await decide(`--${verdict}`, 'hello', '--key', 'ann')).toMatchObject({ code: 0 })
    const rest = await decide(`--${verdict}`, 'hello', '--all')
    expect([rest.code, rest.stdout]).toEqual([0, expect.stringContaining('2 rows of hello')])
    if (verdict === 'retry') expect(rest.stderr).toContain('no run sends it: the project has no sync hello any more')
    expect(await parked()).toEqual([])
    expect(await decide(`--${verdict}`, 'hello', '--all')).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('there is no sync "hello"'),
    })

    await project.write({ 'syncs/hello.yml': sync('hello') })
    expect(await run()).toMatchObject({ requests: verdict === 'retry' ? 3 : 0 })
  })

  test.each([
    ['acked', 'retry'],
    ['retry', 'drop'],
    ['drop', 'acked'],
  ] as const)('that a crash left half resolved with --%s are finished by the same command, and by no other', async (verdict, other) => {
    const lost = await loseAnswers()
    await withProject(project, async wired => {
      const warehouse = await wired.warehouse()
      vi.spyOn(warehouse, 'transaction').mockRejectedValue(new Error('killed'))
      const sync = { name: 'hello', place: { file: 'syncs/hello.yml', line: 1, column: 1 } }
      const resolution = { verdict, keys: undefined, actor: 'ada', reason: 'asked the provider' }
      await expect(resolveParked(wired, sync, resolution)).rejects.toThrow('killed')
    })
    expect(await parked()).toHaveLength(3)
    expect(await run()).toMatchObject({ requests: 0, plan: { reasons: { 'unresolved.parked': 3 } } })
    expect(await decide(`--${other}`, 'hello', '--all')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`error[A4047]: "ann" of hello was resolved with --${verdict} before`),
    })
    expect((await decide(`--${verdict}`, 'hello', '--all')).code).toBe(0)
    expect(await parked()).toEqual([])
    const ended = { acked: 'acked', retry: 'cancelled', drop: 'dead' }[verdict]
    expect(await requestStates(lost.run_id)).toEqual({ [ended]: 3 })
    expect(await run()).toMatchObject({ requests: verdict === 'retry' ? 3 : 0 })
  })

  test('can be listed and resolved when an earlier version parked them, but for what it did not keep', async () => {
    await loseAnswers()
    await withProject(project, async wired => {
      const warehouse = await wired.warehouse()
      const kept = 'select sync, key, change_id, run_id, since from activate.unresolved'
      await warehouse.execute({ sql: `create or replace table activate.unresolved as ${kept}`, params: [] })
    })
    expect(await parked()).toHaveLength(3)
    expect(await decide('--acked', 'hello', '--all')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('error[A4046]: "ann" and 2 more of hello'),
    })
    expect((await decide('--drop', '--key', 'cat')).code).toBe(0)
    expect((await decide('--retry', 'hello', '--all')).code).toBe(0)
    expect(await run()).toMatchObject({ requests: 2, plan: { reasons: { 'reentry.recent': 1 } } })
  })
})

describe('resolve', () => {
  test.each([
    [['--acked', '--retry', '--key', 'ann', '--reason', 'x'], 'more than one verdict'],
    [['--key', 'ann'], 'the verdict is missing'],
    [['--acked', '--reason', 'x'], 'no row was named'],
    [['--acked', '--all', '--reason', 'x'], '--all needs the name of a sync'],
    [['hello', '--acked', '--all', '--key', 'ann', '--reason', 'x'], '--key and --all exclude each other'],
    [['hello', '--acked', '--all'], '--reason is missing'],
    [['helo'], 'did you mean "hello"?'],
    [['helo', '--acked', '--all', '--reason', 'x'], 'did you mean "hello"?'],
  ])('refuses %j', async (args, message) => {
    expect(await resolve(...args)).toMatchObject({ code: 7, stderr: expect.stringContaining(message) })
  })

  test('says that nothing is parked where no run ever was', async () => {
    expect(await resolve('--json')).toMatchObject({ code: 0 })
    expect(await decide('--acked', 'hello', '--all')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nothing is parked in hello'),
    })
  })

  test('is turned away while a run holds the sync, with exit code 6', async () => {
    let open = () => {}
    far.gate = new Promise(resolve => {
      open = resolve
    })
    const running = finish(start(project.root, 'run'))
    await until(() => far.requests > 0)
    expect(await decide('--acked', 'hello', '--all')).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('error[A9001]'),
    })
    open()
    expect((await running).code).toBe(0)
  })
})
