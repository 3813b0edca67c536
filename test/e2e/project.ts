import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { loadProject } from '../../src/project/load.ts'
import type { PlanOptions, RunOptions } from '../../src/run.ts'
import { type Wired, type WireOptions, wire } from '../../src/wire.ts'

/** A project in a folder of its own, gone after the test. */
export interface TestProject {
  readonly root: string
  write(files: Readonly<Record<string, string>>): Promise<void>
  /** Loads the files as they are now and wires them; the caller closes it. */
  open(options?: Partial<WireOptions>): Promise<Wired>
  remove(): Promise<void>
}

export async function makeProject(files: Readonly<Record<string, string>>): Promise<TestProject> {
  const root = await mkdtemp(join(tmpdir(), 'activate-'))
  const write = async (contents: Readonly<Record<string, string>>) => {
    for (const [path, text] of Object.entries(contents)) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), text)
    }
  }
  await write(files)
  return {
    root,
    write,
    open: async options => wire(await loadProject(root, { env: {} }), { env: {}, ...options }),
    remove: () => rm(root, { recursive: true, force: true }),
  }
}

/** Opens the project, does one thing with it and closes it again, as one call of the command line would. */
export async function withProject<Result>(
  project: TestProject,
  work: (wired: Wired) => Promise<Result>,
  options?: Partial<WireOptions>,
): Promise<Result> {
  const wired = await project.open(options)
  try {
    return await work(wired)
  } finally {
    await wired.close()
  }
}

export function planOptions(asOf: string, more: Partial<PlanOptions> = {}): PlanOptions {
  return {
    asOf: Date.parse(asOf),
    samples: 0,
    fullResync: false,
    onProgress: () => undefined,
    signal: new AbortController().signal,
    ...more,
  }
}

export function runOptions(asOf: string, more: Partial<RunOptions> = {}): RunOptions {
  return { ...planOptions(asOf), yes: false, ...more }
}
