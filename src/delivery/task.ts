/** A request to be delivered, with what its attempts have taught so far. */
import { hash } from 'node:crypto'
import type { ChangeException, Members, NewRequest } from '../ledger/ledger.ts'
import type { PlannedChange } from '../plan/plan.ts'
import { ActivateError } from '../project/problem.ts'
import type { Batch } from './batch.ts'
import type { Idempotency, RecordOutcome } from './destination.ts'
import type { OpenAction, OpenDestination, PreparedRequest } from './open-destination.ts'
import { onUncertain, type Spent } from './retry.ts'
import { isPause, type Stop } from './tally.ts'

export type DefiniteOutcome = Extract<RecordOutcome, { outcome: 'acked' | 'rejected' }>

/** How far the destination has been asked what became of an attempt whose answer was lost. */
export interface Inquiry {
  /** Questions that brought nothing, as the budget counts them. */
  readonly spent: Spent
  /** Change ids that the destination surely does not have. */
  readonly absent: ReadonlySet<string>
  /** Change ids of which it could not tell in this round of questions. */
  readonly unclear: ReadonlySet<string>
}

/** A job at the destination that the request has become. */
export interface PendingJob {
  /** Names it at the destination. */
  readonly reference: string
  /** Wall time in milliseconds. */
  readonly acceptedAt: number
  /** Questions of this run so far that did not bring its end. */
  readonly asked: number
}

export interface Task {
  readonly request: NewRequest
  /** Undefined when every record was refused before sending. */
  readonly prepared: PreparedRequest | undefined
  /** Those in the body. */
  readonly changes: readonly PlannedChange[]
  /** Members of the request that are not in its body, because they were refused before sending. */
  readonly refused: readonly ChangeException[]
  /** The same records with their fields. */
  readonly unsendable: readonly PlannedChange[]
  /** Taken out before the request was built, and recorded with it. */
  readonly withdrawn: readonly ChangeException[]
  /** Rows of its body that were withdrawn once it had been begun: it may only be concluded. */
  readonly withdrawing?: readonly ChangeException[]
  /** Wall time in milliseconds at which the first of its rows must not leave any more. */
  readonly notAfter: number
  /** Wall time in milliseconds at which the intent of the attempt under way was on disk. */
  readonly begunAt: number
  readonly idempotency: Idempotency
  /** The ledger's number of the attempt under way; 0 before the first. */
  readonly attempt: number
  readonly spent: Spent
  readonly firstSentAt: number | undefined
  /** Whether an attempt before may have arrived. */
  readonly doubt: boolean
  /** What earlier attempts made certain, by change id. */
  readonly known: ReadonlyMap<string, DefiniteOutcome>
  /** Present: the next attempt asks the destination, and sends nothing. */
  readonly inquiry?: Inquiry
  /** Present: the next attempt asks what became of this job, and sends nothing. */
  readonly job?: PendingJob
  /** Wall time in milliseconds before which a task that is read ahead must not be begun. */
  readonly notBefore?: number
}

/** Whether sending it twice has the effect of sending it once, for a while at least. */
export function isRepeatable({ idempotency }: Pick<Task, 'idempotency'>): boolean {
  return idempotency.kind === 'natural' || idempotency.kind === 'keyed'
}

/** Whether its next attempt asks the destination and sends nothing. */
export function isQuestion({ inquiry, job }: Pick<Task, 'inquiry' | 'job'>): boolean {
  return inquiry !== undefined || job !== undefined
}

/** Whether it may have arrived, and a later run can still find out or repeat it without harm. */
function isResumable({ doubt, idempotency }: Pick<Task, 'doubt' | 'idempotency'>): boolean {
  return doubt && (idempotency.kind === 'keyed' || idempotency.kind === 'lookup')
}

/**
 * Milliseconds for which a question is left to one recovery after the other: as long as a destination is usually down, a weekend
 * included. Some day somebody has to decide, because while it is open nothing new is planned and nobody is erased.
 */
const longestOpen = 3 * 86_400_000

/**
 * Whether a request in doubt is left to the next recovery when delivery stops (decisions 39 and 66): after a pause always; when
 * the destination was at fault, if it was a recovery that stopped, for as long as the key protects or the question may wait.
 */
export function staysOpen(
  stop: Pick<Stop, 'kind'>,
  task: Pick<Task, 'doubt' | 'idempotency' | 'firstSentAt'>,
  { now, recovers }: { readonly now: number; readonly recovers: boolean },
): boolean {
  if (!isResumable(task) || stop.kind === 'lease') return false
  return isPause(stop) || (recovers && canWait(task, now))
}

/** Whether a later recovery can do what this one could not. */
export function canWait(
  { doubt, idempotency, firstSentAt }: Pick<Task, 'doubt' | 'idempotency' | 'firstSentAt'>,
  now: number,
): boolean {
  if (!isResumable({ doubt, idempotency }) || firstSentAt === undefined) return false
  if (idempotency.kind === 'lookup') return now < firstSentAt + longestOpen
  return onUncertain(idempotency, { firstSentAt, now, onUncertain: 'park' }) === 'resend'
}

/** A request that may have been applied under its key must not come back under another one. */
export function isBoundToItsKey({ doubt, idempotency }: Task): boolean {
  return doubt && idempotency.kind === 'keyed'
}

/** With this attempt counted: as a question, or as a send. A job is asked about until its deadline, however often that is. */
export function begunOnce(task: Task, begun: Pick<Task, 'attempt' | 'firstSentAt' | 'begunAt'>): Task {
  if (task.job !== undefined) return { ...task, ...begun }
  if (task.inquiry === undefined) return { ...task, ...begun, spent: countedIn(task.spent) }
  return { ...task, ...begun, inquiry: { ...task.inquiry, spent: countedIn(task.inquiry.spent) } }
}

function countedIn(spent: Spent): Spent {
  return { ...spent, attempts: spent.attempts + 1 }
}

export interface TaskSource {
  readonly runId: string
  readonly destination: Pick<OpenDestination, 'name' | 'action' | 'prepare'>
}

export const nothingSpent: Spent = { attempts: 0, connections: 0, throttled: 0 }

const nothingKnown: Task['known'] = new Map()

export const nothingAsked: Inquiry = { spent: nothingSpent, absent: new Set(), unclear: new Set() }

export function membersOf(changes: readonly Pick<PlannedChange, 'seq'>[]): Members {
  const [only, second] = changes
  if (only !== undefined && second === undefined) return { from: only.seq, to: only.seq }
  const seqs = changes.map(({ seq }) => seq)
  const [from = 0] = seqs
  const consecutive = seqs.every((seq, index) => seq === from + index)
  return consecutive ? { from, to: from + seqs.length - 1 } : { seqs }
}

/**
 * A request's key derives from the change ids that it carries. A single record goes under its own id, so that the key
 * survives when a later run cuts its requests differently.
 */
export function idempotencyKeyOf(action: string, changes: readonly Pick<PlannedChange, 'changeId'>[]): string {
  const [only, second] = changes
  if (only !== undefined && second === undefined) return only.changeId
  return hash('sha256', JSON.stringify([action, ...changes.map(({ changeId }) => changeId)])).slice(0, 40)
}

function requestIdOf(runId: string, members: Members): string {
  if ('from' in members) return `${runId}.${members.from}${members.to === members.from ? '' : `-${members.to}`}`
  return `${runId}.${hash('sha256', members.seqs.join(',')).slice(0, 16)}`
}

/** What is wrong with a record that the action's declared fields do not fit; leavers carry no new values to check. */
function findMisfit(change: PlannedChange, fields: OpenAction['fields']): string | undefined {
  if (fields === undefined || change.op === 'leave') return undefined
  const parsed = fields.safeParse(change.fields)
  if (parsed.success) return undefined
  return parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
}

function refusal({ seq, key, changeId }: PlannedChange, code: string, message: string): ChangeException {
  return { seq, key, changeId, state: 'rejected', code, message }
}

/**
 * The requests for a batch: one, or several when the action's `request` cannot be formed with a certain record in it. The
 * same changes always give the same requests, byte for byte.
 */
export function tasksOfBatch(source: TaskSource, batch: Batch, spent: Spent = nothingSpent): readonly Task[] {
  const { action, changes } = batch
  const { fields, batch: limits } = source.destination.action(action)
  const sendable: PlannedChange[] = []
  const refused: ChangeException[] = []
  for (const change of changes) {
    const misfit = findMisfit(change, fields)
    if (batch.tooLarge) refused.push(refusal(change, 'too_large', `larger than ${limits?.maxBytes} bytes`))
    else if (misfit !== undefined) refused.push(refusal(change, 'invalid_field', misfit))
    else sendable.push(change)
  }
  const members = membersOf(changes)
  const make = (request: PreparedRequest | undefined, inBody: readonly PlannedChange[], refusals = refused) => {
    const unsendable = inBody.length === changes.length ? [] : without(changes, inBody)
    return makeTask(source, action, members, request, inBody, refusals, unsendable, spent)
  }
  if (sendable.length === 0) return [make(undefined, [])]

  const prepared = prepare(source, action, sendable)
  if (prepared.kind === 'ready') return [make(prepared.request, sendable)]
  if (changes.length === 1) {
    const exceptions = [...refused, ...sendable.map(change => refusal(change, prepared.code, prepared.message))]
    return [make(undefined, [], exceptions)]
  }
  return halves(changes).flatMap(half => tasksOfBatch(source, { action, changes: half, tooLarge: false }, spent))
}

function without(changes: readonly PlannedChange[], inBody: readonly PlannedChange[]): readonly PlannedChange[] {
  const body = new Set(inBody)
  return changes.filter(change => !body.has(change))
}

export function halves<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  const middle = Math.ceil(items.length / 2)
  return [items.slice(0, middle), items.slice(middle)]
}

function firstEnd(changes: readonly PlannedChange[]): number {
  let end = Number.POSITIVE_INFINITY
  for (const { notAfter } of changes) if (notAfter !== undefined && notAfter < end) end = notAfter
  return end
}

type Preparation =
  | { readonly kind: 'ready'; readonly request: PreparedRequest }
  | { readonly kind: 'unbuildable'; readonly code: string; readonly message: string }

function prepare(source: TaskSource, action: string, changes: readonly PlannedChange[]): Preparation {
  const records = changes.map(({ key, changeId, op, fields }) => ({ key, changeId, op, fields }))
  try {
    return { kind: 'ready', request: source.destination.prepare(action, records, idempotencyKeyOf(action, changes)) }
  } catch (error) {
    if (!(error instanceof ActivateError)) {
      return {
        kind: 'unbuildable',
        code: 'unbuildable',
        message: error instanceof Error ? error.message : String(error),
      }
    }
    const [{ code, message }] = error.problems
    // What is wrong with the destination is not the record's fault.
    if (code === 'A6010' || code === 'A6011') throw error
    return { kind: 'unbuildable', code, message }
  }
}

function makeTask(
  { runId, destination }: TaskSource,
  action: string,
  members: Members,
  prepared: PreparedRequest | undefined,
  changes: readonly PlannedChange[],
  refused: readonly ChangeException[],
  unsendable: readonly PlannedChange[],
  spent: Spent,
): Task {
  const idempotencyKey = prepared?.idempotencyKey ?? idempotencyKeyOf(action, refused)
  const bodyHash = prepared?.bodyHash ?? ''
  return {
    request: {
      requestId: requestIdOf(runId, members),
      runId,
      destination: destination.name,
      action,
      members,
      idempotencyKey,
      bodyHash,
    },
    prepared,
    changes,
    refused,
    unsendable,
    withdrawn: [],
    notAfter: firstEnd(changes),
    begunAt: Number.NEGATIVE_INFINITY,
    idempotency: destination.action(action).idempotency,
    attempt: 0,
    spent,
    firstSentAt: undefined,
    doubt: false,
    known: nothingKnown,
  }
}
