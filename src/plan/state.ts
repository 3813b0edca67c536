/**
 * The tool's own tables in the warehouse (architecture section 4): their names, columns and statements that make them.
 * `snapshot__<sync>` and `outbox__<run>` are one per sync and run; the others hold all syncs.
 *
 * Who left keeps a row in the snapshot, so that version and episode never start again and a change id is never used twice.
 */
import type { Dialect, StateType } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'

/**
 * `withheld`: in, and never sent, because a holdout withholds the person. `left`: out, and no longer at the destination.
 * `remains`: out, and still at the destination, because the mode left it alone; a mirror removes it.
 */
export type Standing = 'member' | 'withheld' | 'left' | 'remains'

type Columns = Readonly<Record<string, StateType>>

export const snapshotColumns = {
  key: 'text',
  /** Mapped fields as last acknowledged: a JSON object. */
  payload: 'text',
  /** Of the same fields: what the next diff compares first. */
  digest: 'bigint',
  /** How many times the key has entered. */
  episode: 'bigint',
  /** How many changes of this key were acknowledged. */
  version: 'bigint',
  standing: 'text',
  run_id: 'text',
  changed_at: 'timestamp',
  /** The person's own key, by which policies know them; NULL when it is the key itself, so that reading it costs nothing. */
  person: 'text',
  /** What a communication is about beside the person; NULL when there is nothing. */
  topic: 'text',
  /** SHA-256 of the normalised address of a communication. */
  address: 'text',
} as const satisfies Columns

/**
 * Payloads, where the engine bills by column: the snapshot's rows are read and moved each night, and the payloads of few of them are
 * wanted. A row is never changed; those that no row of the snapshot stands for any more stay until the state is pruned.
 */
export const payloadColumns = { key: 'text', digest: 'bigint', payload: 'text' } as const satisfies Columns

/**
 * The columns that the snapshot has on this engine. One that bills by column bills all of a table that it changes: there rows are only added,
 * `moved` numbers the settles that did, and a key's row with the highest number stands (`snapshotRelation`). It is NULL, which is
 * free and the lowest, in all rows of the first settle, and once rows that stand no more were pruned.
 */
export function snapshotColumnsOf({ billsByColumn }: Pick<Dialect, 'billsByColumn'>): Columns {
  const { payload: _apart, ...narrow } = snapshotColumns
  return billsByColumn ? { ...narrow, moved: 'bigint' } : snapshotColumns
}

export const outboxColumns = {
  /** Counts the sends from 1; NULL for what is not sent. */
  seq: 'bigint',
  key: 'text',
  op: 'text',
  decision: 'text',
  reason: 'text',
  change_id: 'text',
  row_hash: 'text',
  payload: 'text',
  digest: 'bigint',
  previous: 'text',
  episode: 'bigint',
  version: 'bigint',
  /** What the snapshot will say once this has happened; NULL when the snapshot stays as it is. */
  standing: 'text',
  /** The key whose send tonight this one relies on: it is the same communication to the same person. */
  follows: 'text',
  /** The number of the rule that decided, 0 when it is sent. */
  rule: 'bigint',
  person: 'text',
  topic: 'text',
  address: 'text',
  /** JSON array of the hashes by which an opt-out recognises the person. */
  subjects: 'text',
  /** When quiet hours begin for the person, or the send window ends. */
  not_after: 'timestamp',
  /** The lawful basis of the consent that it goes by, and its evidence. */
  basis: 'text',
  evidence: 'text',
} as const satisfies Columns

export const stateTables = {
  /** What was acknowledged, and communications that may have arrived: what re-entry, caps and reports read. */
  deliveries: {
    sync: 'text',
    key: 'text',
    channel: 'text',
    purpose: 'text',
    op: 'text',
    change_id: 'text',
    outcome: 'text',
    run_id: 'text',
    /** The run's logical clock. */
    as_of: 'timestamp',
    delivered_at: 'timestamp',
    person: 'text',
    topic: 'text',
    address: 'text',
    /** Whether it spoke to the person, rather than keeping a record about them. */
    communication: 'boolean',
    priority: 'bigint',
    basis: 'text',
    evidence: 'text',
  },
  /** Communications of runs that are not settled yet: caps count them as if they had arrived. */
  reservations: {
    run_id: 'text',
    sync: 'text',
    key: 'text',
    person: 'text',
    channel: 'text',
    purpose: 'text',
    change_id: 'text',
    priority: 'bigint',
    as_of: 'timestamp',
  },
  /** The first trigger of each record of a person in an epoch of a holdout, in both arms, as decided before anything left. */
  exposures: {
    sync: 'text',
    key: 'text',
    person: 'text',
    holdout: 'text',
    epoch: 'text',
    /** `treated` or `withheld`. */
    arm: 'text',
    /** The run's logical clock, and the clock on the wall. */
    triggered_at: 'timestamp',
    recorded_at: 'timestamp',
    run_id: 'text',
    /** Value of the column that the holdout stratifies by. */
    stratum: 'text',
    /** What would have been sent to a withheld person. */
    payload: 'text',
    /** The least `u` of the person's records, by which the arm was drawn. */
    draw: 'double',
    /** The share that was withheld at that moment; NULL in rows of earlier versions. */
    share: 'double',
  },
  /** The holdouts that were ever drawn with: salts never change within an epoch. */
  holdouts: { holdout: 'text', epoch: 'text', salt: 'text', share: 'double', since: 'timestamp', run_id: 'text' },
  /** Who was in a model and not allowed to take part, from when until when, and why. */
  ineligible: {
    sync: 'text',
    key: 'text',
    reason: 'text',
    since: 'timestamp',
    until: 'timestamp',
    run_id: 'text',
  },
  /** Every planned change with its decision and, once settled, its outcome: what `inspect` reads. */
  decisions: {
    run_id: 'text',
    sync: 'text',
    key: 'text',
    op: 'text',
    decision: 'text',
    reason: 'text',
    change_id: 'text',
    outcome: 'text',
    as_of: 'timestamp',
    person: 'text',
  },
  /** Keys refused for good: blocked until the row changes or the date comes. */
  rejections: {
    sync: 'text',
    key: 'text',
    row_hash: 'text',
    error_class: 'text',
    message: 'text',
    attempts: 'bigint',
    next_attempt_at: 'timestamp',
    run_id: 'text',
  },
  /**
   * Keys whose last change may or may not have arrived: blocked until a person resolves it. Everything from `seq` on is
   * the change as it stood in the outbox, which is gone by then; NULL in rows that an earlier version of this tool wrote.
   */
  unresolved: {
    sync: 'text',
    key: 'text',
    change_id: 'text',
    run_id: 'text',
    since: 'timestamp',
    seq: 'bigint',
    op: 'text',
    payload: 'text',
    digest: 'bigint',
    episode: 'bigint',
    version: 'bigint',
    standing: 'text',
    person: 'text',
    topic: 'text',
    address: 'text',
  },
  /**
   * Changes that were skipped because the `unresolved` change of another row says the same to the same person: blocked with
   * it, and settled with it. The columns are those of the change as it stood in the outbox.
   */
  followers: {
    sync: 'text',
    key: 'text',
    /** The key of the unresolved change. */
    follows: 'text',
    run_id: 'text',
    since: 'timestamp',
    payload: 'text',
    digest: 'bigint',
    episode: 'bigint',
    version: 'bigint',
    standing: 'text',
    person: 'text',
    topic: 'text',
    address: 'text',
  },
  /** Rows that break their contract: from the run that first saw it to the first in which they no longer do. */
  quarantine: {
    /** `model:<name>` or `source:<name>`. */
    scope: 'text',
    /** NULL for a source. */
    sync: 'text',
    /** NULL when the row has none. */
    key: 'text',
    reason: 'text',
    /** The row as JSON, as it was last seen. */
    row: 'text',
    run_id: 'text',
    since: 'timestamp',
    /** NULL as long as it is broken. */
    until: 'timestamp',
  },
  /** Settled runs, for BI and for the next plan. */
  runs: {
    run_id: 'text',
    sync: 'text',
    as_of: 'timestamp',
    started_at: 'timestamp',
    settled_at: 'timestamp',
    status: 'text',
    /** The mapping as JSON, by which the next run sees that it changed. */
    mapping: 'text',
    plan: 'text',
    outcomes: 'text',
    /** The model's columns as JSON, name to type; NULL when the run was settled by a later one. */
    columns: 'text',
  },
} as const satisfies Record<string, Columns>

export type StateTable = keyof typeof stateTables

export function stateRelation(dialect: Dialect, state: readonly string[], table: StateTable): Fragment {
  return raw(dialect.relation([...state, table]))
}

/** What the columns of most rows hold: there NULL stands for it, where reading it costs money. */
const usually: Readonly<Record<string, string>> = { standing: `'member'`, episode: '1' }

/** The table of a sync's snapshot, for what changes it or measures it. */
export function snapshotTable(dialect: Dialect, state: readonly string[], sync: string): Fragment {
  return raw(dialect.relation([...state, `snapshot__${sync}`]))
}

/** A sync's snapshot, one row for each key, as something to select from. */
export function snapshotRelation(dialect: Dialect, state: readonly string[], sync: string): Fragment {
  const table = snapshotTable(dialect, state, sync)
  if (!dialect.billsByColumn) return table
  const { moved: _only, ...columns } = snapshotColumnsOf(dialect)
  const names = Object.keys(columns).map(name => {
    const usual = usually[name]
    return usual === undefined ? `r.${name}` : `coalesce(r.${name}, ${usual}) as ${name}`
  })
  return sql`(select ${raw(names.join(', '))} from ${table} r
  left join (select key, max(moved) as moved from ${table} where moved is not null group by key) latest on latest.key = r.key
  where latest.key is null or latest.moved = r.moved)`
}

/** One row: `n`, how many rows of the snapshot's table took the place of others or may have; no fewer than stand no more. */
export function countMoved(table: Fragment): Fragment {
  return sql`select count(moved) as n from ${table}`
}

/** Takes out the rows in whose place others stand, in one transaction: bills the whole table, twice. */
export function compactSnapshot(dialect: Dialect, table: Fragment): readonly Fragment[] {
  return [
    sql`delete from ${table} where ${isOvertaken(dialect, table)}`,
    sql`update ${table} set moved = null where moved is not null`,
  ]
}

function isOvertaken(dialect: Dialect, table: Fragment): Fragment {
  const named = (moved: string) => raw(`key || ':' || coalesce(${dialect.castTo(moved, 'string')}, '')`)
  const moving = sql`select key, max(moved) as moved from ${table} where moved is not null group by key`
  return sql`(key in (select key from ${table} where moved is not null) and ${named('moved')} not in (select ${named('moved')} from (${moving}) latest))`
}

/** A row of the snapshot, as expressions over where it comes from. */
export type SnapshotRow = Readonly<Record<keyof typeof snapshotColumns, Fragment>>

/** Adds rows to the snapshot; where rows are only added, in place of those that stand for their keys, and else nothing may stand for them. */
export function addToSnapshot(dialect: Dialect, table: Fragment, row: SnapshotRow, from: Fragment): Fragment {
  const names = Object.keys(snapshotColumnsOf(dialect))
  const next = sql`(select case when count(*) = 0 then null else coalesce(max(moved), 0) + 1 end from ${table})`
  const values = names.map(name => {
    if (name === 'moved') return next
    const value = row[name as keyof SnapshotRow]
    const usual = dialect.billsByColumn ? usually[name] : undefined
    return usual === undefined ? value : sql`nullif(${value}, ${raw(usual)})`
  })
  return sql`insert into ${table} (${raw(names.join(', '))})
select ${join(values, ', ')}
from ${from}`
}

/** Where payloads stand apart. */
export function payloadsRelation(dialect: Dialect, state: readonly string[], sync: string): Fragment | undefined {
  return dialect.billsByColumn ? raw(dialect.relation([...state, `payloads__${sync}`])) : undefined
}

/** The snapshot with the payload of each row, as something to select from. */
export function wholeSnapshot(snapshot: Fragment, payloads: Fragment | undefined): Fragment {
  if (payloads === undefined) return snapshot
  return sql`(select s.*, old.payload from ${snapshot} s
  left join (${selectPayloadsOnce(payloads)}) old on old.key = s.key and old.digest = s.digest) snapshot`
}

/** Of a payload: no row of the snapshot stands for it any more, nor one of the `copies` that somebody may go back to. */
export function isSuperseded(dialect: Dialect, snapshot: Fragment, copies: readonly Fragment[] = []): Fragment {
  const named = raw(`key || ':' || ${dialect.castTo('digest', 'string')}`)
  return join(
    [snapshot, ...copies].map(relation => sql`${named} not in (select ${named} from ${relation})`),
    ' and ',
  )
}

/** `key`, `digest`, `payload`: one that a key came back to was written twice. */
export function selectPayloadsOnce(payloads: Fragment): Fragment {
  return sql`select key, digest, min(payload) as payload from ${payloads} group by 1, 2`
}

export function outboxName(runId: string): string {
  return `outbox__${runId}`
}

export function createTable(dialect: Dialect, relation: Fragment, columns: Columns): Fragment {
  const list = Object.entries(columns).map(([name, type]) => `${dialect.quote(name)} ${dialect.stateType(type)}`)
  // Whoever looks for a row of these tables names its key, and its sync where there are several.
  const lookedUpBy = 'key' in columns ? ['sync', 'key'].filter(name => name in columns) : []
  return raw(`create table if not exists ${relation.texts[0]} (${list.join(', ')})${dialect.layout(lookedUpBy)}`)
}

/** Gives a table of an earlier version of this tool a column that it lacks. */
export function addColumn(dialect: Dialect, relation: Fragment, name: string, type: StateType): Fragment {
  return raw(`alter table ${relation.texts[0]} add column ${dialect.quote(name)} ${dialect.stateType(type)}`)
}
