/**
 * Connected components by contraction: in each round every node chooses the first node among itself and its neighbours, in
 * an order that looks random and is another one each round; the chosen stand for those who chose them, and links within
 * one choice are gone. Each round leaves a fraction of the graph, whatever its shape, so that rounds grow with the
 * logarithm of its size and the work of all rounds together is that of a few.
 *
 * After Bögeholz, Brand and Todor, "In-database connected component analysis" (ICDE 2020), with node numbers kept as they
 * are. Which node stands for a component means nothing; only who is in it does.
 */
import { type Fragment, raw, sql } from '../../warehouse/sql.ts'
import { query } from '../stage.ts'
import type { Scratch } from './scratch.ts'

export interface Components {
  /** Relation (id, root): every node with a link, and the node that stands for its component. */
  readonly labels: Fragment
  readonly rounds: number
}

/** Contracts `graph` (a, b with a ≠ b) until no link is left. The graph itself is kept. */
export async function connect(scratch: Scratch, graph: Fragment): Promise<Components> {
  const choices: Fragment[] = []
  let left = graph
  for (let round = 0; ; round += 1) {
    if (round > 0 && (await isEmpty(scratch, left))) break
    const chosen = await scratch.write(`choice_${round}`, selectChoices(left, round))
    const contracted = await scratch.write(`graph_${round + 1}`, contract(left, chosen))
    if (round > 0) await scratch.drop(left)
    choices.push(chosen)
    left = contracted
  }
  await scratch.drop(left)
  return { labels: await unfold(scratch, choices), rounds: choices.length }
}

async function isEmpty({ warehouse }: Scratch, graph: Fragment): Promise<boolean> {
  const [counted] = await query(warehouse, sql`select count(*) as links from ${graph}`)
  return Number(counted?.links) === 0
}

/** Follows the choices of all rounds, from the last back to the first. */
async function unfold(scratch: Scratch, choices: readonly Fragment[]): Promise<Fragment> {
  let [labels = raw('')] = choices.slice(-1)
  for (const [index, chosen] of [...choices.entries()].slice(0, -1).reverse()) {
    const followed = await scratch.write(`labels_${index}`, followChoices(chosen, labels))
    await scratch.drop(chosen, labels)
    labels = followed
  }
  return labels
}

/** Node numbers stay below this, so that a place in an order and a number fit into one bigint. */
const base = 2 ** 31

/** `id`, `root`: every node of the graph, and whom it chooses. */
export function selectChoices(graph: Fragment, round: number): Fragment {
  return sql`select id, mod(least(min(neighbour), ${place('id', round)}), ${raw(String(base))}) as root
from (
  select a as id, ${place('b', round)} as neighbour from ${graph}
  union all
  select b, ${place('a', round)} from ${graph}
) ends group by id`
}

/** The links between those who were chosen, each once. */
export function contract(graph: Fragment, chosen: Fragment): Fragment {
  return sql`select distinct least(l.root, r.root) as a, greatest(l.root, r.root) as b
from ${graph} g join ${chosen} l on l.id = g.a join ${chosen} r on r.id = g.b
where l.root <> r.root`
}

/** Who was chosen and chose another in a later round is stood for by that one. */
export function followChoices(chosen: Fragment, labels: Fragment): Fragment {
  return sql`select c.id, coalesce(l.root, c.root) as root from ${chosen} c left join ${labels} l on l.id = c.root`
}

/**
 * The place of a node in the order of a round, with its number as the last digits: squares modulo a prime, because
 * products alone would leave runs of neighbouring numbers in order.
 */
function place(id: string, round: number): Fragment {
  const prime = base - 1
  const scattered = `mod(${id} * ${multiplier(round)} + ${round}, ${prime})`
  return raw(`(mod(${scattered} * ${scattered}, ${prime}) * ${base} + ${id})`)
}

/** Powers of 48271, a primitive root of 2^31 - 1 (Park, Miller and Stockmeyer 1993). */
function multiplier(round: number): bigint {
  return 48271n ** BigInt(round + 1) % BigInt(base - 1)
}
