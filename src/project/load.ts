/** Reads a project from disk. The only file of this room that touches the file system. */
import { ActivateError } from './problem.ts'
import type { Project } from './project.ts'

export interface LoadOptions {
  /** `--target`; wins over ACTIVATE_TARGET. */
  readonly target?: string
  readonly env: Readonly<Record<string, string | undefined>>
}

/** The nearest folder upwards that holds `activate.yml`. Throws ActivateError A1001. */
export async function findProject(from: string): Promise<string> {
  throw new ActivateError('invalid', {
    code: 'A1001',
    message: `no activate.yml in ${from} or above it`,
    help: 'run `activate init`',
  })
}

/** The whole project, validated. Throws one ActivateError (exit `invalid`) with every problem. */
export async function loadProject(_root: string, _options: LoadOptions): Promise<Project> {
  throw new Error('not built yet')
}
