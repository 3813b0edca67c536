/** What the state's tables know of how well the machinery worked: counts alone. */
import type { Dialect } from '../../warehouse/dialect.ts'
import { type Fragment, raw, sql } from '../../warehouse/sql.ts'

/** One row for each `sync` and `reason` of changes that were not sent between two instants (ISO 8601): `n`. */
export function countKept(dialect: Dialect, decisions: Fragment, since: string, until: string): Fragment {
  const instant = (iso: string) => raw(dialect.timestamp(dialect.literal(iso)))
  return sql`select sync, reason, count(*) as n from ${decisions}
where reason is not null and as_of > ${instant(since)} and as_of <= ${instant(until)} group by sync, reason order by sync, reason`
}

/** One row for each `sync`: `n` keys whose last word is that they wait, and since when the `oldest` does. */
export function countWaiting(dialect: Dialect, decisions: Fragment, until: string): Fragment {
  return sql`select sync, sum(case when waits then 1 else 0 end) as n, min(case when waits then as_of end) as oldest from (
  select sync, as_of, decision in ('defer', 'blocked') or coalesce(outcome, '') in ('pending', 'parked') as waits,
    row_number() over (partition by sync, key order by as_of desc, run_id desc) as back
  from ${decisions} where as_of <= ${raw(dialect.timestamp(dialect.literal(until)))}
) d where back = 1 group by sync order by sync`
}
