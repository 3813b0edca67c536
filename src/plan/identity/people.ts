/**
 * Who is one person tonight: the project's link models, followed in the warehouse until nothing more is linked. State tables
 * keep recording people by their own key; a rule that has to see a person whole joins `members`, and so a merge re-keys
 * everything at once and a split takes it back (decision 9).
 */
import type { Identity } from '../../project/policies.ts'
import { ActivateError } from '../../project/problem.ts'
import { type Fragment, render } from '../../warehouse/sql.ts'
import type { Row, Warehouse } from '../../warehouse/warehouse.ts'
import { execute, query } from '../stage.ts'
import { prepareTable } from '../state-tables.ts'
import { type Components, connect } from './components.ts'
import {
  countEvents,
  countIdentifiers,
  countPersons,
  rememberStatements,
  selectEvents,
  selectIdentifiers,
  selectMembers,
  selectPersons,
} from './entities.ts'
import { type IdentityTable, identityRelation, identityTables } from './identity-state.ts'
import { columnProblems, rowProblems } from './link-problems.ts'
import { countLinks, kindsOf, type LinkModel, selectLinks } from './links.ts'
import {
  addIdentifierNodes,
  countNodes,
  countShared,
  sampleShared,
  selectGraph,
  selectKeyNodes,
  selectShared,
  selectValues,
  withoutShared,
} from './nodes.ts'
import { type PeopleSummary, summarise, warningsOf } from './people-summary.ts'
import { openScratch, type Scratch } from './scratch.ts'

export interface ResolveInput {
  /** Part of the names of scratch tables; unique in the open warehouse until `dropPeople`. */
  readonly name: string
  /** ISO 8601 in UTC. Links seen later are left out, so that a past night can be repeated. */
  readonly asOf: string
  readonly links: readonly LinkModel[]
}

export interface People {
  /** Relation (key, entity) of every key that is one person with another key. For all others: `coalesce(entity, key)`. */
  readonly members: Fragment
  /**
   * Relation (type, value, entity) of every tidied identifier that leads to a person, known hashes of it included; the
   * entity of a person with a single key is that key. Identifiers shared by too many are not in it; those of a dissolved
   * cluster have a row for each of the people that they are linked to directly.
   */
  readonly identifiers: Fragment
  readonly summary: PeopleSummary
  readonly warnings: readonly string[]
  /** What `rememberPeople` writes. */
  readonly tonight: Tonight
}

interface Tonight {
  readonly name: string
  readonly asOf: string
  /** The name of the person's key. */
  readonly key: string
  readonly persons: Fragment
  readonly events: Fragment
}

/**
 * Finds the people of tonight, and what happened to them since they were last remembered. Writes scratch tables only.
 * Throws A4040 to A4042 for a link model that cannot be read.
 */
export async function resolvePeople(warehouse: Warehouse, identity: Identity, input: ResolveInput): Promise<People> {
  const unreadable = input.links.flatMap(columnProblems)
  if (unreadable.length > 0) throw new ActivateError('failed', unreadable)
  const { identities } = await prepareIdentities(warehouse)
  const scratch = openScratch(warehouse, input.name)
  try {
    const people = await resolve(scratch, identity, input, identities)
    await scratch.clear(people.members, people.identifiers, people.tonight.persons, people.tonight.events)
    return people
  } catch (error) {
    // What broke the resolution may break the clearing too, and is what has to be told.
    await scratch.clear().catch(() => undefined)
    throw error
  }
}

/** Writes who is who into the state, and what happened to whom; repeating it changes nothing. Only a run does this, never a dry run. */
export async function rememberPeople(
  warehouse: Warehouse,
  { identifiers, tonight }: People,
  runId: string,
  /** Relation of `key`, `entity`: people who were erased, and are not remembered again. */
  erased?: Fragment,
): Promise<void> {
  const tables = await prepareIdentities(warehouse)
  const run = { key: tonight.key, asOf: tonight.asOf, runId, erased }
  const statements = rememberStatements(warehouse.dialect, tables, { ...tonight, identifiers }, run)
  await warehouse.transaction(statements.map(statement => render(statement, warehouse.dialect.placeholder)))
}

/** Gives back the room of tonight's scratch tables. */
export async function dropPeople(warehouse: Warehouse, { members, identifiers, tonight }: People): Promise<void> {
  await openScratch(warehouse, tonight.name).drop(members, identifiers, tonight.persons, tonight.events)
}

/** Creates the state tables that are missing, and asks once for both. Creating them changes nothing that a plan sees. */
async function prepareIdentities(warehouse: Warehouse): Promise<Readonly<Record<IdentityTable, Fragment>>> {
  const { dialect, state } = warehouse
  const tables = {
    identities: identityRelation(dialect, state, 'identities'),
    identity_history: identityRelation(dialect, state, 'identity_history'),
  }
  for (const [name, relation] of Object.entries(tables)) {
    await prepareTable(warehouse, relation, identityTables[name as IdentityTable])
  }
  return tables
}

async function resolve(
  scratch: Scratch,
  identity: Identity,
  input: ResolveInput,
  identities: Fragment,
): Promise<People> {
  const { warehouse } = scratch
  const linked = await scratch.write('links', selectLinks(warehouse.dialect, identity, input.asOf, input.links))
  const links = await checkLinks(warehouse, identity, input.links, linked)
  const network = await numberLinks(scratch, identity, linked)
  const { labels, rounds } = await connect(scratch, network.graph)
  const { persons, members, identifiers } = await namePeople(scratch, identity, identities, { ...network, labels })
  const events = await scratch.write('events', selectEvents(warehouse.dialect, persons, identities, identity))

  const summary = summarise({
    links,
    nodes: network,
    persons: await row(warehouse, countPersons(persons, identity)),
    identifiers: await row(warehouse, countIdentifiers(identifiers)),
    shared: await row(warehouse, countShared(network.shared)),
    events: await query(warehouse, countEvents(events)),
    rounds,
  })
  const mostShared = await query(warehouse, sampleShared(network.shared, network.nodes))
  const warnings = warningsOf(summary, identity, kindsOf(identity), mostShared)
  const tonight = { name: input.name, asOf: input.asOf, key: identity.key, persons, events }
  return { members, identifiers, summary, warnings, tonight }
}

/** The counts of every model; throws when one of them has rows that cannot be read. */
async function checkLinks(
  warehouse: Warehouse,
  identity: Identity,
  models: readonly LinkModel[],
  linked: Fragment,
): Promise<readonly Row[]> {
  const counts = await query(warehouse, countLinks(linked, identity))
  const problems = []
  for (const [index, model] of models.entries()) {
    const counted = counts.find(count => Number(count.model) === index) ?? {}
    const read = (statement: Fragment) => query(warehouse, statement)
    problems.push(...(await rowProblems(model, index, counted, linked, kindsOf(identity), read)))
  }
  if (problems.length > 0) throw new ActivateError('failed', problems)
  return counts
}

/** Keys and identifiers by number, and the links between them that count. */
interface Network {
  readonly nodes: Fragment
  readonly graph: Fragment
  readonly shared: Fragment
  /** How many keys there are: these have the numbers up to it. */
  readonly keys: number
  /** The highest number. */
  readonly ids: number
}

async function numberLinks(scratch: Scratch, identity: Identity, linked: Fragment): Promise<Network> {
  const { warehouse } = scratch
  const values = await scratch.write('values', selectValues(linked, identity))
  const nodes = await scratch.write('nodes', selectKeyNodes(values))
  const statements = addIdentifierNodes(warehouse.dialect, nodes, values, kindsOf(identity))
  for (const statement of statements) await execute(warehouse, statement)
  await scratch.drop(values)
  const counted = await row(warehouse, countNodes(nodes))
  const [keys, ids] = [Number(counted.keys), Number(counted.ids)]

  const every = await scratch.write('every_link', selectGraph(linked, identity, nodes))
  await scratch.drop(linked)
  const shared = await scratch.write('shared', selectShared(every, keys, identity))
  const graph = await scratch.write('graph', withoutShared(every, shared))
  await scratch.drop(every)
  return { nodes, graph, shared, keys, ids }
}

async function namePeople(
  scratch: Scratch,
  identity: Identity,
  identities: Fragment,
  network: Network & Pick<Components, 'labels'>,
): Promise<{ readonly persons: Fragment; readonly members: Fragment; readonly identifiers: Fragment }> {
  const { dialect } = scratch.warehouse
  const persons = await scratch.write('persons', selectPersons(network.labels, network.nodes, identities, identity))
  const members = await scratch.write('members', selectMembers(persons, identity))
  const select = selectIdentifiers(dialect, { ...network, persons }, identity, kindsOf(identity))
  return { persons, members, identifiers: await scratch.write('identifiers', select) }
}

async function row(warehouse: Warehouse, statement: Fragment): Promise<Row> {
  const [only = {}] = await query(warehouse, statement)
  return only
}
