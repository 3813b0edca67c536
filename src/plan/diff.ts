/**
 * Who entered, changed or left: one full join of tonight's population with the snapshot. Both sides bring a fast digest of
 * the mapped fields, and equal digests leave a row out; those that differ are candidates, whose payloads the outbox
 * compares. So an engine that computes digests in another way after an upgrade costs time once, and sends nothing.
 */
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'
import { mayLeave } from './stage-ahead.ts'

export interface DiffParams {
  /** Select of `key` and `digest`, and of `payload` where something is comparable. */
  readonly population: Fragment
  readonly snapshot: Fragment
  /** Who left and remains at the destination counts as in, so that the mode can remove them. */
  readonly removesLeavers: boolean
  /** Relation of `key`: rows of the model that may not take part. */
  readonly ineligible?: Fragment | undefined
  /** Relation of `key`: withheld before, and withheld no more: as if they had never been in. */
  readonly released?: Fragment | undefined
  /** Every row of the population counts as changed (a full resync of a data sync). */
  readonly everyone: boolean
  /**
   * Set when the mapping changed and is to be kept: the fields that both mappings compute alike. A row that differs in
   * the others only is marked `kept`.
   */
  readonly comparable: readonly string[] | undefined
  /** Relation with a column `key`: who is in quarantine. They neither change nor leave, whatever is known of them. */
  readonly frozen?: Fragment | undefined
}

/** Candidates: `key`, `op`, `kept`. Every true change is among them; a `change` may turn out to be none. */
export function selectChanges(dialect: Dialect, params: DiffParams): Fragment {
  const common = params.comparable === undefined ? undefined : hashOfMembers(dialect, params.comparable)
  const commonColumn = common === undefined ? raw('') : sql`, ${common} as common`
  const kept = common === undefined ? raw('false') : sql`coalesce(p.common = s.common, false)`
  const standing = mayLeave(raw('standing'), params.removesLeavers)
  const differs = params.everyone
    ? raw('')
    : sql`
where ${dialect.rarely(raw('p.key is null or s.key is null or p.digest <> s.digest'))}`
  return sql`select
  coalesce(p.key, s.key) as key,
  case when s.key is null then 'enter' when p.key is null then 'leave' else 'change' end as op,
  ${kept} as kept
from (select key, digest${commonColumn} from (${params.population}) population${without(dialect, params.ineligible, 'where')}) p
full join (select key, digest${commonColumn} from ${params.snapshot} where ${standing}${without(dialect, params.released, 'and')}${without(dialect, params.frozen, 'and')}) s on p.key = s.key${differs}`
}

function without(dialect: Dialect, keys: Fragment | undefined, word: 'where' | 'and'): Fragment {
  return keys === undefined ? raw('') : sql` ${raw(word)} ${dialect.absentFrom(raw('key'), keys, 'key')}`
}

function hashOfMembers(dialect: Dialect, fields: readonly string[]): Fragment {
  if (fields.length === 0) return raw('1')
  const members = fields.map(field => `coalesce(${dialect.jsonMember('payload', field)}, 'absent')`)
  return raw(dialect.quickHash(members.join(" || ',' || ")))
}
