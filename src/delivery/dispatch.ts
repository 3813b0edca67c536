/**
 * Drives requests to their ends: the intent is committed, the limiter asked, the bytes sent, the outcome recorded. At most
 * `concurrency` requests are under way at the destination. Around them a few more are having their intent or their
 * outcome committed, so that connections need not wait for the disk; the number of records held is bounded, whatever the
 * number of rows. (p-limit queues without bound, which would hold them all.)
 */
import { ActivateError } from '../project/problem.ts'
import { type Alarm, createAlarm } from './alarm.ts'
import type { DeliveryContext, DeliveryTotals } from './delivery-context.ts'
import { noteResolution } from './delivery-notes.ts'
import type { Verdict } from './destination.ts'
import { type Continuation, type Resolution, resolveNotSent, resolveOutcome, resolveUnsent } from './resolve-outcome.ts'
import { defaultBudget, type RetryBudget } from './retry.ts'
import { createTally, type Stop, type Tally } from './tally.ts'
import { isRepeatable, type Task, tasksOfBatch } from './task.ts'
import { createWaitingRoom } from './waiting-room.ts'

/** A lease that ends sooner than this is as good as lost: the write that follows the send must still be accepted. */
const leaseMargin = 5_000

/** Requests that may be having an intent or an outcome committed beside those at the destination. */
const beside = 256

/** Records held in memory at most, beside one request per connection. */
const heldRecords = 4_000

/** Milliseconds that an outcome may wait to be committed with others. */
const longestSettled = 20

/** Requests waiting for another attempt; while there are more, no new rows are read. */
const mostWaiting = 64

interface Answered {
  readonly task: Task
  readonly resolution: Resolution
}

export class Dispatch {
  private readonly context: DeliveryContext
  private readonly total: number
  private readonly budget: RetryBudget
  private readonly source: AsyncIterator<Task>
  private readonly tally: Tally
  private readonly alarm: Alarm
  private readonly finished: Promise<void>
  private finish: () => void = () => {}

  /** Read, and not begun. */
  private readonly ready: Task[] = []
  private readonly waiting = createWaitingRoom<Task>()
  /** The intent is committed; waiting for a connection. */
  private readonly begun: Task[] = []
  private beginning = 0
  private sending = 0
  private concluding = 0
  private held = 0
  /** Answered for, and waiting to be committed with others. */
  private readonly settled: Answered[] = []
  private settledSince = 0

  private fetching = false
  private exhausted = false
  private stop: Stop | undefined
  private failure: { readonly error: unknown } | undefined
  private done = false

  constructor(context: DeliveryContext, tasks: AsyncIterable<Task>, total: number) {
    this.context = context
    this.total = total
    this.budget = { ...defaultBudget, ...context.retry }
    this.source = tasks[Symbol.asyncIterator]()
    this.tally = createTally(context.maxErrorRate)
    this.alarm = createAlarm(
      context.clock,
      () => this.pump(),
      waiting => this.track(waiting),
    )
    this.finished = new Promise(resolve => {
      this.finish = resolve
    })
  }

  async run(): Promise<DeliveryTotals> {
    const pump = () => this.pump()
    this.context.signal.addEventListener('abort', pump)
    this.pump()
    await this.finished
    this.context.signal.removeEventListener('abort', pump)
    this.alarm.cancel()
    await this.source.return?.()
    if (this.failure !== undefined) throw this.failure.error
    return this.totals()
  }

  private totals(): DeliveryTotals {
    const { counts, requests, retries } = this.tally
    const { acked, rejected, parked } = counts
    const stopped = this.stop ?? this.tally.verdict()
    const pending = Math.max(0, this.total - acked - rejected - parked)
    return { acked, rejected, parked, pending, requests, retries, ...(stopped && { stopped }) }
  }

  /** Starts everything that can be started at this moment; called whenever something has changed. */
  private pump(): void {
    if (this.done) return
    if (this.context.signal.aborted)
      this.stopFor({ kind: 'interrupted', code: 'A6005', message: 'delivery was interrupted' })
    const now = this.context.clock.now()
    this.sendBegun(now)
    if (this.isStopped()) {
      this.abandon(now)
    } else {
      this.beginMore(now)
      this.fetchMore()
    }
    this.tendSettled(now)
    if (this.isOver()) {
      this.done = true
      this.finish()
    }
  }

  private isOver(): boolean {
    if (this.beginning + this.begun.length + this.sending + this.concluding > 0 || this.fetching) return false
    return this.isStopped() || (this.exhausted && this.ready.length === 0 && this.waiting.size === 0)
  }

  private isStopped(): boolean {
    return this.stop !== undefined || this.failure !== undefined
  }

  /**
   * What has not been begun stays pending. What may have arrived must not look as if it had never been sent: it is begun
   * once more, for the sole purpose of being concluded with everything that is known of it.
   */
  private abandon(now: number): void {
    const left = this.ready.splice(0)
    for (;;) {
      const task = this.waiting.takeDue(Number.POSITIVE_INFINITY)
      if (task === undefined) break
      left.push(task)
    }
    if (this.stop?.kind === 'lease' || this.failure !== undefined) return
    const doubtful = left.filter(({ doubt }) => doubt)
    this.beginning += doubtful.length
    if (doubtful.length > 0) this.track(this.begin(doubtful, now))
  }

  private sendBegun(now: number): void {
    const { destination, lease } = this.context
    if (this.begun.length > 0 && lease().expiresAt - now < leaseMargin) this.stopForLease('it is about to end')
    while (this.begun.length > 0) {
      if (this.isStopped()) {
        const task = this.begun.shift()
        if (task !== undefined) this.conclude(task, resolveNotSent(task, { code: 'stopped', message: 'never sent' }))
        continue
      }
      if (this.sending >= destination.concurrency) return
      const wait = destination.limiter.take(now)
      if (wait > 0) {
        this.wakeAt(now + wait, wait)
        return
      }
      const task = this.begun.shift()
      if (task !== undefined) this.track(this.send(task, destination.limiter.taken))
    }
  }

  private beginMore(now: number): void {
    const { destination, lease } = this.context
    const { limiter } = destination
    let room = limiter.room(now) - this.beginning - this.begun.length
    const refill = this.beginning + this.begun.length <= beside / 4
    const lot: Task[] = []
    for (;;) {
      const task = this.next(now)
      if (task === undefined) break
      if (lease().expiresAt - now < leaseMargin) this.stopForLease('it is about to end')
      if (this.isStopped() || room <= 0 || !this.mayBegin(task, refill)) {
        this.ready.unshift(task)
        break
      }
      room -= 1
      this.beginning += 1
      lot.push(task)
    }
    if (lot.length > 0) this.track(this.begin(lot, now))
    else if (room <= 0 && this.ready.length > 0 && this.beginning + this.begun.length === 0) {
      const wait = Math.max(1, limiter.wait(now))
      this.wakeAt(now + wait, wait)
    }
  }

  /**
   * A repeatable intent may be committed ahead, many with one commit; one that is not repeatable is committed only when a
   * connection is free for it.
   */
  private mayBegin(task: Task, refill: boolean): boolean {
    const { concurrency } = this.context.destination
    const ahead = this.beginning + this.begun.length + this.sending
    if (ahead < concurrency) return true
    return isRepeatable(task) && refill && ahead < concurrency + beside && this.held <= heldRecords
  }

  private next(now: number): Task | undefined {
    const due = this.waiting.takeDue(now)
    if (due !== undefined) return due
    const nextDue = this.waiting.nextDue
    if (nextDue !== undefined) this.wakeAt(nextDue, 0)
    const open = this.beginning + this.begun.length + this.sending + this.concluding + this.waiting.size
    // While everything fails, only a few requests at a time find out whether that is over.
    if (this.tally.ailing && open >= this.context.destination.concurrency + 4) return undefined
    return this.ready.shift()
  }

  private fetchMore(): void {
    if (this.fetching || !this.wantsMore()) return
    this.fetching = true
    this.track(this.fetch())
  }

  private wantsMore(): boolean {
    if (this.exhausted || this.isStopped() || this.waiting.size >= mostWaiting) return false
    if (this.waiting.size > 0 && this.held >= 4 * heldRecords) return false
    return this.held < heldRecords ? this.ready.length < beside : this.ready.length === 0 && this.isIdle()
  }

  /** Whether a connection could be used that is not. */
  private isIdle(): boolean {
    return this.beginning + this.begun.length + this.sending < this.context.destination.concurrency
  }

  private async fetch(): Promise<void> {
    try {
      while (this.wantsMore()) {
        const { done, value } = await this.source.next()
        if (done === true) this.exhausted = true
        else this.add(value)
        if (this.isIdle()) this.pump()
      }
    } finally {
      this.fetching = false
    }
    this.pump()
  }

  private add(task: Task): void {
    this.held += task.changes.length
    this.ready.push(task)
  }

  /** The caller has counted these as beginning. */
  private async begin(lot: readonly Task[], at: number): Promise<void> {
    const { ledger, lease } = this.context
    try {
      const requests = lot.map(({ request }) => request)
      this.recordSettled()
      const answers = await ledger.begin(requests, at, lease())
      for (const [index, task] of lot.entries()) this.afterBegin(task, answers[index]?.attempt, at)
    } finally {
      this.beginning -= lot.length
    }
    this.pump()
  }

  private afterBegin(task: Task, attempt: number | undefined, at: number): void {
    if (attempt === undefined) throw new TypeError('the ledger did not answer for a request')
    this.tally.begun(attempt)
    const spent = { ...task.spent, attempts: task.spent.attempts + 1 }
    const started = { ...task, attempt, spent, firstSentAt: task.firstSentAt ?? at }
    if (started.prepared === undefined) this.conclude(started, resolveUnsent(started))
    else this.begun.push(started)
  }

  private async send(task: Task, place: number): Promise<void> {
    const { destination, clock } = this.context
    if (task.prepared === undefined) return
    this.sending += 1
    let verdict: Verdict
    try {
      verdict = await destination.attempt(task.prepared, clock.now(), () =>
        destination.limiter.left(place, clock.now()),
      )
    } finally {
      this.sending -= 1
    }
    const now = clock.now()
    const { random, onUncertain } = this.context
    const resolution = resolveOutcome(task, verdict, { now, random, budget: this.budget, onUncertain })
    if (resolution.pause !== undefined) destination.limiter.pause(now + resolution.pause)
    this.conclude(task, resolution)
    this.pump()
  }

  /**
   * An outcome that repeating would only confirm may wait a moment for others, to be committed with them: should this
   * process die meanwhile, its successor resends. Every other outcome is recorded at once.
   */
  private conclude(task: Task, resolution: Resolution): void {
    const stop = this.tally.judge(resolution)
    if (stop !== undefined) this.stopFor(stop)
    this.concluding += 1
    if (resolution.state === 'acked' && resolution.moved.length === 0 && isRepeatable(task)) {
      if (this.settled.length === 0) this.settledSince = this.context.clock.now()
      this.settled.push({ task, resolution })
    } else {
      this.track(this.recordAll([{ task, resolution }]))
    }
  }

  private recordSettled(): void {
    if (this.settled.length > 0) this.track(this.recordAll(this.settled.splice(0)))
  }

  private async recordAll(answered: readonly Answered[]): Promise<void> {
    await Promise.all(answered.map(({ task, resolution }) => this.record(task, resolution)))
    this.report(0)
    this.pump()
  }

  private tendSettled(now: number): void {
    if (this.settled.length === 0) return
    const until = this.settledSince + longestSettled
    const full = this.settled.length >= beside || this.begun.length + this.sending === 0
    if (full || now >= until || this.isStopped()) this.recordSettled()
    else this.wakeAt(until, 0)
  }

  /** The caller has counted this as concluding. */
  private async record(task: Task, resolution: Resolution): Promise<void> {
    const { ledger, lease, clock, log } = this.context
    const { requestId } = task.request
    const { state, exceptions, error, again, afterwards } = resolution
    try {
      const at = clock.now()
      const due = again === undefined ? undefined : at + again.delay
      const outcome = {
        state,
        at,
        exceptions,
        ...(error && { error }),
        ...(due !== undefined && { nextAttemptAt: due }),
      }
      const won = await ledger.conclude({ requestId, attempt: task.attempt, ...outcome }, lease())
      if (won) this.tally.record(resolution)
      else this.stopForLease('another runner has taken over')
      if (won && afterwards !== undefined) await ledger.move([requestId], 'uncertain', afterwards, clock.now(), lease())
      if (won && again !== undefined && due !== undefined) this.waiting.add(due, again.task)
      else this.held -= task.changes.length
      if (won) for (const continuation of resolution.moved) this.continue(task, continuation, at)
    } finally {
      this.concluding -= 1
    }
    noteResolution(log, requestId, resolution)
  }

  private continue(task: Task, { changes, delay, spent }: Continuation, at: number): void {
    const tasks = tasksOfBatch(this.context, { action: task.request.action, changes, tooLarge: false }, spent)
    for (const next of tasks) {
      this.held += next.changes.length
      if (delay > 0) this.waiting.add(at + delay, next)
      // Halves go first, so that no more of them exist at a time than a batch can be halved.
      else this.ready.unshift(next)
    }
  }

  private stopFor(stop: Stop): void {
    if (this.stop !== undefined) return
    this.stop = stop
    this.context.log({ kind: 'stop', code: stop.code, message: stop.message })
  }

  private stopForLease(why: string): void {
    this.stopFor({ kind: 'lease', code: 'A6004', message: `the lease was lost during delivery: ${why}` })
  }

  /** Each promise that is started here ends here; the first failure stops delivery and is thrown once all have ended. */
  private track(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (error instanceof ActivateError && error.problems[0].code === 'A5003')
        this.stopForLease(error.problems[0].message)
      else this.failure ??= { error }
      this.pump()
    })
  }

  /** `limited` is what the limiter makes everyone wait. */
  private wakeAt(at: number, limited: number): void {
    if (this.alarm.set(at) && limited > 0) this.report(limited)
  }

  private report(waiting: number): void {
    const { acked, rejected, parked } = this.tally.counts
    this.context.onProgress({ sent: acked + rejected + parked, total: this.total, waiting })
  }
}
