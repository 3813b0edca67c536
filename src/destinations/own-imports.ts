/**
 * What a project's own destinations may import: the kit, each other, and a few modules of Node that reach nothing. It keeps a
 * definition pure where somebody forgets; it is no sandbox, and code that wants out finds a way. Loaded by Node as module hooks.
 */

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** Where own destinations are, and what `activate/destination` means there; all are URLs. */
export interface OwnImports {
  /** Ends in a slash. */
  readonly folder: string
  readonly kit: string
  /** The package `typescript`, where Node does not read TypeScript by itself. */
  readonly compiler?: string
}

export const kitName = 'activate/destination'

/** In the message of an error, because nothing else of it comes through from the thread that hooks run in. */
export const refusedImport = 'a destination may not import'

const harmless = ['node:buffer', 'node:crypto', 'node:url', 'node:util']

/** The URL that is meant, or undefined when Node is to resolve it as ever. Throws for what may not be imported. */
export function redirect(
  specifier: string,
  parent: string | undefined,
  { folder, kit }: OwnImports,
): string | undefined {
  if (parent === undefined || !parent.startsWith(folder)) return undefined
  if (specifier === kitName) return kit
  if (harmless.includes(specifier)) return undefined
  const beside = /^(\.{1,2}\/|file:)/.test(specifier) && new URL(specifier, parent).href.startsWith(folder)
  if (beside) return undefined
  throw new Error(`${refusedImport} "${specifier}"`)
}

let own: OwnImports | undefined

export function initialize(data: OwnImports): void {
  own = data
}

type Next = (specifier: string, context: unknown) => Promise<{ readonly url: string }>

export async function resolve(
  specifier: string,
  context: { readonly parentURL?: string },
  next: Next,
): Promise<{ readonly url: string }> {
  const url = own === undefined ? undefined : redirect(specifier, context.parentURL, own)
  return url === undefined ? next(specifier, context) : { ...(await next(url, context)), url }
}

interface Source {
  readonly format: 'module'
  readonly source: string
  readonly shortCircuit: true
}

type NextLoad = (url: string, context: unknown) => Promise<object>

/** As much of `typescript` as is used: types are taken out, and nothing is checked. */
interface Compiler {
  readonly ModuleKind: { readonly ESNext: number }
  readonly ScriptTarget: { readonly ES2022: number }
  transpileModule(text: string, options: object): { readonly outputText: string }
}

/** A TypeScript file of the folder, without its types. */
export async function load(url: string, context: unknown, next: NextLoad): Promise<Source | object> {
  const [file = url] = url.split('?')
  if (own?.compiler === undefined || !file.startsWith(own.folder) || !/\.m?ts$/.test(file)) return next(url, context)
  const { default: compiler } = (await import(own.compiler)) as { readonly default: Compiler }
  const { ModuleKind, ScriptTarget } = compiler
  const compilerOptions = { module: ModuleKind.ESNext, target: ScriptTarget.ES2022, verbatimModuleSyntax: true }
  const { outputText } = compiler.transpileModule(await readFile(fileURLToPath(file), 'utf8'), { compilerOptions })
  return { format: 'module', source: outputText, shortCircuit: true }
}
