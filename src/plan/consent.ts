/**
 * Consents as the latest answer by event time. A row that arrives late counts by when it was given, not by when it came in;
 * an answer from the future of the run's clock is left out until then.
 */
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'
import { type PolicyRelations, withEntity } from './policy-relations.ts'

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
  const all = sql`(${text} is null or lower(trim(${text})) in ('', '*', 'all'))`
  return value === undefined ? all : sql`(${text} = ${value} or ${all})`
}

const status = raw('lower(trim(status))')

/** Those of this channel and purpose that were given by now, by whom they are about: `c.status`, `c.at`, `c.basis`, `c.evidence`. */
function answers(dialect: Dialect, params: ConsentParams, columns: Fragment): Fragment {
  const { consents, person, channel, purpose, asOf, members, has } = params
  const now = raw(dialect.timestamp(dialect.literal(asOf)))
  const at = raw(dialect.castTo('updated_at', 'timestamp'))
  const text = (name: 'basis' | 'evidence') => raw(dialect.castTo(has[name] ? name : 'null', 'string'))
  const within = sql`(
  select ${person} as person, ${status} as status, ${at} as at, ${text('basis')} as basis, ${text('evidence')} as evidence
  from ${consents}
  where ${covers(dialect, 'channel', channel)} and ${covers(dialect, 'purpose', purpose)} and ${at} <= ${now}
) c`
  const own = withEntity({ members }, within, raw('c.person'))
  return sql`select ${own.entity} as entity, ${columns} from ${own.from}`
}

/** `entity`, `granted_at`, `denied_at`: when a person last said yes and no to this; NULL for never. */
export function selectConsents(dialect: Dialect, params: ConsentParams): Fragment {
  const newest = (answer: string) => raw(`max(case when c.status = '${answer}' then c.at end) as ${answer}_at`)
  return sql`${answers(dialect, params, sql`${newest('granted')}, ${newest('denied')}`)} group by 1`
}

/** `entity`, `granted_at`, `basis`, `evidence` of every yes: what a delivery goes by. */
export function selectGrants(dialect: Dialect, params: ConsentParams): Fragment {
  const columns = raw('c.at as granted_at, max(c.basis) as basis, max(c.evidence) as evidence')
  return sql`${answers(dialect, params, columns)} where c.status = 'granted' group by 1, 2`
}

/** One row: `row_count` of answers that are no answer, or have no time, and `future` ones. */
export function countOddConsents(dialect: Dialect, consents: Fragment, person: Fragment, asOf: string): Fragment {
  const now = raw(dialect.timestamp(dialect.literal(asOf)))
  return sql`select
  count(case when ${status} is null or ${status} not in ('granted', 'denied') then 1 end) as odd_status,
  count(case when updated_at is null then 1 end) as undated,
  count(case when ${person} is null or ${person} = '' then 1 end) as nobody,
  count(case when ${raw(dialect.castTo('updated_at', 'timestamp'))} > ${now} then 1 end) as future
from ${consents}`
}
