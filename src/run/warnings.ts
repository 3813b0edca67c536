/** What a plan should tell beside its numbers: why a run would do something else than is shown. */
import { outboxName } from '../plan/state.ts'
import type { Sync } from '../project/project.ts'
import type { Night } from './night.ts'
import { describeHold, holdOver } from './permission.ts'

export async function runWarnings(night: Night, sync: Sync): Promise<readonly string[]> {
  return [
    ...(sync.enabled ? [] : ['the sync is not enabled: a run skips it']),
    ...(await holdWarnings(night, sync)),
    ...(await unsettledWarnings(night, sync)),
  ]
}

async function holdWarnings({ wired }: Night, sync: Sync): Promise<readonly string[]> {
  const ledger = await wired.knownLedger()
  const hold = ledger === undefined ? undefined : await holdOver(ledger, sync)
  return hold === undefined ? [] : [`${describeHold(hold)}; a run sends nothing`]
}

/** A run that died is settled by the next run; until then a plan may show as unsent what has arrived. */
async function unsettledWarnings({ warehouse }: Night, sync: Sync): Promise<readonly string[]> {
  const left = await warehouse.tables(warehouse.state, outboxName(`${sync.name}__`))
  return left.length === 0
    ? []
    : ['an earlier run has not been settled: the next run does so first, and may have less to send than is shown here']
}
