/**
 * Drives requests to their ends: the intent is committed, the limiter asked, the bytes sent, the outcome recorded. At most
 * `concurrency` requests are under way at the destination. Around them a few more are having their intent or their
 * outcome committed, so that connections need not wait for the disk; a ledger that commits slowly slows delivery down. The number of records
 * held is bounded, whatever the number of rows. (p-limit queues without bound, which would hold them all.)
 */
import { ActivateError } from '../project/problem.ts'
import { type Alarm, createAlarm } from './alarm.ts'
import { performAttempt } from './attempt.ts'
import { Backlog } from './backlog.ts'
import type { DeliveryContext, DeliveryTotals } from './delivery-context.ts'
import { Gate, type Leaving } from './gate.ts'
import { createPace, mayBegin, type Pace } from './pace.ts'
import { isOutdated, lookAgain, needsLook } from './recheck.ts'
import { Recorder } from './recorder.ts'
import {
  type Resolution,
  resolveOutdated,
  resolvePaused,
  resolveStopped,
  resolveUnsent,
  resolveWithdrawn,
} from './resolve-outcome.ts'
import { defaultBudget, type RetryBudget } from './retry.ts'
import { createTally, type Stop, type Tally } from './tally.ts'
import { begunOnce, canWait, isQuestion, isRepeatable, staysOpen, type Task } from './task.ts'
import { totalsOf } from './totals.ts'

/** A lease that ends sooner than this, in milliseconds, is as good as lost: the write that follows the send must still be accepted. */
const usualMargin = 5_000

/** Requests that may be having an intent or an outcome committed beside those at the destination. */
const beside = 256

export class Dispatch {
  private readonly context: DeliveryContext
  private readonly total: number
  private readonly budget: RetryBudget
  private readonly tally: Tally
  private readonly alarm: Alarm
  private readonly pace: Pace
  private readonly finished: Promise<void>
  private finish: () => void = () => {}

  private readonly backlog: Backlog
  private readonly gate: Gate
  private readonly recorder: Recorder
  /** The intent is committed; waiting for a connection. */
  private readonly begun: Task[] = []
  private beginning = 0
  private sending = 0

  private fetching = false
  private stop: Stop | undefined
  private failure: { readonly error: unknown } | undefined
  private done = false
  /** Records of requests that are left in doubt for the next run. */
  private open = 0
  /** Of these, the requests of which a recovery could learn no more, one by one. */
  readonly hesitant: Task[] = []

  constructor(context: DeliveryContext, tasks: AsyncIterable<Task>, total: number) {
    this.context = context
    this.total = total
    this.budget = { ...defaultBudget, ...context.retry }
    this.backlog = new Backlog(tasks)
    this.tally = createTally(context.maxErrorRate)
    this.gate = new Gate(context.destination)
    this.recorder = new Recorder(context, this.backlog, this.tally, {
      track: work => this.track(work),
      recorded: () => {
        this.report(0)
        this.pump()
      },
      lost: () => this.stopForLease('another runner has taken over'),
    })
    this.pace = createPace(context.recheck === undefined ? beside : 2 * context.destination.concurrency, beside)
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
    const { signal, clock } = this.context
    signal.addEventListener('abort', pump)
    const membership = this.gate.join(this.context, work => this.track(work.then(pump)))
    this.pump()
    await this.finished
    signal.removeEventListener('abort', pump)
    this.alarm.cancel()
    await this.backlog.close()
    await membership?.leave(clock.now()).catch((error: unknown) => {
      this.failure ??= { error }
    })
    if (this.failure !== undefined) throw this.failure.error
    return totalsOf(this.tally, { total: this.total, open: this.open, stop: this.stop })
  }

  /** Starts everything that can be started at this moment; called whenever something has changed. */
  private pump(): void {
    if (this.done) return
    if (this.context.signal.aborted)
      this.stopFor({ kind: 'interrupted', code: 'A6005', message: 'delivery was interrupted' })
    const now = this.context.clock.now()
    this.sendBegun(now)
    if (!this.isStopped()) {
      this.beginMore(now)
      this.fetchMore()
    }
    if (this.isStopped()) this.abandon(now)
    this.tend(now)
    if (this.isOver()) {
      this.done = true
      this.finish()
    }
  }

  private isOver(): boolean {
    if (this.underWay + this.recorder.concluding > 0 || this.fetching) return false
    return this.isStopped() || this.backlog.isOver
  }

  /** Requests with an intent on disk or on its way there, and no answer yet. */
  private get underWay(): number {
    return this.beginning + this.begun.length + this.sending
  }

  private isLeaseEnding(now: number): boolean {
    const { lease, leaseMargin = usualMargin } = this.context
    return lease().expiresAt - now < leaseMargin
  }

  private isStopped(): boolean {
    return this.stop !== undefined || this.failure !== undefined
  }

  /**
   * What has not been begun stays pending. What may have arrived must not look as if it had never been sent: it stays in doubt,
   * where the next run can take it up, or is begun once more, for the sole purpose of being concluded with all that is known of it.
   */
  private abandon(now: number): void {
    const left = this.backlog.takeAll()
    if (this.stop?.kind === 'lease' || this.failure !== undefined) return
    for (const task of left) if (this.isLeftOpen(task)) this.open += task.changes.length
    const doubtful = left.filter(task => task.doubt && !this.isLeftOpen(task))
    this.beginning += doubtful.length
    if (doubtful.length > 0) this.track(this.begin(doubtful, now))
  }

  private isLeftOpen(task: Task): boolean {
    const { clock, recovers = false } = this.context
    return this.stop !== undefined && staysOpen(this.stop, task, { now: clock.now(), recovers })
  }

  /**
   * Whether a recovery is at its end with a request of which a later one may know more. Whether it was the destination's fault or
   * the request's own shows only when all have been tried: who drives this parks `hesitant` ones if nothing has stopped it.
   */
  private hesitates(task: Task, { afterwards, health, stop }: Resolution): boolean {
    const { clock, recovers = false } = this.context
    const gaveUp = afterwards === 'parked' && (health === 'exhausted' || stop !== undefined)
    return recovers && gaveUp && canWait(task, clock.now())
  }

  private sendBegun(now: number): void {
    if (this.begun.length > 0 && this.isLeaseEnding(now)) this.stopForLease('it is about to end')
    for (let [task] = this.begun; task !== undefined; [task] = this.begun) {
      if (!this.isStopped() && this.sending >= this.gate.width) return
      const unsent = this.keepFromLeaving(task, now)
      const wait = unsent === undefined ? this.gate.take(now, this.sending, task) : 0
      if (wait > 0) {
        this.waitFor(now, wait, task)
        if (!this.isStopped()) return
        continue
      }
      this.begun.shift()
      if (unsent !== undefined) this.conclude(task, unsent)
      else this.track(this.send(task, this.gate.taken))
    }
  }

  /** Nobody waits for hours: what the limits leave is pending until they renew. */
  private waitFor(now: number, wait: number, task: Task): void {
    const stop = this.gate.parks(now, wait, task)
    if (stop === undefined) this.wakeAt(now + wait, wait)
    else this.stopFor(stop)
  }

  private keepFromLeaving(task: Task, now: number): Resolution | undefined {
    if (this.isStopped()) return this.isLeftOpen(task) ? this.leaveOpen(task) : resolveStopped(task)
    if (isQuestion(task)) return undefined
    return isOutdated(task, this.context.recheck, now) ? resolveOutdated(task) : undefined
  }

  private leaveOpen(task: Task): Resolution {
    this.open += task.changes.length
    return resolvePaused(task)
  }

  private beginMore(now: number): void {
    const waiting = this.beginning + this.begun.length
    const { width } = this.gate
    const further = this.pace.further(now, waiting)
    if (this.underWay >= width + further) {
      this.wakeWhenDue(now)
      return
    }
    const roomFor = this.gate.rooms(now, this.sending)
    const lot: Task[] = []
    let full: Task | undefined
    for (;;) {
      const task = this.next(now)
      if (task === undefined) break
      if (this.isLeaseEnding(now)) this.stopForLease('it is about to end')
      const room = roomFor(task) - waiting - lot.length
      const { underWay, backlog, recorder } = this
      const load = { width, further, underWay, concluding: recorder.concluding, isLight: backlog.isLight }
      if (this.isStopped() || room <= 0 || !mayBegin(isRepeatable(task), load)) {
        backlog.putBack([task])
        if (room <= 0) full = task
        break
      }
      this.beginning += 1
      lot.push(task)
    }
    if (lot.length > 0) this.track(this.begin(lot, now))
    else if (full !== undefined && waiting === 0)
      this.waitFor(now, Math.max(1, this.gate.wait(now, this.sending, full)), full)
  }

  private next(now: number): Task | undefined {
    const due = this.backlog.takeDue(now)
    if (due !== undefined) return due
    this.wakeWhenDue(now)
    return this.backlog.takeReady()
  }

  /** What is due already goes as soon as there is room for it. */
  private wakeWhenDue(now: number): void {
    const { nextDue } = this.backlog
    if (nextDue !== undefined && nextDue > now) this.wakeAt(nextDue, 0)
  }

  private fetchMore(): void {
    if (!this.fetching && this.wantsMore()) this.track(this.fetch())
  }

  private wantsMore(): boolean {
    return !this.isStopped() && this.backlog.wantsMore(this.isIdle())
  }

  /** Whether a connection could be used that is not, by one more of the requests that are too large to be read ahead. */
  private isIdle(): boolean {
    const { width } = this.gate
    return this.underWay < width && this.recorder.concluding <= width
  }

  private async fetch(): Promise<void> {
    this.fetching = true
    try {
      while (this.wantsMore()) {
        await this.backlog.read()
        if (this.isIdle()) this.pump()
      }
    } finally {
      this.fetching = false
    }
    this.pump()
  }

  /** The caller has counted these as beginning. */
  private async begin(lot: readonly Task[], now: number): Promise<void> {
    // A question touches nobody.
    const sends = lot.some(isQuestion) ? lot.filter(task => !isQuestion(task)) : lot
    const looks = !this.isStopped() && needsLook(sends, this.context.recheck, now)
    try {
      await this.commit(looks ? [...lot.filter(isQuestion), ...(await this.look(sends, now))] : lot)
    } finally {
      this.beginning -= lot.length
    }
    this.pump()
  }

  private async look(lot: readonly Task[], now: number): Promise<readonly Task[]> {
    const { tasks, withdrawn, stop } = await lookAgain(this.context, lot, this.context.recheck, now)
    if (stop !== undefined) this.stopFor({ kind: 'held', ...stop })
    if (this.isStopped()) {
      this.backlog.putBack(lot)
      return []
    }
    this.tally.withdraw(withdrawn)
    return this.backlog.exchange(lot, tasks)
  }

  private async commit(lot: readonly Task[]): Promise<void> {
    const { ledger, lease, clock } = this.context
    const at = clock.now()
    this.recorder.flush()
    if (lot.length === 0) return
    const requests = lot.map(({ request }) => request)
    const answers = await ledger.begin(requests, at, lease())
    for (const [index, task] of lot.entries()) this.afterBegin(task, answers[index]?.attempt, at)
  }

  private afterBegin(task: Task, attempt: number | undefined, at: number): void {
    if (attempt === undefined) throw new TypeError('the ledger did not answer for a request')
    if (!isQuestion(task)) this.tally.begun(attempt)
    if (task.withdrawing !== undefined) {
      this.conclude({ ...task, attempt }, resolveWithdrawn(task, task.withdrawing))
      return
    }
    const begunAt = this.context.clock.now()
    const started = begunOnce(task, { attempt, firstSentAt: task.firstSentAt ?? at, begunAt })
    if (started.prepared === undefined) this.conclude(started, resolveUnsent(started))
    else this.begun.push(started)
  }

  private async send(task: Task, place: number): Promise<void> {
    const { clock } = this.context
    this.sending += 1
    const leaving = this.gate.leaving(place, clock.now())
    let resolution: Resolution
    try {
      resolution = await performAttempt(task, this.context, this.budget, {
        onLeaving: () => this.mayLeave(leaving),
        onHeaders: headers => this.gate.heed(task, headers, clock.now(), this.sending - 1),
      })
    } finally {
      this.sending -= 1
    }
    const now = clock.now()
    this.pace.answered(now)
    leaving.answered(resolution, now)
    this.conclude(task, resolution)
    this.pump()
  }

  /** The last thing asked before the bytes are written: whoever stood still meanwhile may have lost the lease. */
  private mayLeave(leaving: Leaving): boolean {
    const now = this.context.clock.now()
    if (this.isLeaseEnding(now)) {
      this.stopForLease('it ended before the request could leave')
      return false
    }
    leaving.left(now)
    return true
  }

  private conclude(task: Task, resolution: Resolution): void {
    const stop = this.tally.judge(resolution) ?? this.gate.giveUp(resolution)
    if (stop !== undefined) this.stopFor(stop)
    const hesitates = this.hesitates(task, resolution)
    if (hesitates) this.hesitant.push(task)
    this.recorder.conclude(task, hesitates ? this.leaveOpen(task) : resolution)
  }

  private tend(now: number): void {
    const alone = this.begun.length + this.sending === 0
    const flushAt = this.recorder.tend(now, alone || this.isStopped())
    if (flushAt !== undefined) this.wakeAt(flushAt, 0)
    const keepAt = this.gate.tend(now)
    if (keepAt !== undefined) this.wakeAt(keepAt, 0)
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
