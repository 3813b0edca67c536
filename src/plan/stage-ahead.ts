/**
 * What a night asks of every row, computed with the stage itself: the key, the digest, and how the row stands to the snapshot. For engines
 * that bill by column (decision 53): whoever looks at all rows afterwards reads narrow columns, and a NULL is free. The model's own columns
 * stay as they are, for tests and policies.
 *
 * Rows that are not as the snapshot has them lie in parts of their own, with all that the snapshot knows of them, and so do those that the
 * snapshot has and the model lacks: whoever looks for changes reads these parts alone (decision 68).
 */
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import type { MappedField } from './mapping.ts'
import { type Ahead, digestExpression, isNotFinite, payloadExpression } from './population.ts'

const prefix = 'activate__'

/** Where a staged row lies; a constant in a statement, so that an engine can leave the other parts out. NULL: as the snapshot has it. */
export const parts = { different: 1, missing: 2 } as const

/** The column that tells the part. */
export const partColumn = `${prefix}part`

export function aheadOf(dialect: Dialect): Ahead {
  const name = (end: string) => raw(dialect.quote(`${prefix}${end}`))
  return { key: name('key'), digest: name('digest'), changed: name('changed'), notFinite: name('not_finite') }
}

/** What the snapshot has of a row; all NULL for one that it does not know. */
const carried = ['standing', 'digest', 'episode', 'version', 'person', 'topic', 'address'] as const

/** Where a stage has such a column of the snapshot. */
export function carriedColumn(dialect: Dialect, name: (typeof carried)[number]): Fragment {
  return raw(dialect.quote(`${prefix}known_${name}`))
}

/** Whether a model returns a column that would be taken for one of these. */
export function standsInTheWay(name: string): boolean {
  return name.toLowerCase().startsWith(prefix)
}

export interface AheadParams {
  readonly model: Fragment
  /** Names of the model's columns. */
  readonly columns: readonly string[]
  readonly key: Fragment
  readonly fields: readonly MappedField[]
  readonly snapshot: Fragment
  /** Who left and remains at the destination may be removed tonight. */
  readonly removesLeavers: boolean
}

/** The model's rows with those columns, and after them a row for each key that may leave. */
export function selectAhead(dialect: Dialect, params: AheadParams): Fragment {
  const { key, digest, changed, notFinite } = aheadOf(dialect)
  const { fields } = params
  const [payload, part] = [raw(dialect.quote(`${prefix}payload`)), raw(dialect.quote(partColumn))]
  const own = params.columns.map(name => raw(dialect.quote(name)))
  const of = (alias: string, columns: readonly Fragment[]) => columns.map(column => sql`${raw(alias)}.${column}`)
  const known = carried.map(name => sql`s.${raw(name)} as ${carriedColumn(dialect, name)}`)
  const missing = raw(String(parts.missing))
  // Qualified, because a column of the model may be called what a column of the snapshot is.
  const stays = sql`s.standing = 'member' and s.digest = staged.${digest}`
  return sql`select ${join(of('staged', own), ', ')}, coalesce(staged.${key}, s.key) as ${key}, ${join(of('staged', [notFinite, digest]), ', ')},
  case when ${stays} then null else staged.${payload} end as ${changed},
  case when staged.${part} is null then ${missing} when ${stays} then null else staged.${part} end as ${part},
  ${join(known, ', ')}
from (
  select keyed.*, ${digestExpression(dialect, fields, payload)} as ${digest}, ${raw(String(parts.different))} as ${part}
  from (
    select model.*, ${params.key} as ${key}, ${payloadExpression(dialect, fields)} as ${payload}, ${isNotFinite(dialect, fields)} as ${notFinite}
    from (
${params.model}
    ) model
  ) keyed
) staged
full join (select key, ${raw(carried.join(', '))} from ${params.snapshot}) s on s.key = staged.${key}
where staged.${part} is not null or ${mayLeave(raw('s.standing'), params.removesLeavers)}`
}

/** Whether somebody of this standing leaves when the model lacks them. */
export function mayLeave(standing: Fragment, removesLeavers: boolean): Fragment {
  return sql`${standing} ${raw(removesLeavers ? `<> 'left'` : `in ('member', 'withheld')`)}`
}

/** The model's rows of a stage, as something to select from. */
export function modelRows(dialect: Dialect, table: Fragment, columns: readonly string[]): Fragment {
  const ahead = Object.values(aheadOf(dialect))
  const part = raw(dialect.quote(partColumn))
  const names = [...columns.map(name => raw(dialect.quote(name))), ...ahead]
  return sql`(select ${join(names, ', ')} from ${table} where ${part} is null or ${part} = ${raw(String(parts.different))})`
}
