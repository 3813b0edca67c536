import { sql } from '../../warehouse/sql.ts'
import { now, type RowRule } from './rule.ts'

/** Blocks a row that the destination refused for good, until the row changes or its date comes. */
export const rejection: RowRule = {
  kind: 'row',
  reason: 'rejection.not_due',
  decision: 'blocked',
  concerns: () => true,
  join: ({ state, sync }) =>
    sql`left join (select * from ${state.rejections} where sync = ${sync.name}) rejection on rejection.key = change.key`,
  condition: context =>
    sql`rejection.key is not null and rejection.row_hash = change.row_hash and rejection.next_attempt_at > ${now(context)}`,
}
