import { sql } from '../../warehouse/sql.ts'
import type { RowRule } from './rule.ts'

/** Blocks a key whose last change may or may not have arrived: sending again could be the second time. */
export const unresolved: RowRule = {
  kind: 'row',
  reason: 'unresolved.parked',
  decision: 'blocked',
  concerns: () => true,
  join: ({ state, sync }) =>
    sql`left join (select distinct key from ${state.unresolved} where sync = ${sync.name}) unresolved on unresolved.key = change.key`,
  condition: () => sql`unresolved.key is not null`,
}
