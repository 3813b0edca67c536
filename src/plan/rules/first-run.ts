import { sql } from '../../warehouse/sql.ts'
import type { Rule } from './rule.ts'

/** Remembers everyone on a trigger's first night and sends nothing: switching a programme on must not mail its past. */
export const firstRun: Rule = {
  reason: 'first_run.baseline',
  decision: 'skip',
  concerns: ({ sync, firstRun: first }) => first && sync.mode === 'trigger' && sync.trigger?.firstRun === 'baseline',
  condition: () => sql`change.op = 'enter'`,
}
