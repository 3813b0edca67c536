/** One attempt of a request, whose intent is committed: its bytes are sent, or the destination is asked about it. */
import type { DeliveryContext } from './delivery-context.ts'
import type { AttemptHooks } from './http-attempt.ts'
import { askedNext, resolveInquiry } from './resolve-inquiry.ts'
import { type Resolution, resolveOutcome, resolveUnsent } from './resolve-outcome.ts'
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
  if (task.inquiry === undefined) {
    const verdict = await destination.attempt(task.prepared, clock.now(), hooks)
    return resolveOutcome(task, verdict, resolving())
  }
  const { action } = task.request
  const asked = askedNext(task, destination.action(action).lookup?.maxRecords)
  const verdict = await destination.ask(action, asked, clock.now(), hooks)
  return resolveInquiry(task, asked, verdict, resolving())
}
