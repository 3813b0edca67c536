import { sql } from '../../warehouse/sql.ts'
import { ineligibleBefore } from '../policies/eligibility.ts'
import type { RowRule } from './rule.ts'

/**
 * Remembers everyone on a trigger's first night and sends nothing: switching a programme on must not mail its past. Nor must
 * rolling it out to more people: who was in the model and outside of the rollout entered it long ago.
 */
export const firstRun: RowRule = {
  kind: 'row',
  reason: 'first_run.baseline',
  decision: 'skip',
  concerns: ({ sync }) => sync.trigger?.firstRun === 'baseline',
  join: ({ firstRun: first, state, sync }) =>
    first
      ? sql``
      : sql`left join (${ineligibleBefore(state.ineligible, sync.name)}) outside on outside.key = change.key`,
  condition: ({ firstRun: first }) =>
    first ? sql`change.op = 'enter'` : sql`change.op = 'enter' and outside.key is not null`,
}
