import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type RunDocument, runSyncs } from '../../src/run.ts'
import { shell } from '../cli/activate.ts'
import { command as program, until } from './command-line.ts'
import { makeProject, runOptions, type TestProject, withProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

let far: Receiver
let project: TestProject

/** The command line in this process; `program` starts the bundle, which takes longer. */
const activate = (...args: readonly string[]) =>
  shell(() => project.root, { SECRET_TOKEN: 's3cret-token', ACTIVATE_USER: 'eve' })(...args)

const main = (more = '') => `
name: acme
sources:
  people: { csv: data/people.csv, columns: { id: { type: string } } }
identity: { key: id }
destinations:
  far: ${receiverSettings(far.url)}
${more}`

const people = (...rows: readonly string[]) => ({ 'data/people.csv': `id,email\n${rows.join('\n')}\n` })
const [ann, bob, cat] = ['ann,ann@x.example', 'bob,bob@x.example', 'cat,cat@x.example']

beforeEach(async () => {
  far = await startReceiver()
  project = await makeProject({
    'activate.yml': main(),
    'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, email from {{source "people"}}\n',
    ...people(ann, bob, cat),
    'syncs/contacts.yml': `model: everyone
destination: far
action: upsert
mode: upsert
fields: { email: email }
`,
  })
})
afterEach(async () => {
  await project.remove()
  await far.close()
})

/** The destination takes nobody with these keys, and repeats what it was sent. */
const refuse = (...keys: readonly string[]) => {
  far.refuse = ({ key, fields }) => (keys.includes(key) ? `${fields.email} is not welcome` : undefined)
}

const letters = (...args: readonly string[]) => activate('dead-letters', ...args)

interface Letter {
  readonly id: string
  readonly key: string
  readonly [name: string]: unknown
}
const listed = async (...args: readonly string[]) =>
  JSON.parse((await letters('list', '--json', ...args)).stdout) as { total: number; letters: readonly Letter[] }
const idOf = async (key: string) => (await listed()).letters.find(letter => letter.key === key)?.id ?? ''
const because = ['--reason', 'mended at their end', '--by', 'ada']

async function run(asOf = '2026-03-01') {
  const { stdout, stderr } = await activate('run', '--json', '--as-of', asOf)
  const [summary] = (JSON.parse(stdout) as RunDocument).runs
  if (summary === undefined) throw new Error(stderr)
  return summary
}

async function onDisk(text: string): Promise<readonly string[]> {
  const folder = join(project.root, '.activate')
  const names = (await readdir(folder)).filter(name => name.startsWith('ledger.db'))
  const files = await Promise.all(names.map(async name => ({ name, bytes: await readFile(join(folder, name)) })))
  return files.filter(({ bytes }) => bytes.includes(text)).map(({ name }) => name)
}

test('refused rows are listed, shown, counted and replayed through the next ordinary run', async () => {
  refuse('bob', 'cat')
  const first = await run()
  expect(first).toMatchObject({ status: 'partial', outcomes: { acked: 1, rejected: 2 } })
  expect(await onDisk('@x.example')).toEqual([])

  const { total, letters: open } = await listed()
  expect([total, open.map(({ key }) => key)]).toEqual([2, ['bob', 'cat']])
  expect(open[0]).toMatchObject({
    ...{ sync: 'contacts', destination: 'far', action: 'upsert', op: 'enter', state: 'open', class: 'refused' },
    ...{ attempts: 1, run_id: first.run_id, replayed_at: null, ended_at: null },
  })
  const [bobs, cats] = [await idOf('bob'), await idOf('cat')]
  const masked = await letters('show', bobs.slice(0, 8))
  expect([masked.code, masked.stdout]).toEqual([0, expect.stringContaining('email: "b***@x.example"')])
  expect(masked.stdout).not.toContain('bob@x.example')
  expect((await letters('show', bobs, '--show-pii', '--json')).json()).toMatchObject({
    schema: 'activate.dead_letter/1',
    letter: { id: bobs, key: 'bob', message: 'bob@x.example is not welcome', fields: { email: 'bob@x.example' } },
  })
  const status = (await activate('status')).stdout
  expect(status).toContain('2 open dead letters')
  expect((await activate('history', '--json')).json()).toMatchObject({ runs: [{ dead_letters: 2 }] })

  refuse()
  expect(await run()).toMatchObject({ requests: 0, plan: { reasons: { 'rejection.not_due': 2 } } })
  const replayed = await program(project.root, 'dead-letters', 'replay', bobs, ...because, '--as-of', '2026-03-02')
  expect(replayed).toMatchObject({
    code: 0,
    stdout: 'contacts: 1 row is due again\n  1 in the model: would be sent: bob\n',
  })
  expect(replayed.stderr).toContain('Nothing was sent.')
  expect(far.received.map(({ key }) => key)).toEqual(['ann'])
  expect(await run('2026-03-02')).toMatchObject({
    outcomes: { acked: 1 },
    plan: { reasons: { 'rejection.not_due': 1 } },
  })
  expect(far.received.map(({ key }) => key)).toEqual(['ann', 'bob'])

  expect((await listed()).letters.map(({ key }) => key)).toEqual(['cat'])
  expect((await letters('show', bobs)).stdout).toContain('delivered')
  expect((await letters('show', cats)).stdout).not.toContain('made due again')
  const again = await letters('replay', bobs, ...because)
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('error[A4048]') })
  expect((await activate('audit', '--json')).json()).toMatchObject({
    entries: [{ action: 'replay', subject: 'sync:contacts', by: 'ada', detail: { letters: 1, reason: because[1] } }],
  })
})

test('a replay says what keeps a row from being sent, and sends nothing that may not be', async () => {
  refuse('ann', 'bob', 'cat')
  await run()
  refuse()
  await activate('suppress', 'bob')
  await project.write({
    ...people(ann, bob, 'dan,dan@x.example'),
    'activate.yml': main('policies: { suppression: [] }\n'),
  })
  const { stdout } = await letters('replay', '--all', ...because, '--json', '--as-of', '2026-03-02')
  const { syncs } = JSON.parse(stdout) as { syncs: readonly { letters: readonly Letter[] }[] }
  expect(syncs[0]?.letters.map(({ key, in_model, forecast }) => ({ key, in_model, forecast }))).toMatchObject([
    { key: 'ann', in_model: true, forecast: { decision: 'send' } },
    { key: 'bob', in_model: true, forecast: { kind: 'ineligible', reason: 'suppression.opt_out' } },
    { key: 'cat', in_model: false, forecast: { kind: 'gone' } },
  ])
  expect(await run('2026-03-02')).toMatchObject({ outcomes: { acked: 2 } })
  expect(far.received.map(({ key }) => key)).toEqual(['ann', 'dan'])
})

test('a row that is refused again has one letter, the newest', async () => {
  refuse('bob')
  await run()
  const old = await idOf('bob')
  await letters('replay', '--sync', 'contacts', ...because)
  await run('2026-03-02')
  const { letters: open } = await listed()
  expect(open).toMatchObject([{ key: 'bob', attempts: 2 }])
  expect((await letters('show', old)).stdout).toContain('superseded')
})

test('dropped rows rest until they change', async () => {
  refuse('bob', 'cat')
  await run()
  refuse()
  const dropped = await letters('drop', await idOf('bob'), ...because)
  expect([dropped.code, dropped.stdout]).toEqual([0, expect.stringContaining('1 letter of contacts dropped')])
  expect((await activate('inspect', 'bob')).stdout).toContain('not tried again until the row changes')
  expect(await run('2030-01-01')).toMatchObject({
    outcomes: { acked: 1 },
    plan: { reasons: { 'rejection.not_due': 1 } },
  })
  await project.write(people(ann, 'bob,bob@new.example', cat))
  expect(await run('2030-01-02')).toMatchObject({ outcomes: { acked: 1 } })
  expect(far.received.map(({ key }) => key)).toEqual(['ann', 'cat', 'bob'])
  expect((await listed()).total).toBe(0)
})

test('letters expire, and then nothing can be replayed', async () => {
  await project.write({ 'activate.yml': main('retention: { dead_letters: 1ms }\n') })
  refuse('bob')
  await run()
  expect(await listed()).toMatchObject({ total: 0, letters: [] })
  expect(await letters('replay', '--all', ...because)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('A4048'),
  })
})

test('letters expire in a process that goes on running, too', async () => {
  refuse('bob')
  let now = Date.parse('2026-03-01T02:00:00Z')
  const clock = {
    now: () => now,
    sleep: async (_: number, signal?: AbortSignal) => until(() => signal?.aborted === true),
  }
  await withProject(
    project,
    async wired => {
      const ledger = await wired.ledger()
      await runSyncs(wired, wired.project.syncs, runOptions('2026-03-01'))
      expect(await ledger.countOpenLetters('sync')).toEqual(new Map([['contacts', 1]]))
      now += 30 * 86_400_000
      await runSyncs(wired, wired.project.syncs, runOptions('2026-03-02'))
      expect(await ledger.countOpenLetters('sync')).toEqual(new Map())
    },
    { clock },
  )
})

test('a replay is turned away while a run holds the sync, with exit code 6', async () => {
  refuse('bob')
  await run()
  const id = await idOf('bob')
  await withProject(project, async wired => {
    const ledger = await wired.ledger()
    await ledger.acquire(
      'sync:contacts',
      { host: 'elsewhere', pid: 1, token: 'another' },
      Date.now(),
      600_000,
      () => false,
    )
    for (const action of ['replay', 'drop'])
      expect(await letters(action, id, ...because)).toMatchObject({ code: 6, stderr: expect.stringContaining('A9001') })
  })
  expect((await listed()).letters).toMatchObject([{ key: 'bob', replayed_at: null }])
})

describe('without the key of the ledger', () => {
  test('nothing is sent and nothing is made anew, until the letters are dropped', async () => {
    refuse('bob')
    await run()
    const key = join(project.root, '.activate/ledger.db.key')
    await rm(key)
    await project.write(people(ann, bob, cat, 'dan,dan@x.example'))
    const stopped = await activate('run')
    expect(stopped).toMatchObject({ code: 4, stderr: expect.stringContaining('A5011') })
    expect(await letters()).toMatchObject({ code: 4, stderr: expect.stringContaining('error[A5011]') })
    expect((await activate('status')).code).toBe(0)
    expect(far.received.map(({ key: sent }) => sent)).toEqual(['ann', 'cat'])

    const dropped = await letters('drop', '--all', ...because)
    expect([dropped.code, dropped.stdout]).toEqual([0, expect.stringContaining('but for 1 that could not be read')])
    expect(await run('2026-03-02')).toMatchObject({ status: 'succeeded', outcomes: { acked: 1 } })
    expect(far.received.map(({ key: sent }) => sent)).toEqual(['ann', 'cat', 'dan'])
  })

  test('a secret that is not set, or too short, stops the run before anything is sent', async () => {
    await project.write({ 'activate.yml': main('ledger: { type: sqlite, key: "${env:NO_SUCH_KEY}" }\n') })
    expect(await activate('run')).toMatchObject({ code: 4, stderr: expect.stringContaining('A1150') })
    await project.write({ 'activate.yml': main('ledger: { type: sqlite, key: "${env:SECRET_TOKEN}" }\n') })
    expect(await activate('run')).toMatchObject({ code: 4, stderr: expect.stringContaining('A5013') })
    expect(far.requests).toBe(0)
  })
})

test('a run that died before it was settled keeps its letters, and its successor settles them', async () => {
  refuse('bob')
  await withProject(project, async wired => {
    const warehouse = await wired.warehouse()
    const transaction = warehouse.transaction.bind(warehouse)
    vi.spyOn(warehouse, 'transaction').mockImplementation(statements =>
      statements.some(({ sql }) => sql.includes('snapshot__'))
        ? Promise.reject(new Error('killed'))
        : transaction(statements),
    )
    const { runs } = await runSyncs(wired, wired.project.syncs, runOptions('2026-03-01'))
    expect(runs[0]?.status).toBe('failed')
  })
  expect((await listed()).letters.map(({ key }) => key)).toEqual(['bob'])
  refuse()
  expect(await run('2026-03-02')).toMatchObject({ requests: 0, plan: { reasons: { 'rejection.not_due': 1 } } })
  expect((await listed()).letters.map(({ key }) => key)).toEqual(['bob'])
  expect(await run('2026-03-20')).toMatchObject({ outcomes: { acked: 1 } })
  expect((await listed()).total).toBe(0)
})

test('letters of a sync that the project no longer has can be dropped and not replayed', async () => {
  refuse('bob')
  await run()
  await project.write({ 'syncs/other.yml': await readFile(join(project.root, 'syncs/contacts.yml'), 'utf8') })
  await rm(join(project.root, 'syncs/contacts.yml'))
  expect(await letters('replay', '--all', ...because)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('A4049'),
  })
  expect((await letters('drop', '--sync', 'contacts', ...because)).code).toBe(0)
  expect((await listed()).total).toBe(0)
})

test.each([
  [['lst'], 7, 'did you mean "list"?'],
  [['list', 'abc'], 7, 'list takes no ids'],
  [['list', '--limit', '0'], 7, '--limit needs a whole number'],
  [['list', '--sync', 'contcts'], 7, 'did you mean "contacts"?'],
  [['show'], 7, 'show needs one id'],
  [['show', 'ffff'], 1, 'there is no dead letter "ffff"'],
  [['replay', '--reason', 'x'], 7, 'no letter was named'],
  [['replay', 'abc', '--all', '--reason', 'x'], 7, 'ids were given'],
  [['replay', '--all'], 7, '--reason is missing'],
  [['replay', '--all', '--reason', 'x'], 1, 'there is no open dead letter there'],
  [
    ['drop', '--sync', 'contacts', '--select', 'contacts', '--reason', 'x'],
    7,
    '--sync and --select exclude each other',
  ],
] as const)('refuses %j', async (args, code, message) => {
  expect(await letters(...args)).toMatchObject({ code, stderr: expect.stringContaining(message) })
})
