/**
 * What is looked at once more before each send: opt-outs that came in since the plan was made, and holds. Both stand in the
 * ledger, where `activate suppress` and `activate hold` write while a run is under way.
 */
import type { Recheck, RecheckAnswer } from '../delivery/deliver.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Sync } from '../project/project.ts'
import { holdOver, holdProblem } from './permission.ts'

/** `since` is the newest opt-out that the plan knows of: memory holds only those that came after it. */
export function lastLook(
  ledger: Pick<Ledger, 'newestSuppression' | 'suppressions' | 'holds'>,
  sync: Sync,
  since: number,
): Recheck {
  const reasons = new Map<string, string>()
  let seen = since

  async function catchUp(): Promise<void> {
    const newest = await ledger.newestSuppression()
    if (newest <= seen) return
    for await (const chunk of ledger.suppressions({ after: seen }))
      for (const { hash, reason, channel } of chunk)
        if (channel === undefined || channel === sync.channel) reasons.set(hash, reason)
    seen = newest
  }

  return async (changes): Promise<RecheckAnswer> => {
    const hold = await holdOver(ledger, sync)
    await catchUp()
    const withdrawn = new Map(
      changes.flatMap(({ seq, subjects }) => {
        const hash = subjects?.find(subject => reasons.has(subject))
        if (hash === undefined) return []
        const code = `suppression.${reasons.get(hash)}`
        return [[seq, { code, message: 'the person opted out after the plan was made' }] as const]
      }),
    )
    if (hold === undefined) return { withdrawn }
    const { code, message } = holdProblem(hold, sync)
    return { withdrawn, stop: { code, message } }
  }
}
