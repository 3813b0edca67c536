import { raw, sql } from '../../warehouse/sql.ts'
import type { Rule } from './rule.ts'

/** Skips a communication to someone who had this one before, within the time that the trigger's `reentry` names. */
export const reentry: Rule = {
  reason: 'reentry.recent',
  decision: 'skip',
  concerns: ({ sync }) => sync.trigger !== undefined && sync.trigger.reentry !== 'always',
  condition: ({ dialect, sync, asOf }) => {
    const policy = sync.trigger?.reentry
    if (typeof policy !== 'object') return sql`delivery.last_at is not null`
    const horizon = dialect.addMilliseconds(dialect.timestamp(dialect.literal(asOf)), -policy.after)
    return sql`delivery.last_at > ${raw(horizon)}`
  },
}
