/**
 * Keys and identifiers as nodes with dense numbers, and their links as pairs of numbers, which join several times faster
 * than texts. Keys are numbered first, so that one comparison tells them from identifiers.
 *
 * A hash whose plain value is known has the number of that value: the two are one identifier, and it counts as shared when
 * both together are.
 */
import type { Identity } from '../../project/policies.ts'
import type { Dialect } from '../../warehouse/dialect.ts'
import { type Fragment, raw, sql } from '../../warehouse/sql.ts'
import { type Kind, keyKind, links } from './links.ts'

/** Each linked value once: `kind`, `value`. */
export function selectValues(relation: Fragment, identity: Identity): Fragment {
  const where = links(identity)
  return sql`select distinct kind, value from (
  select left_kind as kind, left_value as value from ${relation} where ${where}
  union all
  select right_kind, right_value from ${relation} where ${where}
) sides`
}

/** The keys as nodes: `id` from 1, `kind`, `value`. The numbers mean nothing, and may differ from night to night. */
export function selectKeyNodes(values: Fragment): Fragment {
  return sql`select row_number() over () as id, kind, value from ${values} where kind = ${raw(String(keyKind))}`
}

/** Adds all other nodes to those of the keys: statements in their order. */
export function addIdentifierNodes(
  dialect: Dialect,
  nodes: Fragment,
  values: Fragment,
  kinds: readonly Kind[],
): readonly Fragment[] {
  const indexed = kinds.map((kind, index) => ({ ...kind, index })).filter(({ index }) => index !== keyKind)
  const plain = indexed.filter(({ hashOf }) => hashOf === undefined)
  const hashes = indexed.flatMap(({ hashOf, index }) => {
    const source = plain.find(({ name }) => name === hashOf)
    return source === undefined ? [] : [{ index, source: source.index }]
  })
  return [
    ...(plain.length === 0
      ? []
      : [addNumbered(nodes, values, `kind in (${plain.map(({ index }) => index).join(', ')})`)]),
    ...hashes.flatMap(({ index, source }) => [
      sql`insert into ${nodes} select id, ${raw(String(index))}, ${raw(dialect.sha256('value'))} from ${nodes} where kind = ${raw(String(source))}`,
      addNumbered(
        nodes,
        values,
        `kind = ${index} and value not in (select value from ${nodes.texts[0]} where kind = ${index})`,
      ),
    ]),
  ]
}

function addNumbered(nodes: Fragment, values: Fragment, where: string): Fragment {
  return sql`insert into ${nodes}
select (select coalesce(max(id), 0) from ${nodes}) + row_number() over (), kind, value from ${values} where ${raw(where)}`
}

/** One row: `keys`, and `ids`, the highest number given. */
export function countNodes(nodes: Fragment): Fragment {
  return sql`select count(case when kind = ${raw(String(keyKind))} then 1 end) as keys, coalesce(max(id), 0) as ids from ${nodes}`
}

/** Each link once: `a`, `b` with a < b. */
export function selectGraph(relation: Fragment, identity: Identity, nodes: Fragment): Fragment {
  return sql`select distinct least(l.id, r.id) as a, greatest(l.id, r.id) as b
from ${relation} link
join ${nodes} l on l.kind = left_kind and l.value = left_value
join ${nodes} r on r.kind = right_kind and r.value = right_value
where ${links(identity)} and l.id <> r.id`
}

/** Identifiers that are linked directly to more people than one identifier may be: `id`, `keys`. */
export function selectShared(graph: Fragment, keys: number, { maxCluster }: Identity): Fragment {
  return sql`select b as id, count(*) as keys from ${graph} where a <= ${keys} and b > ${keys}
group by b having count(*) > ${maxCluster}`
}

/** One row: `identifiers` that are shared by too many. */
export function countShared(shared: Fragment): Fragment {
  return sql`select count(*) as identifiers from ${shared}`
}

/** The links without those of shared identifiers. */
export function withoutShared(graph: Fragment, shared: Fragment): Fragment {
  return sql`select a, b from ${graph}
where a not in (select id from ${shared}) and b not in (select id from ${shared})`
}

/** The most shared identifiers: `kind`, `keys`. */
export function sampleShared(shared: Fragment, nodes: Fragment): Fragment {
  return sql`select min(n.kind) as kind, s.keys from ${shared} s join ${nodes} n on n.id = s.id
group by s.id, s.keys order by s.keys desc, 1 limit 3`
}
