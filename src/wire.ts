/**
 * The composition root: the only file that opens things. Each opener is called when first needed, so that a command
 * which only reads files opens no warehouse.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from './delivery/clock.ts'
import type { DeliveryNote } from './delivery/deliver.ts'
import type { OpenDestination } from './delivery/open-destination.ts'
import { type DestinationShape, destinationShape, openDestination } from './delivery/registry.ts'
import { destinations as definitions } from './destinations/index.ts'
import { currentActor } from './ledger/actor.ts'
import { currentHolder, isGone } from './ledger/holder.ts'
import type { Holder, Ledger } from './ledger/ledger.ts'
import { openLedger } from './ledger/store.ts'
import { ActivateError } from './project/problem.ts'
import type { DestinationSettings, Project } from './project/project.ts'
import { openDuckdb } from './warehouse/duckdb.ts'
import { openPostgres } from './warehouse/postgres.ts'
import type { Warehouse } from './warehouse/warehouse.ts'

export type { Clock }
export type Environment = Readonly<Record<string, string | undefined>>

export interface Wired {
  readonly project: Project
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly env: Environment
  /** Who this process is, for leases, and whether another holder has died. */
  readonly identity: { readonly holder: Holder; readonly isGone: (holder: Holder) => boolean }
  /** Whose deeds these are, for the audit trail. */
  readonly actor: string
  readonly sha256: (text: string) => string
  /** Notes of delivery for a log; they never hold a record's fields. */
  readonly log: (sync: string, note: DeliveryNote) => void
  warehouse(): Promise<Warehouse>
  warehouseIsOpen(): boolean
  ledger(): Promise<Ledger>
  /** The ledger if there is one: what only reads does not make it. */
  knownLedger(): Promise<Ledger | undefined>
  /** What planning needs to know of a destination; opens nothing and needs no secrets. */
  shape(name: string): DestinationShape
  /** Opened once per process, so that every sync shares its rate limit. */
  destination(name: string): Promise<OpenDestination>
  close(): Promise<void>
}

export interface WireOptions {
  readonly env: Environment
  readonly log?: (sync: string, note: DeliveryNote) => void
  readonly clock?: Clock
  readonly random?: () => number
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
  const warehouse = once(() => openWarehouse(project, options.env))
  const ledger = once(() => openProjectLedger(project))
  const destinations = new Map<string, ReturnType<typeof once<OpenDestination>>>()
  const settingsOf = (name: string): DestinationSettings => {
    const settings = project.destinations.find(candidate => candidate.name === name)
    if (settings === undefined) throw new TypeError(`the project has no destination ${name}`)
    return settings
  }
  return {
    project,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    env: options.env,
    identity: { holder, isGone: other => isGone(other, holder) },
    actor: currentActor(options.env),
    sha256: text => createHash('sha256').update(text).digest('hex'),
    log: options.log ?? (() => undefined),
    warehouse: warehouse.get,
    warehouseIsOpen: () => warehouse.opened() !== undefined,
    ledger: ledger.get,
    knownLedger: async () => (ledgerIsThere(project) ? ledger.get() : undefined),
    shape: name => destinationShape(settingsOf(name), definitions),
    destination(name) {
      const opening =
        destinations.get(name) ??
        once(() =>
          openDestination(settingsOf(name), {
            definitions,
            env: options.env,
            root: project.root,
            readFile: path => readFileSync(path, 'utf8'),
          }),
        )
      destinations.set(name, opening)
      return opening.get()
    },
    async close() {
      for (const opening of destinations.values()) await (await opening.opened())?.close()
      await (await ledger.opened())?.close()
      await (await warehouse.opened())?.close()
    },
  }
}

async function openWarehouse({ warehouse, root }: Project, env: Environment): Promise<Warehouse> {
  if (warehouse.type === 'duckdb') return openDuckdb(warehouse)
  if (warehouse.type === 'postgres')
    return openPostgres(warehouse, { env, readFile: path => readFileSync(resolve(root, path), 'utf8') })
  throw notYet(`warehouse type "${warehouse.type}"`)
}

function ledgerIsThere({ ledger }: Project): boolean {
  return ledger.type !== 'sqlite' || existsSync(ledger.path)
}

async function openProjectLedger({ ledger }: Project): Promise<Ledger> {
  if (ledger.type === 'sqlite') return openLedger(ledger)
  throw notYet(`ledger type "${ledger.type}"`)
}

function notYet(what: string): ActivateError {
  return new ActivateError('invalid', {
    code: 'A1190',
    message: `${what} is not available in this version`,
    help: 'use warehouse duckdb or postgres, and ledger sqlite',
  })
}

/** Opens at most once, and knows whether it did; a failed opening may be tried again. */
function once<Opened>(open: () => Promise<Opened>): {
  get(): Promise<Opened>
  opened(): Promise<Opened | undefined> | undefined
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
  }
}
