/** Reads a project from disk. The only file of this room that touches the file system. */
import type { Dirent } from 'node:fs'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { assembleProject, inOrder } from './assemble.ts'
import { ActivateError, type Problem } from './problem.ts'
import type { Project } from './project.ts'
import { decodeFile, type FileText, maxBytes, tooLarge } from './safety.ts'
import { defaultTarget } from './settings.ts'

export interface LoadOptions {
  /** `--target`; wins over ACTIVATE_TARGET. */
  readonly target?: string
  readonly env: Readonly<Record<string, string | undefined>>
}

const projectFile = 'activate.yml'

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** The nearest folder, from `from` upwards, that holds `activate.yml`. Throws ActivateError A1001. */
export async function findProject(from: string): Promise<string> {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if (await isFile(join(folder, projectFile))) return folder
    if (dirname(folder) !== folder) continue
    throw new ActivateError('invalid', noProject(`no ${projectFile} in ${resolve(from)} or in a folder above it`))
  }
}

function noProject(message: string): Problem {
  return { code: 'A1001', message, help: 'run `activate init` to make a project, or name its folder with -C' }
}

/** The whole project, validated. Throws one ActivateError (exit `invalid`) with every problem, in the order of the files. */
export async function loadProject(root: string, options: LoadOptions): Promise<Project> {
  const folder = resolve(root)
  const problems: Problem[] = []
  const read = (path: string) => readText(folder, path, problems)
  const [models, syncs] = [await listFiles(folder, 'models', problems), await listFiles(folder, 'syncs', problems)]
  const outcomes = await listFiles(folder, 'outcomes', problems)
  const isPartial = (path: string) => path.startsWith('models/_partials/')
  if (!(await isFile(join(folder, projectFile))))
    throw new ActivateError('invalid', noProject(`no ${projectFile} in ${folder}`))
  const files = {
    project: await read(projectFile),
    models: await readAll(
      models.filter(path => path.endsWith('.sql') && !isPartial(path)),
      read,
    ),
    partials: await readAll(
      models.filter(path => /\.(sql|hbs)$/.test(path) && isPartial(path)),
      read,
    ),
    syncs: await readAll(
      syncs.filter(path => /\.ya?ml$/.test(path)),
      read,
    ),
    outcomes: await readAll(
      outcomes.filter(path => /\.ya?ml$/.test(path)),
      read,
    ),
  }
  const target = options.target || options.env.ACTIVATE_TARGET || defaultTarget
  const assembled = assembleProject(files, { root: folder, target, resolve: path => resolve(folder, path) })
  if (assembled.project !== undefined && problems.length === 0) return assembled.project
  throw new ActivateError('invalid', inOrder([...problems, ...assembled.problems]))
}

async function readAll(
  paths: readonly string[],
  read: (path: string) => Promise<FileText | undefined>,
): Promise<FileText[]> {
  const texts: FileText[] = []
  for (const path of paths) {
    const text = await read(path)
    if (text !== undefined) texts.push(text)
  }
  return texts
}

async function readText(root: string, path: string, problems: Problem[]): Promise<FileText | undefined> {
  try {
    const absolute = join(root, path)
    const decoded =
      (await stat(absolute)).size > maxBytes ? tooLarge(path) : decodeFile({ path, bytes: await readFile(absolute) })
    if ('text' in decoded) return decoded
    problems.push(decoded)
  } catch (error) {
    problems.push(unreadable(path, error))
  }
  return undefined
}

function unreadable(path: string, error: unknown): Problem {
  const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  return { code: 'A1002', message: `${path} cannot be read (${reason})`, place: { file: path, line: 1, column: 1 } }
}

/** Files below a folder of the project, sorted, relative to the root with forward slashes; names with a leading dot are left out. */
async function listFiles(root: string, folder: string, problems: Problem[]): Promise<string[]> {
  let entries: Dirent[]
  try {
    entries = await readdir(join(root, folder), { withFileTypes: true })
  } catch (error) {
    if (!isMissing(error)) problems.push(unreadable(folder, error))
    return []
  }
  const paths: string[] = []
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = `${folder}/${entry.name}`
    if (entry.name.startsWith('.')) continue
    if (entry.isDirectory()) paths.push(...(await listFiles(root, path, problems)))
    else if (entry.isFile() || (entry.isSymbolicLink() && (await isInside(root, path, problems)))) paths.push(path)
  }
  return paths
}

/** Whether a link leads to a file of the project; else A1014. */
async function isInside(root: string, path: string, problems: Problem[]): Promise<boolean> {
  try {
    const real = await realpath(join(root, path))
    if (real.startsWith((await realpath(root)) + sep) && (await isFile(real))) return true
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  const place = { file: path, line: 1, column: 1 }
  problems.push({
    code: 'A1014',
    message: `${path} is a link that does not lead to a file of the project`,
    place,
    help: 'put the file itself here',
  })
  return false
}
