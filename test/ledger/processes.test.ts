import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import Sqlite from 'better-sqlite3'
import { build } from 'tsdown'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { currentHolder, isGone } from '../../src/ledger/holder.ts'
import { migrationNames } from '../../src/ledger/migrations/source.ts'
import { openLedger } from '../../src/ledger/store.ts'

interface Child {
  readonly process: ChildProcess
  say(line: string): void
  hear(): Promise<string>
}

/** Below node_modules, so that the bundle finds the libraries. */
let bundles: string
let folder: string
let path: string
let children: Child[] = []

beforeAll(async () => {
  const cache = join(import.meta.dirname, '../../node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  bundles = mkdtempSync(join(cache, 'ledger-'))
  const entry = { work: join(import.meta.dirname, 'child-work.ts') }
  await build({ config: false, entry, outDir: bundles, format: 'esm', platform: 'node', dts: false, logLevel: 'error' })
})
afterAll(() => rmSync(bundles, { recursive: true, force: true }))

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'activate-ledger-'))
  path = join(folder, 'ledger.db')
})
afterEach(async () => {
  await Promise.all(children.map(kill))
  children = []
  rmSync(folder, { recursive: true, force: true })
})

async function start(): Promise<Child> {
  const started = spawn(process.execPath, [join(bundles, 'work.mjs'), path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]()
  const child: Child = {
    process: started,
    say: line => started.stdin.write(`${line}\n`),
    async hear() {
      const { value, done } = await lines.next()
      return done ? 'ended' : value
    },
  }
  children.push(child)
  expect(await child.hear()).toBe('ready')
  return child
}

async function kill({ process: { exitCode, signalCode }, process: child }: Child): Promise<void> {
  if (exitCode !== null || signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

const startAll = (count: number) => Promise.all(Array.from({ length: count }, start))

function askAll(asked: readonly Child[], line: string): Promise<string[]> {
  for (const child of asked) child.say(line)
  return Promise.all(asked.map(child => child.hear()))
}

test('is made once when several processes open it for the first time', async () => {
  const asked = await startAll(4)
  expect(await askAll(asked, 'open')).toEqual(['opened', 'opened', 'opened', 'opened'])
  const connection = new Sqlite(path)
  expect(connection.prepare('select count(*) from knex_migrations').pluck().get()).toBe(migrationNames.length)
  expect(connection.pragma('integrity_check', { simple: true })).toBe('ok')
  connection.close()
})

test('lets exactly one of several racing processes have a lease', async () => {
  const asked = await startAll(4)
  for (const scope of ['a', 'b', 'c', 'd', 'e', 'f']) {
    const answers = await askAll(asked, `acquire ${scope}`)
    const winner = asked[answers.indexOf('acquired 1')]?.process.pid
    const others = answers.filter(answer => answer !== 'acquired 1')
    expect(others).toEqual(Array(3).fill(`locked ${winner}`))
  }
})

test('still holds all that was promised after the process was killed, and is taken over at once', async () => {
  const child = await start()
  child.say('send sync:a')
  const promised = new Map<string, string>()
  const note = (line: string) => {
    const [state = '', requestId = ''] = line.split(' ')
    promised.set(requestId, state)
  }
  for (let heard = 0; heard < 3_000; heard++) note(await child.hear())
  await kill(child)
  // What was said before the end is promised as well; the very last line may be cut off.
  for (let line = await child.hear(); line !== 'ended'; line = await child.hear()) {
    if (/^(begun|acked) request\d+$/.test(line)) note(line)
  }

  const ledger = await openLedger({ type: 'sqlite', path })
  const kept = new Map((await ledger.requests('run1')).map(({ requestId, state }) => [requestId, state]))
  const lost = [...promised].filter(([id, state]) => {
    const found = kept.get(id)
    return state === 'acked' ? found !== 'acked' : found !== 'sending' && found !== 'acked'
  })
  expect(promised.size).toBeGreaterThan(1_000)
  expect(lost).toEqual([])

  const self = currentHolder()
  const answer = await ledger.acquire('sync:a', self, Date.now(), 60_000, holder => isGone(holder, self))
  expect(answer).toMatchObject({ kind: 'acquired', lease: { fence: 2 }, from: { pid: child.process.pid } })
  await ledger.close()
})
