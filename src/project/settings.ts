/** The chosen target: where models are computed, where requests are recorded, and what differs from the default. */
import type { z } from 'zod'
import { type Path, valueAt, type YamlDocument } from './document.ts'
import { present } from './present.ts'
import type { Place, Problem } from './problem.ts'
import type { DestinationSettings, LedgerSettings, Scalar, SecretText, WarehouseSettings } from './project.ts'
import { ledgerSchema, type projectSchema, warehouseSchema } from './schema/project-file.ts'
import { parseSecretText } from './secret.ts'
import { suggestion } from './suggest.ts'

export const defaultTarget = 'default'

/** Relative to the project's root in, absolute out. */
export type Resolve = (path: string) => string

export interface TargetSettings {
  readonly warehouse: WarehouseSettings
  readonly ledger: LedgerSettings
  readonly vars: Readonly<Record<string, Scalar>>
  readonly destinations: readonly DestinationSettings[]
}

type ProjectFile = z.output<typeof projectSchema>

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Names of the targets in the file; `default` is the file without one. */
export function targetNames(document: YamlDocument): string[] {
  const targets = document.valueAt(['targets'])
  return isRecord(targets) ? Object.keys(targets) : []
}

/** A1120 when there is no such target, A1124 when one takes the name of the default. */
export function checkTarget(document: YamlDocument, target: string): Problem[] {
  const names = targetNames(document)
  const problems: Problem[] = names.includes(defaultTarget)
    ? [
        {
          code: 'A1124',
          message: 'a target cannot be called "default"',
          place: document.place(['targets', defaultTarget], 'key'),
          help: 'the default target is what stands outside of `targets`',
        },
      ]
    : []
  if (target === defaultTarget || names.includes(target)) return problems
  const help = suggestion(target, names, 'targets') ?? 'activate.yml has no targets'
  const place = names.length === 0 ? {} : { place: document.place(['targets'], 'key') }
  return [...problems, { code: 'A1120', message: `there is no target "${target}"`, ...place, help }]
}

/** The destinations that a sync may name in this target, and where each stands; the target's own replace those of the same name. */
export function destinationPaths(document: YamlDocument, target: string): ReadonlyMap<string, Path> {
  const paths = new Map<string, Path>()
  for (const base of [['destinations'], ['targets', target, 'destinations']]) {
    const written = document.valueAt(base)
    if (isRecord(written)) for (const name of Object.keys(written)) paths.set(name, [...base, name])
  }
  return paths
}

/** What is written for a section of a target, over the default's when it is of the same type, and where its keys stand. */
function layered(document: YamlDocument, target: string, section: 'warehouse' | 'ledger') {
  const base = document.valueAt([section])
  const own = target === defaultTarget ? undefined : document.valueAt(['targets', target, section])
  const baseSettings = isRecord(base) ? base : undefined
  if (target === defaultTarget) return { written: baseSettings, inherited: false }
  // A path belongs to one target: its state must not be shared by inheritance.
  const { path: _, ...inheritable } = baseSettings ?? {}
  if (!isRecord(own)) return { written: baseSettings === undefined ? undefined : inheritable, inherited: true }
  return { written: own.type === inheritable.type ? { ...inheritable, ...own } : own, inherited: false }
}

function placeOf(document: YamlDocument, target: string, section: string, key: string): Place {
  const own: Path = ['targets', target, section, key]
  return document.place(document.valueAt(own) === undefined ? [section, key] : own, 'value')
}

const folderOf = (target: string): string => (target === defaultTarget ? '.activate' : `.activate/${target}`)

function warehouseOf(document: YamlDocument, target: string, resolve: Resolve): WarehouseSettings {
  const { written, inherited } = layered(document, target, 'warehouse')
  const settings = warehouseSchema.parse(written ?? { type: 'duckdb' })
  if (settings.type === 'duckdb') {
    const attach = Object.fromEntries(Object.entries(settings.attach).map(([alias, path]) => [alias, resolve(path)]))
    return present({ ...settings, path: resolve(settings.path ?? `${folderOf(target)}/warehouse.duckdb`), attach })
  }
  const state = inherited ? `${settings.state}_${target.replaceAll('-', '_')}` : settings.state
  if (settings.type === 'bigquery') {
    const { credentials } = settings
    const place = placeOf(document, target, 'warehouse', 'credentials')
    const key = credentials === undefined ? undefined : parseSecretText(credentials, place)
    return present({ ...settings, state, credentials: key })
  }
  const { url, tls, statement_timeout: statementTimeout, work_mem: workMem, ...rest } = settings
  return present({
    ...{ ...rest, state, statementTimeout, workMem },
    url: parseSecretText(url, placeOf(document, target, 'warehouse', 'url')),
    tls: tls === undefined ? undefined : present({ ...tls, ...resolved(tls, resolve) }),
  })
}

function resolved(
  files: { readonly [name in 'ca' | 'cert' | 'key']?: string | undefined },
  resolve: Resolve,
): Readonly<Record<'ca' | 'cert' | 'key', string | undefined>> {
  const path = (file: string | undefined) => (file === undefined ? undefined : resolve(file))
  return { ca: path(files.ca), cert: path(files.cert), key: path(files.key) }
}

function ledgerOf(document: YamlDocument, target: string, resolve: Resolve): LedgerSettings {
  const settings = ledgerSchema.parse(layered(document, target, 'ledger').written ?? { type: 'sqlite' })
  const written = (text: string, name: string) => parseSecretText(text, placeOf(document, target, 'ledger', name))
  const key = settings.key === undefined ? {} : { key: written(settings.key, 'key') }
  if (settings.type === 'sqlite')
    return { type: 'sqlite', path: resolve(settings.path ?? `${folderOf(target)}/ledger.db`), ...key }
  const { type, schema, connections } = settings
  return { type, schema, connections, url: written(settings.url, 'url'), ...key }
}

function destinationsOf(document: YamlDocument, target: string): DestinationSettings[] {
  return [...destinationPaths(document, target)].map(([name, path]) => {
    const { type, ...settings } = document.valueAt(path) as { type: string }
    return {
      name,
      type,
      settings,
      places: document.placesBelow(path, 'value'),
      keyPlaces: document.placesBelow(path, 'key'),
      place: document.place(path, 'key'),
    }
  })
}

/** The settings of a target of a file that is valid. */
export function settingsOf(
  file: ProjectFile,
  document: YamlDocument,
  target: string,
  resolve: Resolve,
): TargetSettings {
  return {
    warehouse: warehouseOf(document, target, resolve),
    ledger: ledgerOf(document, target, resolve),
    vars: { ...file.vars, ...file.targets?.[target]?.vars },
    destinations: destinationsOf(document, target),
  }
}

/** A1121 for targets that would write into each other's state or ledger. The file is valid. */
export function checkIsolation(document: YamlDocument, resolve: Resolve): Problem[] {
  const problems: Problem[] = []
  const taken = new Map<string, string>()
  const claim = (target: string, what: 'file' | 'schema', name: string, path: Path): void => {
    const owner = taken.get(name)
    if (owner === undefined) taken.set(name, target)
    else if (owner === target)
      problems.push({
        code: 'A1121',
        message: 'the ledger would share the schema of the warehouse',
        place: document.place(path, 'value'),
        help: 'give the ledger a `schema` of its own',
      })
    else
      problems.push({
        code: 'A1121',
        message: `target "${target}" would share the ${what} of target "${owner}"`,
        place: document.place(path, 'value'),
        help: `give each target a ${what === 'file' ? 'path' : 'schema'} of its own`,
      })
  }
  /** As far as the project's files tell; two urls may lead to one database. */
  const schemaOf = (url: SecretText, schema: string) =>
    JSON.stringify([...url.map(part => (typeof part === 'string' ? part : [part.secret, part.name])), schema])
  for (const target of [defaultTarget, ...targetNames(document)]) {
    const base: Path = target === defaultTarget ? [] : ['targets', target]
    const warehouse = warehouseOf(document, target, resolve)
    const ledger = ledgerOf(document, target, resolve)
    if (warehouse.type === 'duckdb') claim(target, 'file', warehouse.path, [...base, 'warehouse', 'path'])
    if (warehouse.type === 'postgres') taken.set(schemaOf(warehouse.url, warehouse.state), target)
    if (ledger.type === 'sqlite') claim(target, 'file', ledger.path, [...base, 'ledger', 'path'])
    else if (target !== defaultTarget && valueAt(document.data, [...base, 'ledger']) === undefined) {
      problems.push({
        code: 'A1121',
        message: `target "${target}" would share the ledger of the default target`,
        place: document.place(base, 'key'),
        help: 'give it a `ledger` of its own',
      })
    } else claim(target, 'schema', schemaOf(ledger.url, ledger.schema), [...base, 'ledger'])
  }
  return problems
}
