/** Concludes requests in the ledger, each with what became of its records, and starts what continues from them. */
import type { Backlog } from './backlog.ts'
import { deadLettersOf } from './dead-letters.ts'
import type { DeliveryContext } from './delivery-context.ts'
import { noteResolution } from './delivery-notes.ts'
import { withoutEchoes } from './echo.ts'
import type { Continuation, Resolution } from './resolve-outcome.ts'
import type { Tally } from './tally.ts'
import { isRepeatable, type Task, tasksOfBatch } from './task.ts'

/** Milliseconds that an outcome may wait to be committed with others. */
const longestSettled = 20

/** So many outcomes fill a commit. */
const mostSettled = 256

interface Answered {
  readonly task: Task
  readonly resolution: Resolution
}

export interface RecorderHooks {
  readonly track: (work: Promise<void>) => void
  /** Something has been recorded. */
  readonly recorded: () => void
  /** The conclusion was refused: another runner has the lease. */
  readonly lost: () => void
}

export class Recorder {
  private readonly context: DeliveryContext
  private readonly backlog: Backlog
  private readonly tally: Tally
  private readonly hooks: RecorderHooks
  /** Answered for, and waiting to be committed with others. */
  private readonly settled: Answered[] = []
  private settledSince = 0
  private open = 0

  constructor(context: DeliveryContext, backlog: Backlog, tally: Tally, hooks: RecorderHooks) {
    this.context = context
    this.backlog = backlog
    this.tally = tally
    this.hooks = hooks
  }

  /** Requests that are answered for and not yet recorded. */
  get concluding(): number {
    return this.open
  }

  /**
   * An outcome that repeating would only confirm may wait a moment for others, to be committed with them: should this
   * process die meanwhile, its successor resends. Every other outcome is recorded at once.
   */
  conclude(task: Task, resolution: Resolution): void {
    this.open += 1
    if (resolution.state === 'acked' && resolution.moved.length === 0 && isRepeatable(task)) {
      if (this.settled.length === 0) this.settledSince = this.context.clock.now()
      this.settled.push({ task, resolution })
    } else {
      this.hooks.track(this.recordAll([{ task, resolution }]))
    }
  }

  /** Commits what waits for others. */
  flush(): void {
    if (this.settled.length > 0) this.hooks.track(this.recordAll(this.settled.splice(0)))
  }

  /** The instant at which to be called again, if something still waits. `alone`: nothing more will join it. */
  tend(now: number, alone: boolean): number | undefined {
    if (this.settled.length === 0) return undefined
    const until = this.settledSince + longestSettled
    if (this.settled.length < mostSettled && !alone && now < until) return until
    this.flush()
    return undefined
  }

  private async recordAll(answered: readonly Answered[]): Promise<void> {
    // All are waited for, also when one fails: whoever pumps next must find none of them open.
    const ended = await Promise.allSettled(answered.map(({ task, resolution }) => this.record(task, resolution)))
    const failed = ended.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
    this.hooks.recorded()
  }

  private async record(task: Task, resolution: Resolution): Promise<void> {
    const { ledger, lease, clock, log } = this.context
    const { requestId } = task.request
    const said = withoutEchoes(task, resolution)
    const { state, exceptions, error, again, afterwards, receipts, optOuts } = said
    const job = again === undefined ? task.job : again.task.job
    try {
      // Before it is concluded: should this process die in between, the same is said of it once more.
      if (optOuts !== undefined) await this.context.onOptOuts?.(optOuts)
      const at = clock.now()
      const due = again === undefined ? undefined : at + again.delay
      const conclusion = {
        requestId,
        attempt: task.attempt,
        state,
        at,
        exceptions,
        ...(exceptions.length > 0 && { deadLetters: deadLettersOf(task, resolution.exceptions) }),
        ...(error && { error }),
        ...(due !== undefined && { nextAttemptAt: due }),
        ...(job !== undefined && { job: { reference: job.reference, acceptedAt: job.acceptedAt } }),
        ...(receipts !== undefined && { receipts }),
      }
      const won = await ledger.conclude(conclusion, lease())
      if (won) this.tally.record(resolution)
      else this.hooks.lost()
      if (won && afterwards !== undefined) await ledger.move([requestId], 'uncertain', afterwards, clock.now(), lease())
      if (won && again !== undefined && due !== undefined) this.backlog.repeat(due, again.task)
      else this.backlog.release([task])
      if (won) for (const continuation of resolution.moved) this.continue(task, continuation, at)
    } finally {
      this.open -= 1
    }
    noteResolution(log, requestId, said)
  }

  private continue(task: Task, { changes, delay, spent }: Continuation, at: number): void {
    const tasks = tasksOfBatch(this.context, { action: task.request.action, changes, tooLarge: false }, spent)
    for (const next of tasks) this.backlog.continue(delay > 0 ? at + delay : undefined, next)
  }
}
