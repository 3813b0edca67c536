/** Runs the command line in this process, as a shell would: what it wrote, and how it ended. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { main } from '../../src/cli/main.ts'

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** The document of `--json`. */
  json(): Record<string, unknown>
}

export function shell(cwd: () => string, env: Readonly<Record<string, string | undefined>> = {}) {
  return async (...argv: readonly string[]): Promise<Ended> => {
    const out = collector()
    const talk = collector()
    const code = await main(argv, { stdout: out, stderr: talk, env, cwd: cwd() })
    const stdout = out.text()
    return { code, stdout, stderr: talk.text(), json: () => JSON.parse(stdout) as Record<string, unknown> }
  }
}

function collector() {
  let text = ''
  return {
    write: (chunk: string, done?: (error?: Error | null) => void) => {
      text += chunk
      done?.()
      return true
    },
    on: () => undefined,
    text: () => text,
  }
}

/** A folder for each test. */
export function temporaryFolder(): () => string {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'activate-cli-'))
  })
  afterEach(async () => {
    await rm(folder, { recursive: true })
  })
  return () => folder
}
