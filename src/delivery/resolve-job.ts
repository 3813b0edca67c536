/**
 * What follows when a destination takes a request as a job and says later what became of it. The job's name is in the ledger
 * before anything else happens, so whoever comes after a crash asks about the job instead of sending again. Between two
 * questions the request waits without a connection. A job that has not ended at its deadline is as uncertain as a lost
 * answer, and never a yes. Pure.
 */
import { formatDuration } from '../project/duration.ts'
import type { Accepted, Job, JobVerdict } from './destination.ts'
import { waiting } from './resolve-inquiry.ts'
import { giveUp, type Reason, type Resolution, type ResolveContext, resolveOutcome } from './resolve-outcome.ts'
import { longestRetryAfter } from './retry.ts'
import type { PendingJob, Task } from './task.ts'

/** Milliseconds between two questions at most, where the destination names no time. */
export const longestBetween = 2 * 60_000

type Timing = Pick<Job<never>, 'deadline' | 'every'>

/** The destination has taken the request: from here on it is asked about, and not sent. */
export function resolveAccepted(
  { inquiry: _asked, ...task }: Task,
  { reference, after }: Accepted,
  timing: Timing,
  { now, random }: ResolveContext,
): Resolution {
  const job: PendingJob = { reference, acceptedAt: now, asked: 0 }
  const delay = Math.min(delayOf(job, timing, random, after), timing.deadline)
  // Until the job has ended it may or may not have been applied, whatever ends the run.
  return { ...waiting({ ...task, doubt: true, job }, delay), health: 'alive' }
}

export function resolveJob(task: Task, verdict: JobVerdict, timing: Timing, context: ResolveContext): Resolution {
  const { job, ...rest } = task
  if (job === undefined) throw new TypeError('a request without a job was asked about')
  switch (verdict.kind) {
    case 'pending':
      return { ...askAgain(task, job, stillGoing, timing, context, verdict.after), health: 'alive' }
    case 'unanswered':
      return failedToAsk(task, job, verdict, timing, context)
    case 'denied':
      return { ...giveUp(task, verdict), health: 'unknown', stop: verdict }
    case 'gone':
      return {
        ...resolveOutcome({ ...rest, doubt: true }, { ...verdict, kind: 'uncertain' }, context),
        health: 'alive',
      }
    case 'refused':
      // It may have taken some of them, and only what changes nothing when repeated may go again.
      if (task.idempotency.kind !== 'natural') return { ...giveUp(task, verdict), health: 'alive' }
      return resolveOutcome({ ...rest, doubt: false }, verdict, context)
    case 'acked':
    case 'each':
      return resolveOutcome({ ...rest, doubt: false }, verdict, context)
  }
}

const stillGoing: Reason = { code: 'job_pending', message: 'the destination has not finished its job yet' }

function failedToAsk(
  task: Task,
  job: PendingJob,
  verdict: Extract<JobVerdict, { kind: 'unanswered' }>,
  timing: Timing,
  context: ResolveContext,
): Resolution {
  const throttled = verdict.code === 'rate_limited' || verdict.after !== undefined
  const resolution = askAgain(task, job, verdict, timing, context, verdict.after)
  const { again } = resolution
  return {
    ...resolution,
    ...(throttled && { throttled, ...(again && { pause: again.delay }) }),
    health: throttled ? 'unknown' : 'failing',
  }
}

/** The same question later, and a last one at the deadline; after that, nobody knows. */
function askAgain(
  task: Task,
  job: PendingJob,
  { code, message }: Reason,
  timing: Timing,
  { now, random }: ResolveContext,
  after: number | undefined,
): Omit<Resolution, 'health'> {
  const left = job.acceptedAt + timing.deadline - now
  if (left <= 0) {
    const late = `${message}; ${formatDuration(timing.deadline)} after it was accepted it is not waited for any more`
    return giveUp(task, { code: 'job_late', message: late })
  }
  const next = { ...job, asked: job.asked + 1 }
  const delay = Math.min(left, delayOf(next, timing, random, after))
  return { ...waiting({ ...task, job: next }, delay), error: { code, message } }
}

/** Twice as long each time, of which a random half is taken off, so that many jobs are not asked about at once. */
function delayOf({ asked }: PendingJob, { every }: Timing, random: () => number, after: number | undefined): number {
  if (after !== undefined && after > 0) return Math.min(after, longestRetryAfter)
  const whole = Math.min(longestBetween, every * 2 ** Math.min(asked, 30))
  return Math.ceil(whole - (random() * whole) / 2)
}
