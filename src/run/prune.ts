/** Prunes what `retention` says is old, in the ledger and in the warehouse; once a day at the end of a run, or when asked to. */
import type { Tally } from '../ledger/erasure.ts'
import { type Cutoffs, cutoffsOf, isAsked, oldRows, selectOldPlans, withoutSamples } from '../plan/retention.ts'
import { query } from '../plan/stage.ts'
import {
  countMoved,
  isSuperseded,
  payloadsRelation,
  type StateTable,
  snapshotRelation,
  snapshotTable,
  stateRelation,
  stateTables,
} from '../plan/state.ts'
import { prepareSnapshot, prepareTable } from '../plan/state-tables.ts'
import { ActivateError, type Problem } from '../project/problem.ts'
import { type Fragment, raw, render, sql } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import type { Wired } from '../wire.ts'
import { copiesOf } from './undo.ts'

export interface Pruned {
  readonly ledger: Tally
  readonly warehouse: Tally
  /** What is kept longer than asked for, and why. */
  readonly notes: readonly string[]
}

const task = 'prune'
const day = 86_400_000
const mostPayloadsOfRow = 1.5

/** Counts with `dryRun`, and then changes nothing. */
export async function prune(wired: Wired, { dryRun, actor }: { dryRun: boolean; actor: string }): Promise<Pruned> {
  const now = wired.clock.now()
  const cutoffs = cutoffsOf(wired.project, now)
  const ledger = await wired.ledger()
  const warehouse = await wired.warehouse()
  const found = await findOld(wired, warehouse, cutoffs)
  const { notes } = cutoffs
  if (dryRun) return { ledger: await ledger.countOld(cutoffs), warehouse: found.tally, notes }
  await warehouse.transaction(found.removals.map(removal => render(removal, warehouse.dialect.placeholder)))
  const removed = await ledger.prune(cutoffs, now)
  const rows = {
    ...removed,
    ...Object.fromEntries(Object.entries(found.tally).map(([what, n]) => [`state ${what}`, n])),
  }
  const entry = { actor, at: now, action: 'prune', subject: 'retention', detail: rows } as const
  await ledger.recordDone(task, now, Object.keys(rows).length === 0 ? undefined : entry)
  return { ledger: removed, warehouse: found.tally, notes }
}

/** At most once a day; a run is no worse for it if this fails, and says that it did. */
export async function pruneIfDue(wired: Wired): Promise<Problem | undefined> {
  if (!isAsked(wired.project.retention) || !wired.warehouseIsOpen()) return undefined
  try {
    const last = await (await wired.ledger()).lastDone(task)
    const now = wired.clock.now()
    // A clock that was set back must not keep old rows for good.
    if (last !== undefined && now - last < day && now >= last) return undefined
    await prune(wired, { dryRun: false, actor: wired.actor })
    return undefined
  } catch (error) {
    if (!(error instanceof ActivateError)) throw error
    const [problem] = error.problems
    return { code: 'A5016', message: `old rows were not pruned: ${problem.message}`, help: 'activate prune' }
  }
}

/** Payloads that stand apart go when they are half as many again as the rows that they stand for: each time bills all of them. */
async function supersededPayloads(
  warehouse: Warehouse,
  syncs: readonly string[],
  tally: Record<string, number>,
): Promise<readonly Fragment[]> {
  const { dialect, state, bill } = warehouse
  const removals: Fragment[] = []
  for (const sync of syncs) {
    const payloads = payloadsRelation(dialect, state, sync)
    const snapshot = snapshotTable(dialect, state, sync)
    if (payloads === undefined || bill === undefined) continue
    const held = await bill.sizeOf(snapshot.texts[0] ?? '')
    const kept = await bill.sizeOf(payloads.texts[0] ?? '')
    if (held === undefined || kept === undefined) continue
    await prepareSnapshot(warehouse, sync)
    const [moved] = await query(warehouse, countMoved(snapshot))
    if (kept.rows <= (held.rows - Number(moved?.n)) * mostPayloadsOfRow) continue
    const where = isSuperseded(dialect, snapshotRelation(dialect, state, sync), await copiesOf(warehouse, sync))
    const [row] = await query(warehouse, sql`select count(*) as n from ${payloads} where ${where}`)
    if (Number(row?.n) === 0) continue
    tally.payloads = (tally.payloads ?? 0) + Number(row?.n)
    removals.push(sql`delete from ${payloads} where ${where}`)
  }
  return removals
}

interface Found {
  readonly tally: Tally
  readonly removals: readonly Fragment[]
}

async function findOld(wired: Wired, warehouse: Warehouse, cutoffs: Cutoffs): Promise<Found> {
  const { dialect, state } = warehouse
  const tables = {} as Record<StateTable, Fragment>
  for (const [name, columns] of Object.entries(stateTables) as [StateTable, (typeof stateTables)[StateTable]][]) {
    tables[name] = stateRelation(dialect, state, name)
    await prepareTable(warehouse, tables[name], columns)
  }
  const tally: Record<string, number> = {}
  const removals: Fragment[] = []
  const names = wired.project.syncs.map(({ name }) => name)
  for (const { what, relation, where } of oldRows(dialect, tables, cutoffs, names)) {
    const [row] = await query(warehouse, sql`select count(*) as n from ${relation} where ${where}`)
    if (Number(row?.n) === 0) continue
    tally[what] = Number(row?.n)
    removals.push(sql`delete from ${relation} where ${where}`)
  }
  removals.push(...(await supersededPayloads(warehouse, names, tally)))
  if (cutoffs.samples !== undefined) {
    const plans = await query(warehouse, selectOldPlans(dialect, tables.runs, cutoffs.samples))
    if (plans.length > 0) tally['plans with samples'] = plans.length
    for (const { run_id, plan } of plans)
      removals.push(
        sql`update ${tables.runs} set plan = ${withoutSamples(String(plan))} where run_id = ${run_id ?? null}`,
      )
  }
  const outboxes = await leftOutboxes(wired, warehouse)
  if (outboxes.length > 0) tally.outboxes = outboxes.length
  return {
    tally,
    removals: [...removals, ...outboxes.map(name => raw(`drop table if exists ${dialect.relation([...state, name])}`))],
  }
}

/** Outboxes of runs that the ledger knows to be settled: nothing reads them any more. One of a run that it does not know stays. */
async function leftOutboxes(wired: Wired, warehouse: Warehouse): Promise<readonly string[]> {
  const names = await warehouse.tables(warehouse.state, 'outbox__')
  if (names.length === 0) return []
  const ledger = await wired.ledger()
  const unsettled = new Set((await ledger.runs({ unsettled: true })).map(({ runId }) => runId))
  const settled = new Set((await ledger.runs({ unsettled: false })).map(({ runId }) => runId))
  return names.filter(name => {
    const runId = name.slice('outbox__'.length)
    return settled.has(runId) && !unsettled.has(runId)
  })
}
