/**
 * Keys of people who were erased: which of tonight's they could be. The warehouse knows the bucket of a tombstone only, and
 * so names one key in 4,096 for each; whose tombstone it is, the caller finds out (see ledger/tombstone.ts).
 */
import type { Dialect } from '../../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../../warehouse/sql.ts'
import { type PolicyRelations, withEntity } from './relations.ts'

/** The reason of whoever is kept from coming back; it is counted, and nobody's key is written down with it. */
export const erasedReason = 'suppression.erased'

/** `key` of everyone in `from` whose key lies in one of the buckets; `person` is an expression over it. */
export function selectCandidates(
  dialect: Dialect,
  from: Fragment,
  person: string,
  buckets: readonly string[],
): Fragment {
  const bucket = raw(`substr(${dialect.sha256(person)}, 1, ${buckets[0]?.length ?? 0})`)
  const wanted = join(
    buckets.map(each => sql`${each}`),
    ', ',
  )
  return sql`select distinct ${raw(person)} as key from ${from} where ${raw(person)} is not null and ${bucket} in (${wanted})`
}

/** `key` and `entity` of those who were erased, and of nobody else; `keys` is a relation of `key`. */
export function selectErased(relations: Pick<PolicyRelations, 'members'>, keys: Fragment): Fragment {
  const own = withEntity(relations, sql`${keys} erased`, raw('erased.key'))
  return sql`select erased.key as key, ${own.entity} as entity from ${own.from}`
}
