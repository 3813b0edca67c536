/**
 * Who entered, changed or left: one full join of tonight's population with the snapshot, on the mapped fields only. Both
 * sides are hashed by the engine's own fast hash within the one query, so nothing unstable is ever stored; the payloads
 * themselves are fetched later, for the changed keys alone.
 */
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'

export interface DiffParams {
  /** Select of `key` and `payload`. */
  readonly population: Fragment
  readonly snapshot: Fragment
  /** Every row of the population counts as changed (a full resync of a data sync). */
  readonly everyone: boolean
  /**
   * Set when the mapping changed and is to be kept: the fields that both mappings compute alike. A row that differs in
   * the others only is marked `kept`.
   */
  readonly comparable: readonly string[] | undefined
}

/** Rows: `key`, `op`, `kept`. */
export function selectChanges(dialect: Dialect, params: DiffParams): Fragment {
  const digest = raw(dialect.quickHash('payload'))
  const common = params.comparable === undefined ? undefined : hashOfMembers(dialect, params.comparable)
  const commonColumn = common === undefined ? raw('') : sql`, ${common} as common`
  const kept = common === undefined ? raw('false') : sql`coalesce(p.common = s.common, false)`
  const differs = params.everyone
    ? raw('')
    : sql`
where p.key is null or s.key is null or p.digest <> s.digest`
  return sql`select
  coalesce(p.key, s.key) as key,
  case when s.key is null then 'enter' when p.key is null then 'leave' else 'change' end as op,
  ${kept} as kept
from (select key, ${digest} as digest${commonColumn} from (${params.population}) population) p
full join (select key, ${digest} as digest${commonColumn} from ${params.snapshot} where standing <> 'left') s on p.key = s.key${differs}`
}

function hashOfMembers(dialect: Dialect, fields: readonly string[]): Fragment {
  if (fields.length === 0) return raw('1')
  const members = fields.map(field => `coalesce(${dialect.jsonMember('payload', field)}, 'absent')`)
  return raw(dialect.quickHash(members.join(" || ',' || ")))
}
