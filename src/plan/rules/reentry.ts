import { sql } from '../../warehouse/sql.ts'
import { withEntity } from '../policies/relations.ts'
import { ago, type RowRule, tonightsPeople } from './rule.ts'

/** Skips a communication to someone who had this one before, within the time that the trigger's `reentry` names. */
export const reentry: RowRule = {
  kind: 'row',
  reason: 'reentry.recent',
  decision: 'skip',
  concerns: ({ sync }) => sync.trigger !== undefined && sync.trigger.reentry !== 'always',
  join: ({ state, sync, relations }) => {
    const before = withEntity(relations, sql`${state.deliveries} d`, sql`coalesce(d.person, d.key)`)
    return sql`left join (
    select ${before.entity} as entity, coalesce(d.topic, '') as topic, max(d.as_of) as last_at
    from ${before.from} where d.sync = ${sync.name} and ${before.entity} in (${tonightsPeople}) group by 1, 2
  ) delivery on delivery.entity = change.entity and delivery.topic = change.topic`
  },
  condition: context => {
    const policy = context.sync.trigger?.reentry
    if (typeof policy !== 'object') return sql`delivery.last_at is not null`
    return sql`delivery.last_at > ${ago(context, policy.after)}`
  },
}
