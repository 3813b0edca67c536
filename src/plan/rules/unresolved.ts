import { isCommunication } from '../../project/communication.ts'
import { raw, sql } from '../../warehouse/sql.ts'
import { withEntity } from '../policies/relations.ts'
import { type RowRule, type RuleContext, tonightsAddresses, tonightsPeople } from './rule.ts'

/** Blocks a key whose last change may or may not have arrived: sending again could be the second time. */
export const unresolved: RowRule = {
  kind: 'row',
  reason: 'unresolved.parked',
  decision: 'blocked',
  concerns: () => true,
  join: ({ state, sync }) =>
    sql`left join (select distinct key from ${state.unresolved} where sync = ${sync.name}) unresolved on unresolved.key = change.key`,
  condition: () => sql`unresolved.key is not null`,
}

/** Blocks a key that was skipped in favour of one that is unresolved now: whether it was told is not known either. */
export const follower: RowRule = {
  kind: 'row',
  reason: 'unresolved.duplicate',
  decision: 'blocked',
  concerns: ({ sync }) => isCommunication(sync),
  join: ({ state, sync }) =>
    sql`left join (select distinct key from ${state.followers} where sync = ${sync.name}) follower on follower.key = change.key`,
  condition: () => sql`follower.key is not null`,
}

/**
 * Blocks another record of a person, or with an address, to whom the same communication may have arrived when an unresolved
 * key entered. Only entering is told once to all records of a person; what changes or leaves on another night is news.
 */
function parkedDuplicate(recipient: 'entity' | 'address'): RowRule {
  const name = raw(`parked_${recipient}`)
  return {
    kind: 'row',
    reason: 'unresolved.duplicate',
    decision: 'blocked',
    concerns: ({ sync, relations }) =>
      isCommunication(sync) &&
      (sync.trigger === undefined || sync.trigger.on === 'enter') &&
      (recipient === 'address' || relations.members !== undefined),
    join: context => {
      const parked = parkedRecipients(context, recipient)
      return sql`left join (${parked}) ${name} on ${name}.recipient = change.${raw(recipient)} and ${name}.topic = change.topic`
    },
    condition: () => sql`${name}.recipient is not null`,
  }
}

function parkedRecipients({ state, sync, relations }: RuleContext, recipient: 'entity' | 'address') {
  const unresolved = sql`${state.unresolved} u`
  const ofSync = sql`u.sync = ${sync.name} and coalesce(u.op, 'enter') = 'enter'`
  const topic = sql`coalesce(u.topic, '') as topic`
  if (recipient === 'address')
    return sql`select distinct u.address as recipient, ${topic} from ${unresolved} where ${ofSync} and u.address in (${tonightsAddresses})`
  const { entity, from } = withEntity(relations, unresolved, sql`coalesce(u.person, u.key)`)
  return sql`select distinct ${entity} as recipient, ${topic} from ${from} where ${ofSync} and ${entity} in (${tonightsPeople})`
}

export const parkedDuplicates: readonly RowRule[] = [parkedDuplicate('entity'), parkedDuplicate('address')]
