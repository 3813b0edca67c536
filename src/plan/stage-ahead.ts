/**
 * What a night asks of every row, computed with the stage itself: the key, the digest, and the payload of rows that are not as the snapshot
 * has them. For engines that bill by column (decision 53): whoever looks at all rows afterwards reads narrow columns, and a NULL is free.
 * The model's own columns stay as they are, for tests and policies.
 */
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import type { MappedField } from './mapping.ts'
import { type Ahead, digestExpression, isNotFinite, payloadExpression } from './population.ts'

const prefix = 'activate__'

export function aheadOf(dialect: Dialect): Ahead {
  const name = (end: string) => raw(dialect.quote(`${prefix}${end}`))
  return { key: name('key'), digest: name('digest'), changed: name('changed'), notFinite: name('not_finite') }
}

/** Whether a model returns a column that would be taken for one of these. */
export function standsInTheWay(name: string): boolean {
  return name.toLowerCase().startsWith(prefix)
}

/** The model's rows with those columns. */
export function selectAhead(
  dialect: Dialect,
  params: {
    readonly model: Fragment
    /** Names of the model's columns. */
    readonly columns: readonly string[]
    readonly key: Fragment
    readonly fields: readonly MappedField[]
    readonly snapshot: Fragment
  },
): Fragment {
  const { key, digest, changed, notFinite } = aheadOf(dialect)
  const { fields } = params
  const payload = raw(dialect.quote(`${prefix}payload`))
  const own = params.columns.map(name => raw(dialect.quote(name)))
  const of = (alias: string, columns: readonly Fragment[]) =>
    join(
      columns.map(column => sql`${raw(alias)}.${column}`),
      ', ',
    )
  return sql`select ${of('staged', [...own, key, notFinite, digest])},
  case when s.digest = staged.${digest} then null else staged.${payload} end as ${changed}
from (
  select keyed.*, ${digestExpression(dialect, fields, payload)} as ${digest}
  from (
    select model.*, ${params.key} as ${key}, ${payloadExpression(dialect, fields)} as ${payload}, ${isNotFinite(dialect, fields)} as ${notFinite}
    from (
${params.model}
    ) model
  ) keyed
) staged
left join (select key, digest from ${params.snapshot} where standing = 'member') s on s.key = staged.${key}`
}
