/**
 * The candidates of a night, and what is known of each: from the stage's own parts where the engine bills by column and the stage was
 * compared with the snapshot as it is now, and from one full join of all rows otherwise. Both give the same rows.
 */
import type { Sync } from '../project/project.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import type { AboutParams } from './about.ts'
import { type DiffParams, selectChanges } from './diff.ts'
import { type Ahead, isGood } from './population.ts'
import { removesLeavers } from './rules/mode.ts'
import { markOfSnapshot } from './snapshot-mark.ts'
import { query, type StagedPopulation, writeScratch } from './stage.ts'
import { carriedColumn, mayLeave, partColumn, parts } from './stage-ahead.ts'

/** How many of the snapshot were in when the last run ended. */
export interface Standings {
  readonly member: number
  readonly withheld: number
}

export interface Candidates {
  /** Relation of `key`, `op`, `kept`. */
  readonly changes: Fragment
  /** Whether anybody leaves. */
  readonly leavers: boolean
  /** Where the rows of the others are. */
  readonly rows: Pick<AboutParams, 'stage' | 'ahead' | 'within'>
  /** The snapshot's rows of all candidates, as something to select from. */
  readonly known: Fragment
}

/** A comparison of tonight that may stand for the snapshot. */
export interface Trusted {
  readonly table: Fragment
  readonly ahead: Ahead
}

/**
 * The stage's comparison with the snapshot, where it holds for all of tonight's changes; undefined where all rows must be looked at: the
 * snapshot has moved since, or somebody who is as the snapshot has them may not take part any more, and so leaves.
 */
export async function trustedComparison(
  warehouse: Warehouse,
  sync: Pick<Sync, 'name'>,
  { stage: { ahead, compared } }: Pick<StagedPopulation, 'stage'>,
  ineligible: Fragment | undefined,
): Promise<Trusted | undefined> {
  if (ahead === undefined || compared?.mark === undefined) return undefined
  if (compared.mark !== (await markOfSnapshot(warehouse, sync.name))) return undefined
  const trusted = { ahead, table: compared.table }
  if (ineligible === undefined) return trusted
  const [others = {}] = await query(warehouse, countUnchanged(warehouse.dialect, trusted, ineligible))
  return Number(others.n) === 0 ? trusted : undefined
}

/** One row: `n`, how many of the keys have no row that differs from the snapshot's. */
function countUnchanged(dialect: Dialect, { ahead, table }: Trusted, keys: Fragment): Fragment {
  const different = sql`(select ${ahead.key} as key from ${table} where ${isDifferent(dialect)}) different`
  return sql`select count(*) as n from ${keys} where key is not null and ${dialect.absentFrom(raw('key'), different, 'key')}`
}

export async function countStandings(
  warehouse: Warehouse,
  snapshot: Fragment,
  { quarantine, modelRows }: Pick<StagedPopulation, 'quarantine' | 'modelRows'>,
  trusted: Trusted | undefined,
): Promise<Standings> {
  // Where the model's keys are unique, whoever is in no part of their own is a member.
  const isCounted = trusted !== undefined && quarantine === undefined
  const rows = await query(
    warehouse,
    isCounted
      ? selectStandings(warehouse.dialect, trusted)
      : sql`select standing, count(*) as n from ${snapshot} group by 1`,
  )
  const count = (counted: typeof rows) => counted.reduce((sum, { n }) => sum + Number(n), 0)
  const of = (standing: string) => count(rows.filter(row => row.standing === standing))
  const different = count(rows.filter(row => Number(row.part) === parts.different))
  return { member: of('member') + (isCounted ? modelRows - different : 0), withheld: of('withheld') }
}

function selectStandings(dialect: Dialect, { table }: Trusted): Fragment {
  const standing = carriedColumn(dialect, 'standing')
  return sql`select ${raw(dialect.quote(partColumn))} as part, ${standing} as standing, count(*) as n from ${table} where ${isOutside(dialect)} group by 1, 2`
}

export interface CandidateParams extends Omit<DiffParams, 'population'> {
  readonly sync: Sync
  readonly runId: string
  readonly population: StagedPopulation
}

/** Writes the candidates to a scratch table. Not `trusted`, the snapshot is looked at as a whole. */
export async function findCandidates(
  warehouse: Warehouse,
  { population, runId, sync, ...params }: CandidateParams & { readonly snapshotRows: Fragment },
  trusted: Trusted | undefined,
): Promise<Candidates> {
  const { dialect } = warehouse
  const name = `change__${runId}`
  if (trusted === undefined || params.everyone || params.comparable !== undefined) {
    const own = params.comparable === undefined ? population.digests : population.populated
    const changes = await writeScratch(warehouse, name, selectChanges(dialect, { ...params, population: own }))
    const { leavers, staged } = await lookAtChanges(warehouse, population, changes)
    const ahead = staged && !params.everyone ? population.stage.ahead : undefined
    return { changes, leavers, rows: { stage: population.rows, ahead }, known: params.snapshotRows }
  }
  const { ahead, table } = trusted
  const quarantined = population.quarantine?.relation
  const select = selectCompared(dialect, trusted, { ...params, removesLeavers: removesLeavers(sync), quarantined })
  const changes = await writeScratch(warehouse, name, select)
  const [counts = {}] = await query(warehouse, sql`select count(*) as n from ${changes} where op = 'leave'`)
  const rows = { stage: table, ahead, within: isDifferent(dialect) }
  return { changes, leavers: Number(counts.n) > 0, rows, known: selectKnown(dialect, trusted) }
}

/**
 * Where the engine bills by column: whether anybody leaves, and whether the stage has the payload of everybody else among the changes. It lacks
 * those of rows that the snapshot had with the same digest when it was written; another run may have moved the snapshot since.
 */
async function lookAtChanges(
  warehouse: Warehouse,
  { stage: { ahead, relation } }: StagedPopulation,
  changes: Fragment,
): Promise<{ readonly leavers: boolean; readonly staged: boolean }> {
  if (ahead === undefined) return { leavers: true, staged: false }
  const [counts = {}] = await query(
    warehouse,
    sql`select count(case when d.op = 'leave' then 1 end) as leavers, count(case when d.op <> 'leave' and st.changed is null then 1 end) as missing
from ${changes} d left join (select ${ahead.key} as key, ${ahead.changed} as changed from ${relation}) st on st.key = d.key`,
  )
  return { leavers: Number(counts.leavers) > 0, staged: Number(counts.missing) === 0 }
}

/** Rows that lie in a part of their own, whichever. */
function isOutside(dialect: Dialect): Fragment {
  return raw(`${dialect.quote(partColumn)} >= ${parts.different}`)
}

/** The model's rows among them. */
function isDifferent(dialect: Dialect): Fragment {
  return raw(`${dialect.quote(partColumn)} = ${parts.different}`)
}

/** What `selectChanges` gives, of the rows in those parts: a key that is twice in the model may be there twice, and is one change. */
export function selectCompared(
  dialect: Dialect,
  { table, ahead: { key, digest } }: Trusted,
  params: Pick<DiffParams, 'ineligible' | 'released' | 'frozen' | 'removesLeavers'> & {
    readonly quarantined: Fragment | undefined
  },
): Fragment {
  const without = (keys: Fragment | undefined) =>
    keys === undefined ? raw('') : sql` and ${dialect.absentFrom(key, keys, 'key')}`
  const isGoodRow = params.quarantined === undefined ? raw('') : sql` and ${isGood(dialect, key, params.quarantined)}`
  const wasIn = mayLeave(carriedColumn(dialect, 'standing'), params.removesLeavers)
  return sql`select distinct key, case when not was_in then 'enter' when not is_in then 'leave' else 'change' end as op, false as kept
from (
  select ${key} as key, ${digest} <> ${carriedColumn(dialect, 'digest')} as differs,
    coalesce(${isDifferent(dialect)}${isGoodRow}${without(params.ineligible)}, false) as is_in,
    coalesce(${wasIn}${without(params.released)}${without(params.frozen)}, false) as was_in
  from ${table} where ${isOutside(dialect)}
) compared
where is_in and not was_in or was_in and not is_in or is_in and was_in and differs`
}

/** The snapshot's rows of those in these parts. */
function selectKnown(dialect: Dialect, { table, ahead }: Trusted): Fragment {
  const names = ['standing', 'digest', 'episode', 'version', 'person', 'topic', 'address'] as const
  const columns = names.map(name => `${carriedColumn(dialect, name).texts[0]} as ${name}`).join(', ')
  const standing = carriedColumn(dialect, 'standing')
  return sql`(select distinct ${ahead.key} as key, ${raw(columns)} from ${table} where ${isOutside(dialect)} and ${standing} is not null)`
}
