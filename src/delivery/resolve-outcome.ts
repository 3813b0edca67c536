/**
 * What follows from one attempt: how it is concluded in the ledger, what becomes of each record, and whether there is
 * another attempt. Pure, so that it can be shown that no record is lost, counted twice, or repeated by guess.
 */
import type { ChangeException, OutcomeCounts, Receipt } from '../ledger/ledger.ts'
import type { PlannedChange } from '../plan/plan.ts'
import type { Answer, RecordOutcome } from './destination.ts'
import { settleVerdict } from './interpret.ts'
import { longestRetryAfter, nextAttempt, onUncertain, type RetryBudget, type RetryClass, type Spent } from './retry.ts'
import { type DefiniteOutcome, halves, isBoundToItsKey, nothingAsked, nothingSpent, type Task } from './task.ts'
import { tokenExpired } from './token.ts'

export interface ResolveContext {
  readonly now: number
  readonly random: () => number
  readonly budget: RetryBudget
  readonly onUncertain: 'park' | 'resend'
}

export interface Reason {
  readonly code: string
  readonly message: string
}

/** Changes that continue in a request of their own. */
export interface Continuation {
  readonly changes: readonly PlannedChange[]
  readonly delay: number
  readonly spent: Spent
}

export interface Resolution {
  /** What the attempt is concluded as. */
  readonly state: 'acked' | 'rejected' | 'planned' | 'uncertain'
  /** The edge that follows at once from `uncertain`, when nothing more is tried. */
  readonly afterwards?: 'parked' | 'planned'
  readonly exceptions: readonly ChangeException[]
  readonly error?: Reason
  /** The same request once more, after this delay. */
  readonly again?: { readonly task: Task; readonly delay: number }
  readonly moved: readonly Continuation[]
  /** Records that this request is done with; `pending` ones are left to the next run. */
  readonly counts: OutcomeCounts
  /** Milliseconds for which everyone should leave the destination alone. */
  readonly pause?: number
  /** What the attempt says about the destination: it answers, it fails, it used up a request's budget, or nothing. */
  readonly health: 'alive' | 'failing' | 'exhausted' | 'unknown'
  /** Whether it said that this is too much for it. */
  readonly throttled?: boolean
  readonly stop?: Reason
  /** Ids in the reply that are not ours. */
  readonly unknown: readonly string[]
  /** The vendor's ids of what it took. */
  readonly receipts?: readonly Receipt[]
  /** Addresses whose owners have opted out at the destination, as it says, with the record that shows it. */
  readonly optOuts?: readonly ReportedOptOut[]
}

export interface ReportedOptOut {
  readonly address: string
  readonly key: string
}

/** For what is accepted as a job, see `resolve-job.ts`. */
export function resolveOutcome(task: Task, verdict: Answer, context: ResolveContext): Resolution {
  switch (verdict.kind) {
    case 'denied':
      return { ...giveUp(task, verdict), health: 'unknown', stop: verdict }
    case 'refused':
      return resolveRefusal(task, verdict)
    case 'retry':
      return tryAgain(task, verdict, retryClassOf(verdict), context)
    case 'uncertain':
      return tryAgain({ ...task, doubt: true }, verdict, verdict.connection ? 'connection' : 'server', context)
    case 'acked':
      if (task.refused.length + task.withdrawn.length + task.known.size === 0) return allAcked(task)
      return resolveEach(task, verdict, context)
    case 'each':
      return resolveEach(task, verdict, context)
  }
}

/** By far the most frequent, so it is worth no detour. */
function allAcked(task: Task): Resolution {
  const counts = { ...none, acked: task.changes.length }
  return { state: 'acked', exceptions: [], moved: [], counts, health: 'alive', unknown: [] }
}

/** Nothing of the request was applied, says the destination: it goes on without the records at fault, which halves find. */
function resolveRefusal(task: Task, reason: Extract<Answer, { kind: 'refused' }>): Resolution {
  if (isBoundToItsKey(task)) return giveUp(task, reason)
  const rest = task.changes.filter(({ changeId }) => !task.known.has(changeId))
  const faults = outcomesBy((reason.faults ?? []).map(fault => ({ ...fault, outcome: 'rejected' })))
  const sound = rest.filter(({ changeId }) => !faults.has(changeId))
  if (sound.length > 0 && sound.length < rest.length) {
    const moved = [{ changes: sound, delay: 0, spent: { ...nothingSpent, throttled: task.spent.throttled } }]
    return { ...close(task, faults, moved, reason), error: pick(reason), health: 'alive' }
  }
  if (rest.length <= 1 || sound.length === 0) {
    const rejected = rest.map(
      ({ changeId }): RecordOutcome => faults.get(changeId) ?? { changeId, outcome: 'rejected', ...pick(reason) },
    )
    return { ...close(task, outcomesBy(rejected), []), error: pick(reason), health: 'alive' }
  }
  const spent: Spent = { ...nothingSpent, throttled: task.spent.throttled }
  const moved = halves(rest).map(changes => ({ changes, delay: 0, spent }))
  return { ...close(task, new Map(), moved, reason), error: pick(reason), health: 'alive' }
}

function retryClassOf(verdict: Extract<Answer, { kind: 'retry' }>): RetryClass {
  if (verdict.code === tokenExpired) return 'token'
  if (verdict.code === 'rate_limited' || verdict.after !== undefined) return 'throttle'
  return verdict.connection ? 'connection' : 'server'
}

/** The same request, same key and bytes, while budget and idempotency allow it. */
function tryAgain(
  task: Task,
  reason: Reason & { readonly after?: number },
  retryClass: RetryClass,
  context: ResolveContext,
): Resolution {
  const { after } = reason
  if (task.doubt && task.idempotency.kind === 'lookup') return askLater(task, reason, task.idempotency.settle)
  const throttled = retryClass === 'throttle'
  const next = nextAttempt(task.spent, context.budget, context.random, { retryClass, after, attempt: task.attempt })
  if (next.kind === 'spent') return { ...giveUp(task, reason), ...(throttled && { throttled }) }
  if (task.doubt && decide(task, context, next.delay) !== 'resend') return giveUp(task, reason)
  // Nobody waits as long as that: the account is left alone, and the gate ends the run when this asks to leave again.
  const longer = after !== undefined && after > longestRetryAfter ? after : undefined
  return {
    // After a doubtful attempt `planned` would promise too much: a successor must not send it under another key.
    state: task.doubt ? 'uncertain' : 'planned',
    exceptions: asideOf(task),
    error: pick(reason),
    again: { task: { ...task, spent: next.spent }, delay: longer === undefined ? next.delay : 0 },
    moved: [],
    counts: none,
    ...((throttled || after !== undefined) && { pause: longer ?? next.delay }),
    ...(throttled && { throttled }),
    health: throttled || retryClass === 'token' ? 'unknown' : 'failing',
    unknown: [],
  }
}

/**
 * What may have arrived is asked about once it must be visible there. Until then the request waits without a connection, and
 * the ledger knows of it.
 */
function askLater(task: Task, reason: Reason & { readonly after?: number }, settle: number): Resolution {
  const after = reason.after === undefined ? undefined : Math.min(reason.after, longestRetryAfter)
  const delay = Math.max(settle, after ?? 0)
  return {
    state: 'uncertain',
    exceptions: asideOf(task),
    error: pick(reason),
    again: { task: { ...task, doubt: true, inquiry: task.inquiry ?? nothingAsked }, delay },
    moved: [],
    counts: none,
    ...(after !== undefined && { pause: after }),
    health: 'failing',
    unknown: [],
  }
}

function decide(task: Task, context: ResolveContext, delay: number): 'resend' | 'park' | 'lookup' {
  const firstSentAt = task.firstSentAt ?? context.now
  return onUncertain(task.idempotency, { firstSentAt, now: context.now + delay, onUncertain: context.onUncertain })
}

/**
 * Nothing more is tried in this run. What may have been applied, and may not be repeated without thought, is parked for a
 * person; everything else is left to the next run, which plans it anew.
 */
export function giveUp(task: Task, reason: Reason): Resolution {
  const rest = task.changes.filter(({ changeId }) => !task.known.has(changeId))
  const health = 'exhausted'
  const error = pick(reason)
  if (task.doubt && task.idempotency.kind !== 'natural') {
    const open = rest.filter(({ changeId }) => !task.inquiry?.absent.has(changeId))
    const parked = new Map(open.map(({ changeId }) => [changeId, { kind: 'parked', ...pick(reason) } as const]))
    return { ...closeWith(task, parked, []), error, health }
  }
  if (task.known.size > 0) return { ...close(task, new Map(), [], reason), error, health }
  return {
    ...(task.doubt ? { state: 'uncertain', afterwards: 'planned' } : { state: 'planned' }),
    exceptions: asideOf(task),
    error,
    moved: [],
    counts: { ...none, rejected: task.refused.length, pending: rest.length },
    health,
    unknown: [],
  }
}

/** The destination answered for single records. */
function resolveEach(task: Task, verdict: Answer, context: ResolveContext): Resolution {
  const settled = settleVerdict(verdict, task.changes)
  const outcomes = settled.outcomes.map(outcome => strongest(task.known.get(outcome.changeId), outcome))
  const open = outcomes.filter(isOpen)
  const uncertain = open.filter(({ outcome }) => outcome === 'uncertain')
  const [first] = uncertain.length > 0 ? uncertain : open
  if (first === undefined)
    return { ...close(task, outcomesBy(outcomes), []), health: 'alive', unknown: settled.unknown }

  const resolution = resolveOpen(task, outcomes, open, uncertain, first, context)
  const health = open.length < outcomes.length ? 'alive' : resolution.health
  return { ...resolution, health, unknown: settled.unknown }
}

/** What was once definite stays so, but for a refusal that a repetition turned into a yes. */
function strongest(known: DefiniteOutcome | undefined, outcome: RecordOutcome): RecordOutcome {
  return known === undefined || (known.outcome === 'rejected' && outcome.outcome === 'acked') ? outcome : known
}

type OpenOutcome = Extract<RecordOutcome, { outcome: 'retry' | 'uncertain' }>

function isOpen(outcome: RecordOutcome): outcome is OpenOutcome {
  return outcome.outcome === 'retry' || outcome.outcome === 'uncertain'
}

/** Some records have no final answer: they continue in requests of their own, unless only the same request may be repeated. */
function resolveOpen(
  task: Task,
  outcomes: readonly RecordOutcome[],
  open: readonly OpenOutcome[],
  uncertain: readonly OpenOutcome[],
  first: OpenOutcome,
  context: ResolveContext,
): Resolution {
  if (uncertain.length > 0 && task.idempotency.kind === 'lookup')
    return askAboutSome(task, task.idempotency.settle, outcomes, open, first)
  const doubt = task.doubt || uncertain.length > 0
  const throttled = uncertain.length === 0 && open.every(({ code }) => code === 'rate_limited')
  const retryClass = throttled ? 'throttle' : 'server'
  const keyed = task.idempotency.kind === 'keyed' && doubt
  if (keyed || open.length === outcomes.length) {
    const known = new Map(outcomes.filter(isDefinite).map(outcome => [outcome.changeId, outcome]))
    return tryAgain({ ...task, doubt, known }, first, retryClass, context)
  }

  const parks = uncertain.length > 0 && decide({ ...task, doubt }, context, 0) !== 'resend'
  const parked = parks ? uncertain : []
  const fates = new Map<string, Fate>(outcomes.filter(isDefinite).map(outcome => [outcome.changeId, fateOf(outcome)]))
  for (const { changeId, code, message } of parked) fates.set(changeId, { kind: 'parked', code, message })
  const rest = task.changes.filter(({ changeId }) => !fates.has(changeId))
  const next = nextAttempt(task.spent, context.budget, context.random, { retryClass, attempt: task.attempt })
  const moved =
    rest.length > 0 && next.kind === 'again' ? [{ changes: rest, delay: next.delay, spent: next.spent }] : []
  return { ...closeWith(task, fates, moved, first), health: 'alive' }
}

/** What is definite stays so, what was not processed counts as absent, and the destination is asked about the rest. */
function askAboutSome(
  task: Task,
  settle: number,
  outcomes: readonly RecordOutcome[],
  open: readonly OpenOutcome[],
  first: OpenOutcome,
): Resolution {
  const known = new Map(outcomes.filter(isDefinite).map(outcome => [outcome.changeId, outcome]))
  const absent = new Set(open.filter(({ outcome }) => outcome === 'retry').map(({ changeId }) => changeId))
  return askLater({ ...task, known, inquiry: { ...nothingAsked, absent } }, first, settle)
}

function isDefinite(outcome: RecordOutcome): outcome is DefiniteOutcome {
  return outcome.outcome === 'acked' || outcome.outcome === 'rejected'
}

export type Fate =
  | { readonly kind: 'acked' }
  | ({ readonly kind: 'rejected' | 'parked' | 'moved' | 'withdrawn' } & Reason)

export const none: OutcomeCounts = { acked: 0, rejected: 0, parked: 0, pending: 0 }

/** What is recorded with the request and is not in its body. */
export function asideOf({ refused, withdrawn }: Task): readonly ChangeException[] {
  return withdrawn.length === 0 ? refused : [...refused, ...withdrawn]
}

function pick({ code, message }: Reason): Reason {
  return { code, message }
}

function fateOf(outcome: DefiniteOutcome): Fate {
  return outcome.outcome === 'acked' ? { kind: 'acked' } : { kind: 'rejected', ...pick(outcome) }
}

function outcomesBy(outcomes: readonly RecordOutcome[]): Map<string, RecordOutcome> {
  return new Map(outcomes.map(outcome => [outcome.changeId, outcome]))
}

/** Concludes the request for good; what has no definite outcome is moved, into `moved` or into the next run. */
function close(
  task: Task,
  outcomes: ReadonlyMap<string, RecordOutcome>,
  moved: readonly Continuation[],
  reason?: Reason,
): Omit<Resolution, 'health'> {
  const fates = new Map<string, Fate>()
  for (const outcome of [...task.known.values(), ...outcomes.values()]) {
    if (isDefinite(outcome)) fates.set(outcome.changeId, fateOf(outcome))
  }
  return closeWith(task, fates, moved, reason)
}

const nowhere: Reason = { code: 'moved', message: 'continues in another request' }

export function closeWith(
  task: Task,
  fates: ReadonlyMap<string, Fate>,
  moved: readonly Continuation[],
  reason: Reason = nowhere,
): Omit<Resolution, 'health'> {
  const counts = { acked: 0, rejected: task.refused.length, parked: 0, moved: 0, withdrawn: task.withdrawn.length }
  const exceptions = [...asideOf(task)]
  for (const { seq, key, changeId } of task.changes) {
    const known = task.known.get(changeId)
    const fate: Fate = fates.get(changeId) ?? (known && fateOf(known)) ?? { kind: 'moved', ...pick(reason) }
    counts[fate.kind] += 1
    if (fate.kind !== 'acked') {
      exceptions.push({ seq, key, changeId, state: fate.kind, code: fate.code, message: fate.message })
    }
  }
  const { acked, rejected, parked } = counts
  const onlyParked = parked > 0 && parked === task.changes.length
  const onlyRejected = acked === 0 && parked === 0 && counts.moved + counts.withdrawn === 0
  const continuing = moved.reduce((sum, { changes }) => sum + changes.length, 0)
  return {
    ...(onlyParked ? { state: 'uncertain', afterwards: 'parked' } : { state: onlyRejected ? 'rejected' : 'acked' }),
    exceptions,
    moved,
    counts: { acked, rejected, parked, pending: counts.moved - continuing + counts.withdrawn },
    unknown: [],
  }
}

/** A request that was refused before sending, every record of it. */
export function resolveUnsent(task: Task): Resolution {
  return { ...closeWith(task, new Map(), []), health: 'unknown' }
}

/** An intent that was committed, but nothing left: the request goes back as if it had not been begun. */
function resolveNotSent(task: Task, reason: Reason): Resolution {
  return { ...giveUp(task, reason), health: 'unknown' }
}

/** Delivery stopped before this could leave. */
export function resolveStopped(task: Task): Resolution {
  const message = task.doubt ? 'it may have arrived, and delivery stopped before that was clear' : 'never sent'
  return resolveNotSent(task, { code: 'stopped', message })
}

/** Delivery paused before this could be sent again: it stays in doubt, and the next run takes it up. */
export function resolvePaused(task: Task): Resolution {
  return { state: 'uncertain', exceptions: asideOf(task), moved: [], counts: none, health: 'unknown', unknown: [] }
}

/** An intent that has waited too long to be sent as it is: nothing left, and its rows are looked at once more. */
export function resolveOutdated(task: Task): Resolution {
  const { spent } = task
  return {
    state: task.doubt ? 'uncertain' : 'planned',
    exceptions: asideOf(task),
    again: { task: { ...task, spent: { ...spent, attempts: spent.attempts - 1 } }, delay: 0 },
    moved: [],
    counts: none,
    health: 'unknown',
    unknown: [],
  }
}

const bound: Reason = {
  code: 'withdrawn',
  message: 'it may have arrived, and could only be repeated together with somebody who must not be sent to any more',
}

/**
 * Somebody in the body must not be sent to any more, so these bytes are never sent again. The rest continues in a request of
 * its own, but for what may have been applied under its key: that is parked.
 */
export function resolveWithdrawn(task: Task, withdrawing: readonly ChangeException[]): Resolution {
  if (isBoundToItsKey(task)) return resolveNotSent(task, bound)
  const reasons = new Map(withdrawing.map(({ changeId, code, message }) => [changeId, { code, message }]))
  const fates = new Map([...reasons].map(([changeId, reason]) => [changeId, { kind: 'withdrawn', ...reason } as const]))
  const changes = task.changes.filter(({ changeId }) => !reasons.has(changeId))
  const moved = changes.length === 0 ? [] : [{ changes, delay: 0, spent: task.spent }]
  return { ...closeWith(task, fates, moved), health: 'unknown' }
}
