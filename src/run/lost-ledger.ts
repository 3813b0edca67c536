/**
 * Whether the ledger has forgotten what the warehouse remembers: it was deleted, replaced, or restored from an older copy.
 * With it go answers that never came, opt-outs, holds and approvals, so that what cannot be taken back must not just go on.
 */
import type { Ledger } from '../ledger/ledger.ts'
import { query } from '../plan/stage.ts'
import { outboxName } from '../plan/state.ts'
import { sql } from '../warehouse/sql.ts'
import type { Night, PreparedSync } from './night.ts'

/** The newest run of the sync of which only the warehouse knows: settled there, or the first of all, which left its outbox. */
export async function findLostRun(
  night: Night,
  { sync, state, runId }: Pick<PreparedSync, 'sync' | 'state' | 'runId'>,
): Promise<string | undefined> {
  const [settled] = await query(
    night.warehouse,
    sql`select run_id from ${state.tables.runs} where sync = ${sync.name} order by settled_at desc, run_id desc limit 1`,
  )
  const remembered =
    settled === undefined ? (await outboxes(night, sync.name)).filter(run => run !== runId) : [String(settled.run_id)]
  const ledger = remembered.length === 0 ? undefined : await night.wired.knownLedger()
  for (const run of remembered) if (!(await isOnRecord(ledger, run))) return run
  return undefined
}

async function isOnRecord(ledger: Ledger | undefined, runId: string): Promise<boolean> {
  return ledger !== undefined && (await ledger.runs({ runId })).length > 0
}

/** Runs whose outbox is still there. */
async function outboxes({ warehouse }: Night, sync: string): Promise<readonly string[]> {
  const names = await warehouse.tables(warehouse.state, outboxName(`${sync}__`))
  return names.map(name => name.slice(outboxName('').length))
}
