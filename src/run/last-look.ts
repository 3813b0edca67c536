/**
 * What is looked at once more before each send: opt-outs that came in since the plan was made, and holds. Both stand in the
 * ledger, where `activate suppress` and `activate hold` write while a run is under way.
 */
import type { Recheck, RecheckAnswer, Withdrawal } from '../delivery/deliver.ts'
import type { Hold } from '../ledger/governance.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { PlannedChange } from '../plan/plan.ts'
import { isCommunication } from '../project/communication.ts'
import type { Sync } from '../project/project.ts'
import { holdOver, holdProblem } from './permission.ts'

/**
 * Milliseconds for which what was read of the ledger holds: an opt-out or a hold that is younger may be missed by a look.
 * Little beside the moment between a look and its request (`longestUnchecked`); with a read for every look, single-record
 * requests to a fast destination ran at 0.52× of a bare loop instead of 0.62×.
 */
export const freshFor = 50

const nobody: RecheckAnswer['withdrawn'] = new Map()

/** `since` is the newest opt-out that the plan knows of: memory holds only those that came after it. */
export function lastLook(
  ledger: Pick<Ledger, 'auditLength' | 'suppressions' | 'holds'>,
  sync: Pick<Sync, 'name' | 'destination' | 'mode' | 'channel' | 'place'>,
  since: number,
): Recheck {
  const reasons = new Map<string, string>()
  let hold: Hold | undefined
  let newest = since
  let known: number | undefined
  let readAt = Number.NEGATIVE_INFINITY

  /** Reads what has changed since the look before, which mostly is nothing, and then costs one small read. */
  async function catchUp(): Promise<void> {
    const length = await ledger.auditLength()
    if (length === known) return
    hold = await holdOver(ledger, sync)
    for await (const chunk of ledger.suppressions({ after: newest }))
      for (const { ordinal, hash, reason, channel } of chunk) {
        newest = ordinal
        if (channel === undefined || channel === sync.channel) reasons.set(hash, reason)
      }
    known = length
  }

  function* optedOut(changes: readonly PlannedChange[]): Generator<[number, Withdrawal]> {
    for (const { seq, subjects } of changes) {
      const hash = subjects?.find(subject => reasons.has(subject))
      if (hash === undefined) continue
      const code = `suppression.${reasons.get(hash)}`
      const message = 'the person opted out after the plan was made'
      yield [seq, { code, message, repeatsDoubt: !isCommunication(sync) }]
    }
  }

  return async (changes, now): Promise<RecheckAnswer> => {
    // A clock that was set back would make an old look seem fresh.
    if (now - readAt >= freshFor || now < readAt) {
      await catchUp()
      readAt = now
    }
    const withdrawn = reasons.size === 0 ? nobody : new Map(optedOut(changes))
    if (hold === undefined) return { withdrawn }
    const { code, message } = holdProblem(hold, sync)
    return { withdrawn, stop: { code, message } }
  }
}
