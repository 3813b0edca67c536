/**
 * The port to the ledger: leases, runs, requests and due times, and what people decided (governance.ts). All instants are
 * milliseconds since the epoch. Every promise that resolves has been committed durably. Writes that belong to a run carry
 * its lease, and are refused with A5003 when a newer fence exists: a runner that was paused past its lease can no longer
 * record anything.
 */
import type { DeadLetters, NewDeadLetter } from './dead-letter.ts'
import type { Erasures } from './erasure.ts'
import type { Governance, NewAuditEntry } from './governance.ts'
import type { Receipt, Reports } from './report.ts'
import type { ParkedEvent, RequestState } from './request.ts'
import type { Usage } from './usage.ts'

export type { Receipt } from './report.ts'

export interface Holder {
  readonly host: string
  readonly pid: number
  /** Unique per process, so that a reused pid is not mistaken for its predecessor. */
  readonly token: string
}

export interface Lease {
  /** What is held, such as `sync:at_risk`. */
  readonly scope: string
  readonly holder: Holder
  /** Grows with every acquisition of the scope. */
  readonly fence: number
  readonly expiresAt: number
}

export type LeaseAnswer =
  | {
      readonly kind: 'acquired'
      readonly lease: Lease /** Whose unreleased lease was taken over. */
      readonly from?: Holder
    }
  | { readonly kind: 'locked'; readonly by: Holder; readonly until: number }

export const runStatuses = [
  'running',
  'succeeded',
  'partial',
  'held',
  'failed',
  'locked',
  'skipped',
  'interrupted',
] as const
export type RunStatus = (typeof runStatuses)[number]

/** How many of the planned sends ended how; `pending` ones are planned anew by the next run. */
export interface OutcomeCounts {
  readonly acked: number
  readonly rejected: number
  readonly parked: number
  readonly pending: number
}

export interface Run {
  readonly runId: string
  readonly sync: string
  /** The logical clock. */
  readonly asOf: number
  /** The due time that this run serves, when the scheduler started it. */
  readonly nominalAt?: number
  readonly startedAt: number
  readonly finishedAt?: number
  readonly status: RunStatus
  readonly fence: number
  readonly planHash?: string
  /** The plan as `dry-run --json` prints it. */
  readonly plan?: unknown
  readonly outcomes?: OutcomeCounts
  readonly requests?: number
  readonly retries?: number
  readonly error?: { readonly code: string; readonly message: string }
  /** Whether the warehouse has taken in every outcome of this run. */
  readonly settled: boolean
  /** Name, within the state schema, of the run's outbox, once written. */
  readonly outbox?: string
  /** The mapping that the outbox was made with, as the warehouse will remember it once settled. */
  readonly mapping?: string
}

/** The changes that a request carries: a consecutive range of `seq`, or those named one by one. */
export type Members = { readonly from: number; readonly to: number } | { readonly seqs: readonly number[] }

export interface Request {
  readonly requestId: string
  readonly runId: string
  readonly destination: string
  readonly action: string
  readonly members: Members
  readonly state: RequestState
  readonly attempt: number
  readonly fence: number
  /** Derived from the change ids; the same for every attempt. */
  readonly idempotencyKey: string
  /** SHA-256 of the frozen request, so that a rebuilt one can be compared. */
  readonly bodyHash: string
  readonly firstSentAt?: number
  readonly nextAttemptAt?: number
  readonly error?: { readonly code: string; readonly message: string }
  /** What the destination made of it, as long as it was last known to be one: the job is asked about, not sent again. */
  readonly job?: AcceptedJob
}

export interface AcceptedJob {
  /** The destination's name for it. */
  readonly reference: string
  readonly acceptedAt: number
}

/**
 * A change that did not simply succeed with its request. `moved` changes continue in another request. `withdrawn` ones were
 * taken out at the last moment, because the person must not be sent to any more: they are recorded beside the request that
 * they would have been in, without being its members, or as members that it was concluded without. They stay pending.
 */
export interface ChangeException {
  readonly seq: number
  readonly key: string
  readonly changeId: string
  readonly state: 'rejected' | 'uncertain' | 'parked' | 'moved' | 'withdrawn' | 'dead'
  readonly code: string
  readonly message: string
}

/** As the ledger gives it back: of the key it keeps no more than a keyed hash. */
export type RecordedException = Omit<ChangeException, 'key'> & { readonly requestId: string }

export type NewRequest = Pick<
  Request,
  'requestId' | 'runId' | 'destination' | 'action' | 'members' | 'idempotencyKey' | 'bodyHash'
>

/** What came of one attempt. */
export interface Conclusion {
  readonly requestId: string
  /** The attempt that is concluded; a conclusion for another attempt loses. */
  readonly attempt: number
  readonly state: Exclude<RequestState, 'sending'>
  readonly at: number
  readonly nextAttemptAt?: number
  readonly error?: { readonly code: string; readonly message: string }
  readonly exceptions: readonly ChangeException[]
  /** Undefined: it is no job, or none any more. */
  readonly job?: AcceptedJob
  /** Under which ids the destination took changes; written in the same commit. */
  readonly receipts?: readonly Receipt[]
  /** Of the records among the exceptions that were refused for good; written in the same commit. */
  readonly deadLetters?: readonly NewDeadLetter[]
}

export interface RunFilter {
  readonly runId?: string
  readonly sync?: string
  readonly limit?: number
  readonly unsettled?: boolean
  readonly status?: RunStatus
  /** Those whose plan's hash begins so; an empty text means those that came to a plan. */
  readonly planHash?: string
}

export interface Ledger extends Governance, DeadLetters, Erasures, Reports, Usage {
  /**
   * `now` is the caller's clock, and what is told of a lease is on it. A ledger that several machines share measures leases
   * on its own clock, so that machines whose clocks differ agree.
   */
  acquire(
    scope: string,
    holder: Holder,
    now: number,
    ttl: number,
    isGone: (holder: Holder) => boolean,
  ): Promise<LeaseAnswer>
  /** Throws A5003 when the lease was taken over. */
  renew(lease: Lease, now: number, ttl: number): Promise<Lease>
  release(lease: Lease): Promise<void>
  leases(now: number): Promise<readonly Lease[]>
  /** Milliseconds by which the clock of the leases is ahead of the caller's, which says `now`. */
  clockAhead(now: number): Promise<number>

  startRun(run: Pick<Run, 'runId' | 'sync' | 'asOf' | 'nominalAt' | 'startedAt'>, lease: Lease): Promise<void>
  /** `entry` goes into the audit trail with the change. */
  updateRun(
    runId: string,
    change: Partial<Omit<Run, 'runId' | 'sync'>>,
    lease: Lease,
    entry?: NewAuditEntry,
  ): Promise<void>
  /** Newest first. */
  runs(filter: RunFilter): Promise<readonly Run[]>

  /** Commits the intent to send (state `sending`, attempt 1 or the next one) before any byte leaves; concurrent calls share a commit. */
  begin(
    requests: readonly NewRequest[],
    at: number,
    lease: Lease,
  ): Promise<readonly { readonly requestId: string; readonly attempt: number }[]>
  /**
   * Compare-and-set on (state `sending`, attempt, fence). Returns false for a conclusion that lost. Concurrent calls share
   * a commit: a caller that begins its next request without waiting for this halves the number of flushes.
   */
  conclude(conclusion: Conclusion, lease: Lease): Promise<boolean>
  /**
   * Moves requests that are not being sent along an edge of the state machine; compare-and-set on `from`; returns how many
   * moved. From `sending` it leads to `uncertain` only, and only for what a runner with an older fence was sending.
   */
  move(requestIds: readonly string[], from: RequestState, to: RequestState, at: number, lease: Lease): Promise<number>
  /**
   * A person said what became of parked requests: moves them along that edge and writes the entry into the audit trail, in
   * one commit; returns how many moved. What is to be sent again ends `cancelled`: a later plan takes its changes over.
   * Requests that are not parked stay as they are.
   */
  resolveParked(
    requestIds: readonly string[],
    event: ParkedEvent,
    at: number,
    lease: Lease,
    entry: NewAuditEntry,
  ): Promise<number>
  requests(runId: string, states?: readonly RequestState[]): Promise<readonly Request[]>
  exceptions(runId: string, states?: readonly ChangeException['state'][]): Promise<readonly RecordedException[]>
  /** Exceptions of one person over all runs, newest first. Throws A5011 to A5013 when the ledger's key cannot be had. */
  exceptionsOfKey(sync: string, key: string): Promise<readonly (RecordedException & { readonly runId: string })[]>
  countByState(runId: string): Promise<Readonly<Record<RequestState, number>>>

  /**
   * Fetches the key with which dead letters are sealed, and makes it where there is none and nothing was sealed yet. Asked
   * before a run sends anything: what is refused must have a place to go. Throws A5011 to A5013.
   */
  checkKey(): Promise<void>

  /** Records that a due time is being served; false when somebody has it already. */
  claimDue(sync: string, nominalAt: number, at: number): Promise<boolean>
  finishDue(sync: string, nominalAt: number, runId: string | undefined, at: number): Promise<void>
  /** The newest due time that was claimed, or undefined before the first. */
  lastDue(sync: string): Promise<number | undefined>
  /** Remembers when a schedule was first seen, so that nothing before it is caught up; returns the remembered instant. */
  scheduleSeen(sync: string, schedule: string, at: number): Promise<number>

  close(): Promise<void>
}
