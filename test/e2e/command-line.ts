import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { shell } from '../cli/activate.ts'

const bin = join(import.meta.dirname, '../../bin/activate')

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The one document that --json promises on stdout; throws when there is anything else. */
  json<Document>(): Document
}

/** One call of the tool, as a user would make it, from the project's folder. */
export function activate(root: string, ...args: readonly string[]): Promise<Finished> {
  return finish(start(root, ...args))
}

/** The same within this process: for tests about what the tool does, not about processes. It spares starting one, which takes longer than most commands. */
export async function command(root: string, ...args: readonly string[]): Promise<Finished> {
  const { code, stdout, stderr } = await shell(() => root, environment())(...args)
  return { code, stdout, stderr, json: () => JSON.parse(stdout) }
}

/** Starts the tool and leaves it running, for those who want to interrupt it. */
export function start(root: string, ...args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [bin, ...args], { cwd: root, env: environment(), stdio: ['ignore', 'pipe', 'pipe'] })
}

function environment() {
  return { ...process.env, NO_COLOR: '1', SECRET_TOKEN: 's3cret-token' }
}

export async function finish(child: ChildProcess): Promise<Finished> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', chunk => {
    stdout += String(chunk)
  })
  child.stderr?.on('data', chunk => {
    stderr += String(chunk)
  })
  const code = await new Promise<number | null>(resolve => child.on('close', resolve))
  return { code, stdout, stderr, json: () => JSON.parse(stdout) }
}

/** Waits until `condition` holds; asks every few milliseconds, and gives up when the test does. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 2))
}
