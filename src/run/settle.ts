/**
 * Takes what the ledger knows of a run into the warehouse. Used by the run itself and, for a run that died, by the next
 * one; settling twice changes nothing.
 */
import type { DeliveryTotals } from '../delivery/deliver.ts'
import type { Lease, Ledger, OutcomeCounts, Run } from '../ledger/ledger.ts'
import { outcomeCounts, type Settlement, settlementOf } from '../ledger/settlement.ts'
import type { Plan } from '../plan/plan.ts'
import { isCrowded, isSettled, refuseSettled, selectOutcomes, settleStatements } from '../plan/settle.ts'
import { execute, query, writeScratch } from '../plan/stage.ts'
import { countMoved, outboxName, type StateTable, stateRelation } from '../plan/state.ts'
import type { StateRelations } from '../plan/state-tables.ts'
import { ActivateError } from '../project/problem.ts'
import type { Sync } from '../project/project.ts'
import { raw, render, sql } from '../warehouse/sql.ts'
import type { SeedColumn, Warehouse } from '../warehouse/warehouse.ts'
import type { Wired } from '../wire.ts'
import { keepForUndo } from './undo.ts'

export interface SettleInput {
  readonly failpoints: Wired['failpoints']
  readonly warehouse: Warehouse
  readonly ledger: Ledger
  readonly lease: () => Lease
  readonly sync: Sync
  readonly run: Pick<Run, 'runId' | 'asOf' | 'startedAt'>
  readonly status: string
  readonly mapping: string
  readonly plan: unknown
  /** Types of the model's columns as JSON; a dead run's are not known any more. */
  readonly columns?: string | undefined
  readonly now: number
}

/**
 * A runner whose lease was lost leaves settling to its successor: what it could not record is `sending` in the ledger, and a settle would
 * take that for never sent.
 *
 * @throws A6004
 */
export function refuseWithoutLease({ stopped }: Pick<DeliveryTotals, 'stopped'>, sync: Pick<Sync, 'place'>): void {
  if (stopped?.kind !== 'lease') return
  const { code, message } = stopped
  throw new ActivateError('failed', { code, message, place: sync.place })
}

/** Returns the outcomes of all planned sends: acked + rejected + parked + pending = send. */
export async function settleRun(input: SettleInput, state: StateRelations): Promise<OutcomeCounts> {
  const { warehouse, ledger, run, failpoints } = input
  const names = scratchNames(warehouse, run.runId)
  const before = await settledBefore(warehouse, state, run.runId)
  if (before !== undefined) {
    await drop(warehouse, names.outbox)
    return before
  }
  await loadOutcomes(warehouse, ledger, names, run.runId)
  await failpoints.reach('settle.loaded')
  const outcomesOfChanges = await writeScratch(
    warehouse,
    `settle__${run.runId}`,
    selectOutcomes(warehouse.dialect, {
      outbox: raw(names.outbox),
      acked: raw(names.acked),
      exceptions: raw(names.exceptions),
    }),
  )
  const outcomes = await countOutcomes(warehouse, outcomesOfChanges.texts[0] ?? '')
  const iso = (instant: number) => new Date(instant).toISOString()
  const statements = settleStatements(warehouse.dialect, {
    sync: input.sync,
    runId: run.runId,
    asOf: iso(run.asOf),
    startedAt: iso(run.startedAt),
    settledAt: iso(input.now),
    status: input.status,
    mapping: input.mapping,
    plan: JSON.stringify(input.plan),
    outcomes: JSON.stringify(outcomes),
    columns: input.columns,
    outbox: raw(names.outbox),
    acked: raw(names.acked),
    exceptions: raw(names.exceptions),
    ...{ snapshotTable: state.snapshotTable, compacts: await isDue(warehouse, state), payloads: state.payloads },
    parked: outcomes.parked,
    tables: state.tables,
    outcomesOfChanges,
  })
  await failpoints.reach('settle.computed')
  await keepForUndo(input, state.snapshotTable, outcomesOfChanges)
  const guarded = [...refuseSettled(warehouse.dialect, state.tables.runs, run.runId), ...statements]
  try {
    await warehouse.transaction(guarded.map(statement => render(statement, warehouse.dialect.placeholder)))
  } catch (error) {
    const faster = await settledBefore(warehouse, state, run.runId)
    if (faster === undefined) throw error
    return faster
  }
  await failpoints.reach('settle.committed')
  for (const relation of [names.acked, names.exceptions, outcomesOfChanges.texts[0] ?? '', names.outbox])
    await drop(warehouse, relation)
  await failpoints.reach('settle.swept')
  return outcomes
}

/** Where rows are only added to the snapshot: whether it is time to take out those that stand no more, and the budget allows it. */
async function isDue(warehouse: Warehouse, { snapshotTable }: StateRelations): Promise<boolean> {
  const { bill, dialect } = warehouse
  const size = dialect.billsByColumn ? await bill?.sizeOf(snapshotTable.texts[0] ?? '') : undefined
  if (size === undefined || !isCrowded(size.rows, size.rows)) return false
  if (bill?.budget !== undefined && size.bytes > bill.budget.bytes) return false
  const [moved] = await query(warehouse, countMoved(snapshotTable))
  return isCrowded(Number(moved?.n), size.rows)
}

/** What came of the run when it is settled already. */
async function settledBefore(
  warehouse: Warehouse,
  { tables }: StateRelations,
  runId: string,
): Promise<OutcomeCounts | undefined> {
  const [settled] = await query(warehouse, isSettled(tables.runs, runId))
  if (Number(settled?.n) === 0) return undefined
  const [row] = await query(warehouse, sql`select outcomes from ${tables.runs} where run_id = ${runId}`)
  return JSON.parse(String(row?.outcomes)) as OutcomeCounts
}

interface SoFar {
  readonly plan: Plan
  readonly outcomes: OutcomeCounts
  readonly requests: number
  readonly retries: number
}

/** What the ledger alone knows of a run that is not settled; nothing when it cannot be read. */
export async function outcomesSoFar(ledger: Ledger, runId: string, plan: Plan): Promise<SoFar | undefined> {
  try {
    const requests = await ledger.requests(runId)
    const outcomes = outcomeCounts(settlementOf(requests, await ledger.exceptions(runId)), plan.decisions.send)
    const retries = requests.reduce((sum, { attempt }) => sum + attempt - 1, 0)
    return { plan, outcomes, requests: requests.length, retries }
  } catch {
    return undefined
  }
}

/** Drops what a run that never got to deliver has left in the warehouse. */
export async function dropOutbox(warehouse: Warehouse, runId: string): Promise<void> {
  await drop(warehouse, scratchNames(warehouse, runId).outbox)
  const name = 'reservations' satisfies StateTable
  if (!(await warehouse.tables(warehouse.state, name)).includes(name)) return
  await execute(
    warehouse,
    sql`delete from ${stateRelation(warehouse.dialect, warehouse.state, name)} where run_id = ${runId}`,
  )
}

async function drop(warehouse: Warehouse, relation: string): Promise<void> {
  await execute(warehouse, raw(`drop table if exists ${relation}`))
}

function scratchNames(warehouse: Warehouse, runId: string) {
  const parts = { outbox: outboxName(runId), acked: `acked__${runId}`, exceptions: `exceptions__${runId}` }
  const relation = (name: string) => warehouse.dialect.relation([...warehouse.state, name])
  return { outbox: relation(parts.outbox), acked: relation(parts.acked), exceptions: relation(parts.exceptions), parts }
}

const chunkRows = 10_000

const ackedColumns: readonly SeedColumn[] = [
  { name: 'seq_from', type: 'integer' },
  { name: 'seq_to', type: 'integer' },
]

const exceptionColumns: readonly SeedColumn[] = [
  { name: 'seq', type: 'integer' },
  { name: 'outcome', type: 'string' },
  { name: 'code', type: 'string' },
  { name: 'message', type: 'string' },
]

async function loadOutcomes(
  warehouse: Warehouse,
  ledger: Ledger,
  names: ReturnType<typeof scratchNames>,
  runId: string,
): Promise<void> {
  const settlement = settlementOf(await ledger.requests(runId), await ledger.exceptions(runId))
  await warehouse.load([...warehouse.state, names.parts.acked], ackedColumns, ackedRows(settlement))
  await warehouse.load([...warehouse.state, names.parts.exceptions], exceptionColumns, exceptionRows(settlement))
}

type Chunks = AsyncGenerator<readonly (readonly (string | null)[])[]>

async function* ackedRows({ acked }: Settlement): Chunks {
  for (let start = 0; start < acked.length; start += chunkRows)
    yield acked.slice(start, start + chunkRows).map(({ from, to }) => [String(from), String(to)])
}

async function* exceptionRows(settlement: Settlement): Chunks {
  let chunk: string[][] = []
  for (const row of eachException(settlement)) {
    chunk.push(row)
    if (chunk.length < chunkRows) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

/** Changes that were named one by one, and those of requests that ended as a whole. */
function* eachException({ rejected, rejectedWhole, parked, parkedWhole }: Settlement): Generator<string[]> {
  for (const { seq, code, message } of rejected) yield [String(seq), 'rejected', code, message]
  for (const { seq, code, message } of parked) yield [String(seq), 'parked', code, message]
  for (const { from, to, code, message } of rejectedWhole)
    for (let seq = from; seq <= to; seq++) yield [String(seq), 'rejected', code, message]
  for (const { from, to, code, message } of parkedWhole)
    for (let seq = from; seq <= to; seq++) yield [String(seq), 'parked', code, message]
}

async function countOutcomes(warehouse: Warehouse, relation: string): Promise<OutcomeCounts> {
  const rows = await query(
    warehouse,
    raw(`select outcome, count(*) as n from ${relation} where outcome is not null group by 1`),
  )
  const of = (outcome: string) => Number(rows.find(row => row.outcome === outcome)?.n ?? 0)
  return { acked: of('acked'), rejected: of('rejected'), parked: of('parked'), pending: of('pending') }
}
