/**
 * From components to people. A person's id is one of their own keys: the one that was theirs before, so that a merge keeps
 * the elder and a split takes it back; a new person takes the smallest.
 */
import type { Identity } from '../../project/policies.ts'
import type { Dialect } from '../../warehouse/dialect.ts'
import { type Fragment, raw, sql } from '../../warehouse/sql.ts'
import { type Kind, keyKind } from './links.ts'

/** Holds for a key of `selectPersons` that is one person with others; a larger cluster is dissolved. */
export function isClustered({ maxCluster }: Identity): Fragment {
  return raw(`size between 2 and ${maxCluster}`)
}

/**
 * Every key with a link: `id`, `key`, `root`, `size` (keys in its component) and `entity`. A key that was the id of a person
 * is remembered as its own; the first seen of these goes before the others, then the smaller.
 */
export function selectPersons(labels: Fragment, nodes: Fragment, identities: Fragment, identity: Identity): Fragment {
  return sql`select id, key, root, size,
  case when ${isClustered(identity)} then first_value(key) over (partition by root order by since nulls last, key) else key end as entity
from (
  select n.id, n.value as key, l.root, i.since, count(*) over (partition by l.root) as size
  from ${labels} l
  join ${nodes} n on n.id = l.id and n.kind = ${raw(String(keyKind))}
  left join ${identities} i on i.type = ${identity.key} and i.value = n.value and i.entity = n.value
) records`
}

/** `key`, `entity` of every key that is one person with others. */
export function selectMembers(persons: Fragment, identity: Identity): Fragment {
  return sql`select key, entity from ${persons} where ${isClustered(identity)}`
}

/**
 * `id`, `type`, `value`, `entity`: every identifier that leads to a person. In a dissolved cluster it leads to each of the
 * people that it is linked to directly, so that what is known of an address holds for all of them.
 */
export function selectIdentifiers(
  dialect: Dialect,
  from: Readonly<Record<'labels' | 'nodes' | 'graph' | 'persons', Fragment>> & { readonly keys: number },
  identity: Identity,
  kinds: readonly Kind[],
): Fragment {
  const { labels, nodes, graph, persons, keys } = from
  const names = kinds.map(({ name }, index) => `when ${index} then ${dialect.literal(name)}`)
  return sql`with owner as (
  select distinct root, entity from ${persons} where size <= ${identity.maxCluster}
), belonging as (
  select l.id, o.entity from ${labels} l join owner o on o.root = l.root where l.id > ${keys}
  union all
  select g.b, p.entity from ${graph} g join ${persons} p on p.id = g.a where p.size > ${identity.maxCluster} and g.b > ${keys}
)
select b.id, ${raw(`case n.kind ${names.join(' ')} end`)} as type, n.value, b.entity from belonging b join ${nodes} n on n.id = b.id`
}

/** One row of figures about people and the clusters that were dissolved. */
export function countPersons(persons: Fragment, identity: Identity): Fragment {
  const { maxCluster } = identity
  return sql`select count(*) as linked, count(distinct entity) as people,
  count(distinct case when ${isClustered(identity)} then root end) as clusters,
  count(distinct case when size > ${maxCluster} then root end) as oversized,
  count(case when size > ${maxCluster} then 1 end) as oversized_keys
from ${persons}`
}

/**
 * What happened to people since the last time: `event`, `entity`, `other` as in `identity_history`. A key that was not known
 * was a person of its own; when none of a cluster's keys was, the person is new.
 */
export function selectEvents(dialect: Dialect, persons: Fragment, identities: Fragment, identity: Identity): Fragment {
  return sql`with before as (
  select value as key, entity from ${identities} where type = ${identity.key}
), known as (
  select distinct p.entity from ${persons} p join before b on b.key = p.key
), moved as (
  select coalesce(b.entity, p.key) as was, coalesce(p.entity, b.key) as becomes
  from ${persons} p full join before b on b.key = p.key
  where b.key is not null or p.entity in (select entity from known)
)
select distinct case when same.entity is not null then 'merged' else 'split' end as event,
  case when same.entity is not null then becomes else was end as entity,
  case when same.entity is not null then was else becomes end as other
from moved left join ${persons} same on same.key = moved.was and same.entity = moved.becomes
where was <> becomes
union all
select distinct 'created', entity, ${raw(dialect.castTo('null', 'string'))} from ${persons}
where ${isClustered(identity)} and entity not in (select entity from known)`
}

/** One row: `resolved`, how many identifiers lead to a person; a value and its hash are one. */
export function countIdentifiers(identifiers: Fragment): Fragment {
  return sql`select count(distinct id) as resolved from ${identifiers}`
}

/** How often each event happened: `event`, `occurrences`. */
export function countEvents(events: Fragment): Fragment {
  return sql`select event, count(*) as occurrences from ${events} group by event`
}

/** Brings the state up to tonight, writing only what changed: statements for one transaction. Repeating them changes nothing. */
export function rememberStatements(
  dialect: Dialect,
  tables: Readonly<Record<'identities' | 'identity_history', Fragment>>,
  tonight: Readonly<Record<'persons' | 'identifiers' | 'events', Fragment>>,
  {
    key,
    runId,
    asOf,
    erased,
  }: {
    readonly key: string
    readonly runId: string
    readonly asOf: string
    readonly erased?: Fragment | undefined
  },
): readonly Fragment[] {
  const everyone = sql`(select cast(${key} as ${raw(dialect.stateType('text'))}) as type, key as value, entity from ${tonight.persons} union all select type, value, entity from ${tonight.identifiers})`
  const gone = sql`(select key from ${erased ?? raw('')} union select entity from ${erased ?? raw('')})`
  const current =
    erased === undefined
      ? everyone
      : sql`(select * from ${everyone} e where e.entity not in ${gone} and not (e.type = ${key} and e.value in ${gone}))`
  const told =
    erased === undefined ? raw('') : sql` and e.entity not in ${gone} and (e.other is null or e.other not in ${gone})`
  const same = raw('c.type = i.type and c.value = i.value and c.entity = i.entity')
  const at = raw(dialect.timestamp(dialect.literal(asOf)))
  return [
    sql`delete from ${tables.identities} as i where not exists (select 1 from ${current} c where ${same})`,
    sql`insert into ${tables.identities} (type, value, entity, since)
select type, value, entity, ${at} from ${current} c
where not exists (select 1 from ${tables.identities} i where ${same})`,
    sql`insert into ${tables.identity_history} (as_of, run_id, event, entity, other)
select ${at}, ${runId}, event, entity, other from ${tonight.events} e
where not exists (select 1 from ${tables.identity_history} h
  where h.as_of = ${at} and h.event = e.event and h.entity = e.entity and h.other is not distinct from e.other)${told}`,
  ]
}
