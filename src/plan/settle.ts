/**
 * Settling: the warehouse takes in what the ledger knows of a run. The snapshot moves for a row only when the destination
 * said yes to that row, or when a rule decided that there is nothing to say (`skip`, `withhold`); what was deferred,
 * blocked, refused or never answered stays as it was and is planned anew. A row that was skipped because another one
 * says the same to the same person moves only if that one was acknowledged. All of it is one transaction, and the caller
 * settles a run once: `isSettled` tells, and the statements are written so that repeating them at once changes nothing.
 */
import { isCommunication } from '../project/communication.ts'
import type { Sync } from '../project/project.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import {
  addToSnapshot,
  compactSnapshot,
  type outboxColumns,
  payloadColumns,
  type SnapshotRow,
  type StateTable,
  stateTables,
} from './state.ts'

export interface SettleParams {
  readonly sync: Sync
  readonly runId: string
  readonly asOf: string
  readonly startedAt: string
  readonly settledAt: string
  readonly status: string
  readonly mapping: string
  readonly plan: string
  readonly outcomes: string
  /** The model's columns as JSON; undefined when the run that knew them is gone. */
  readonly columns: string | undefined
  readonly outbox: Fragment
  /** Relation of `seq_from`, `seq_to`: consecutive sends that were acknowledged. */
  readonly acked: Fragment
  /** Relation of `seq`, `outcome` (`rejected` or `parked`), `code`, `message`. */
  readonly exceptions: Fragment
  readonly snapshotTable: Fragment
  /** How many changes may or may not have arrived. */
  readonly parked: number
  /** Whether the snapshot is to be freed of rows in whose place others stand (`isCrowded`). */
  readonly compacts?: boolean
  readonly payloads: Fragment | undefined
  readonly tables: Readonly<Record<StateTable, Fragment>>
  /** Scratch relation that `selectOutcomes` was written to. */
  readonly outcomesOfChanges: Fragment
}

/** A refused row is tried again after this many days times the number of refusals, at most 28. */
const daysBetweenAttempts = 7
const day = 86_400_000

/** What the statements of a settle read of the outbox. */
const settledColumns = [
  ...['seq', 'key', 'op', 'decision', 'reason', 'change_id', 'row_hash', 'payload', 'digest', 'episode', 'version'],
  ...['standing', 'follows', 'person', 'topic', 'address', 'basis', 'evidence'],
] as const satisfies readonly (keyof typeof outboxColumns)[]

/** The outbox with each change's `outcome`: acked, rejected, parked, pending, or NULL for what was not to be sent. */
export function selectOutcomes(
  dialect: Dialect,
  params: Pick<SettleParams, 'outbox' | 'acked' | 'exceptions'>,
): Fragment {
  const { outbox, acked } = params
  const inRange = sql`o.seq between a.seq_from and a.seq_to`
  const joinAcked = dialect.outerJoinsAnything
    ? sql`left join ${acked} a on ${inRange}`
    : sql`left join (select o.seq, a.seq_from from ${outbox} o join ${acked} a on ${inRange}) a on a.seq = o.seq`
  return sql`select ${raw(settledColumns.map(name => `o.${name}`).join(', '))}, e.code, e.message,
  case when o.seq is null then null when e.outcome is not null then e.outcome when a.seq_from is not null then 'acked' else 'pending' end as outcome
from ${outbox} o
left join ${params.exceptions} e on e.seq = o.seq
${joinAcked}`
}

/** One row: `n`, whether the run was settled before. */
export function isSettled(runs: Fragment, runId: string): Fragment {
  return sql`select count(*) as n from ${runs} where run_id = ${runId}`
}

/**
 * Fails when the run is settled: what the settle's transaction begins with. Whoever stood still since it asked `isSettled` may have
 * been settled by another runner meanwhile, and would move the snapshot back; where two settle at the same moment, the second waits
 * for the first to commit and then looks. No dialect has a function for failing in common, so a text becomes no number.
 */
export function refuseSettled(dialect: Dialect, runs: Fragment, runId: string): readonly Fragment[] {
  const run = sql`exists (select 1 from ${runs} where run_id = ${runId})`
  const turn = dialect.takeTurn(`settle ${runId}`)
  const refusal = sql`select cast(case when ${run} then 'the run is settled already' else '0' end as ${raw(dialect.stateType('bigint'))}) as n`
  return turn === undefined ? [refusal] : [turn, refusal]
}

/** The statements of one settle, in order, to be executed as one transaction. */
export function settleStatements(dialect: Dialect, params: SettleParams): readonly Fragment[] {
  return [
    ...moveSnapshot(dialect, params),
    ...appendDeliveries(dialect, params),
    ...appendDecisions(dialect, params),
    ...replaceRejections(dialect, params),
    ...replaceUnresolved(dialect, params),
    ...appendRun(dialect, params),
  ]
}

function moving(sync: Sync, outcomes: Fragment): Fragment {
  // Only a communication stands back for another one.
  if (!isCommunication(sync))
    return sql`(standing is not null and (outcome = 'acked' or decision in ('skip', 'withhold')))`
  const followed = sql`(follows is null or follows in (select key from ${outcomes} where outcome = 'acked'))`
  return sql`(standing is not null and (outcome = 'acked' or decision in ('skip', 'withhold') and ${followed}))`
}

/** One row: `n`, how many rows of the snapshot the settle moves. */
export function countMoving({ sync, outcomesOfChanges }: Pick<SettleParams, 'sync' | 'outcomesOfChanges'>): Fragment {
  return sql`select count(*) as n from ${outcomesOfChanges} where ${moving(sync, outcomesOfChanges)}`
}

const fewMoved = 100
const mostMoved = 0.25

/** Whether so many rows of a snapshot's table took the place of others that reading around them costs more than taking them out. */
export function isCrowded(moved: number, rows: number): boolean {
  return moved > fewMoved && moved > rows * mostMoved
}

function moveSnapshot(
  dialect: Dialect,
  { snapshotTable, compacts, payloads, tables, outcomesOfChanges, sync, runId, asOf }: SettleParams,
): readonly Fragment[] {
  const moves = moving(sync, outcomesOfChanges)
  const row: SnapshotRow = {
    ...{ key: raw('key'), payload: raw('payload'), digest: raw('digest'), episode: raw('episode') },
    version: raw(`case when outcome = 'acked' then version else version - 1 end`),
    ...{ standing: raw('standing'), run_id: sql`${runId}`, changed_at: instant(dialect, asOf) },
    ...{ person: raw('nullif(person, key)'), topic: raw(`nullif(topic, '')`), address: raw('address') },
  }
  const once = dialect.billsByColumn ? sql` and ${isNew(tables, runId)}` : raw('')
  return [
    ...(dialect.billsByColumn
      ? []
      : [sql`delete from ${snapshotTable} where key in (select key from ${outcomesOfChanges} where ${moves})`]),
    addToSnapshot(dialect, snapshotTable, row, sql`${outcomesOfChanges} where ${moves}${once}`),
    ...(compacts ? compactSnapshot(dialect, snapshotTable) : []),
    ...(payloads === undefined
      ? []
      : [
          sql`insert into ${payloads} (${columnList(Object.keys(payloadColumns))})
select key, digest, payload from ${outcomesOfChanges} where ${moves} and op <> 'leave' and ${isNew(tables, runId)}`,
        ]),
  ]
}

/** A run that is not settled has no rows in what is only added to: looking for them there would read all of its history. */
function isNew(tables: SettleParams['tables'], runId: string): Fragment {
  return sql`not exists (select 1 from ${tables.runs} where run_id = ${runId})`
}

function appendDeliveries(
  dialect: Dialect,
  { tables, outcomesOfChanges, sync, runId, asOf, settledAt }: SettleParams,
): readonly Fragment[] {
  const speaks = isCommunication(sync)
  const mayHaveArrived = speaks ? raw(` or outcome = 'parked'`) : raw('')
  return [
    sql`insert into ${tables.deliveries} (${columnList(Object.keys(stateTables.deliveries))})
select ${sync.name}, key, ${text(dialect, sync.channel)}, ${text(dialect, sync.purpose)}, op, change_id,
  case when outcome = 'parked' then 'uncertain' else outcome end, ${runId}, ${instant(dialect, asOf)}, ${instant(dialect, settledAt)},
  person, topic, address, ${raw(String(speaks))}, ${raw(String(sync.priority))}, basis, evidence
from ${outcomesOfChanges} where (outcome = 'acked'${mayHaveArrived}) and ${isNew(tables, runId)}`,
    sql`delete from ${tables.reservations} where run_id = ${runId}`,
  ]
}

function appendDecisions(
  dialect: Dialect,
  { tables, outcomesOfChanges, sync, runId, asOf }: SettleParams,
): readonly Fragment[] {
  return [
    sql`insert into ${tables.decisions} (${columnList(Object.keys(stateTables.decisions))})
select ${runId}, ${sync.name}, key, op, decision, reason, change_id, outcome, ${instant(dialect, asOf)}, person
from ${outcomesOfChanges} where ${isNew(tables, runId)}`,
  ]
}

/** The count of attempts grows while the same row is refused again, and starts anew when the row has changed. */
function replaceRejections(
  dialect: Dialect,
  { tables, outcomesOfChanges, sync, runId, asOf }: SettleParams,
): readonly Fragment[] {
  const due = [1, 2, 3].map(
    attempts =>
      sql`when coalesce(attempts, 0) < ${raw(String(attempts))} then ${raw(dialect.addMilliseconds(dialect.timestamp(dialect.literal(asOf)), attempts * daysBetweenAttempts * day))}`,
  )
  const last = raw(dialect.addMilliseconds(dialect.timestamp(dialect.literal(asOf)), 4 * daysBetweenAttempts * day))
  return [
    sql`insert into ${tables.rejections} (${columnList(Object.keys(stateTables.rejections))})
select ${sync.name}, key, row_hash, code, message, coalesce(attempts, 0) + 1, case ${join(due, ' ')} else ${last} end, ${runId}
from (
  select o.key, o.row_hash, o.code, o.message, max(r.attempts) as attempts
  from ${outcomesOfChanges} o
  left join ${tables.rejections} r on r.sync = ${sync.name} and r.key = o.key and r.row_hash = o.row_hash and r.run_id <> ${runId}
  where o.outcome = 'rejected'
    and not exists (select 1 from ${tables.rejections} own where own.sync = ${sync.name} and own.key = o.key and own.run_id = ${runId})
  group by 1, 2, 3, 4
) refused`,
    sql`delete from ${tables.rejections} where sync = ${sync.name} and run_id <> ${runId}
and key in (select key from ${outcomesOfChanges} where outcome = 'rejected' or ${moving(sync, outcomesOfChanges)})`,
  ]
}

function replaceUnresolved(
  dialect: Dialect,
  { tables, outcomesOfChanges, sync, runId, asOf, parked }: SettleParams,
): readonly Fragment[] {
  const ofRun = sql`sync = ${sync.name} and run_id = ${runId}`
  const park = [
    sql`insert into ${tables.unresolved} (${columnList(Object.keys(stateTables.unresolved))})
select ${sync.name}, key, change_id, ${runId}, ${instant(dialect, asOf)},
  seq, op, payload, digest, episode, version, standing, person, topic, address
from ${outcomesOfChanges} where outcome = 'parked'`,
  ]
  const follow = [
    sql`insert into ${tables.followers} (${columnList(Object.keys(stateTables.followers))})
select ${sync.name}, key, follows, ${runId}, ${instant(dialect, asOf)},
  payload, digest, episode, version, standing, person, topic, address
from ${outcomesOfChanges}
where standing is not null and follows in (select key from ${outcomesOfChanges} where outcome = 'parked')`,
  ]
  // Looking for what is not there would bill the payloads of all changes, twice.
  const none = dialect.billsByColumn && parked === 0
  return [
    sql`delete from ${tables.unresolved} where ${ofRun}`,
    ...(none ? [] : park),
    sql`delete from ${tables.followers} where ${ofRun}`,
    ...(none ? [] : follow),
  ]
}

function appendRun(dialect: Dialect, params: SettleParams): readonly Fragment[] {
  const { tables, sync, runId, asOf, startedAt, settledAt, status, mapping, plan, outcomes, columns } = params
  return [
    sql`delete from ${tables.runs} where run_id = ${runId}`,
    sql`insert into ${tables.runs} (${columnList(Object.keys(stateTables.runs))})
values (${runId}, ${sync.name}, ${instant(dialect, asOf)}, ${instant(dialect, startedAt)}, ${instant(dialect, settledAt)}, ${status}, ${mapping}, ${plan}, ${outcomes}, ${text(dialect, columns)})`,
  ]
}

function instant(dialect: Dialect, iso: string): Fragment {
  return raw(dialect.timestamp(dialect.literal(iso)))
}

function text(dialect: Dialect, value: string | undefined): Fragment {
  return raw(dialect.castTo(dialect.literal(value ?? null), 'string'))
}

function columnList(names: readonly string[]): Fragment {
  return raw(names.map(name => `${name}`).join(', '))
}
