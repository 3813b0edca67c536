/** Forgetting a person, and pruning what is old: part of the port in `ledger.ts`. Instants are milliseconds since the epoch. */
import type { NewAuditEntry } from './governance.ts'
import type { Tombstone, TombstoneMaker } from './tombstone.ts'

/** How a person is recognised in what the ledger keeps. */
export interface LedgerTraces {
  /** Canonical keys of all their rows. */
  readonly keys: readonly string[]
  /** A text without anything that tells who they are; the same text when there is nothing. */
  readonly redact: (text: string) => string
  /** The same for a recorded plan, a JSON text. */
  readonly redactPlan: (plan: string) => string
}

/** Rows by what they are, such as `requests`; only those above zero. */
export type Tally = Readonly<Record<string, number>>

/** What is older than these instants goes; undefined keeps everything. */
export interface LedgerCutoffs {
  /** Samples of settled runs' plans. */
  readonly samples?: number
  /** Requests of settled runs, and what was not simply accepted of them; not what waits for a person. */
  readonly requests?: number
}

export interface Erasures {
  /** Makes the tombstones, or renews them, with the entry of the audit trail. */
  bury(tombstones: readonly Tombstone[], entry: NewAuditEntry): Promise<void>
  /** How people are recognised by their tombstones. Throws A5011 to A5013 when the ledger's key is not there. */
  tombstoneMaker(): Promise<TombstoneMaker>
  /** Those that have not run out. */
  tombstones(now: number): Promise<readonly Tombstone[]>
  /** Rows that would go or be redacted. */
  countTraces(traces: LedgerTraces): Promise<Tally>
  /** Removes and redacts them in one transaction; repeating it finds nothing. */
  forget(traces: LedgerTraces): Promise<Tally>
  /**
   * Leaves nothing of what was deleted where the engine keeps its tables, as far as it is the ledger's to do: a server's
   * write-ahead log and backups are its operator's. Answers why something may still be there; undefined when nothing is.
   */
  purge(): Promise<string | undefined>

  countOld(cutoffs: LedgerCutoffs): Promise<Tally>
  /** Removes what is old in one transaction, and tombstones that ran out by `now`. */
  prune(cutoffs: LedgerCutoffs, now: number): Promise<Tally>
  /** When the task was last done. */
  lastDone(task: string): Promise<number | undefined>
  /** Records that the task was done, with an entry of the audit trail when there is something to tell. */
  recordDone(task: string, at: number, entry?: NewAuditEntry): Promise<void>
}
