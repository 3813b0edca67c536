/**
 * Resolving: a person says what became of changes that may or may not have arrived. What they say is taken in as settling
 * would have done it, from what `unresolved` kept of the outbox:
 *
 *   acked   it arrived: the snapshot moves, and the delivery counts as one
 *   retry   it did not: nothing of it counts, and the next run plans the row anew
 *   drop    nobody will know: the snapshot moves, and caps and re-entry go on counting what may have arrived. The version
 *           counts up, because the change id was used and a destination may remember it
 *
 * What was skipped that night because it would have said the same to the same person is settled along with it.
 * All of it is one transaction, and repeating it changes nothing, because the rows have left `unresolved` by then.
 */
import type { Sync } from '../project/project.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import type { Row } from '../warehouse/warehouse.ts'
import { addToSnapshot, payloadColumns, type SnapshotRow, type StateTable, stateTables } from './state.ts'

export const verdicts = ['acked', 'retry', 'drop'] as const
export type Verdict = (typeof verdicts)[number]

/** A change that waits for a person. */
export interface ParkedChange {
  readonly sync: string
  readonly key: string
  readonly changeId: string
  readonly runId: string
  /** The logical clock of the run, ISO 8601. */
  readonly since: string
  /** What is undefined here is not known: an earlier version of this tool parked the row and kept less of it. */
  readonly seq: number | undefined
  readonly op: string | undefined
  readonly person: string | undefined
}

/** Which parked changes: those of one sync or of all, of some keys or of all; a key is the row's or the person's. */
export interface ParkedFilter {
  readonly sync?: string
  readonly keys?: readonly string[]
}

/** Ordered by sync and key. */
export function selectParked(unresolved: Fragment, filter: ParkedFilter): Fragment {
  return sql`select sync, key, change_id, run_id, since, seq, op, person from ${unresolved}
where ${matches(filter)} order by sync, key`
}

export function parkedOf(row: Row): ParkedChange {
  const text = (value: Row[string] | undefined) => (value === null || value === undefined ? undefined : String(value))
  return {
    sync: String(row.sync),
    key: String(row.key),
    changeId: String(row.change_id),
    runId: String(row.run_id),
    since: new Date(String(row.since)).toISOString(),
    seq: row.seq === null || row.seq === undefined ? undefined : Number(row.seq),
    op: text(row.op),
    person: text(row.person),
  }
}

/**
 * Whether all that this verdict needs is known of the change. One that an earlier version parked cannot move the snapshot;
 * it can be dropped only where re-entry keeps the next run from sending it after all.
 */
export function canResolve(
  { seq }: Pick<ParkedChange, 'seq'>,
  verdict: Verdict,
  { trigger }: Pick<ResolvedSync, 'trigger'>,
): boolean {
  if (seq !== undefined || verdict === 'retry') return true
  return verdict === 'drop' && trigger !== undefined && trigger.reentry !== 'always'
}

/** What matters of a sync; of one that the project no longer has, its name is known and no more. */
export type ResolvedSync = Pick<Sync, 'name'> &
  Partial<Pick<Sync, 'place' | 'channel' | 'purpose' | 'priority' | 'trigger'>>

export interface ResolveParams {
  readonly sync: ResolvedSync
  readonly verdict: Verdict
  /** Undefined means every parked change of the sync. */
  readonly keys: readonly string[] | undefined
  readonly resolvedAt: string
  readonly snapshotTable: Fragment
  readonly payloads: Fragment | undefined
  readonly tables: Readonly<Record<StateTable, Fragment>>
}

/** The statements of one resolve, in order, to be executed as one transaction. */
export function resolveStatements(dialect: Dialect, params: ResolveParams): readonly Fragment[] {
  const { sync, keys, tables } = params
  const which = matches(keys === undefined ? { sync: sync.name } : { sync: sync.name, keys })
  const chosen = sql`(select * from ${tables.unresolved} where ${which})`
  const following = sql`sync = ${sync.name} and follows in (select key from ${chosen} chosen)`
  const followers = sql`(select * from ${tables.followers} where ${following})`
  return [
    ...takeIn(dialect, params, chosen),
    ...(params.verdict === 'retry'
      ? []
      : moveSnapshot(dialect, params, { chosen: followers, version: raw('version - 1') })),
    sql`delete from ${tables.followers} where ${following}`,
    sql`delete from ${tables.unresolved} where ${which}`,
  ]
}

function takeIn(dialect: Dialect, params: ResolveParams, chosen: Fragment): readonly Fragment[] {
  const { verdict, tables } = params
  const isChosen = sql`change_id || run_id in (select change_id || run_id from ${chosen} chosen)`
  switch (verdict) {
    case 'acked':
      return [
        ...moveSnapshot(dialect, params, { chosen, version: raw('version'), had: notLeaving }),
        ...confirmDeliveries(dialect, params, chosen, isChosen),
        sql`update ${tables.decisions} set outcome = 'acked' where outcome = 'parked' and ${isChosen}`,
      ]
    case 'retry':
      return [sql`delete from ${tables.deliveries} where outcome = 'uncertain' and ${isChosen}`]
    case 'drop':
      return [
        ...moveSnapshot(dialect, params, { chosen, version: raw('version'), had: notLeaving }),
        sql`update ${tables.decisions} set outcome = 'dropped' where outcome = 'parked' and ${isChosen}`,
      ]
  }
}

interface Moved {
  readonly chosen: Fragment
  readonly version: Fragment
  /** Holds for changes whose payload is what the row has from then on; that of a leaver may be no more than what was sent. */
  readonly had?: Fragment
}

const notLeaving = raw(` and op <> 'leave'`)

/** A parked key is blocked, so its snapshot still is what the change was planned from. */
function moveSnapshot(
  dialect: Dialect,
  { sync, snapshotTable, payloads, tables }: ResolveParams,
  { chosen, version, had }: Moved,
): readonly Fragment[] {
  const moving = sql`(select * from ${chosen} chosen where standing is not null)`
  const row: SnapshotRow = {
    ...{ key: raw('key'), payload: raw('payload'), digest: raw('digest'), episode: raw('episode'), version },
    ...{ standing: raw('standing'), run_id: raw('run_id'), changed_at: raw('since') },
    ...{ person: raw('nullif(person, key)'), topic: raw(`nullif(topic, '')`), address: raw('address') },
  }
  return [
    ...(dialect.billsByColumn
      ? []
      : [sql`delete from ${snapshotTable} where key in (select key from ${moving} moving)`]),
    addToSnapshot(dialect, snapshotTable, row, sql`${moving} moving`),
    ...(payloads === undefined
      ? []
      : [
          sql`insert into ${payloads} (${columnList(Object.keys(payloadColumns))})
select key, digest, payload from ${moving} moving where payload is not null${had ?? raw('')}`,
        ]),
    sql`delete from ${tables.rejections} where sync = ${sync.name} and key in (select key from ${moving} moving)`,
  ]
}

/** A communication was written down as uncertain when its run was settled; of a record nothing was, so what is missing is one. */
function confirmDeliveries(
  dialect: Dialect,
  { sync, tables, resolvedAt }: ResolveParams,
  chosen: Fragment,
  isChosen: Fragment,
): readonly Fragment[] {
  const text = (value: string | undefined) => raw(dialect.castTo(dialect.literal(value ?? null), 'string'))
  return [
    sql`update ${tables.deliveries} set outcome = 'acked' where outcome = 'uncertain' and ${isChosen}`,
    sql`insert into ${tables.deliveries} (${columnList(Object.keys(stateTables.deliveries))})
select c.sync, c.key, ${text(sync.channel)}, ${text(sync.purpose)}, c.op, c.change_id, 'acked', c.run_id, c.since,
  coalesce(r.settled_at, ${raw(dialect.timestamp(dialect.literal(resolvedAt)))}),
  c.person, c.topic, c.address, false, ${raw(String(sync.priority ?? 0))}, ${text(undefined)}, ${text(undefined)}
from ${chosen} c
left join ${tables.runs} r on r.run_id = c.run_id
where not exists (select 1 from ${tables.deliveries} d where d.change_id = c.change_id and d.run_id = c.run_id)`,
  ]
}

function matches({ sync, keys }: ParkedFilter): Fragment {
  const ofSync = sync === undefined ? [] : [sql`sync = ${sync}`]
  if (keys === undefined) return join([raw('1 = 1'), ...ofSync], ' and ')
  if (keys.length === 0) return raw('1 = 0')
  const list = join(
    keys.map(key => sql`${key}`),
    ', ',
  )
  return join([sql`(key in (${list}) or person in (${list}))`, ...ofSync], ' and ')
}

function columnList(names: readonly string[]): Fragment {
  return raw(names.join(', '))
}
