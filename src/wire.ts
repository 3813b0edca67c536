/**
 * The composition root: the only file that opens things. Each opener is called when first needed, so that a command
 * which only reads files opens no warehouse.
 */
import type { Ledger } from './ledger/ledger.ts'
import type { Project } from './project/project.ts'
import type { Warehouse } from './warehouse/warehouse.ts'

/** Wall time and waiting, as arguments, so that tests decide them. */
export interface Clock {
  now(): number
  /** Resolves after the delay, or at once when the signal aborts. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>
}

export interface Wired {
  readonly project: Project
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly env: Readonly<Record<string, string | undefined>>
  warehouse(): Promise<Warehouse>
  ledger(): Promise<Ledger>
  close(): Promise<void>
}

/** Wires a loaded project to the real world. Nothing is opened yet. */
export function wire(_project: Project, _env: Readonly<Record<string, string | undefined>>): Wired {
  throw new Error('not wired yet')
}
