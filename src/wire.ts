/**
 * The composition root: the only file that opens things. Each opener is called when first needed, so that a command
 * which only reads files opens no warehouse; and what it opens is loaded then, because the libraries of warehouses, ledgers
 * and connections take longer to load than such a command takes.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Accounts } from './delivery/account.ts'
import type { Clock } from './delivery/clock.ts'
import type { DeliveryNote } from './delivery/deliver.ts'
import type { DestinationDefinition } from './delivery/destination.ts'
import type { OpenDestination } from './delivery/open-destination.ts'
import {
  type DestinationShape,
  destinationShape,
  type OpenCallback,
  openCallback,
  openDestination,
} from './delivery/registry.ts'
import { scrubbedDestination } from './delivery/scrubbed.ts'
import { destinations as builtin } from './destinations/index.ts'
import { failpointsFrom } from './failpoints/armed.ts'
import type { Failpoints } from './failpoints/failpoints.ts'
import { instrumentDestination, instrumentLedger, instrumentWarehouse } from './failpoints/instrument.ts'
import { currentActor } from './ledger/actor.ts'
import { currentHolder, isGone } from './ledger/holder.ts'
import { type KeySource, keyBeside, keyOfSecret } from './ledger/key.ts'
import type { Holder, Ledger } from './ledger/ledger.ts'
import type { PostgresLedgerSettings } from './ledger/postgres-address.ts'
import { scrubbedLedger } from './ledger/scrubbed.ts'
import { ActivateError } from './project/problem.ts'
import type { DestinationSettings, LedgerSettings, Project, SecretText } from './project/project.ts'
import { createScrubber, type Scrubber } from './project/scrubber.ts'
import { listSecretRefs, resolveSecretText, type SecretReaders } from './project/secret.ts'
import { defaultTarget } from './project/settings.ts'
import { leaseMilliseconds } from './run/lease-keeper.ts'
import type { PermissionAnswer } from './warehouse/bigquery-permissions.ts'
import type { Warehouse } from './warehouse/warehouse.ts'

export type { Clock }
export type Environment = Readonly<Record<string, string | undefined>>

export interface Wired {
  readonly project: Project
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly env: Environment
  /** How long a lease lasts, in milliseconds. */
  readonly leaseLength: number
  readonly failpoints: Failpoints
  /** Who this process is, for leases, and whether another holder has died. */
  readonly identity: { readonly holder: Holder; readonly isGone: (holder: Holder) => boolean }
  /** Whose deeds these are, for the audit trail. */
  readonly actor: string
  readonly sha256: (text: string) => string
  /** Notes of delivery for a log; they never hold a record's fields. */
  readonly log: (sync: string, note: DeliveryNote) => void
  warehouse(): Promise<Warehouse>
  warehouseIsOpen(): boolean
  /** Asks for every permission that nights need, where the warehouse has a way to be asked; opens nothing. */
  permissions(): Promise<readonly PermissionAnswer[]>
  /**
   * Closes the warehouse and leaves nothing of deleted rows in its file or tables; answers why that could not be done. A
   * warehouse that is a service has its own housekeeping, which is what it answers then.
   */
  rewriteWarehouse(): Promise<string | undefined>
  ledger(): Promise<Ledger>
  /** The ledger if there is one: what only reads does not make it. */
  knownLedger(): Promise<Ledger | undefined>
  /** What planning needs to know of a destination; opens nothing and needs no secrets. */
  shape(name: string): DestinationShape
  /** Opened once per process, so that every sync shares its rate limit. */
  destination(name: string): Promise<OpenDestination>
  /** What destinations report by calling us; opens no connection, and needs their secrets. */
  callbacks(): readonly OpenCallback[]
  close(): Promise<void>
}

export interface WireOptions {
  readonly env: Environment
  readonly log?: (sync: string, note: DeliveryNote) => void
  readonly clock?: Clock
  readonly random?: () => number
  /** Those that come with the tool, and the project's own; without it, the former alone. */
  readonly definitions?: readonly DestinationDefinition[]
  /** Told of every secret that is read, and asked before anything is stored. */
  readonly secrets?: Scrubber
  /** What tests do at named places of a run; by default what `ACTIVATE_FAILPOINT` says. */
  readonly failpoints?: Failpoints
}

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(milliseconds, signal) {
    try {
      await delay(milliseconds, undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      if (!(error instanceof Error && error.name === 'AbortError')) throw error
    }
  },
}

/** Wires a loaded project to the real world. Nothing is opened yet. */
export function wire(project: Project, options: WireOptions): Wired {
  const holder = currentHolder()
  const definitions = options.definitions ?? builtin
  const failpoints = options.failpoints ?? failpointsFrom(options.env.ACTIVATE_FAILPOINT)
  const warehouse = once(async () => instrumentWarehouse(await openWarehouse(project, readers), failpoints))
  const clock = options.clock ?? systemClock
  const secrets = options.secrets ?? createScrubber()
  const readers: SecretReaders = {
    env: options.env,
    readFile: path => readFileSync(resolve(project.root, path), 'utf8'),
    onSecret: secrets.register,
  }
  registerSecrets(project, readers)
  const ledger = once(async () =>
    instrumentLedger(scrubbedLedger(await openProjectLedger(project, readers, clock), secrets), failpoints),
  )
  const destinations = new Map<string, ReturnType<typeof once<OpenDestination>>>()
  const accounts: Accounts = new Map()
  const settingsOf = (name: string): DestinationSettings => {
    const settings = project.destinations.find(candidate => candidate.name === name)
    if (settings === undefined) throw new TypeError(`the project has no destination ${name}`)
    return settings
  }
  return {
    project,
    clock,
    random: options.random ?? Math.random,
    env: options.env,
    leaseLength: millisecondsFrom(options.env, 'ACTIVATE_LEASE_MS') ?? leaseMilliseconds,
    failpoints,
    identity: { holder, isGone: other => isGone(other, holder) },
    actor: currentActor(options.env),
    sha256: text => createHash('sha256').update(text).digest('hex'),
    log: options.log ?? (() => undefined),
    warehouse: warehouse.get,
    warehouseIsOpen: () => warehouse.opened() !== undefined,
    permissions: () => askPermissions(project, readers),
    async rewriteWarehouse() {
      await (await warehouse.opened())?.close()
      warehouse.forget()
      return rewriteWarehouse(project, readers)
    },
    ledger: ledger.get,
    knownLedger: async () => ((await (ledger.opened() ?? isLedgerThere(project, readers))) ? ledger.get() : undefined),
    shape: name => destinationShape(settingsOf(name), definitions),
    destination(name) {
      const opening =
        destinations.get(name) ??
        once(async () => {
          const context = { ...readers, definitions, root: project.root, accounts }
          const opened = scrubbedDestination(await openDestination(settingsOf(name), context), secrets)
          return instrumentDestination(opened, failpoints)
        })
      destinations.set(name, opening)
      return opening.get()
    },
    callbacks: () => project.destinations.flatMap(each => openCallback(each, { ...readers, definitions }) ?? []),
    async close() {
      await failpoints.reach('shutdown.begun')
      for (const opening of destinations.values()) await (await opening.opened())?.close()
      await failpoints.reach('shutdown.destinations')
      await (await ledger.opened())?.close()
      await failpoints.reach('shutdown.ledger')
      await (await warehouse.opened())?.close()
      await failpoints.reach('shutdown.done')
    },
  }
}

/** All that the project refers to, used or not: what a person types as a reason may be one. What is missing is told when it is needed. */
function registerSecrets({ destinations, ledger, warehouse }: Project, readers: SecretReaders): void {
  const written = listSecretRefs(destinations.map(({ settings }) => settings))
  const urls = [ledger, warehouse].flatMap(settings => ('url' in settings ? settings.url : []))
  const keys = [ledger.key, warehouse.type === 'bigquery' ? warehouse.credentials : undefined]
  const parsed = [...keys.flatMap(key => key ?? []), ...urls].filter(part => typeof part !== 'string')
  for (const ref of [...written, ...parsed]) {
    try {
      resolveSecretText([ref], readers)
    } catch (error) {
      if (!(error instanceof ActivateError)) throw error
    }
  }
}

/**
 * `ACTIVATE_LEASE_MS`, for tests that pause a runner past its lease, and `ACTIVATE_LEDGER_PATIENCE_MS`, for those that take a server away
 * for good. Undefined where it is not set; throws a TypeError for what is no number of milliseconds.
 */
function millisecondsFrom(env: Environment, name: string): number | undefined {
  const text = env[name]
  if (text === undefined || text === '') return undefined
  if (!/^[1-9]\d*$/.test(text)) throw new TypeError(`${name} is a number of milliseconds, not ${text}`)
  return Number(text)
}

async function openWarehouse({ warehouse }: Project, readers: SecretReaders): Promise<Warehouse> {
  if (warehouse.type === 'duckdb') return (await import('./warehouse/duckdb.ts')).openDuckdb(warehouse)
  if (warehouse.type === 'postgres') return (await import('./warehouse/postgres.ts')).openPostgres(warehouse, readers)
  return (await import('./warehouse/bigquery.ts')).openBigquery(warehouse, readers)
}

async function askPermissions(
  { warehouse, sources }: Project,
  readers: SecretReaders,
): Promise<readonly PermissionAnswer[]> {
  if (warehouse.type !== 'bigquery') return []
  const tables = sources.flatMap(({ from }) => ('table' in from ? [from.table] : []))
  return (await import('./warehouse/bigquery.ts')).askBigquery(warehouse, readers, tables)
}

async function rewriteWarehouse({ warehouse }: Project, readers: SecretReaders): Promise<string | undefined> {
  if (warehouse.type === 'duckdb') return (await import('./warehouse/duckdb-rewrite.ts')).rewriteDuckdb(warehouse)
  if (warehouse.type === 'postgres')
    return (await import('./warehouse/postgres-rewrite.ts')).rewritePostgres(warehouse, readers)
  return `${warehouse.type} keeps deleted rows until its own housekeeping, backups and time travel have let go of them`
}

async function isLedgerThere({ ledger }: Project, readers: SecretReaders): Promise<boolean> {
  if (ledger.type === 'sqlite') return existsSync(ledger.path)
  return (await import('./ledger/store.ts')).isSharedLedger(sharedLedger(ledger, readers))
}

async function openProjectLedger(project: Project, readers: SecretReaders, clock: Clock): Promise<Ledger> {
  const { ledger, retention } = project
  const { key } = ledger
  const options = {
    key: key === undefined ? keyFileOf(project) : keyOfSecret(() => resolveSecretText(key, readers)),
    now: clock.now,
    letterRetention: retention.deadLetters,
  }
  const { openLedger, openSharedLedger } = await import('./ledger/store.ts')
  if (ledger.type === 'sqlite') return openLedger(ledger, options)
  const patience = millisecondsFrom(readers.env, 'ACTIVATE_LEDGER_PATIENCE_MS')
  return openSharedLedger(sharedLedger(ledger, readers), { ...options, ...(patience !== undefined && { patience }) })
}

/** A ledger that is no file has its key file where the file would be; machines that share it are given one `ledger.key`. */
function keyFileOf({ root, target, ledger }: Project): KeySource {
  if (ledger.type === 'sqlite') return keyBeside(ledger.path)
  const folder = join(root, '.activate', ...(target === defaultTarget ? [] : [target]))
  return options => {
    if (options.mayMake) mkdirSync(folder, { recursive: true, mode: 0o700 })
    return keyBeside(join(folder, 'ledger'))(options)
  }
}

function sharedLedger(
  { url, schema, connections }: Extract<LedgerSettings, { readonly type: 'postgres' }>,
  readers: SecretReaders,
): PostgresLedgerSettings {
  return { url: resolveSecretText(url, readers), schema, connections, source: writtenSecret(url) }
}

/** The references of a text as they are written, without what stands around them. */
function writtenSecret(text: SecretText): string {
  const references = text.flatMap(part => (typeof part === 'string' ? [] : [`\${${part.secret}:${part.name}}`]))
  return references.length === 0 ? '`url` under `ledger:`' : references.join(' and ')
}

/** Opens at most once, and knows whether it did; a failed opening may be tried again. */
function once<Opened>(open: () => Promise<Opened>): {
  get(): Promise<Opened>
  opened(): Promise<Opened | undefined> | undefined
  /** It is opened anew when it is asked for again. */
  forget(): void
} {
  let opening: Promise<Opened> | undefined
  return {
    get() {
      opening ??= open().catch((error: unknown) => {
        opening = undefined
        throw error
      })
      return opening
    },
    opened: () => opening,
    forget() {
      opening = undefined
    },
  }
}
