import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { loadProject } from '../../src/project/load.ts'
import { ActivateError, type Problem } from '../../src/project/problem.ts'
import type { Project } from '../../src/project/project.ts'

export type Files = Readonly<Record<string, string | Uint8Array>>

/** Runs `use` in a fresh folder that holds these files, and removes it. */
export async function inFolder<Result>(files: Files, use: (root: string) => Promise<Result>): Promise<Result> {
  const root = await mkdtemp(join(tmpdir(), 'activate-project-'))
  try {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), content)
    }
    return await use(root)
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

/** A project that is valid, to be spoilt in one place. */
export const sound = {
  'activate.yml': 'name: acme\ndestinations:\n  crm: { type: crm }\n',
  'models/at_risk.sql': '/*---\nkey: customer_id\n---*/\nselect 1 as customer_id\n',
  'syncs/at_risk.yml': 'model: at_risk\ndestination: crm\naction: upsert\nmode: mirror\nfields:\n  email: email\n',
} as const

export interface Around {
  readonly target?: string
  readonly env?: Readonly<Record<string, string>>
}

export async function load(files: Files, around: Around = {}): Promise<Project> {
  return inFolder(files, root => loadProject(root, { env: {}, ...around }))
}

/** What is wrong with a project; empty when nothing is. */
export async function problemsOf(files: Files, around: Around = {}): Promise<readonly Problem[]> {
  const outcome = await load(files, around).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (outcome === undefined) return []
  if (outcome instanceof ActivateError) return outcome.problems
  throw outcome
}
