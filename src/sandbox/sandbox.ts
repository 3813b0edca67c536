/** Starts the sandbox: a CRM and a messenger on one local port, with limits, faults and a memory. */
import { createAdaptorServer } from '@hono/node-server'
import { ActivateError } from '../project/problem.ts'
import type { FaultPlan } from './faults.ts'
import { emptyMemory, type Memory } from './memory.ts'
import { sandboxApp } from './routes.ts'
import { type SandboxState, stateOf } from './state.ts'

/** Where the sandbox listens unless told otherwise, and the token it expects. */
export const defaultPort = 8484
export const defaultToken = 'sandbox'

export interface SandboxOptions {
  /** 0 for any free one; by default 8484. */
  readonly port?: number
  readonly host?: '127.0.0.1'
  readonly faults: FaultPlan
  readonly seed: number
  /** A SQLite file that keeps the memory from one process to the next; without it the memory ends with the process. */
  readonly statePath?: string
  readonly token?: string
  /** Requests per second and area, and as many at once; by default 100. */
  readonly requestsPerSecond?: number
  /** Milliseconds; by default the wall clock. */
  readonly now?: () => number
}

export interface Sandbox {
  /** Without a slash at the end. */
  readonly url: string
  readonly port: number
  state(): SandboxState
  /** What goes wrong from the next request on. */
  chooseFaults(faults: FaultPlan): void
  /** Ends every connection, the unanswered ones included. */
  close(): Promise<void>
}

/** Throws A8502 when it cannot listen and A8503 when the memory file cannot be used. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const {
    port = defaultPort,
    host = '127.0.0.1',
    seed,
    token = defaultToken,
    requestsPerSecond = 100,
    now = Date.now,
  } = options
  const keeper = await keepMemory(options.statePath)
  const closing = new AbortController()
  let faults = options.faults
  const rate = { size: requestsPerSecond, perSecond: requestsPerSecond }
  const app = sandboxApp({
    memory: keeper.memory,
    faults: () => faults,
    seed,
    token,
    rate,
    now,
    save: keeper.save,
    closing: closing.signal,
  })
  const server = createAdaptorServer({ fetch: app.fetch })
  try {
    await listen(server, port, host)
  } catch (error) {
    keeper.close()
    throw cannotListen(error, port)
  }
  const address = server.address()
  const listening = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://${host}:${listening}`,
    port: listening,
    state: () => stateOf(keeper.memory),
    chooseFaults: chosen => {
      faults = chosen
    },
    close: async () => {
      closing.abort()
      await new Promise<void>((resolve, reject) => {
        server.close(error => (error === undefined ? resolve() : reject(error)))
        if ('closeAllConnections' in server) server.closeAllConnections()
      })
      keeper.close()
    },
  }
}

interface Keeper {
  readonly memory: Memory
  readonly save: () => void
  readonly close: () => void
}

async function keepMemory(path: string | undefined): Promise<Keeper> {
  if (path !== undefined) return (await import('./memory-file.ts')).openMemoryFile(path)
  const memory = emptyMemory()
  const forget = () => memory.pending.touched.clear()
  return { memory, save: forget, close: forget }
}

function listen(server: ReturnType<typeof createAdaptorServer>, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function cannotListen(error: unknown, port: number): unknown {
  if (!(error instanceof Error)) return error
  const taken = 'code' in error && error.code === 'EADDRINUSE'
  const message = taken ? `port ${port} is in use` : `the sandbox cannot listen on port ${port}: ${error.message}`
  const help = taken
    ? 'another sandbox may be running: stop it, or choose another port (0 for any free one)'
    : 'choose another port (0 for any free one)'
  return new ActivateError('failed', { code: 'A8502', message, help }, { cause: error })
}
