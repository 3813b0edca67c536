/** Whether a request may leave now, by everything that holds it back: the account's limits, the breaker, the concurrency. */
import { formatDuration } from '../project/duration.ts'
import type { Breaker } from './breaker.ts'
import type { Concurrency } from './concurrency.ts'
import type { DeliveryContext } from './delivery-context.ts'
import type { ActionLimits } from './destination.ts'
import type { OpenDestination } from './open-destination.ts'
import type { Resolution } from './resolve-outcome.ts'
import { longestRetryAfter } from './retry.ts'
import type { Stop } from './tally.ts'
import type { Task } from './task.ts'

/** A run that would have to wait longer than this for a limit ends instead. */
export const longestWait = longestRetryAfter

/** A request that has a place, on its way to a connection and back. */
export class Leaving {
  private readonly destination: OpenDestination
  private readonly place: number
  private readonly begunAt: number
  private leftAt: number | undefined

  constructor(destination: OpenDestination, place: number, begunAt: number) {
    this.destination = destination
    this.place = place
    this.begunAt = begunAt
  }

  left(now: number): void {
    if (this.leftAt !== undefined) return
    this.leftAt = now
    this.destination.account.limiter.left(this.place, now)
  }

  answered({ health, pause, throttled = false }: Resolution, now: number): void {
    const { account, breaker, adaptive } = this.destination
    const { leftAt } = this
    // One that never left has used a place all the same, for who knows what the destination saw of it.
    this.left(now)
    if (pause !== undefined) account.limiter.pause(now + pause)
    // How fast a connection fails says nothing of how long answers take.
    if (leftAt !== undefined) adaptive.answered(leftAt, now, throttled)
    if (health === 'alive') breaker.succeeded()
    else if (health !== 'unknown' && !throttled) breaker.failed(leftAt ?? this.begunAt, now)
  }
}

export class Gate {
  private readonly destination: OpenDestination
  private readonly breaker: Breaker
  private readonly concurrency: Concurrency

  constructor(destination: OpenDestination) {
    this.destination = destination
    this.breaker = destination.breaker
    this.concurrency = destination.adaptive
  }

  /** Shares the limits with other processes, when there is a ledger that can. */
  join({ ledger, lease }: DeliveryContext, track: (work: Promise<void>) => void) {
    const { turn } = ledger
    if (turn === undefined) return undefined
    return this.destination.account.join({ ledger: { turn }, token: lease().holder.token, track })
  }

  /** Requests that may be under way at once. */
  get width(): number {
    return this.concurrency.limit
  }

  /** The number of the place taken last. */
  get taken(): number {
    return this.destination.account.limiter.taken
  }

  /** The instant at which to be called again, if something is about to leave. */
  tend(now: number): number | undefined {
    return this.destination.account.tend(now)
  }

  /** The limits under the account's that the next attempt of this request falls under. */
  private within({ request, inquiry, job }: Task): ActionLimits | undefined {
    const action = this.destination.action(request.action)
    if (job !== undefined) return action.job?.limits
    return inquiry === undefined ? action.limits : action.lookup?.limits
  }

  /** Takes a place when there is one; otherwise the milliseconds after which to ask again. */
  take(now: number, sending: number, task: Task): number {
    return this.breaker.wait(now, sending) || this.destination.account.limiter.take(now, this.within(task))
  }

  wait(now: number, sending: number, task: Task): number {
    return Math.max(this.breaker.wait(now, sending), this.destination.account.limiter.wait(now, this.within(task)))
  }

  /** How many of a request's kind could be begun at this instant; asked for each of many, and looked up once for those under the same limits. */
  rooms(now: number, sending: number): (task: Task) => number {
    const known = new Map<ActionLimits | undefined, number>()
    return task => {
      const within = this.within(task)
      const room = known.get(within) ?? this.room(now, sending, within)
      known.set(within, room)
      return room
    }
  }

  private room(now: number, sending: number, within: ActionLimits | undefined): number {
    const { limiter } = this.destination.account
    if (this.breaker.isClosed) return limiter.room(now, within)
    return this.breaker.wait(now, sending) > 0 ? 0 : Math.min(1, limiter.room(now, within))
  }

  leaving(place: number, begunAt: number): Leaving {
    return new Leaving(this.destination, place, begunAt)
  }

  /** What the headers of its reply say of limits; `underWay` requests the destination may not have counted yet. */
  heed(task: Task, headers: Readonly<Record<string, string>>, now: number, underWay: number): void {
    const { account, readLimits } = this.destination
    for (const reading of readLimits(headers, now)) account.limiter.heed(reading, underWay, now, this.within(task))
  }

  /** The end of a run whose limits are used up for longer than a run waits. */
  parks(now: number, wait: number, task: Task): Stop | undefined {
    if (wait <= longestWait) return undefined
    const { account, name } = this.destination
    const until = Math.ceil(now + wait)
    const rate = account.limiter.blockedBy(now, this.within(task))
    const what =
      rate === undefined
        ? `${name} says that its limit is used up`
        : `the limit of ${name}${rate.of === undefined ? '' : ` for ${rate.of}`}, ${rate.requests} requests in ${formatDuration(rate.perMilliseconds)}, is used up`
    const message = `${what}; it renews from ${instantText(until)} on, and what is pending can be sent then`
    return { kind: 'limit', code: 'A6060', message, until }
  }

  /** The end of a run whose probes found that the destination is still down. */
  giveUp({ health, error }: Resolution): Stop | undefined {
    if ((health !== 'failing' && health !== 'exhausted') || !this.breaker.isHopeless) return undefined
    const { code, message } = error ?? { code: 'no_answer', message: 'no answer' }
    const text = `the destination cannot be reached: ${code}, ${message}; it is tried again from ${instantText(this.breaker.until)} on`
    return { kind: 'unreachable', code: 'A6002', message: text, until: this.breaker.until }
  }
}

/** A later run of this process that finds the breaker open ends at once. */
export function stopWhileOpen({ breaker, name }: OpenDestination, now: number): Stop | undefined {
  const wait = breaker.wait(now, 0)
  if (wait === 0) return undefined
  const until = now + wait
  const message = `${name} could not be reached a moment ago, so nothing is sent before ${instantText(until)}`
  return { kind: 'unreachable', code: 'A6061', message, until }
}

function instantText(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
}
