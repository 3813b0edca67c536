/**
 * What the store needs of a database engine. Statements that are not hot are knex queries and the same everywhere; the
 * engine decides how a write begins, and how a group of sends is committed at once.
 */
import type { Knex } from 'knex'
import type { NewDeadLetter } from './dead-letter.ts'
import type { Conclusion, Lease, NewRequest } from './ledger.ts'
import type { Receipt } from './report.ts'

/** Puts a query into the write that is under way. */
export type Bind = <Query extends Knex.ChainableInterface>(query: Query) => Query

/** One call of `begin` or `conclude`, waiting for the next commit. */
export type Send =
  | { readonly kind: 'begin'; readonly requests: readonly NewRequest[]; readonly at: number; readonly lease: Lease }
  | {
      readonly kind: 'conclude'
      readonly conclusion: Omit<Conclusion, 'deadLetters' | 'receipts'>
      readonly letters: readonly SealedLetter[]
      readonly receipts: readonly HashedReceipt[]
      readonly lease: Lease
    }

/** A receipt as it is written; its destination is that of its request. */
export interface HashedReceipt extends Omit<Receipt, 'key'> {
  readonly keyHash: string
}

/** A dead letter as it is written; its sync, destination and action are those of its request. */
export interface SealedLetter extends Pick<NewDeadLetter, 'op' | 'changeId' | 'class' | 'code'> {
  readonly letterId: string
  readonly runId: string
  readonly keyHash: string
  readonly sealed: Buffer
  /** Milliseconds after which it expires. */
  readonly retention: number
}

export type Answer =
  | { readonly kind: 'begun'; readonly attempts: readonly { readonly requestId: string; readonly attempt: number }[] }
  | { readonly kind: 'concluded'; readonly won: boolean }
  /** This call wrote nothing; the others of its group are not touched by that. */
  | { readonly kind: 'refused'; readonly error: unknown }

export interface Database {
  readonly knex: Knex
  /**
   * What the clock that leases run on says, in milliseconds, as an expression; `now` is what the caller's says. Several
   * machines have several clocks, so what they share decides.
   */
  clock(now: number): Knex.Raw
  read<Result>(query: PromiseLike<Result>): Promise<Result>
  /**
   * One transaction that holds the write lock from its start; committed durably when the promise resolves. No other `write`
   * runs meanwhile. A `commit` may, on an engine that locks rows, so what this changes of requests must be compared and
   * set. `work` does nothing but database work, because it is done again when a connection was lost half way.
   */
  write<Result>(work: (bind: Bind) => Promise<Result>): Promise<Result>
  /**
   * Each of them whole or not at all, with as few flushes as the engine can: answers in their order. Throws when it failed
   * for all of them, and then nothing was written.
   */
  commit(sends: readonly Send[]): Promise<readonly Answer[]>
  /** Sees to it that what was erased is in no file of the engine any more, as far as others who read it allow. */
  forget(): Promise<void>
  /** Leaves nothing of what was deleted in the engine's tables; answers why something of it may still be there. */
  purge(): Promise<string | undefined>
  close(): Promise<void>
}
