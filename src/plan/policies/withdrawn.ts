/**
 * Who must not be sent to any more, of those whom a dead run's outbox was to speak to: their consent was withdrawn, or they came
 * onto a list, between the plan and its recovery. The outbox keeps the person and the hashes of what identifies them, but not the
 * identifiers themselves, and so a list of values is compared by hash.
 */
import { concerns } from '../../project/communication.ts'
import type { Dialect } from '../../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../../warehouse/sql.ts'
import { consentReasons, type EligibilityParams, optOutHash, optOutOfOthers, type Reason } from './eligibility.ts'
import { withEntity } from './relations.ts'

export interface WithdrawnParams extends Pick<EligibilityParams, 'sync' | 'policies' | 'relations' | 'personKind'> {
  readonly outbox: Fragment
  /** Both included. */
  readonly range: { readonly from: number; readonly to: number }
}

/** `seq`, `reason` of the sends in the range whose person may not take part any more; undefined when nothing could say so. */
export function selectWithdrawn(dialect: Dialect, params: WithdrawnParams): Fragment | undefined {
  const { sync, relations, outbox, range } = params
  const listed: readonly Reason[] = relations.suppressed
    .filter(({ list }) => concerns(list.appliesTo, sync))
    .map(({ list, people }) => ({
      reason: sql`${`suppression.${list.reason}`}`,
      condition: sql`p.entity in (select entity from ${people})`,
    }))
  const optedOut: readonly Reason[] = relations.optOuts.flatMap(optOuts =>
    optOutOfOthers(dialect, params, optOuts).map(condition => ({
      reason: sql`${`suppression.${optOuts.reason}`}`,
      condition,
    })),
  )
  const reasons = [...listed, ...optedOut, ...consentReasons(params)]
  if (reasons.length === 0) return undefined
  const sends = sql`(
  select seq, person from ${outbox}
  where seq between ${raw(String(range.from))} and ${raw(String(range.to))} and op <> 'leave'
) o`
  const own = withEntity(relations, sends, raw('o.person'))
  const cases = reasons.map(({ condition, reason }) => sql`when ${condition} then ${reason}`)
  return sql`with p as (
  select o.seq, o.person, ${own.entity} as entity from ${own.from}
)
select seq, reason from (
  select p.seq, case ${join(cases, '\n    ')} end as reason from p
) judged where reason is not null`
}

/** Which of these hashes are those of a value on the list; `kind` is the list's identifier. */
export function selectListed(dialect: Dialect, values: Fragment, kind: string, hashes: readonly string[]): Fragment {
  const wanted = join(
    hashes.map(hash => sql`${hash}`),
    ', ',
  )
  // A keyword of GoogleSQL.
  const hash = raw(dialect.quote('hash'))
  return sql`select ${hash} from (select ${raw(optOutHash(dialect, kind, 'value'))} as ${hash} from ${values}) listed where ${hash} in (${wanted})`
}
