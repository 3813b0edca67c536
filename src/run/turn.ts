/**
 * Under caps, plans are decided one after another by all runners: who decides while another is about to send would count
 * too few. From the plan until its sends are written down a runner holds one lease; the others wait for it.
 */

import { isCapped } from '../plan/rules/cap.ts'
import { ActivateError } from '../project/problem.ts'
import type { Sync } from '../project/project.ts'
import type { Wired } from '../wire.ts'
import { withLease } from './lease-keeper.ts'

const pause = 250
const patience = 15 * 60_000

/** Does the work when it is this runner's turn. Throws A9004 when that does not come. */
export async function inTurn<Result>(
  wired: Wired,
  sync: Sync,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  if (!wired.project.policies.caps.some(cap => isCapped(sync, cap))) return work()
  const ledger = await wired.ledger()
  const { clock, leaseLength } = wired
  const until = clock.now() + patience
  for (;;) {
    const answer = await withLease({ ledger, clock, leaseLength, ...wired.identity }, 'caps', work)
    if (answer.kind === 'done') return answer.result
    if (signal.aborted || clock.now() >= until)
      throw new ActivateError('locked', {
        code: 'A9004',
        message: `process ${answer.by.pid} on ${answer.by.host} is deciding under the same caps, and does not finish`,
        place: sync.place,
        help: 'wait for it, or stop it; a runner that has died on this host is taken over at once',
      })
    await clock.sleep(pause, signal)
  }
}
