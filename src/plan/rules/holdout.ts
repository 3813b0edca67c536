import { concerns as appliesTo } from '../../project/communication.ts'
import type { Holdout } from '../../project/policies.ts'
import { raw, sql } from '../../warehouse/sql.ts'
import { drawOf, isOver } from '../policies/holdout.ts'
import { actsOn } from './mode.ts'
import type { RowRule } from './rule.ts'

/**
 * Withholds a share of people, so that what happens to them tells what the sync is worth. For a data sync it withholds
 * what would be sent of them, never the removal of what was sent.
 */
export function holdout(policy: Holdout, index: number): RowRule {
  const draw = `draw_${index}`
  return {
    kind: 'row',
    reason: `holdout.${policy.name}`,
    decision: 'withhold',
    concerns: ({ sync, today }) => appliesTo(policy.appliesTo, sync) && !isOver(policy, today.date),
    join: context => drawOf(context, policy, draw).join,
    condition: context => {
      const withheld = sql`${drawOf(context, policy, draw).u} < ${raw(context.dialect.literal(policy.share))}`
      const removal = context.sync.trigger === undefined && actsOn(context.sync).includes('leave')
      return removal ? sql`change.op <> 'leave' and ${withheld}` : withheld
    },
  }
}
