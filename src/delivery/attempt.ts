/** One attempt of a request, whose intent is committed: its bytes are sent, or the destination is asked about it. */
import type { Receipt } from '../ledger/ledger.ts'
import type { DeliveryContext } from './delivery-context.ts'
import type { Job, JobVerdict, Verdict } from './destination.ts'
import type { AttemptHooks } from './http-attempt.ts'
import { askedNext, resolveInquiry } from './resolve-inquiry.ts'
import { resolveAccepted, resolveJob } from './resolve-job.ts'
import { type ReportedOptOut, type Resolution, resolveOutcome, resolveUnsent } from './resolve-outcome.ts'
import type { RetryBudget } from './retry.ts'
import type { Task } from './task.ts'

export type AttemptContext = Pick<DeliveryContext, 'destination' | 'clock' | 'random' | 'onUncertain'>

export async function performAttempt(
  task: Task,
  { destination, clock, random, onUncertain }: AttemptContext,
  budget: RetryBudget,
  hooks: AttemptHooks,
): Promise<Resolution> {
  const resolving = () => ({ now: clock.now(), random, budget, onUncertain })
  if (task.prepared === undefined) return resolveUnsent(task)
  if (task.job !== undefined) {
    const verdict = await destination.askForJob(task.prepared, task.job.reference, clock.now(), hooks)
    return { ...resolveJob(task, verdict, timingOf(task, destination), resolving()), ...asideOf(task, verdict) }
  }
  if (task.inquiry === undefined) {
    const verdict = await destination.attempt(task.prepared, clock.now(), hooks)
    if (verdict.kind === 'accepted') return resolveAccepted(task, verdict, timingOf(task, destination), resolving())
    return { ...resolveOutcome(task, verdict, resolving()), ...asideOf(task, verdict) }
  }
  const { action } = task.request
  const asked = askedNext(task, destination.action(action).lookup?.maxRecords)
  const verdict = await destination.ask(action, asked, clock.now(), hooks)
  return resolveInquiry(task, asked, verdict, resolving())
}

function timingOf({ request }: Task, destination: DeliveryContext['destination']): Job<never> {
  const { job } = destination.action(request.action)
  if (job === undefined) throw new TypeError(`the action ${request.action} waits for a job that it cannot ask about`)
  return job
}

/** What a reply says beside what became of the records: the vendor's own ids, and who opted out there. */
function asideOf(task: Task, verdict: Verdict | JobVerdict): Pick<Resolution, 'receipts' | 'optOuts'> {
  if (verdict.kind !== 'each') return {}
  const told = new Map(verdict.outcomes.map(outcome => [outcome.changeId, outcome]))
  const receipts: Receipt[] = []
  const optOuts: ReportedOptOut[] = []
  for (const { seq, key, changeId } of task.changes) {
    const outcome = told.get(changeId)
    if (outcome?.outcome === 'acked' && outcome.reference !== undefined)
      receipts.push({ seq, key, changeId, reference: outcome.reference })
    if (outcome?.outcome === 'rejected' && outcome.optOut !== undefined) optOuts.push({ address: outcome.optOut, key })
  }
  return { ...(receipts.length > 0 && { receipts }), ...(optOuts.length > 0 && { optOuts }) }
}
