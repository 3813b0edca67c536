/**
 * Dead letters: records that were refused for good, with what was to be sent, kept sealed until they expire. Part of the
 * port in `ledger.ts`; instants are milliseconds since the epoch.
 *
 *   open ─► superseded   the same key was refused again, in a letter of its own
 *     ├───► delivered    the destination took the row after all
 *     ├───► settled      there is nothing to send any more: a rule let the row rest, or a person resolved it
 *     ├───► dropped      a person let it rest
 *     └───► expired      its time was up
 *
 * Only an open letter holds anything of the record; with its end, that is erased. There is one open letter of a key and sync.
 */
import type { NewAuditEntry } from './governance.ts'
import type { Lease } from './ledger.ts'

export const letterStates = ['open', 'superseded', 'delivered', 'settled', 'dropped', 'expired'] as const
export type LetterState = (typeof letterStates)[number]

/** Whether this side refused it before anything was sent, or the destination did. */
export type LetterClass = 'unsendable' | 'refused'

/** What is sealed. */
export interface LetterContent {
  readonly key: string
  /** What the destination or the check said; it may repeat what it was sent. */
  readonly message: string
  /** The mapped fields as a JSON text; undefined when they were too large to be kept. */
  readonly fields?: string
}

export interface NewDeadLetter extends LetterContent {
  readonly runId: string
  readonly changeId: string
  readonly op: string
  readonly class: LetterClass
  readonly code: string
}

/** A letter without what is sealed. */
export interface DeadLetter {
  readonly letterId: string
  readonly runId: string
  readonly sync: string
  readonly destination: string
  readonly action: string
  readonly op: string
  readonly changeId: string
  readonly state: LetterState
  readonly class: LetterClass
  readonly code: string
  /** How many times in a row exactly this change was refused. */
  readonly attempts: number
  readonly at: number
  readonly expiresAt: number
  /** When a person last made it due. */
  readonly replayedAt?: number
  readonly endedAt?: number
}

export interface LetterFilter {
  readonly sync?: string
  readonly state?: LetterState
  /** Whole ids, or their beginnings. */
  readonly ids?: readonly string[]
  /** Those after this one, which was the last of the chunk before. */
  readonly after?: string
  readonly limit: number
}

export interface DeadLetters {
  /** In the order in which they were written. */
  deadLetters(filter: LetterFilter): Promise<readonly DeadLetter[]>
  /** What is sealed in those that are open, by their ids. Throws A5011 to A5014. */
  openLetters(letterIds: readonly string[]): Promise<ReadonlyMap<string, LetterContent>>
  /** How many are open, by sync or by run. */
  countOpenLetters(by: 'sync' | 'runId'): Promise<ReadonlyMap<string, number>>
  /** Remembers that a person made these due. Returns how many of them are open. */
  noteReplay(letterIds: readonly string[], at: number, lease: Lease, entry?: NewAuditEntry): Promise<number>
  /** Ends those of them that are open, and erases what they hold. Needs no key. Returns how many ended. */
  endLetters(
    letterIds: readonly string[],
    state: Exclude<LetterState, 'open'>,
    at: number,
    lease: Lease,
    entry?: NewAuditEntry,
  ): Promise<number>
  /** Ends what has expired by `now`, and makes sure that it is in no file any more. Returns how many ended. */
  expireLetters(now: number): Promise<number>
}
