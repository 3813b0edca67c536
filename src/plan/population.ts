/**
 * The population: the rows of a model that take part in a sync tonight, each with its canonical key and its mapped fields
 * as one JSON payload. Keys are checked before anything else is computed from them.
 */
import type { Column, Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import type { MappedField } from './mapping.ts'
import type { BrokenTest } from './quarantine.ts'

/** The columns that a stage has beside those of the model, quoted. */
export interface Ahead {
  readonly key: Fragment
  readonly digest: Fragment
  /** NULL in a row that the snapshot had as a member with the same digest when the stage was written. */
  readonly changed: Fragment
  /** Whether some number of the row is NaN or infinite. */
  readonly notFinite: Fragment
}

/** The column's text; for a composite key the JSON array text of the columns' texts. */
export function keyExpression(dialect: Dialect, key: readonly Column[]): Fragment {
  const texts = key.map(column => dialect.asText(dialect.quote(column.name), column))
  const [only, ...others] = texts
  return raw(only !== undefined && others.length === 0 ? only : dialect.jsonTextArray(texts))
}

/**
 * One row: `row_count`, `missing` (key null or empty), `keys` (distinct hashes of keys) and what `countNotFinite` counts. Every
 * key is good when missing = 0 and rows = keys: different hashes have different keys. Fewer hashes than rows may be a
 * collision, so that `duplicateKeys` has the last word.
 */
export function lookOver(dialect: Dialect, stage: Fragment, key: Fragment, fields: readonly MappedField[]): Fragment {
  return selectLook(dialect, stage, key, notFinite(dialect, fields))
}

/** The same of a stage that knows which rows have such numbers: `not_finite`, how many rows. */
export function lookOverAhead(dialect: Dialect, stage: Fragment, { key, notFinite: found }: Ahead): Fragment {
  return selectLook(dialect, stage, key, [sql`count(case when ${found} then 1 end) as not_finite`])
}

function selectLook(dialect: Dialect, stage: Fragment, key: Fragment, numbers: readonly Fragment[]): Fragment {
  const hash = dialect.quickHash(key.texts[0] ?? '')
  const counts = [
    sql`count(*) as row_count, count(case when ${missing(key)} then 1 end) as missing, ${dialect.countDifferent(hash, stage)} as keys`,
    ...numbers,
  ]
  return sql`select ${join(counts, ', ')} from ${stage}`
}

/** Up to `limit` bad keys, the most frequent first: `key`, `occurrences`. */
export function sampleBadKeys(stage: Fragment, key: Fragment, limit: number): Fragment {
  return sql`select ${key} as key, count(*) as occurrences from ${stage}
group by 1 having ${missing(key)} or count(*) > 1
order by 2 desc, 1 nulls last limit ${raw(String(limit))}`
}

/** Every key that occurs more than once: `key`. */
export function duplicateKeys(stage: Fragment, key: Fragment): Fragment {
  return sql`select ${key} as key from ${stage} group by 1 having count(*) > 1`
}

/** What a quarantine says of bad keys; `duplicates` is the relation of `duplicateKeys`. */
export function badKeyTests(key: Fragment, duplicates: Fragment): readonly BrokenTest[] {
  return [
    { reason: 'key.missing', offends: missing(key) },
    { reason: 'key.duplicate', offends: sql`${key} in (select key from ${duplicates})` },
  ]
}

function missing(key: Fragment): Fragment {
  return sql`(${key} is null or ${key} = '')`
}

/** `quarantined` is a relation with a column `key`, NULL for rows that have none. */
export function isGood(dialect: Dialect, key: Fragment, quarantined: Fragment): Fragment {
  return sql`not ${missing(key)} and ${dialect.absentFrom(key, quarantined, 'key')}`
}

/** The stage without what is in quarantine, as something to select from. */
export function goodRows(
  dialect: Dialect,
  stage: Fragment,
  key: Fragment,
  quarantined: Fragment | undefined,
): Fragment {
  return quarantined === undefined
    ? stage
    : sql`(select * from ${stage} where ${isGood(dialect, key, quarantined)}) good`
}

/** The populated rows: `key`, `payload` and `digest`. `quarantined` is the relation of what is left out, when there is anything. */
export function selectPopulation(
  dialect: Dialect,
  from: {
    readonly stage: Fragment
    readonly key: Fragment
    readonly fields: readonly MappedField[]
    readonly quarantined: Fragment | undefined
  },
): Fragment {
  const digest = digestExpression(dialect, from.fields)
  const where = from.quarantined === undefined ? raw('') : sql` where ${isGood(dialect, from.key, from.quarantined)}`
  return sql`select ${from.key} as key, ${payloadExpression(dialect, from.fields)} as payload, ${digest} as digest from ${from.stage}${where}`
}

/** The same of a stage that knows digests, without the payloads: `key` and `digest`. */
export function selectDigests(
  dialect: Dialect,
  {
    stage,
    ahead,
    quarantined,
  }: { readonly stage: Fragment; readonly ahead: Ahead; readonly quarantined: Fragment | undefined },
): Fragment {
  const where = quarantined === undefined ? raw('') : sql` where ${isGood(dialect, ahead.key, quarantined)}`
  return sql`select ${ahead.key} as key, ${ahead.digest} as digest from ${stage}${where}`
}

export function payloadExpression(dialect: Dialect, fields: readonly MappedField[]): Fragment {
  return raw(dialect.jsonObject(fields.map(({ name, expression, column }) => ({ name, expression, column }))))
}

/**
 * The types are part of it: an engine may hash `true` and 1, or 1.50 and 150, alike, and the digest must not. Where payloads stand apart
 * it is of the payload, so that equal digests are equal payloads and none has to be read to compare them.
 */
export function digestExpression(
  dialect: Dialect,
  fields: readonly MappedField[],
  payload: Fragment = payloadExpression(dialect, fields),
): Fragment {
  if (dialect.billsByColumn) return raw(dialect.quickHash(payload.texts[0] ?? ''))
  const types = dialect.literal(fields.map(({ name, column }) => `${name} ${column.native}`).join(', '))
  return raw(dialect.rowDigest([{ expression: types, column: { type: 'string', native: 'VARCHAR' } }, ...fields]))
}

/** Of one row: whether some number among its fields is NaN or infinite. */
export function isNotFinite(dialect: Dialect, fields: readonly MappedField[]): Fragment {
  const numbers = fields.filter(({ column }) => column.type === 'number')
  if (numbers.length === 0) return raw('false')
  const conditions = numbers.map(({ expression }) => raw(`coalesce(not ${dialect.isFinite(expression)}, false)`))
  return sql`(${join(conditions, ' or ')})`
}

/** One row, where some field is a number: how many of its values are not finite. */
export function countNotFinite(dialect: Dialect, rows: Fragment, fields: readonly MappedField[]): Fragment {
  return sql`select ${join(notFinite(dialect, fields), ', ')} from ${rows}`
}

/** By place, because a field may be called what another count is called. */
function notFinite(dialect: Dialect, fields: readonly MappedField[]): readonly Fragment[] {
  return fields.flatMap(({ expression, column }, index) => {
    if (column.type !== 'number') return []
    return [raw(`count(case when not ${dialect.isFinite(expression)} then 1 end) as not_finite_${index}`)]
  })
}

/** The fields of which `lookOver` or `countNotFinite` found values that are not finite, and how many. */
export function readNotFinite(
  counts: Readonly<Record<string, unknown>>,
  fields: readonly MappedField[],
): readonly { readonly field: string; readonly count: number }[] {
  return fields
    .map(({ name }, index) => ({ field: name, count: Number(counts[`not_finite_${index}`] ?? 0) }))
    .filter(({ count }) => count > 0)
}
