/**
 * What a dead run left behind. Requests that never left are cancelled, because the next plan takes their changes over.
 * Those that may have left are rebuilt from the outbox and, when they are the same to the byte and may be repeated, sent
 * again under the same key, or first asked about where the destination can be asked; otherwise a person decides.
 */
import type { Members, Request } from '../ledger/ledger.ts'
import type { RequestState } from '../ledger/request.ts'
import type { PlannedChange } from '../plan/plan.ts'
import { ActivateError } from '../project/problem.ts'
import { isTooLarge } from './batch.ts'
import type { DeliveryContext, DeliveryTotals } from './delivery-context.ts'
import type { Idempotency } from './destination.ts'
import { Dispatch } from './dispatch.ts'
import type { OpenAction, OpenDestination } from './open-destination.ts'
import { longestBetween } from './resolve-job.ts'
import { onUncertain } from './retry.ts'
import type { Stop } from './tally.ts'
import { nothingAsked, nothingSpent, staysOpen, type Task, tasksOfBatch } from './task.ts'

export interface RedeliveryInput extends DeliveryContext {
  /** The dead run's requests; those that are concluded are left alone. */
  readonly requests: readonly Request[]
  /** Rows of the dead run's outbox in `seq` order; those that are gone are left out. */
  readonly read: (members: Members) => Promise<readonly PlannedChange[]>
}

/**
 * Ends every request of a dead run that is `planned`, `sending` or `uncertain`. The totals are about their records alone.
 * `runId` is the dead run's, the lease that of the run that recovers it. Throws as `deliver` does.
 */
export async function redeliver(input: RedeliveryInput): Promise<DeliveryTotals> {
  const never = input.requests.filter(({ state }) => state === 'planned')
  const maybe = input.requests.filter(({ state }) => state === 'sending' || state === 'uncertain')
  await move(input, never, 'planned', 'cancelled')
  await move(
    input,
    maybe.filter(({ state }) => state === 'sending'),
    'sending',
    'uncertain',
  )

  const parked = maybe.filter(request => decide(input, request) === 'park')
  const repeatable = maybe.filter(request => !parked.includes(request))
  await move(input, parked, 'uncertain', 'parked')
  for (const request of parked) note(input, request, 'may have arrived, and cannot be repeated safely')

  const set = { parked: countRecords(parked), open: 0, yielded: new Set<string>() }
  const dispatch = new Dispatch({ ...input, recovers: true }, rebuilt(input, repeatable, set), 0)
  const totals = await dispatch.run()
  if (totals.stopped === undefined) await parkHesitant(input, repeatable, dispatch.hesitant, set)
  else if (totals.stopped.kind !== 'lease') await endEarly(input, repeatable, totals.stopped, set)
  const all = { ...totals, parked: totals.parked + set.parked, open: totals.open + set.open }
  return { ...all, pending: countRecords(never) + countRecords(maybe) - all.acked - all.rejected - all.parked }
}

async function move(
  { ledger, clock, lease }: RedeliveryInput,
  requests: readonly Request[],
  from: RequestState,
  to: RequestState,
): Promise<number> {
  if (requests.length === 0) return 0
  return ledger.move(
    requests.map(({ requestId }) => requestId),
    from,
    to,
    clock.now(),
    lease(),
  )
}

function countRecords(requests: readonly Request[]): number {
  return requests.reduce(
    (sum, { members }) => sum + ('seqs' in members ? members.seqs.length : members.to - members.from + 1),
    0,
  )
}

function decide(input: RedeliveryInput, request: Request): 'resend' | 'park' | 'lookup' | 'job' {
  // Every record of it had been refused before sending: there are no bytes that could have left.
  if (request.bodyHash === '') return 'resend'
  if (hasJob(input, request)) return 'job'
  const firstSentAt = request.firstSentAt ?? Number.NEGATIVE_INFINITY
  const context = { firstSentAt, now: input.clock.now(), onUncertain: input.onUncertain }
  return onUncertain(idempotencyOf(input, request.action), context)
}

/** Whether the destination took it as a job that it can still be asked about. */
function hasJob({ destination }: RedeliveryInput, { action, job }: Request): boolean {
  return job !== undefined && actionOf(destination, action)?.job !== undefined
}

/** An action that the project no longer has can repeat nothing. */
function idempotencyOf({ destination }: RedeliveryInput, action: string): Idempotency {
  return actionOf(destination, action)?.idempotency ?? { kind: 'none' }
}

function actionOf(destination: OpenDestination, action: string): OpenAction | undefined {
  try {
    return destination.action(action)
  } catch (error) {
    if (error instanceof ActivateError && error.problems[0].code === 'A6010') return undefined
    throw error
  }
}

interface Aside {
  parked: number
  open: number
  /** Requests that delivery has seen; it decides of these itself. */
  readonly yielded: Set<string>
}

/** The destination answered for others, so it was these requests that it would not answer for: they are left to a person. */
async function parkHesitant(
  input: RedeliveryInput,
  requests: readonly Request[],
  hesitant: readonly Task[],
  set: Aside,
): Promise<void> {
  const ids = new Set(hesitant.map(({ request }) => request.requestId))
  for (const request of requests.filter(({ requestId }) => ids.has(requestId))) {
    await move(input, [request], 'uncertain', 'parked')
    set.parked += countRecords([request])
    set.open -= countRecords([request])
    note(input, request, 'may have arrived, and its destination gave no answer for it')
  }
}

/** Delivery stopped before these came up. Whoever settles the run must not find them undecided, but for those that are left open. */
async function endEarly(input: RedeliveryInput, requests: readonly Request[], stop: Stop, set: Aside): Promise<void> {
  for (const request of requests) {
    const { bodyHash, firstSentAt } = request
    const task = { doubt: bodyHash !== '', idempotency: idempotencyOf(input, request.action), firstSentAt }
    if (staysOpen(stop, task, { now: input.clock.now(), recovers: true })) {
      if (!set.yielded.has(request.requestId)) set.open += countRecords([request])
      continue
    }
    const natural = idempotencyOf(input, request.action).kind === 'natural'
    const moved = await move(input, [request], 'uncertain', natural ? 'planned' : 'parked')
    if (moved === 0) continue
    if (natural) await move(input, [request], 'planned', 'cancelled')
    else set.parked += countRecords([request])
  }
}

async function* rebuilt(input: RedeliveryInput, requests: readonly Request[], set: Aside): AsyncGenerator<Task> {
  const startedAt = input.clock.now()
  for (const request of requests) {
    set.yielded.add(request.requestId)
    const task = await rebuild(input, request)
    if (task !== undefined) {
      yield hasJob(input, request) ? waitingForJob(task, request, startedAt) : settling(task, request, startedAt)
    } else if (request.bodyHash === '' || idempotencyOf(input, request.action).kind === 'natural') {
      // Other bytes than before do no harm here, or there were none, so the next plan may send them.
      await move(input, [request], 'uncertain', 'planned')
      await move(input, [request], 'planned', 'cancelled')
    } else {
      await move(input, [request], 'uncertain', 'parked')
      set.parked += countRecords([request])
      note(input, request, 'may have arrived, and cannot be rebuilt as it was sent')
    }
  }
}

/** The request as it was, or undefined when today's bytes or key would differ. */
async function rebuild(input: RedeliveryInput, request: Request): Promise<Task | undefined> {
  const changes = await input.read(request.members)
  if (changes.length !== countRecords([request])) return undefined
  const source = { runId: request.runId, destination: input.destination }
  const [first] = changes
  // A record that was too large made a request of its own, which has no bytes.
  const limits = input.destination.action(request.action).batch ?? {}
  const tooLarge = request.bodyHash === '' && changes.length === 1 && first !== undefined && isTooLarge(first, limits)
  const [task, second] = tasksOfBatch(source, { action: request.action, changes, tooLarge })
  if (task === undefined || second !== undefined) return undefined
  const { idempotencyKey, bodyHash } = task.request
  if (idempotencyKey !== request.idempotencyKey || bodyHash !== request.bodyHash) return undefined
  const { attempt, firstSentAt } = request
  return {
    ...task,
    request: { ...task.request, requestId: request.requestId },
    attempt,
    firstSentAt,
    doubt: bodyHash !== '',
    spent: nothingSpent,
  }
}

/**
 * What can be asked about is asked first. An instant that the ledger has is kept; who died without writing one down has sent
 * until now at the latest. Neither is trusted to lie further ahead than the destination needs, should a clock have been wrong.
 */
function settling(task: Task, { state, nextAttemptAt, firstSentAt }: Request, now: number): Task {
  if (task.idempotency.kind !== 'lookup' || !task.doubt) return task
  const { settle } = task.idempotency
  const end = now + settle
  const known =
    state === 'uncertain' && nextAttemptAt !== undefined ? Math.max(nextAttemptAt, (firstSentAt ?? now) + settle) : end
  return { ...task, inquiry: nothingAsked, notBefore: Math.min(known, end) }
}

/**
 * A job is asked about and not sent again, however long ago its deadline was: by now it has most likely ended. When the
 * next question was due is in the ledger, and is not trusted to lie further ahead than a run would wait.
 */
function waitingForJob(task: Task, { job, nextAttemptAt = 0 }: Request, now: number): Task {
  if (job === undefined) return task
  return { ...task, job: { ...job, asked: 0 }, notBefore: Math.min(Math.max(now, nextAttemptAt), now + longestBetween) }
}

function note({ log }: RedeliveryInput, { requestId }: Request, message: string): void {
  log({ kind: 'parked', code: 'unrepeatable', message: `a request of an earlier run ${message}`, requestId })
}
