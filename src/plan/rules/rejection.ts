import { raw, sql } from '../../warehouse/sql.ts'
import type { Rule } from './rule.ts'

/** Blocks a row that the destination refused for good, until the row changes or its date comes. */
export const rejection: Rule = {
  reason: 'rejection.not_due',
  decision: 'blocked',
  concerns: () => true,
  condition: ({ dialect, asOf }) => {
    const now = raw(dialect.timestamp(dialect.literal(asOf)))
    return sql`rejection.key is not null and rejection.row_hash = change.row_hash and rejection.next_attempt_at > ${now}`
  },
}
