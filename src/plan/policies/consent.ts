/**
 * Consents as the latest answer by event time. A row that arrives late counts by when it was given, not by when it came in;
 * an answer from the future of the run's clock is left out until then.
 */
import type { Dialect } from '../../warehouse/dialect.ts'
import { type Fragment, raw, sql } from '../../warehouse/sql.ts'
import { type PolicyRelations, withEntity } from './relations.ts'

export interface ConsentParams {
  /** Relation of the consent model, computed for tonight. */
  readonly consents: Fragment
  /** Text of the person's own key, over that relation. */
  readonly person: Fragment
  readonly channel: string | undefined
  readonly purpose: string | undefined
  readonly asOf: string
  readonly members: PolicyRelations['members']
  /** The optional columns that the model has. */
  readonly has: { readonly basis: boolean; readonly evidence: boolean }
}

/** An answer for every channel or purpose is written as NULL, empty, `*` or `all`. */
function covers(dialect: Dialect, column: string, value: string | undefined): Fragment {
  const text = raw(dialect.castTo(column, 'string'))
  const all = sql`(${text} is null or ${text} = '*' or lower(trim(${text})) in ('', '*', 'all'))`
  return value === undefined ? all : sql`(${text} = ${value} or ${all})`
}

/** Most rows have it as it should be, and tidying each of millions takes time. */
const status = raw(`case when status in ('granted', 'denied') then status else lower(trim(status)) end`)

/** `entity`, `status`, `given_at`, `basis`, `evidence` of each answer for this channel and purpose that was given by now. */
export function selectAnswers(dialect: Dialect, params: ConsentParams): Fragment {
  const { consents, person, channel, purpose, asOf, members, has } = params
  const now = raw(dialect.timestamp(dialect.literal(asOf)))
  const at = raw(dialect.castTo('updated_at', 'timestamp'))
  const text = (name: 'basis' | 'evidence') => raw(dialect.castTo(has[name] ? name : 'null', 'string'))
  const within = sql`(
  select ${person} as person, ${status} as status, ${at} as answered_at, ${text('basis')} as basis, ${text('evidence')} as evidence
  from ${consents}
  where ${covers(dialect, 'channel', channel)} and ${covers(dialect, 'purpose', purpose)} and ${at} <= ${now}
) c`
  const own = withEntity({ members }, within, raw('c.person'))
  return sql`select ${own.entity} as entity, c.status as status, c.answered_at as given_at, c.basis as basis, c.evidence as evidence from ${own.from}`
}

/**
 * `entity` of everyone whose newest answer is no; a tie of instants goes to the no. Only those who ever said no are looked
 * at closely, because they are few.
 */
export function selectDenied(answers: Fragment): Fragment {
  const newest = (answer: string) => raw(`max(case when status = '${answer}' then given_at end)`)
  return sql`select entity from (
  select entity, ${newest('granted')} as granted_at, ${newest('denied')} as denied_at from ${answers}
  where entity in (select entity from ${answers} where status = 'denied') group by 1
) newest where granted_at is null or granted_at <= denied_at`
}

/** `entity`, `basis`, `evidence` of the newest yes of these people: what a delivery goes by. */
export function selectGrants(answers: Fragment, people: Fragment): Fragment {
  return sql`select entity, max(basis) as basis, max(evidence) as evidence from (
    select entity, given_at, basis, evidence, max(given_at) over (partition by entity) as newest_at from ${answers}
    where status = 'granted' and entity in (${people})
  ) granted where given_at = newest_at group by 1`
}

/** One row: `row_count` of answers that are no answer, or have no time, and `future` ones. */
export function countOddConsents(dialect: Dialect, consents: Fragment, person: Fragment, asOf: string): Fragment {
  const now = raw(dialect.timestamp(dialect.literal(asOf)))
  return sql`select
  count(case when status in ('granted', 'denied') then null when status is null or ${status} not in ('granted', 'denied') then 1 end) as odd_status,
  count(case when updated_at is null then 1 end) as undated,
  count(case when ${person} is null or ${person} = '' then 1 end) as nobody,
  count(case when ${raw(dialect.castTo('updated_at', 'timestamp'))} > ${now} then 1 end) as future
from ${consents}`
}
