/**
 * Link models as one relation of pairs: each row says that two identifiers were seen together. Values are tidied here, once,
 * so that everything after compares them as they are.
 */
import type { Identifier, Identity } from '../../project/policies.ts'
import type { Place } from '../../project/problem.ts'
import type { Column, Dialect } from '../../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../../warehouse/sql.ts'
import { normaliseSql } from '../normalisation.ts'

export interface LinkModel {
  readonly model: string
  /** Select of the model's rows, or of the stage that holds them; read once. */
  readonly select: Fragment
  readonly columns: readonly Column[]
  readonly place: Place
}

/** A kind of value that can be linked: the person's key is the first, then come the identifiers in their order. */
export type Kind = Pick<Identifier, 'name' | 'region' | 'hashOf'> & Partial<Pick<Identifier, 'normalise'>>

/** Statements name a kind by its index here. */
export function kindsOf(identity: Identity): readonly Kind[] {
  return [{ name: identity.key }, ...identity.identifiers]
}

/** The index of the person's key among the kinds. */
export const keyKind = 0

export const requiredColumns = ['left_type', 'left_value', 'right_type', 'right_value'] as const

/**
 * Rows of every model: `model` (its index), `left_kind`, `left_value`, `right_kind`, `right_value`, `unknown_type`,
 * `confidence`, `later` (seen after the run's clock). A value is NULL when nothing is left of it.
 */
export function selectLinks(
  dialect: Dialect,
  identity: Identity,
  asOf: string,
  models: readonly LinkModel[],
): Fragment {
  const kinds = kindsOf(identity)
  const selects = models.map(({ select, columns }, index) => {
    const side = (name: 'left' | 'right') =>
      sql`${raw(`${name}_kind`)}, ${valueOfKind(dialect, kinds, name)} as ${raw(`${name}_value`)}`
    return sql`select ${raw(String(index))} as model, ${side('left')}, ${side('right')},
  case when left_kind is null then coalesce(left_type, '') when right_kind is null then coalesce(right_type, '') end as unknown_type,
  confidence, later
from (select *, ${kindOf(dialect, kinds, 'left')} as left_kind, ${kindOf(dialect, kinds, 'right')} as right_kind
  from (select ${texts(dialect, columns)}, ${confidence(dialect, columns)} as confidence, ${later(dialect, columns, asOf)} as later
    from (${select}) model) row_texts) kinds`
  })
  return selects.length === 0 ? noLinks(dialect) : join(selects, '\nunion all\n')
}

/** Holds for a row of `selectLinks` that links two values tonight. */
export function links({ minConfidence }: Identity): Fragment {
  return sql`not later and confidence >= ${raw(String(minConfidence))} and left_value is not null and right_value is not null`
}

/** One row per model: `model`, and how many of its rows there are, and how many link nothing or cannot be read, by reason. */
export function countLinks(relation: Fragment, { minConfidence }: Identity): Fragment {
  const count = (condition: string) => raw(`count(case when ${condition} then 1 end)`)
  return sql`select model, count(*) as row_count, count(unknown_type) as unknown,
  ${count('not (confidence between 0 and 1)')} as impossible,
  ${count('left_value is null or right_value is null')} as blank,
  ${count(`confidence < ${minConfidence}`)} as unsure,
  ${count('later')} as later
from ${relation} group by model order by model`
}

/** The most frequent unknown types of a model: `sample`, `occurrences`. */
export function sampleUnknownTypes(relation: Fragment, model: number): Fragment {
  return sample(relation, sql`unknown_type`, sql`model = ${model} and unknown_type is not null`)
}

/** The most frequent confidences outside 0 to 1 of a model: `sample`, `occurrences`. */
export function sampleConfidences(relation: Fragment, model: number): Fragment {
  return sample(relation, sql`confidence`, sql`model = ${model} and not (confidence between 0 and 1)`)
}

function sample(relation: Fragment, expression: Fragment, where: Fragment): Fragment {
  return sql`select ${expression} as sample, count(*) as occurrences from ${relation} where ${where}
group by 1 order by 2 desc, 1 limit 5`
}

function texts(dialect: Dialect, columns: readonly Column[]): Fragment {
  const required = columns.filter(({ name }) => requiredColumns.some(known => known === name))
  return raw(
    required
      .map(column => `${dialect.asText(dialect.quote(column.name), column)} as ${dialect.quote(column.name)}`)
      .join(', '),
  )
}

/** A link that does not say how sure it is counts as sure. */
function confidence(dialect: Dialect, columns: readonly Column[]): Fragment {
  const column = columns.find(({ name }) => name === 'confidence')
  const given = column === undefined ? 'null' : dialect.quote(column.name)
  return raw(`coalesce(${dialect.castTo(given, 'number')}, 1)`)
}

function later(dialect: Dialect, columns: readonly Column[], asOf: string): Fragment {
  const column = columns.find(({ name }) => name === 'seen_at')
  if (column === undefined) return raw('false')
  const seenAt = dialect.castTo(dialect.quote(column.name), 'timestamp')
  return raw(`coalesce(${seenAt} > ${dialect.timestamp(dialect.literal(asOf))}, false)`)
}

function kindOf(dialect: Dialect, kinds: readonly Kind[], side: 'left' | 'right'): Fragment {
  const cases = kinds.map(({ name }, index) => `when ${dialect.literal(name)} then ${index}`)
  return raw(`case ${side}_type ${cases.join(' ')} end`)
}

function valueOfKind(dialect: Dialect, kinds: readonly Kind[], side: 'left' | 'right'): Fragment {
  const cases = kinds.map((kind, index) => `when ${index} then ${tidied(dialect, `${side}_value`, kind)}`)
  return raw(`case ${side}_kind ${cases.join(' ')} end`)
}

/** Without a normalisation a value stays as it is, such as a key; blank ones are none. */
function tidied(dialect: Dialect, value: string, { normalise, region }: Kind): string {
  if (normalise !== undefined) return normaliseSql(dialect, value, normalise, region)
  return `case when ${dialect.trim(value)} <> '' then ${value} end`
}

function noLinks(dialect: Dialect): Fragment {
  const nothing = (type: 'text' | 'bigint' | 'double' | 'boolean', name: string) =>
    `cast(null as ${dialect.stateType(type)}) as ${name}`
  const columns = [
    nothing('bigint', 'model'),
    ...['left', 'right'].flatMap(side => [nothing('bigint', `${side}_kind`), nothing('text', `${side}_value`)]),
    nothing('text', 'unknown_type'),
    nothing('double', 'confidence'),
    nothing('boolean', 'later'),
  ]
  return raw(`select * from (select ${columns.join(', ')}) nothing where false`)
}
