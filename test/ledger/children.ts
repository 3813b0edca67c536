/** Processes of their own that work on a ledger, as `child-work.ts` says. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'tsdown'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'

export interface Child {
  readonly process: ChildProcess
  say(line: string): void
  hear(): Promise<string>
}

export interface Children {
  /** `place`: a file, or the url of a Postgres. */
  startAll(place: string, count: number): Promise<readonly Child[]>
  kill(child: Child): Promise<void>
}

/** Builds what the processes run, once per test file, and ends them after each test. */
export function useChildren(): Children {
  /** Below node_modules, so that the bundle finds the libraries. */
  let bundles: string
  let children: Child[] = []

  beforeAll(async () => {
    const cache = join(import.meta.dirname, '../../node_modules/.cache')
    mkdirSync(cache, { recursive: true })
    bundles = mkdtempSync(join(cache, 'ledger-'))
    const entry = { work: join(import.meta.dirname, 'child-work.ts') }
    await build({
      config: false,
      entry,
      outDir: bundles,
      format: 'esm',
      platform: 'node',
      dts: false,
      logLevel: 'error',
    })
  })
  afterAll(() => rmSync(bundles, { recursive: true, force: true }))
  afterEach(async () => {
    await Promise.all(children.map(kill))
    children = []
  })

  async function start(place: string): Promise<Child> {
    const started = spawn(process.execPath, [join(bundles, 'work.mjs'), place], { stdio: ['pipe', 'pipe', 'inherit'] })
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

  return { startAll: (place, count) => Promise.all(Array.from({ length: count }, () => start(place))), kill }
}

async function kill({ process: { exitCode, signalCode }, process: child }: Child): Promise<void> {
  if (exitCode !== null || signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

export function askAll(asked: readonly Child[], line: string): Promise<string[]> {
  for (const child of asked) child.say(line)
  return Promise.all(asked.map(child => child.hear()))
}

/** What a child that sends was promised, by request: `begun` or `acked`; kills it after so many lines. */
export async function promisesUntilKilled(child: Child, lines: number, end: Children['kill']) {
  const promised = new Map<string, string>()
  const note = (line: string) => {
    const [state = '', requestId = ''] = line.split(' ')
    promised.set(requestId, state)
  }
  for (let heard = 0; heard < lines; heard++) note(await child.hear())
  await end(child)
  // What was said before the end is promised as well; the very last line may be cut off.
  for (let line = await child.hear(); line !== 'ended'; line = await child.hear()) {
    if (/^(begun|acked) \w+#\d+;$/.test(line)) note(line)
  }
  return promised
}

/** Which promises the ledger did not keep. */
export function broken(
  promised: ReadonlyMap<string, string>,
  requests: readonly { readonly requestId: string; readonly state: string }[],
) {
  const kept = new Map(requests.map(({ requestId, state }) => [requestId, state]))
  return [...promised].filter(([id, state]) => {
    const found = kept.get(id)
    return state === 'acked' ? found !== 'acked' : found !== 'sending' && found !== 'acked'
  })
}
