/**
 * Group commit: durability costs one flush of the disk per group, not per call. Calls join the group that is committed
 * next; while one commit is under way, the calls that arrive make up the group after it.
 */
import { setImmediate as turn } from 'node:timers/promises'

export interface GroupCommit<Job, Result> {
  add(job: Job): Promise<Result>
  /** Resolves when everything that was added has been answered. */
  idle(): Promise<void>
}

/** More than this many in one transaction gains nothing, and would keep other processes waiting. */
const largestGroup = 1_000

/** `commit` answers each job of a group in order, or throws for all of them. */
export function groupCommit<Job, Result>(
  commit: (jobs: readonly Job[]) => Promise<readonly Result[]>,
): GroupCommit<Job, Result> {
  interface Waiting {
    readonly job: Job
    readonly resolve: (result: Result) => void
    readonly reject: (error: unknown) => void
  }
  let waiting: Waiting[] = []
  let draining: Promise<void> | undefined

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      await gather()
      const group = waiting.slice(0, largestGroup)
      waiting = waiting.slice(largestGroup)
      await settle(group)
    }
    draining = undefined
  }

  /** Hears all replies of one turn of the event loop, and goes on while turns bring more, so that a group closes late but never idles. */
  async function gather(): Promise<void> {
    let before: number
    do {
      before = waiting.length
      await turn()
    } while (waiting.length > before && waiting.length < largestGroup)
  }

  async function settle(group: readonly Waiting[]): Promise<void> {
    try {
      const results = await commit(group.map(({ job }) => job))
      group.forEach(({ resolve, reject }, index) => {
        const result = results[index]
        if (result === undefined) reject(new TypeError('a commit left a job unanswered'))
        else resolve(result)
      })
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
  }

  return {
    add: job =>
      new Promise((resolve, reject) => {
        waiting.push({ job, resolve, reject })
        draining ??= drain()
      }),
    async idle() {
      await draining
    },
  }
}
