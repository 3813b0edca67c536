/**
 * Communications that people had, or are about to have: settled deliveries, those of runs that are not settled yet, and
 * those that earlier plans of the same invocation will send. One communication may be in several of them and counts once.
 */
import type { Cap } from '../../project/policies.ts'
import { type Fragment, join, raw, sql } from '../../warehouse/sql.ts'
import { type RuleContext, tonightsPeople } from '../rules/rule.ts'
import { withEntity } from './relations.ts'

/** `entity`, `priority`, `as_of` of each communication of the cap's kind that tonight's people had since `horizon`. */
export function selectUsage(
  { state, relations }: Pick<RuleContext, 'state' | 'relations'>,
  cap: Pick<Cap, 'channel' | 'purposes'>,
  horizon: Fragment,
): Fragment {
  const purposes = cap.purposes?.map(purpose => sql`${purpose}`)
  const counted = join(
    [
      sql`as_of > ${horizon}`,
      ...(cap.channel === undefined ? [] : [sql`channel = ${cap.channel}`]),
      ...(purposes === undefined ? [] : [sql`purpose in (${join(purposes, ', ')})`]),
    ],
    ' and ',
  )
  const columns = raw('change_id, coalesce(person, key) as person, priority, as_of')
  const parts = [
    sql`select ${columns} from ${state.deliveries} where communication and ${counted}`,
    ...[state.reservations, ...(relations.tonight === undefined ? [] : [relations.tonight])].map(
      relation => sql`select ${columns} from ${relation} where ${counted}`,
    ),
  ]
  const every = sql`(${join(parts, '\n      union all ')}) c`
  const known = withEntity(relations, every, raw('c.person'))
  return sql`select max(${known.entity}) as entity, max(c.priority) as priority, max(c.as_of) as as_of
      from ${known.from} where ${known.entity} in (${tonightsPeople}) group by c.change_id`
}
