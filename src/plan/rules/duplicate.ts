import { isCommunication } from '../../project/communication.ts'
import { type Fragment, raw, sql } from '../../warehouse/sql.ts'
import { type RankingRule, type RuleContext, tonightsAddresses, tonightsPeople } from './rule.ts'

/**
 * How many keys of the snapshot stand for the same communication to the same recipient: those that are in, and do not leave
 * tonight. For what is sent on `change` others do not matter: each night's change is news to the recipient once.
 */
function companions(
  { snapshot, changes, relations: { members } }: RuleContext,
  recipient: 'entity' | 'address',
): Fragment {
  const [by, from, known] =
    recipient === 'address' || members === undefined
      ? [raw('s.address'), sql`${snapshot} s`, sql`s.address in (${tonightsAddresses})`]
      : [
          raw('m.entity'),
          sql`${snapshot} s join ${members} m on m.key = coalesce(s.person, s.key)`,
          sql`m.entity in (${tonightsPeople})`,
        ]
  return sql`
    select ${by} as recipient, coalesce(s.topic, '') as topic, count(*) as others
    from ${from}
    where s.standing in ('member', 'withheld') and ${known}
      and s.key not in (select key from ${changes} where op <> 'change')
    group by 1, 2
  `
}

function duplicate(recipient: 'entity' | 'address', reason: string): RankingRule {
  const name = raw(`same_${recipient}`)
  const column = raw(recipient)
  return {
    kind: 'ranking',
    reason,
    decision: 'skip',
    concerns: ({ sync, relations }) =>
      isCommunication(sync) && (recipient === 'address' || relations.members !== undefined),
    join: context =>
      context.sync.trigger?.on === 'change'
        ? sql``
        : sql`left join (${companions(context, recipient)}) ${name} on ${name}.recipient = change.${column} and ${name}.topic = change.topic`,
    partition: [recipient, 'topic'],
    allowed: ({ sync }) =>
      sync.trigger?.on === 'change' ? raw('1') : sql`case when ${name}.others > 0 then 0 else 1 end`,
    condition: () => sql`change.${column} is not null`,
    follows: true,
  }
}

/** Two records that were found to be one person get a communication once. */
export const samePerson = duplicate('entity', 'duplicate.person')

/** Two records with one address get a communication once, whoever they are. */
export const sameAddress = duplicate('address', 'duplicate.address')

export const duplicates: readonly RankingRule[] = [samePerson, sameAddress]
