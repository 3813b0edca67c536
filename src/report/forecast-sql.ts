/** How many people came so far, and who they were: for forecasts. */
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'

const week = 7 * 86_400_000
/** Older weeks say little of those to come. */
const weeksLookedAt = 8

function since(dialect: Dialect, asOf: number): Fragment {
  return raw(dialect.timestamp(dialect.literal(new Date(asOf - weeksLookedAt * week).toISOString())))
}

function until(dialect: Dialect, asOf: number): Fragment {
  return raw(dialect.timestamp(dialect.literal(new Date(asOf).toISOString())))
}

/** One row: `n` first triggers of people in any epoch of the holdout within eight weeks, and the `first_at` of them. */
export function countExposed(
  dialect: Dialect,
  exposures: Fragment,
  { sync, holdout, asOf }: { readonly sync: string; readonly holdout: string; readonly asOf: number },
): Fragment {
  return sql`select count(distinct coalesce(person, key)) as n, min(triggered_at) as first_at from ${exposures}
where sync = ${sync} and holdout = ${holdout} and triggered_at > ${since(dialect, asOf)} and triggered_at <= ${until(dialect, asOf)}`
}

/** The same of changes by which people would have been triggered, from before there was a holdout. */
export function countTriggered(
  dialect: Dialect,
  decisions: Fragment,
  { sync, op, asOf }: { readonly sync: string; readonly op: string; readonly asOf: number },
): Fragment {
  return sql`select count(distinct coalesce(person, key)) as n, min(as_of) as first_at from ${decisions}
where sync = ${sync} and op = ${op} and decision in ('send', 'withhold') and as_of > ${since(dialect, asOf)} and as_of <= ${until(dialect, asOf)}`
}

/** `entity`, `arm`, `triggered_at` of everybody in a model, as if they had been triggered so long ago that the window has just ended. */
export function selectPopulationUnits(
  dialect: Dialect,
  {
    stage,
    person,
    asOf,
    window,
    members,
  }: {
    readonly stage: Fragment
    /** Their key as text. */
    readonly person: Fragment
    readonly asOf: number
    readonly window: number
    readonly members: Fragment | undefined
  },
): Fragment {
  const instant = raw(dialect.timestamp(dialect.literal(new Date(asOf - window).toISOString())))
  const entity = members === undefined ? sql`p.person` : sql`coalesce(own.entity, p.person)`
  const joined = members === undefined ? raw('') : sql` left join ${members} own on own.key = p.person`
  return sql`select distinct ${entity} as entity, 'withheld' as arm, ${instant} as triggered_at
from (select ${person} as person from ${stage}) p${joined} where p.person is not null`
}
