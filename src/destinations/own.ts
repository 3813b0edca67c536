/**
 * A project's own destinations: each file in its `destinations/` folder exports a definition by default, like those that come
 * with the tool. They are code, which the tool runs when it reads the project; what they may import is in `own-imports.ts`.
 */
import { readdir, realpath } from 'node:fs/promises'
import module from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { DestinationDefinition } from '../delivery/destination.ts'
import { ActivateError, type Place, type Problem } from '../project/problem.ts'
import { type OwnImports, redirect, refusedImport } from './own-imports.ts'

export interface OwnDestinations {
  readonly definitions: readonly DestinationDefinition[]
  readonly problems: readonly Problem[]
}

const folderName = 'destinations'

/** Whether this Node reads TypeScript by itself (22.18 and newer, unless told not to). */
export function readsTypeScript(features: object = process.features): boolean {
  return 'typescript' in features && features.typescript !== false && features.typescript !== undefined
}

/** The package `typescript` of the project, or of whoever develops the tool; undefined where there is none. */
function findCompiler(root: string): string | undefined {
  for (const from of [join(root, 'package.json'), import.meta.url]) {
    try {
      return pathToFileURL(module.createRequire(from).resolve('typescript')).href
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND')) throw error
    }
  }
  return undefined
}

/**
 * Nothing is run where the project has no such folder. `builtin` are the definitions whose names are taken; `compiler` takes
 * the types out of TypeScript where Node does not.
 */
export async function loadOwnDestinations(
  root: string,
  builtin: readonly DestinationDefinition[],
  compiler: (root: string) => string | undefined = findCompiler,
): Promise<OwnDestinations> {
  const { files, links } = await definitionFiles(root)
  if (files.length + links.length === 0) return { definitions: [], problems: [] }
  const takesTypesOut = readsTypeScript() || !files.some(isTypeScript) ? undefined : compiler(root)
  const isReadable = (file: string) => !isTypeScript(file) || readsTypeScript() || takesTypesOut !== undefined
  if (files.some(isReadable))
    guardImports(`${pathToFileURL(await realpath(join(root, folderName))).href}/`, takesTypesOut)
  const definitions: DestinationDefinition[] = []
  const problems: Problem[] = links.map(isLink)
  const taken = new Map(builtin.map(({ name }) => [name, 'the tool itself']))
  for (const name of files) {
    const file = `${folderName}/${name}`
    const loaded = isReadable(file) ? await loadOne(root, file) : { problem: needsJavaScript(file) }
    const definition = 'definition' in loaded ? loaded.definition : undefined
    const owner = definition && taken.get(definition.name)
    if (definition === undefined || owner !== undefined) {
      problems.push('problem' in loaded ? loaded.problem : nameTaken(file, loaded.definition.name, owner ?? ''))
      continue
    }
    taken.set(definition.name, file)
    definitions.push(definition)
  }
  return { definitions, problems }
}

/** JavaScript goes before the TypeScript that it was made from. Tests, declarations and hidden files are none. */
async function definitionFiles(
  root: string,
): Promise<{ readonly files: readonly string[]; readonly links: readonly string[] }> {
  const entries = await readdir(join(root, folderName), { withFileTypes: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return []
    throw error
  })
  const names = entries.map(({ name }) => name)
  const links = entries.filter(entry => entry.isSymbolicLink()).map(({ name }) => name)
  const candidates = names.filter(name => /^[^.][^.]*\.m?[jt]s$/.test(name)).sort()
  const made = (name: string) => names.includes(name.replace(/ts$/, 'js'))
  const meant = candidates.filter(name => !(name.endsWith('ts') && made(name)))
  return { files: meant.filter(name => !links.includes(name)), links: meant.filter(name => links.includes(name)) }
}

/** Folders whose imports are watched already: a process may read a project more than once. */
const guarded = new Set<string>()

function guardImports(folder: string, compiler: string | undefined): void {
  if (guarded.has(folder)) return
  guarded.add(folder)
  const beside = (source: string, built: string) =>
    new URL(import.meta.url.endsWith('.ts') ? source : built, import.meta.url).href
  const kit = beside('../destination.ts', './destination.mjs')
  const data: OwnImports = { folder, kit, ...(compiler !== undefined && { compiler }) }
  // The hooks of a thread of their own are all that Node 20 has; where there are others, they are deprecated.
  if (readsTypeScript() && 'registerHooks' in module && typeof module.registerHooks === 'function') {
    module.registerHooks({
      resolve: (specifier: string, context: { parentURL?: string }, next: (...asked: unknown[]) => object) => {
        const url = redirect(specifier, context.parentURL, data)
        return url === undefined ? next(specifier, context) : next(url, context)
      },
    })
  } else module.register(beside('./own-imports.ts', './own-imports.mjs'), { data })
}

type Loaded = { readonly definition: DestinationDefinition } | { readonly problem: Problem }

async function loadOne(root: string, file: string): Promise<Loaded> {
  const path = join(root, file)
  const place = { file, line: 1, column: 1 }
  const url = pathToFileURL(await realpath(path)).href
  try {
    const { default: exported } = (await import(url)) as { readonly default?: unknown }
    const lacks = lacksOf(exported)
    if (lacks !== undefined) return { problem: noDefinition(file, lacks, place) }
    const definition = exported as DestinationDefinition
    if (definition.open !== undefined) return { problem: hasSession(file, place) }
    return { definition: guardCalls(definition, place) }
  } catch (error) {
    return { problem: failed(file, error, placeIn(error, url) ?? place) }
  }
}

/** What it leads to would be under no rule for imports. */
function isLink(name: string): Problem {
  const file = `${folderName}/${name}`
  const message = `${file} is a link, which is not followed`
  return { code: 'A1014', message, place: { file, line: 1, column: 1 }, help: 'put the file itself here' }
}

const functions = ['baseUrl', 'limits', 'concurrency', 'actions'] as const

/** What keeps a value from being a definition, in words. */
function lacksOf(value: unknown): string | undefined {
  if (value === undefined) return 'it has no default export'
  if (typeof value !== 'object' || value === null) return 'its default export is no object'
  const has: Readonly<Record<string, unknown>> = { ...value }
  const bad = [
    ...(['name', 'summary'] as const).filter(name => typeof has[name] !== 'string' || has[name] === ''),
    ...(isSchema(has.settings) ? [] : ['settings']),
    ...functions.filter(name => typeof has[name] !== 'function'),
  ]
  return bad.length === 0 ? undefined : `its default export has no usable ${bad.join(', ')}`
}

function isSchema(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'safeParse' in value && 'shape' in value
}

/** What a function of a definition throws is said to be its own, and where it stands. */
function guardCalls(definition: DestinationDefinition, place: Place): DestinationDefinition {
  const guard = (name: string, call: (...asked: readonly unknown[]) => unknown) => {
    return (...asked: readonly unknown[]) => {
      try {
        return call(...asked)
      } catch (error) {
        if (error instanceof ActivateError) throw error
        const message = `\`${name}\` of ${place.file} failed: ${textOf(error)}`
        throw new ActivateError('failed', { code: 'A5056', message, place }, { cause: error })
      }
    }
  }
  const members = Object.entries(definition).map(([name, member]) => [
    name,
    typeof member === 'function' ? guard(name, member) : member,
  ])
  return Object.fromEntries(members) as DestinationDefinition
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Where in the file itself it happened, as the stack tells it. */
function placeIn(error: unknown, url: string): Place | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const at = stack.indexOf(`${url}:`)
  const found = at < 0 ? null : /^:(\d+)(?::(\d+))?/.exec(stack.slice(at + url.length))
  if (found === null) return undefined
  const file = `${folderName}/${url.slice(url.lastIndexOf('/') + 1)}`
  return { file, line: Number(found[1]), column: Number(found[2] ?? 1) }
}

function failed(file: string, error: unknown, place: Place): Problem {
  const message = textOf(error)
  if (message.includes(refusedImport)) {
    const help =
      "import from 'activate/destination' and from files beside it: a definition describes requests, the tool sends them"
    return { code: 'A5054', message: `${file}: ${message}`, place, help }
  }
  return {
    code: 'A5050',
    message: `${file} cannot be loaded: ${message}`,
    place,
    help: `run \`node ${file}\` to see it fail by itself`,
  }
}

function noDefinition(file: string, lacks: string, place: Place): Problem {
  const help =
    'end it with `export default defineDestination({ … })`; `activate init destination NAME` writes one that works'
  return { code: 'A5051', message: `${file} exports no destination: ${lacks}`, place, help }
}

function nameTaken(file: string, name: string, owner: string): Problem {
  const place = { file, line: 1, column: 1 }
  return {
    code: 'A5052',
    message: `${file}: the name "${name}" is taken by ${owner}`,
    place,
    help: 'give the definition another `name`, and use that one as `type` in activate.yml',
  }
}

const isTypeScript = (file: string): boolean => file.endsWith('ts')

function needsJavaScript(file: string): Problem {
  const place = { file, line: 1, column: 1 }
  const help = `use Node 22.18 or newer, install typescript in the project, or write it as JavaScript; compiled, ${file.replace(/ts$/, 'js')} beside it is read in its place`
  return {
    code: 'A5053',
    message: `${file} is TypeScript, which Node ${process.versions.node} does not read`,
    place,
    help,
  }
}

function hasSession(file: string, place: Place): Problem {
  const help = 'describe its requests with `baseUrl` and `actions`, and leave `open` out'
  return { code: 'A5055', message: `${file} has \`open\`, which would go out by itself`, place, help }
}
