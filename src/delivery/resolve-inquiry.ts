/**
 * What follows from asking the destination whether records have arrived. What is found is acknowledged. What is surely absent
 * is sent: the same request again, same key and same bytes, when all of it is absent, else in a request of its own. Of what
 * remains unclear it is asked again within the budget, and then a person decides. Pure.
 */
import type { PlannedChange } from '../plan/plan.ts'
import type { LookupVerdict } from './destination.ts'
import { settleFindings } from './interpret.ts'
import {
  asideOf,
  closeWith,
  type Fate,
  giveUp,
  none,
  type Reason,
  type Resolution,
  type ResolveContext,
} from './resolve-outcome.ts'
import { nextAttempt } from './retry.ts'
import { type Inquiry, nothingAsked, type Task } from './task.ts'
import { tokenExpired } from './token.ts'

const unclear: Reason = { code: 'lookup_unclear', message: 'the destination could not tell whether it has this record' }
const absent: Reason = { code: 'lookup_absent', message: 'the destination does not have it, so it is sent again' }

/** Those of the request that the next question is about; at least one, as long as there is an inquiry. */
export function askedNext(task: Task, atMost: number | undefined): readonly PlannedChange[] {
  const { unclear: told } = inquiryOf(task)
  return undecided(task)
    .filter(({ changeId }) => !told.has(changeId))
    .slice(0, atMost)
}

/** `asked`: those that the question was about. */
export function resolveInquiry(
  task: Task,
  asked: readonly PlannedChange[],
  verdict: LookupVerdict,
  context: ResolveContext,
): Resolution {
  switch (verdict.kind) {
    case 'denied':
      return { ...giveUp(task, verdict), health: 'unknown', stop: verdict }
    case 'unanswered':
      return askAgain(task, verdict, 0, context)
    case 'each':
      return learn(task, asked, verdict, context)
  }
}

function learn(
  task: Task,
  asked: readonly PlannedChange[],
  { findings }: Extract<LookupVerdict, { kind: 'each' }>,
  context: ResolveContext,
): Resolution {
  const before = inquiryOf(task)
  const known = new Map(task.known)
  const missing = new Set(before.absent)
  const untold = new Set(before.unclear)
  for (const { changeId, finding } of settleFindings(findings, asked)) {
    if (finding === 'found') known.set(changeId, { changeId, outcome: 'acked' })
    else if (finding === 'absent') missing.add(changeId)
    else untold.add(changeId)
  }
  const inquiry = { ...before, absent: missing, unclear: untold }
  const wiser: Task = { ...task, known, inquiry }
  const open = undecided(wiser)
  if (open.length === 0) return conclude(wiser, new Map(), context)
  if (open.some(({ changeId }) => !untold.has(changeId))) return { ...askOn(wiser, inquiry), health: 'alive' }
  const settle = task.idempotency.kind === 'lookup' ? task.idempotency.settle : 0
  return askAgain(wiser, unclear, settle, context)
}

/** The question was too long for one request; what goes on where it left off costs no budget. */
function askOn(task: Task, inquiry: Inquiry): Omit<Resolution, 'health'> {
  const spent = { ...inquiry.spent, attempts: inquiry.spent.attempts - 1 }
  return waiting({ ...task, inquiry: { ...inquiry, spent } }, 0)
}

/** The same question later, at the earliest after `least` milliseconds. */
function askAgain(
  task: Task,
  reason: Reason & { readonly after?: number },
  least: number,
  context: ResolveContext,
): Resolution {
  const inquiry = inquiryOf(task)
  const { code, message, after } = reason
  const throttled = code === 'rate_limited' || after !== undefined
  const retryClass = code === tokenExpired ? 'token' : throttled ? 'throttle' : 'server'
  const { attempts } = inquiry.spent
  const next = nextAttempt(inquiry.spent, context.budget, context.random, { retryClass, after, attempt: attempts })
  if (next.kind === 'spent') return stopAsking(task, reason, context)
  const later = { ...task, inquiry: { ...inquiry, spent: next.spent, unclear: nothingAsked.unclear } }
  return {
    ...waiting(later, Math.max(next.delay, least)),
    error: { code, message },
    ...(throttled && { pause: next.delay, throttled }),
    health: retryClass === 'server' ? 'failing' : 'unknown',
  }
}

/** Nobody can tell any more: what is unclear is as if it could not be asked about at all. */
function stopAsking(task: Task, reason: Reason, context: ResolveContext): Resolution {
  const { code, message } = reason
  const open = undecided(task).map(({ changeId }) => changeId)
  if (context.onUncertain === 'park') {
    const parked = new Map(open.map(changeId => [changeId, { kind: 'parked', code, message } as const]))
    return { ...conclude(task, parked, context, reason), health: 'exhausted' }
  }
  const inquiry = inquiryOf(task)
  return conclude(
    { ...task, inquiry: { ...inquiry, absent: new Set([...inquiry.absent, ...open]) } },
    new Map(),
    context,
    reason,
  )
}

/** Every record is known, to be parked, or to be sent again. */
function conclude(
  task: Task,
  parked: ReadonlyMap<string, Fate>,
  { budget, random }: ResolveContext,
  why: Reason = absent,
): Resolution {
  const missing = task.changes.filter(({ changeId }) => inquiryOf(task).absent.has(changeId))
  if (missing.length === 0)
    return { ...closeWith(task, parked, []), ...(parked.size > 0 && { error: why }), health: 'alive' }

  const { inquiry: _answered, ...rest } = task
  const sent: Task = { ...rest, doubt: false }
  const { spent } = task
  const mayGoOn = nextAttempt(spent, budget, random, { retryClass: 'server', attempt: 1 }).kind === 'again'
  if (missing.length < task.changes.length) {
    const moved = mayGoOn ? [{ changes: missing, delay: 0, spent }] : []
    return { ...closeWith(sent, parked, moved, absent), error: why, health: mayGoOn ? 'alive' : 'exhausted' }
  }
  if (!mayGoOn) return giveUp(sent, why)
  return { ...waiting(sent, 0), state: 'planned', error: why, health: 'alive' }
}

/** The same request once more, as a question; until then nothing is known of it. */
export function waiting(task: Task, delay: number): Omit<Resolution, 'health'> {
  return { state: 'uncertain', exceptions: asideOf(task), again: { task, delay }, moved: [], counts: none, unknown: [] }
}

function undecided(task: Task): readonly PlannedChange[] {
  const { absent: missing } = inquiryOf(task)
  return task.changes.filter(({ changeId }) => !task.known.has(changeId) && !missing.has(changeId))
}

function inquiryOf({ inquiry }: Task): Inquiry {
  return inquiry ?? nothingAsked
}
