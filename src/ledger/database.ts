/**
 * What the store needs of a database engine. Statements that are not hot are knex queries and the same everywhere; the
 * engine decides how a write begins, and how a group of sends is committed at once.
 */
import type { Knex } from 'knex'
import type { NewDeadLetter } from './dead-letter.ts'
import type { Conclusion, Lease, NewRequest } from './ledger.ts'

/** Puts a query into the write that is under way. */
export type Bind = <Query extends Knex.ChainableInterface>(query: Query) => Query

/** One call of `begin` or `conclude`, waiting for the next commit. */
export type Send =
  | { readonly kind: 'begin'; readonly requests: readonly NewRequest[]; readonly at: number; readonly lease: Lease }
  | {
      readonly kind: 'conclude'
      readonly conclusion: Omit<Conclusion, 'deadLetters'>
      readonly letters: readonly SealedLetter[]
      readonly lease: Lease
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
  read<Result>(query: PromiseLike<Result>): Promise<Result>
  /** One transaction that holds the write lock from its start; committed durably when the promise resolves. */
  write<Result>(work: (bind: Bind) => Promise<Result>): Promise<Result>
  /** One transaction for all of them: answers in their order. Throws when the commit failed, and then nothing was written. */
  commit(sends: readonly Send[]): Promise<readonly Answer[]>
  /** Sees to it that what was erased is in no file of the engine any more, as far as others who read it allow. */
  forget(): Promise<void>
  /**
   * Overwrites what was deleted, as far as the engine can; false when another process kept it from finishing. An engine
   * that leaves this to housekeeping of its own does not have it.
   */
  purge?(): Promise<boolean>
  close(): Promise<void>
}
