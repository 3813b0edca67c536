/**
 * Keeps a run's lease alive while the run works, and says when it is lost. Losing it is not an exception in the middle of
 * something: delivery asks `current` before each send, and every ledger write carries the fence.
 */
import type { Clock } from '../delivery/clock.ts'
import type { Holder, Lease, Ledger } from '../ledger/ledger.ts'
import { ActivateError } from '../project/problem.ts'

/** Unless the wiring says otherwise. */
export const leaseMilliseconds = 60_000

export type LeaseResult<Result> =
  | { readonly kind: 'done'; readonly result: Result }
  | { readonly kind: 'locked'; readonly by: Holder; readonly until: number }

/** Runs `work` under the lease of `scope`, renewing it every third of its time; then releases it. */
export async function withLease<Result>(
  parts: {
    readonly ledger: Ledger
    readonly clock: Clock
    /** How long a lease lasts, in milliseconds. */
    readonly leaseLength: number
    readonly holder: Holder
    readonly isGone: (holder: Holder) => boolean
  },
  scope: string,
  work: (current: () => Lease) => Promise<Result>,
): Promise<LeaseResult<Result>> {
  const { ledger, clock, leaseLength } = parts
  const answer = await ledger.acquire(scope, parts.holder, clock.now(), leaseLength, parts.isGone)
  if (answer.kind === 'locked') return answer
  let lease = answer.lease
  const stop = new AbortController()
  const renewing = renew()
  try {
    return { kind: 'done', result: await work(() => lease) }
  } finally {
    stop.abort()
    await renewing
    await releaseIfPossible()
  }

  /** A lease that cannot be given back runs out by itself; what the work came to must not be lost for it. */
  async function releaseIfPossible(): Promise<void> {
    try {
      await ledger.release(lease)
    } catch (error) {
      if (!(error instanceof ActivateError)) throw error
    }
  }

  async function renew(): Promise<void> {
    while (!stop.signal.aborted) {
      await clock.sleep(leaseLength / 3, stop.signal)
      if (stop.signal.aborted) return
      try {
        lease = await ledger.renew(lease, clock.now(), leaseLength)
      } catch (error) {
        // A lost or unreachable lease simply runs out: `current` stays as it was, and delivery stops before its end.
        if (error instanceof ActivateError) return
        throw error
      }
    }
  }
}
