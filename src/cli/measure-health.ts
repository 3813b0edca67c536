/** Reads what the health part of the report is made of: the ledger's runs, and counts from the state's tables. */
import { query } from '../plan/stage.ts'
import { stateRelation, stateTables } from '../plan/state.ts'
import { prepareTable } from '../plan/state-tables.ts'
import { ActivateError } from '../project/problem.ts'
import type { Sync } from '../project/project.ts'
import { type HealthDocument, healthOf, healthPeriod } from '../report/health/health.ts'
import { countKept, countWaiting } from '../report/health/health-sql.ts'
import type { Night } from '../run/night.ts'
import { peopleSummary } from '../run/policies.ts'

/** Runs of one sync that are read at most. */
const mostRuns = 1000

export async function readHealth(night: Night, syncs: readonly Sync[]): Promise<HealthDocument> {
  const { warehouse, wired, asOf } = night
  const { dialect, state } = warehouse
  const decisions = stateRelation(dialect, state, 'decisions')
  await prepareTable(warehouse, decisions, stateTables.decisions)
  const [since, until] = [new Date(asOf - healthPeriod).toISOString(), new Date(asOf).toISOString()]
  const kept = await query(warehouse, countKept(dialect, decisions, since, until))
  const waiting = await query(warehouse, countWaiting(dialect, decisions, until))
  const decided = new Set(waiting.map(row => String(row.sync)))
  const ledger = await wired.knownLedger()
  const letters = await ledger?.countOpenLetters('sync')
  const rows = []
  for (const sync of syncs) {
    const runs = await ledger?.runs({ sync: sync.name, limit: mostRuns })
    rows.push({
      sync: sync.name,
      runs: runs?.filter(run => run.asOf > asOf - healthPeriod && run.asOf <= asOf),
      deadLetters: ledger === undefined ? undefined : (letters?.get(sync.name) ?? 0),
      kept: decided.has(sync.name) ? kept.filter(row => row.sync === sync.name) : undefined,
      waiting: waiting.find(row => row.sync === sync.name),
      costPerMessage: sync.costPerMessage,
    })
  }
  return healthOf(rows, { asOf, matchRate: await matchRateOf(night) })
}

/** A link model that cannot be computed is no reason to keep the rest of the report back. */
async function matchRateOf(night: Night): Promise<number | string> {
  if (night.wired.project.identity === undefined) return 'the project has no identity'
  try {
    return (await peopleSummary(night))?.matchRate ?? 'no link names an identifier'
  } catch (error) {
    if (!(error instanceof ActivateError)) throw error
    const [{ code, message }] = error.problems
    return `people could not be resolved: ${code}, ${message}`
  }
}
