/** Processes that have the tool loaded before they are needed, so that a kill costs little more than what the killed run did. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'tsdown'
import type { Child, Ended } from './child.ts'
import type { Answer, Order } from './warm-process.ts'

export interface Warm {
  /** One command in a process that may have done others before, and does others after it if it outlives this one. */
  start(root: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Child>
  close(): Promise<void>
}

interface Waiting {
  readonly process: ChildProcess
  readonly ready: Promise<unknown>
}

/** What has to be loaded from where npm installed it: binaries, and a library that asks for its own parts by name. */
const unbundled = [/^@duckdb\/node-bindings/, /^better-sqlite3/, /^knex/, /^pg-native$/]

/** Keeps so many processes beside those at work. */
export async function warmUp(spare: number): Promise<Warm> {
  const folder = await bundle()
  const waiting: Waiting[] = []
  const all = new Set<ChildProcess>()
  let closed = false

  function replenish(): void {
    while (!closed && waiting.length < spare) {
      const child = fork(join(folder, 'process.cjs'), [join(folder, 'tool.cjs')], { silent: true, execArgv: [] })
      all.add(child)
      child.once('exit', () => all.delete(child))
      const ready = Promise.race([once(child, 'message'), endsUnready(child)])
      ready.catch(() => undefined) // who takes it is told
      waiting.push({ process: child, ready })
    }
  }

  async function take(): Promise<ChildProcess> {
    replenish()
    const next = waiting.shift()
    if (next === undefined) throw new RangeError('no process is kept')
    replenish()
    await next.ready
    return next.process
  }

  return {
    async start(root, args, env) {
      const child = await take()
      const order: Order = { root, args, env }
      child.send(order)
      const ended = endOf(child)
      ended
        .then(({ signal }) => signal === null && waiting.unshift({ process: child, ready: Promise.resolve() }))
        .catch(() => undefined)
      return { process: child, ended }
    },
    async close() {
      closed = true
      const gone = [...all].map(child => once(child, 'exit'))
      for (const child of all) child.kill('SIGKILL')
      await Promise.all(gone)
      rmSync(folder, { recursive: true })
    },
  }
}

async function endsUnready(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit')
  throw new Error(`a process ended with ${code} before it was ready`)
}

/** Its answer, or how it died. */
function endOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const done = (ended: Ended) => {
      child.off('message', answered)
      child.off('exit', died)
      resolve(ended)
    }
    const answered = (message: unknown) => done({ ...(message as Answer), signal: null })
    const died = (code: number | null, signal: NodeJS.Signals | null) =>
      signal === null
        ? reject(new Error(`a process ended by itself with ${code}`))
        : done({ code, signal, stdout: '', stderr: '' })
    child.on('message', answered)
    child.on('exit', died)
  })
}

/** Below node_modules, so that what is not in the bundle is found. */
async function bundle(): Promise<string> {
  const cache = join(import.meta.dirname, '../../node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'torture-'))
  const common = {
    config: false,
    outDir: folder,
    clean: false,
    platform: 'node',
    dts: false,
    logLevel: 'error',
  } as const
  await build({
    ...common,
    entry: { tool: join(import.meta.dirname, '../../src/cli/main.ts') },
    format: 'cjs',
    shims: true,
    deps: { alwaysBundle: /./, neverBundle: unbundled },
    outputOptions: { codeSplitting: false },
  })
  await build({ ...common, entry: { process: join(import.meta.dirname, 'warm-process.ts') }, format: 'cjs' })
  return folder
}
