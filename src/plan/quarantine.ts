/**
 * Quarantine: rows that break their contract are left out of a night, each with its reason, and are remembered from the
 * night on which they were first seen broken to the first on which they are not. Pure; a quarantined row that was sent
 * before is frozen, not gone (docs/decisions/0010-a-quarantined-row-is-no-leaver.md).
 */
import type { Column, Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import type { Row } from '../warehouse/warehouse.ts'
import { stateTables } from './state.ts'

/** A test that rows break: `offends` holds for one, over the relation under the name `tested`. */
export interface BrokenTest {
  /** `between:p_alive`, `key.duplicate`. */
  readonly reason: string
  readonly offends: Fragment
}

/** Rows to be judged, and the tests that at least one of them breaks. */
export interface JudgedRows {
  readonly relation: Fragment
  readonly columns: readonly Column[]
  /** The canonical key; undefined for rows that have none, such as a source's. */
  readonly key: Fragment | undefined
  readonly broken: readonly BrokenTest[]
}

/** What one night leaves out. */
export interface Quarantine {
  /** Relation of `key` (NULL when the row has none), `reason` and `row`, a JSON text. */
  readonly relation: Fragment
  readonly rows: number
  /** Rows by their first reason, as `quarantine.<reason>`. */
  readonly reasons: Readonly<Record<string, number>>
}

/** What holds for a row that breaks any of the tests; may be NULL for one that breaks none. */
function offendsAny(broken: readonly BrokenTest[]): Fragment {
  return sql`(${join(
    broken.map(({ offends }) => sql`(${offends})`),
    ' or ',
  )})`
}

/** Every reason of every key once, with one of the key's rows; rows without a key each by themselves. */
export function selectQuarantined(dialect: Dialect, { relation, columns, key, broken }: JudgedRows): Fragment {
  const named = key === undefined ? raw(dialect.castTo('null', 'string')) : sql`nullif(${key}, '')`
  const each = broken.map(
    ({ reason, offends }) =>
      sql`select ${named} as key, ${raw(dialect.literal(reason))} as reason, ${rowText(dialect, columns)} as row from ${relation} as tested where ${offends}`,
  )
  return sql`select key, reason, min(row) as row from (
${join(each, '\nunion all\n')}
) broken group by key, reason, case when key is null then row end`
}

/** Takes the rows out of a scratch table that holds them. */
export function deleteQuarantined({ relation, broken }: Pick<JudgedRows, 'relation' | 'broken'>): Fragment {
  return sql`delete from ${relation} as tested where ${offendsAny(broken)}`
}

/** Per first reason: `reason`, `n`. */
export function countQuarantined(dialect: Dialect, { relation, broken }: JudgedRows): Fragment {
  const cases = broken.map(({ reason, offends }) => sql`when ${offends} then ${raw(dialect.literal(reason))}`)
  return sql`select case ${join(cases, ' ')} end as reason, count(*) as n from ${relation} as tested
where ${offendsAny(broken)} group by 1 order by 1`
}

/** Takes the rows of `countQuarantined`. */
export function readQuarantine(relation: Fragment, rows: readonly Row[]): Quarantine {
  const reasons = Object.fromEntries(rows.map(({ reason, n }) => [`quarantine.${reason}`, Number(n)]))
  return { relation, rows: rows.reduce((sum, { n }) => sum + Number(n), 0), reasons }
}

/** A number that is not finite has no form in JSON and is shown as null. */
function rowText(dialect: Dialect, columns: readonly Column[]): Fragment {
  const fields = columns.map(column => {
    const value = dialect.quote(column.name)
    const shown = column.type === 'number' ? `case when ${dialect.isFinite(value)} then ${value} end` : value
    return { name: column.name, expression: shown, column }
  })
  return raw(dialect.jsonObject(fields))
}

export interface QuarantineRecord {
  /** The state table `quarantine`. */
  readonly table: Fragment
  /** `model:<name>` or `source:<name>`. */
  readonly scope: string
  /** Undefined for a source: it is nobody's alone. */
  readonly sync: string | undefined
  readonly runId: string
  /** ISO 8601 in UTC. */
  readonly asOf: string
  /** Relation of `selectQuarantined`; undefined when nothing is broken tonight. */
  readonly found: Fragment | undefined
}

/** So many rows of a scope are kept open at a time; the plan has the true count. */
const maxOpen = 10_000

/**
 * Closes what is no longer broken, refreshes what still is, and opens what is new: statements of one transaction. Repeating
 * them changes nothing. A row without a key is known by its whole content.
 */
export function recordStatements(dialect: Dialect, record: QuarantineRecord): readonly Fragment[] {
  const { table, scope, sync, runId, asOf, found } = record
  const at = raw(dialect.timestamp(dialect.literal(asOf)))
  const open = sql`q.scope = ${scope} and ${sync === undefined ? raw('q.sync is null') : sql`q.sync = ${sync}`} and q.until is null`
  if (found === undefined) return [sql`update ${table} as q set until = ${at} where ${open}`]
  const columns = raw(Object.keys(stateTables.quarantine).join(', '))
  return [
    sql`update ${table} as q set until = ${at} where ${open} and not exists (select 1 from ${found} f where ${same})`,
    sql`update ${table} as q set row = f.row from ${found} f where ${open} and q.row <> f.row and ${same}`,
    sql`insert into ${table} (${columns})
select ${scope}, ${raw(dialect.castTo(dialect.literal(sync ?? null), 'string'))}, key, reason, row, ${runId}, ${at}, null
from (
  select f.key, f.reason, f.row, row_number() over (order by f.key, f.reason, f.row) as place
  from ${found} f
  where not exists (select 1 from ${table} as q where ${open} and ${same})
) fresh
where place <= ${raw(String(maxOpen))} - (select count(*) from ${table} as q where ${open})`,
  ]
}

const same = raw(
  'f.reason = q.reason and coalesce(f.key, f.row) = coalesce(q.key, q.row) and (f.key is null) = (q.key is null)',
)
