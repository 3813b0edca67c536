/**
 * Requests that are not begun: read ahead from the outbox, or waiting for another attempt. Counts the records in memory,
 * those of requests under way included, and says when to read no further.
 */
import { isQuestion, type Task } from './task.ts'
import { createWaitingRoom } from './waiting-room.ts'

/** Records held in memory at most, beside one request per connection. */
const heldRecords = 4_000

/** Requests that are read ahead at most. */
const readAhead = 256

/** Requests waiting for another attempt; while there are more, no new rows are read. */
const mostWaiting = 64

/** Requests that wait to be asked about, beside those; they wait long, and say nothing about how the destination does. */
const mostSettling = 4_000

export class Backlog {
  private readonly source: AsyncIterator<Task>
  private readonly ready: Task[] = []
  private readonly room = createWaitingRoom<Task>()
  private held = 0
  private settling = 0
  private exhausted = false

  constructor(tasks: AsyncIterable<Task>) {
    this.source = tasks[Symbol.asyncIterator]()
  }

  /** Those waiting for their time. */
  get waiting(): number {
    return this.room.size
  }

  get nextDue(): number | undefined {
    return this.room.nextDue
  }

  get isOver(): boolean {
    return this.exhausted && this.ready.length === 0 && this.room.size === 0
  }

  /** Whether the records in memory are few enough to begin requests ahead of a free connection. */
  get isLight(): boolean {
    return this.held <= heldRecords
  }

  /** `idle`: a connection could be used that is not. */
  wantsMore(idle: boolean): boolean {
    if (this.exhausted || this.settling >= mostSettling || this.room.size - this.settling >= mostWaiting) return false
    if (this.room.size > 0 && this.held >= 4 * heldRecords) return false
    return this.held < heldRecords ? this.ready.length < readAhead : this.ready.length === 0 && idle
  }

  /** Reads one request. */
  async read(): Promise<void> {
    const { done, value } = await this.source.next()
    if (done === true) this.exhausted = true
    else {
      this.held += value.changes.length
      if (value.notBefore === undefined) this.ready.push(value)
      else this.wait(value.notBefore, value)
    }
  }

  /** The earliest request whose time has come. */
  takeDue(now: number): Task | undefined {
    const task = this.room.takeDue(now)
    if (task !== undefined && isQuestion(task)) this.settling -= 1
    return task
  }

  takeReady(): Task | undefined {
    return this.ready.shift()
  }

  /** Everything that was not begun. */
  takeAll(): readonly Task[] {
    const all = this.ready.splice(0)
    for (;;) {
      const task = this.takeDue(Number.POSITIVE_INFINITY)
      if (task === undefined) return all
      all.push(task)
    }
  }

  /** What was taken and could not be begun; goes first. */
  putBack(tasks: readonly Task[]): void {
    this.ready.unshift(...tasks)
  }

  /** The same request once more, at its time. */
  repeat(due: number, task: Task): void {
    this.wait(due, task)
  }

  private wait(due: number, task: Task): void {
    if (isQuestion(task)) this.settling += 1
    this.room.add(due, task)
  }

  /** Part of a request that is done with; without a time it goes first, so that no more halves exist than a batch can be halved. */
  continue(due: number | undefined, task: Task): void {
    this.held += task.changes.length
    if (due === undefined) this.ready.unshift(task)
    else this.room.add(due, task)
  }

  /** These requests are done with. */
  release(tasks: readonly Task[]): void {
    for (const { changes } of tasks) this.held -= changes.length
  }

  /** The first have become the others, which are returned. */
  exchange(from: readonly Task[], to: readonly Task[]): readonly Task[] {
    this.release(from)
    for (const { changes } of to) this.held += changes.length
    return to
  }

  async close(): Promise<void> {
    await this.source.return?.()
  }
}
