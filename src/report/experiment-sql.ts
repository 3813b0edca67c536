/**
 * Who took part in an experiment, from the exposures that were written down before anything left. A person counts once, by
 * their first trigger, in the arm of that trigger: whatever happens to them later is part of the treatment.
 */
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'

export interface ExposureScope {
  readonly exposures: Fragment
  /** Undefined takes the triggers of every sync. */
  readonly sync: string | undefined
  readonly holdout: string
  readonly epoch: string
}

/** The exposures of an experiment, in the shape of the table. */
export function exposuresIn({ exposures, sync, holdout, epoch }: ExposureScope): Fragment {
  const ofSync = sync === undefined ? raw('') : sql` and sync = ${sync}`
  return sql`(select * from ${exposures} where holdout = ${holdout} and epoch = ${epoch}${ofSync})`
}

/** Relation of `key`, `entity`: records that are the same person, as they are known now. */
export function membersOf(identities: Fragment, personKind: string): Fragment {
  return sql`(select value as key, entity from ${identities} where type = ${personKind})`
}

/**
 * `entity`, `arm`, `triggered_at`, `mixed` (1 when another exposure of the person was in another arm) of each person, and the `sync`,
 * `share` and `stratum` of the trigger that counts. Of two triggers at one instant the withheld one counts.
 */
export function selectUnits(scope: ExposureScope, members: Fragment | undefined): Fragment {
  const person = sql`coalesce(e.person, e.key)`
  const entity = members === undefined ? person : sql`coalesce(own.entity, ${person})`
  const joined = members === undefined ? raw('') : sql` left join ${members} own on own.key = ${person}`
  return sql`select entity, arm, triggered_at, mixed, sync, share, stratum from (
  select entity, arm, triggered_at, sync, share, stratum,
    case when min(arm) over (partition by entity) = max(arm) over (partition by entity) then 0 else 1 end as mixed,
    row_number() over (partition by entity order by triggered_at, case when arm = 'withheld' then 0 else 1 end, arm) as nth
  from (select ${entity} as entity, e.arm as arm, e.triggered_at as triggered_at, e.sync as sync, e.share as share, e.stratum as stratum
    from ${exposuresIn(scope)} e${joined}) triggers
) firsts where nth = 1`
}

/** One row for each arm: `arm`, `n`, `mixed`, `first_at`, `last_at`. */
export function countUnits(units: Fragment): Fragment {
  return sql`select arm, count(*) as n, sum(mixed) as mixed, min(triggered_at) as first_at, max(triggered_at) as last_at
from ${units} group by arm order by arm`
}

/**
 * The draw of every exposure computed again, one row for each `share` that ever held, `recorded` arm and `drawn` arm: `n`. Left out
 * are records of people who have several: whom a holdout withholds then depends on who was known to be one at that time. `drawn` is
 * `elsewhere` for exposures without a draw, whose assignment another tool made.
 */
export function countAssignments(
  dialect: Dialect,
  scope: ExposureScope,
  { salt, share, members }: { readonly salt: string; readonly share: number; readonly members: Fragment | undefined },
): Fragment {
  const u = raw(dialect.unitInterval(dialect.literal(salt), 'e.person'))
  const several = sql`select entity from ${members ?? raw('')} m group by entity having count(*) > 1`
  const alone =
    members === undefined
      ? raw('')
      : sql` where not exists (select 1 from ${members} own where own.key = e.person and own.entity in (${several}))`
  return sql`select share, recorded, drawn, count(*) as n from (
  select e.share as share, case when e.arm = 'withheld' then 'withheld' else 'treated' end as recorded,
    case when e.draw is null then 'elsewhere' when ${u} < e.share then 'withheld' else 'treated' end as drawn
  from (
    select coalesce(person, key) as person, arm, draw, coalesce(share, ${raw(dialect.literal(share))}) as share from ${exposuresIn(scope)} x
  ) e${alone}
) drawn_again group by share, recorded, drawn order by share, recorded, drawn`
}

/** One row: `n` treated people, and `delivered`, those of them to whom a sync of the experiment delivered anything since. */
export function countDelivered(
  units: Fragment,
  deliveries: Fragment,
  { sync }: Pick<ExposureScope, 'sync'>,
  members: Fragment | undefined,
): Fragment {
  const person = sql`coalesce(d.person, d.key)`
  const entity = members === undefined ? person : sql`coalesce(own.entity, ${person})`
  const joined = members === undefined ? raw('') : sql` left join ${members} own on own.key = ${person}`
  const ofSync = sync === undefined ? raw('') : sql` where d.sync = ${sync}`
  return sql`select u.arm as arm, count(*) as n, sum(case when d.last_at >= u.triggered_at then 1 else 0 end) as delivered
from ${units} u left join (
  select ${entity} as entity, max(d.as_of) as last_at from ${deliveries} d${joined}${ofSync} group by 1
) d on d.entity = u.entity group by u.arm order by u.arm`
}
