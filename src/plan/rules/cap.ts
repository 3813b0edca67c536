import { isCommunication } from '../../project/communication.ts'
import type { Cap } from '../../project/policies.ts'
import type { Sync } from '../../project/project.ts'
import { type Fragment, raw, sql } from '../../warehouse/sql.ts'
import { selectUsage } from '../policies/usage.ts'
import { ago, type RankingRule, type RuleContext } from './rule.ts'

/** Whether communications of the sync count towards the cap, and are held back by it. */
export function isCapped(sync: Pick<Sync, 'mode' | 'channel' | 'purpose'>, cap: Cap): boolean {
  const ofPurpose = cap.purposes === undefined || (sync.purpose !== undefined && cap.purposes.includes(sync.purpose))
  return isCommunication(sync) && (cap.channel ?? sync.channel) === sync.channel && ofPurpose
}

/** What each person had of the cap's kind within its time: `entity`, `used`, and whether a sync that goes first had it today. */
function usage(context: RuleContext, cap: Cap): Fragment {
  const { sync, dialect, today } = context
  const began = raw(dialect.timestamp(dialect.literal(today.began)))
  return sql`
    select entity, count(*) as used,
      max(case when priority > ${raw(String(sync.priority))} and as_of >= ${began} then 1 else 0 end) as outranked
    from (${selectUsage(context, cap, ago(context, cap.per))}) usage group by 1
  `
}

/**
 * Defers communications beyond `max` within `per`, over all syncs. What may have arrived counts, and so does what another
 * run is about to send. Two rules: where a sync of higher priority used the cap up today, that is the reason.
 */
export function capRules(cap: Cap, index: number): readonly RankingRule[] {
  const name = raw(`cap_${index}`)
  const left = (used: Fragment) => sql`${raw(String(cap.max))} - coalesce(${used}, 0)`
  const shared = {
    kind: 'ranking',
    decision: 'defer',
    concerns: ({ sync }: RuleContext) => isCapped(sync, cap),
    partition: ['entity'],
  } as const
  return [
    {
      ...shared,
      reason: 'priority.outranked',
      join: context => sql`left join (${usage(context, cap)}) ${name} on ${name}.entity = change.entity`,
      columns: sql`${name}.used as ${name}_used`,
      allowed: () => left(sql`${name}.used`),
      condition: () => sql`${name}.outranked = 1`,
    },
    { ...shared, reason: `cap.${cap.name}`, allowed: () => left(sql`change.${name}_used`) },
  ]
}
