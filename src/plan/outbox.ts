/**
 * The outbox: tonight's changes, each with one decision and one reason, and what would be sent. Rules are one SQL `case`
 * in their order; what no rule claims is sent. Sends are numbered from 1 in the order in which they leave: first those
 * that enter or change, then leavers, each by key, so that requests are consecutive ranges.
 */
import type { Sync } from '../project/project.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import type { Rule, RuleContext } from './rules/rule.ts'

export interface OutboxParams {
  readonly project: string
  readonly sync: Sync
  readonly asOf: string
  readonly firstRun: boolean
  readonly rules: readonly Rule[]
  /** Sends beyond this number are deferred to the next run. */
  readonly limit: number | undefined
  /** Every row counts as changed, also one whose payload is the same. */
  readonly everyone: boolean
  /** Relation of `selectChanges`. */
  readonly changes: Fragment
  readonly population: Fragment
  readonly snapshot: Fragment
  readonly deliveries: Fragment
  readonly rejections: Fragment
  readonly unresolved: Fragment
}

/** Rows in the shape of `outboxColumns`. */
export function selectOutbox(dialect: Dialect, params: OutboxParams): Fragment {
  const context: RuleContext = { dialect, sync: params.sync, asOf: params.asOf, firstRun: params.firstRun }
  const active = params.rules.filter(rule => rule.concerns(context))
  return sql`with change as (
  select d.key, d.op, d.kept,
    s.key is not null as seen,
    case when d.op = 'leave' then s.payload else p.payload end as payload,
    case when d.op = 'leave' then s.digest else p.digest end as digest,
    case when d.op = 'enter' then null else s.payload end as previous,
    case when d.op = 'leave' then s.row_hash else ${raw(dialect.sha256('p.payload'))} end as row_hash,
    coalesce(s.episode, 0) + case when d.op = 'enter' then 1 else 0 end as episode,
    coalesce(s.version, 0) + 1 as version
  from ${params.changes} d
  left join (${params.population}) p on p.key = d.key
  left join ${params.snapshot} s on s.key = d.key${
    params.everyone
      ? raw('')
      : sql`
  where d.op <> 'change' or p.payload <> s.payload`
  }
), judged as (
  select change.*, ${ruleNumber(active, context)} as rule
  from change
  left join (select * from ${params.rejections} where sync = ${params.sync.name}) rejection on rejection.key = change.key
  left join (select distinct key from ${params.unresolved} where sync = ${params.sync.name}) unresolved on unresolved.key = change.key
  left join (select key, max(as_of) as last_at from ${params.deliveries} where sync = ${params.sync.name} group by 1) delivery on delivery.key = change.key
), numbered as (
  select judged.*,
    case when rule = 0 then row_number() over (partition by rule = 0 order by op = 'leave', key) end as ordinal
  from judged
)
select
  ${withinLimit(params.limit, sql`ordinal`, sql`null`)} as seq,
  key, op,
  ${decisionOf(active, params.limit)} as decision,
  ${reasonOf(active, params.limit)} as reason,
  ${changeId(dialect, params)} as change_id,
  row_hash, payload, digest, previous, episode, version
from numbered`
}

/** 0 when no rule claims the change, else the rule's place in the list, counted from 1. */
function ruleNumber(active: readonly Rule[], context: RuleContext): Fragment {
  if (active.length === 0) return raw('0')
  const cases = active.map((rule, index) => sql`when ${rule.condition(context)} then ${raw(String(index + 1))}`)
  return sql`case ${join(cases, '\n    ')} else 0 end`
}

function decisionOf(active: readonly Rule[], limit: number | undefined): Fragment {
  const cases = active.map((rule, index) => raw(`when ${index + 1} then '${rule.decision}'`))
  return sql`case rule ${join(cases, ' ')} else ${withinLimit(limit, raw("'send'"), raw("'defer'"))} end`
}

function reasonOf(active: readonly Rule[], limit: number | undefined): Fragment {
  const cases = active.map((rule, index) => raw(`when ${index + 1} then '${rule.reason}'`))
  return sql`case rule ${join(cases, ' ')} else ${withinLimit(limit, raw('null'), raw("'limit.reached'"))} end`
}

function withinLimit(limit: number | undefined, inside: Fragment, beyond: Fragment): Fragment {
  return limit === undefined
    ? inside
    : sql`case when ordinal <= ${raw(String(limit))} then ${inside} else ${beyond} end`
}

/**
 * Half of a SHA-256 over (project, sync, key, op, version, row hash). The version counts acknowledged changes, so the id
 * is the same over retries, re-plans and restarts; the row hash makes it new when the row changes before any of that
 * arrived, since a destination that remembers ids would otherwise take the new content for the old.
 */
function changeId(dialect: Dialect, { project, sync }: OutboxParams): Fragment {
  const parts = [
    dialect.literal(project),
    dialect.literal(sync.name),
    'key',
    'op',
    dialect.castTo('version', 'string'),
    'row_hash',
  ]
  return raw(`substr(${dialect.sha256(dialect.jsonTextArray(parts))}, 1, 32)`)
}

/** One row per (op, decision, reason): `n`, and a `mark` that changes with the set of its changes. */
export function summariseOutbox(dialect: Dialect, outbox: Fragment): Fragment {
  const mark = raw(dialect.quickHash('change_id'))
  return sql`select op, decision, reason, count(*) as n, ${raw(dialect.castTo(`bit_xor(${mark.texts[0]})`, 'string'))} as mark
from ${outbox} group by 1, 2, 3 order by 1, 2, 3`
}

/** The first `limit` changes by key with this operation and decision. */
export function sampleOutbox(outbox: Fragment, op: string, decision: string, limit: number): Fragment {
  return sql`select key, op, decision, reason, previous, payload from ${outbox}
where op = ${op} and decision = ${decision} order by key limit ${raw(String(limit))}`
}

/** What delivery reads, in the order in which it leaves. */
export function selectSends(outbox: Fragment, range?: { readonly from: number; readonly to: number }): Fragment {
  const within = range === undefined ? raw('') : sql` and seq between ${range.from} and ${range.to}`
  return sql`select seq, key, op, change_id, payload from ${outbox} where seq is not null${within} order by seq`
}
