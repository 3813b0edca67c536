/** What is known of the people of an experiment beside their arm: for breakdowns and checks. */
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import type { ExposureScope } from './experiment-sql.ts'
import { counts, type EventsParams, everyEvent } from './outcome-sql.ts'

export interface ParticipantParams {
  /** Relation of `selectUnits`. */
  readonly units: Fragment
  readonly deliveries: Fragment
  readonly sync: string | undefined
  readonly members: Fragment | undefined
  /** The share that holds now, for exposures that do not know theirs. */
  readonly share: number
}

/**
 * `selectUnits` with the `day` of the trigger (text, UTC), whether the person has `several` records, whether anything was `delivered`
 * to them since (0 or 1), and the `share` that held.
 */
export function selectParticipants(dialect: Dialect, params: ParticipantParams): Fragment {
  const { units, deliveries, sync, members, share } = params
  const person = sql`coalesce(d.person, d.key)`
  const entity = members === undefined ? person : sql`coalesce(own.entity, ${person})`
  const joined = members === undefined ? raw('') : sql` left join ${members} own on own.key = ${person}`
  const ofSync = sync === undefined ? raw('') : sql` where d.sync = ${sync}`
  const day = dialect.castTo(dialect.castTo('u.triggered_at', 'date'), 'string')
  const several =
    members === undefined
      ? raw('')
      : sql`left join (select entity from ${members} m group by entity having count(*) > 1) s on s.entity = u.entity`
  return sql`select u.entity as entity, u.arm as arm, u.triggered_at as triggered_at, u.mixed as mixed, u.sync as sync, u.stratum as stratum,
  coalesce(u.share, ${raw(dialect.literal(share))}) as share, ${raw(day)} as day,
  ${raw(members === undefined ? '0' : 'case when s.entity is null then 0 else 1 end')} as several,
  case when d.last_at >= u.triggered_at then 1 else 0 end as delivered
from ${units} u
${several}
left join (select ${entity} as entity, max(d.as_of) as last_at from ${deliveries} d${joined}${ofSync} group by 1) d on d.entity = u.entity`
}

/** One row for each `sync` of the trigger that counts, `share` and arm: `n` people of one record each, whose draw is their own. */
export function countBySync(participants: Fragment): Fragment {
  return sql`select sync, share, case when arm = 'withheld' then 'withheld' else 'treated' end as arm, count(*) as n
from ${participants} where several = 0 group by 1, 2, 3 order by 1, 2, 3`
}

/** The same of those whose window is over: `values` is of `selectValues`, with `share` and `several` carried along. */
export function countMatured(values: Fragment): Fragment {
  return sql`select share, case when arm = 'withheld' then 'withheld' else 'treated' end as arm, count(*) as n
from ${values} where several = 0 group by 1, 2 order by 1, 2`
}

/** One row for each arm: `n`, and of paired sums of the outcome y and of whether the person was delivered to, z. */
export function selectCompliance(values: Fragment): Fragment {
  return sql`select v.arm as arm, count(*) as n, sum(v.y) as sum_y, sum(v.delivered) as sum_z,
  sum((v.y - m.y) * (v.y - m.y)) as myy, sum((v.delivered - m.z) * (v.delivered - m.z)) as mzz, sum((v.y - m.y) * (v.delivered - m.z)) as myz
from ${values} v inner join (select arm, avg(y) as y, avg(delivered) as z from ${values} means group by arm) m on m.arm = v.arm
group by v.arm order by v.arm`
}

/**
 * One row for each arm: `n` people, and `before`, those of them to whom the outcome happened in as long a time before their first trigger as its
 * window is after it. Nothing had been done to them by then, so that the arms must be alike.
 */
export function countBefore(dialect: Dialect, units: Fragment, events: Fragment, window: number): Fragment {
  const later = raw(dialect.addMilliseconds('e.happened_at', window))
  return sql`select u.arm as arm, count(*) as n, sum(case when b.entity is null then 0 else 1 end) as before
from ${units} u left join (
  select u.entity as entity from ${units} u inner join ${events} e on e.entity = u.entity and e.happened_at <= u.triggered_at and ${later} > u.triggered_at
  group by 1
) b on b.entity = u.entity group by u.arm order by u.arm`
}

/** One row for each arm: `n` people, and `unusable`, those of them with a row of the outcome that cannot count for want of a time or a value. */
export function countUnusable(dialect: Dialect, units: Fragment, events: EventsParams): Fragment {
  return sql`select u.arm as arm, count(*) as n, sum(case when b.entity is null then 0 else 1 end) as unusable
from ${units} u left join (
  select entity from (${everyEvent(dialect, events)}) events where entity is not null and not (${counts(dialect, events)}) group by 1
) b on b.entity = u.entity group by u.arm order by u.arm`
}

/** One row for each epoch of the holdout: `n` exposures, `first_at`, `last_at`. */
export function selectEpochs(
  exposures: Fragment,
  { sync, holdout }: Pick<ExposureScope, 'sync' | 'holdout'>,
): Fragment {
  const ofSync = sync === undefined ? raw('') : sql` and sync = ${sync}`
  return sql`select epoch, count(*) as n, min(triggered_at) as first_at, max(triggered_at) as last_at
from ${exposures} where holdout = ${holdout}${ofSync} group by epoch order by 3`
}

/** One row for each arm now and `earlier` arm of people who took part in another epoch of the same holdout before: `n`. */
export function countEarlier(
  exposures: Fragment,
  units: Fragment,
  { holdout, epoch }: Pick<ExposureScope, 'holdout' | 'epoch'>,
  members: Fragment | undefined,
): Fragment {
  const person = sql`coalesce(e.person, e.key)`
  const entity = members === undefined ? person : sql`coalesce(own.entity, ${person})`
  const joined = members === undefined ? raw('') : sql` left join ${members} own on own.key = ${person}`
  return sql`select case when u.arm = 'withheld' then 'withheld' else 'treated' end as arm, b.earlier as earlier, count(*) as n
from ${units} u inner join (
  select ${entity} as entity, max(case when e.arm = 'withheld' then 'withheld' else 'treated' end) as earlier
  from ${exposures} e${joined} where e.holdout = ${holdout} and e.epoch <> ${epoch} group by 1
) b on b.entity = u.entity group by 1, 2 order by 1, 2`
}

/**
 * One row: `withheld` people whose address is known, and `shared`, those of them whose address somebody treated has, too. `snapshots`: relations
 * of the snapshots of the syncs that speak to people.
 */
export function countSharedAddresses(
  units: Fragment,
  snapshots: readonly Fragment[],
  members: Fragment | undefined,
): Fragment {
  const person = sql`coalesce(k.person, k.key)`
  const entity = members === undefined ? person : sql`coalesce(own.entity, ${person})`
  const joined = members === undefined ? raw('') : sql` left join ${members} own on own.key = ${person}`
  const known = join(
    snapshots.map(snapshot => sql`select key, person, address from ${snapshot} where address is not null`),
    ' union all ',
  )
  const addresses = sql`(select distinct u.arm as arm, u.entity as entity, k.address as address
    from (${known}) k${joined} inner join ${units} u on u.entity = ${entity})`
  return sql`select count(distinct w.entity) as withheld, count(distinct case when t.address is not null then w.entity end) as shared
from ${addresses} w left join (select distinct address from ${addresses} a where arm <> 'withheld') t on t.address = w.address
where w.arm = 'withheld'`
}

/** The triggers of each person in their order, as `units`: `entity`, `arm`, `triggered_at` and `nth`, of the first five. */
export function selectTriggers(
  units: Fragment,
  decisions: Fragment,
  { sync, holdout }: Pick<ExposureScope, 'sync' | 'holdout'>,
  members: Fragment | undefined,
): Fragment {
  const person = sql`coalesce(d.person, d.key)`
  const entity = members === undefined ? person : sql`coalesce(own.entity, ${person})`
  const joined = members === undefined ? raw('') : sql` left join ${members} own on own.key = ${person}`
  const ofSync = sync === undefined ? raw('') : sql` and d.sync = ${sync}`
  return sql`select entity, arm, triggered_at, nth from (
  select u.entity as entity, u.arm as arm, t.as_of as triggered_at, row_number() over (partition by u.entity order by t.as_of) as nth
  from ${units} u inner join (
    select distinct ${entity} as entity, d.as_of as as_of from ${decisions} d${joined}
    where (d.decision = 'send' and d.outcome = 'acked' or d.decision = 'withhold' and d.reason = ${`holdout.${holdout}`})${ofSync}
  ) t on t.entity = u.entity and t.as_of >= u.triggered_at
) triggers where nth <= 5`
}

/**
 * What became of the changes of these syncs, one row for each `decision`, `reason` and `outcome`: `n`. What was put off counts as long
 * as nothing was decided since: it is planned anew every night.
 */
export function countDecisions(decisions: Fragment, syncs: readonly string[]): Fragment {
  const names = join(
    syncs.map(name => sql`${name}`),
    ', ',
  )
  return sql`select sync, decision, reason, outcome, count(*) as n, min(as_of) as first_at from (
  select sync, decision, reason, outcome, as_of, row_number() over (partition by sync, key order by as_of desc, run_id desc) as back
  from ${decisions} where sync in (${names})
) d where back = 1 or not (decision in ('defer', 'blocked') or coalesce(outcome, '') = 'pending')
group by 1, 2, 3, 4 order by 1, 2, 3, 4`
}

/** One row for each `sync` and `reason`: `n` keys that may not take part at present. */
export function countIneligible(ineligible: Fragment, syncs: readonly string[]): Fragment {
  const names = join(
    syncs.map(name => sql`${name}`),
    ', ',
  )
  return sql`select sync, reason, count(distinct key) as n from ${ineligible} where until is null and sync in (${names}) group by 1, 2 order by 1, 2`
}

/** One row for each `sync`: `n` communications that reached treated people within the window after their first trigger, of those whose window is over. */
export function countMessages(
  dialect: Dialect,
  {
    units,
    deliveries,
    window,
    asOf,
  }: {
    readonly units: Fragment
    readonly deliveries: Fragment
    readonly window: number
    readonly asOf: string
  },
  members: Fragment | undefined,
): Fragment {
  const person = sql`coalesce(d.person, d.key)`
  const entity = members === undefined ? person : sql`coalesce(own.entity, ${person})`
  const joined = members === undefined ? raw('') : sql` left join ${members} own on own.key = ${person}`
  const end = raw(dialect.addMilliseconds('u.triggered_at', window))
  return sql`select d.sync as sync, count(distinct d.change_id) as n from ${deliveries} d${joined}
inner join ${units} u on u.entity = ${entity} and d.as_of >= u.triggered_at and d.as_of <= ${end}
where d.communication and u.arm <> 'withheld' and ${end} <= ${raw(dialect.timestamp(dialect.literal(asOf)))} group by d.sync order by d.sync`
}

/**
 * One row for each arm: `n`, and the paired sums of the outcome x of `values` and the outcome y of `others`, of people whose windows are both over. Both
 * are of `selectValues`, with `entity` carried along.
 */
export function selectJoint(values: Fragment, others: Fragment): Fragment {
  const both = sql`(select v.arm as arm, v.y as x, o.y as y from ${values} v inner join ${others} o on o.entity = v.entity)`
  return sql`select v.arm as arm, count(*) as n, sum(v.x) as sum_x, sum(v.y) as sum_y,
  sum((v.x - m.x) * (v.x - m.x)) as mxx, sum((v.y - m.y) * (v.y - m.y)) as myy, sum((v.x - m.x) * (v.y - m.y)) as mxy
from ${both} v inner join (select arm, avg(x) as x, avg(y) as y from ${both} means group by arm) m on m.arm = v.arm
group by v.arm order by v.arm`
}
