/**
 * The outbox: tonight's changes, each with one decision and one reason, and what would be sent. Rules are asked in their
 * order; what no rule claims is sent. Sends are numbered from 1 in the order in which they leave: first those that enter
 * or change, then leavers, each by key, so that requests are consecutive ranges.
 */
import { isCommunication } from '../project/communication.ts'
import type { Sync } from '../project/project.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import { selectGrants } from './policies/consent.ts'
import { withEntity } from './policies/relations.ts'
import { joinDefault } from './policies/zones.ts'
import {
  type RankingRule,
  type RowRule,
  type Rule,
  type RuleContext,
  tonightsPeople,
  type ZoneRelation,
} from './rules/rule.ts'
import { selectPayloadsOnce } from './state.ts'

export interface OutboxParams {
  readonly project: string
  readonly context: RuleContext
  /** Those that concern the sync tonight, in their order: row rules first, then ranking rules. */
  readonly rules: readonly Rule[]
  /** Sends beyond this number are deferred to the next run. */
  readonly limit: number | undefined
  /** Every row counts as changed, also one whose payload is the same. */
  readonly everyone: boolean
  /** Relation, or select in parentheses, of `selectAbout`. */
  readonly about: Fragment
  /** The snapshot, or its rows of all changes at least, as something to select from. The snapshot itself unless told. */
  readonly known?: Fragment
  /** Where payloads stand apart from the snapshot: those of leavers are read from `ofLeavers`, when they are wanted, or are all `standIn`; no others. */
  readonly apart?: { readonly ofLeavers: Fragment | undefined; readonly standIn?: Fragment } | undefined
}

/** Rows in the shape of `outboxColumns`. */
export function selectOutbox(dialect: Dialect, params: OutboxParams): Fragment {
  const { context, rules, limit } = params
  const rows = rules.flatMap((rule, index) => (rule.kind === 'row' ? [{ rule, number: index + 1 }] : []))
  const rankings = rules.flatMap((rule, index) => (rule.kind === 'ranking' ? [{ rule, number: index + 1 }] : []))
  const last = rankings.at(-1)?.number ?? 0
  const grants = joinGrants(context)
  return sql`with diffed ${raw(dialect.computedOnce)} (
${selectDiffed(dialect, params)}
), change as (
  ${selectChange(context)}
), rule_0 as (
  ${askRows(rows, context)}
)${join(
    rankings.map((ranking, index) => askRanking(ranking, `rule_${rankings[index - 1]?.number ?? 0}`, context)),
    '',
  )}, numbered as (
  select change.*, change.rule_${raw(String(last))} as rule,
    case when change.rule_${raw(String(last))} = 0 then row_number() over (partition by change.rule_${raw(String(last))} = 0 order by change.op = 'leave', change.key) end as ordinal
  from rule_${raw(String(last))} change
), decided as (
  select change.*,
    ${decisionOf(rules, limit)} as decision,
    ${reasonOf(rules, limit)} as reason
  from numbered change
)
select
  ${withinLimit(limit, sql`ordinal`, sql`null`)} as seq,
  change.key, op, decision, reason,
  ${changeId(dialect, params.project, context.sync)} as change_id,
  row_hash, payload, digest, previous, episode, version,
  ${standingAfter(context)} as standing,
  ${followed(dialect, rankings)} as follows,
  rule, person, topic, address, subjects,
  ${notAfter(dialect, context)} as not_after,
  ${grants === undefined ? raw(nothing(dialect)) : raw('consent.basis')} as basis,
  ${grants === undefined ? raw(nothing(dialect)) : raw('consent.evidence')} as evidence
from decided change${joinZones(context)}${grants ?? raw('')}`
}

function nothing(dialect: Dialect): string {
  return dialect.castTo('null', 'string')
}

/** The candidates of the diff with what is known of each; those that prove to be no change are gone. */
function selectDiffed(dialect: Dialect, { context, about, known, everyone, apart }: OutboxParams): Fragment {
  const before = payloadsBefore(dialect, context, apart)
  return sql`  select d.key, d.op, d.kept,
    s.standing as was,
    case when d.op = 'leave' then ${before.ofLeaver} else a.payload end as payload,
    case when d.op = 'leave' then s.digest else a.digest end as digest,
    ${before.previous} as previous,
    ${raw(dialect.sha256(`case when d.op = 'leave' then ${before.standsFor} else a.payload end`))} as row_hash,
    coalesce(s.episode, 0) + case when d.op = 'enter' then 1 else 0 end as episode,
    coalesce(s.version, 0) + 1 as version,
    coalesce(a.person, s.person, d.key) as person, coalesce(a.topic, s.topic, '') as topic, coalesce(a.address, s.address) as address,
    a.subjects, a.quiet_zone, a.window_zone, coalesce(a.expired, false) as expired
  from ${context.changes} d
  left join ${about} a on a.key = d.key
  left join ${known ?? context.snapshot} s on s.key = d.key${before.join}${
    everyone
      ? raw('')
      : sql`
  where d.op <> 'change' or ${before.differs} or s.standing = 'remains'`
  }`
}

interface PayloadsBefore {
  readonly join: Fragment
  readonly ofLeaver: Fragment
  readonly previous: Fragment
  /** The text by whose hash a leaver's change is known. */
  readonly standsFor: string
  readonly differs: Fragment
}

/** Apart, digests are of payloads: they tell whether a row changed, and name what a leaver had. */
function payloadsBefore(dialect: Dialect, { changes }: RuleContext, apart: OutboxParams['apart']): PayloadsBefore {
  if (apart === undefined)
    return {
      join: raw(''),
      ofLeaver: raw('s.payload'),
      previous: sql`case when d.op = 'enter' then null else s.payload end`,
      standsFor: 's.payload',
      differs: raw('a.payload <> s.payload'),
    }
  const none = raw(nothing(dialect))
  const { ofLeavers, standIn = none } = apart
  const leavers = sql`select key from ${changes} where op = 'leave'`
  return {
    join:
      ofLeavers === undefined
        ? raw('')
        : sql`
  left join (${selectPayloadsOnce(sql`${ofLeavers} where key in (${leavers})`)}) old on old.key = d.key and old.digest = s.digest`,
    ofLeaver: ofLeavers === undefined ? standIn : raw('old.payload'),
    previous: none,
    standsFor: dialect.castTo('s.digest', 'string'),
    differs: raw('a.digest <> s.digest'),
  }
}

function selectChange({ relations }: RuleContext): Fragment {
  const own = withEntity(relations, raw('diffed'), raw('diffed.person'))
  return sql`select diffed.*, ${own.entity} as entity from ${own.from}`
}

interface Numbered<Kind extends Rule> {
  readonly rule: Kind
  /** The rule's place in the list, counted from 1; 0 stands for no rule. */
  readonly number: number
}

/** One `case` for all row rules. */
function askRows(rows: readonly Numbered<RowRule>[], context: RuleContext): Fragment {
  const cases = rows.map(({ rule, number }) => sql`when ${rule.condition(context)} then ${raw(String(number))}`)
  const rule = cases.length === 0 ? raw('0') : sql`case ${join(cases, '\n    ')} else 0 end`
  const joins = rows.flatMap(({ rule: { join: joined } }) => (joined === undefined ? [] : [joined(context)]))
  return sql`select change.*, ${rule} as rule_0
  from change
  ${join(joins, '\n  ')}`
}

/** One step for each ranking rule: it counts those that nobody before it has claimed. */
function askRanking({ rule, number }: Numbered<RankingRule>, before: string, context: RuleContext): Fragment {
  const own = raw(`rule_${number}`)
  const prior = raw(`change.${before}`)
  const together = join([sql`${prior} = 0`, ...rule.partition.map(column => raw(`change.${column}`))], ', ')
  const condition = rule.condition === undefined ? raw('') : sql` and ${rule.condition(context)}`
  const first = sql`first_value(change.key) over (partition by ${together} order by change.key)`
  const allowed = rule.allowed(context)
  const follows =
    rule.follows === true
      ? sql`, case when ${allowed} > 0 then ${first} end as follows_${raw(String(number))}`
      : raw('')
  return sql`, ${own} as (
  select change.*${rule.columns === undefined ? raw('') : sql`, ${rule.columns}`}${follows},
    case when ${prior} = 0 and row_number() over (partition by ${together} order by change.key) > ${allowed}${condition}
      then ${raw(String(number))} else ${prior} end as ${own}
  from ${raw(before)} change
  ${rule.join?.(context) ?? raw('')}
)`
}

function decisionOf(rules: readonly Rule[], limit: number | undefined): Fragment {
  const cases = rules.map((rule, index) => raw(`when ${index + 1} then '${rule.decision}'`))
  return sql`case rule ${join(cases, ' ')} else ${withinLimit(limit, raw("'send'"), raw("'defer'"))} end`
}

function reasonOf(rules: readonly Rule[], limit: number | undefined): Fragment {
  const cases = rules.map(
    (rule, index) => sql`when ${raw(String(index + 1))} then ${raw(`'${rule.reason.replaceAll("'", "''")}'`)}`,
  )
  return sql`case rule ${join(cases, ' ')} else ${withinLimit(limit, raw('null'), raw("'limit.reached'"))} end`
}

function withinLimit(limit: number | undefined, inside: Fragment, beyond: Fragment): Fragment {
  return limit === undefined
    ? inside
    : sql`case when ordinal <= ${raw(String(limit))} then ${inside} else ${beyond} end`
}

/**
 * Where the snapshot will have the key once the change is settled; NULL where it does not move. What was sent before a
 * holdout withheld its next change stays as it was, so that the change is not lost when the holdout ends.
 */
function standingAfter({ sync, moved }: RuleContext): Fragment {
  const records = !isCommunication(sync)
  const stays = records && !moved ? raw(`when change.version > 1 and change.was <> 'withheld' then 'remains'`) : raw('')
  const sent = records
    ? raw(`when decision = 'withhold' and change.op = 'change' and change.was = 'member' then null`)
    : raw('')
  return sql`case
    when decision not in ('send', 'skip', 'withhold') then null
    ${sent}
    when decision = 'withhold' or decision = 'skip' and change.op = 'change' and change.was = 'withheld' then 'withheld'
    when change.op <> 'leave' then 'member'
    when decision = 'send' then 'left'
    ${stays}
    else 'left' end`
}

function followed(dialect: Dialect, rankings: readonly Numbered<RankingRule>[]): Fragment {
  const following = rankings.filter(({ rule }) => rule.follows === true)
  if (following.length === 0) return raw(nothing(dialect))
  const cases = following.map(({ number }) => raw(`when ${number} then follows_${number}`))
  return sql`case rule ${join(cases, ' ')} end`
}

const hours = [
  ['quiet', (context: RuleContext) => context.quietHours],
  ['window', (context: RuleContext) => context.sendWindow],
] as const

/** The earlier of the instants at which quiet hours begin and the send window ends. */
function notAfter(dialect: Dialect, context: RuleContext): Fragment {
  const instants = hours.flatMap(([kind, zones]) =>
    zones(context) === undefined ? [] : [`coalesce(${kind}_own.until, ${kind}_default.until)`],
  )
  const [one, other] = instants
  if (one === undefined) return raw(dialect.castTo('null', 'timestamp'))
  return raw(other === undefined ? one : `case when ${one} <= ${other} then ${one} else ${other} end`)
}

function joinZones(context: RuleContext): Fragment {
  const joins = hours.flatMap(([kind, of]) => {
    const zones: ZoneRelation | undefined = of(context)
    if (zones === undefined) return []
    return [
      sql`
left join ${zones.relation} ${raw(`${kind}_own`)} on ${raw(`${kind}_own`)}.zone = change.${raw(`${kind}_zone`)}
${joinDefault(context.dialect)} ${zones.relation} ${raw(`${kind}_default`)} on ${raw(`${kind}_default`)}.zone = ${zones.default}`,
    ]
  })
  return join(joins, '')
}

function joinGrants({ relations, sync }: RuleContext): Fragment | undefined {
  if (relations.answers === undefined || !isCommunication(sync)) return undefined
  return sql`
left join (${selectGrants(relations.answers, tonightsPeople)}) consent on consent.entity = change.entity`
}

/**
 * Half of a SHA-256 over (project, sync, key, op, version, row hash). The version counts acknowledged changes, so the id
 * is the same over retries, re-plans and restarts; the row hash makes it new when the row changes before any of that
 * arrived, since a destination that remembers ids would otherwise take the new content for the old.
 */
function changeId(dialect: Dialect, project: string, sync: Sync): Fragment {
  const parts = [
    dialect.literal(project),
    dialect.literal(sync.name),
    'change.key',
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
  return sql`select seq, key, op, change_id, payload, subjects, not_after from ${outbox} where seq is not null${within} order by seq`
}
