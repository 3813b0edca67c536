/** Finds a person in the tool's tables of the warehouse, counts what is there of them, and removes it. */
import type { Tally } from '../ledger/erasure.ts'
import {
  type ErasableTable,
  erasableTables,
  isAbout,
  isLeftover,
  namingTexts,
  type PersonTraces,
  personOfRow,
  selectCompositeKeys,
  selectIdentifierValues,
  selectKeysOfPersons,
  selectPayloads,
  selectPersonKeys,
  selectUnkeyedRows,
} from '../plan/erasure.ts'
import { isTelling, redactorOf, redactPlan, textsWithin } from '../plan/redaction.ts'
import { query } from '../plan/stage.ts'
import { snapshotRelation } from '../plan/state.ts'
import { prepareSnapshot } from '../plan/state-tables.ts'
import type { Project, Sync } from '../project/project.ts'
import { type Fragment, raw, render, sql } from '../warehouse/sql.ts'
import type { Row, Warehouse } from '../warehouse/warehouse.ts'
import { dropCopies } from './undo.ts'

/** A destination that has been told of the person, as far as the tool knows. */
export interface LeftAt {
  readonly destination: string
  readonly sync: string
  /** Whether a run of the sync would remove a leaver there. */
  readonly removable: boolean
}

export interface FoundPerson {
  readonly traces: PersonTraces
  readonly redact: (text: string) => string
  readonly redactPlan: (plan: string) => string
  /** Rows of each kind of table. */
  readonly tally: Tally
  readonly leftAt: readonly LeftAt[]
  readonly removals: readonly Fragment[]
}

/** Reads only. */
export async function findPerson(warehouse: Warehouse, project: Project, key: string): Promise<FoundPerson> {
  const names = await warehouse.tables(warehouse.state, '')
  const tables = erasableTables(warehouse.dialect, warehouse.state, names)
  const traces = await findTraces(warehouse, project, tables, key)
  const values = await findValues(warehouse, tables, traces)
  const redact = redactorOf([...traces.keys, ...values])
  const rows = new Set(traces.keys)
  const redactOne = (plan: string) => redactPlan(plan, rows, redact)

  const found: { readonly what: string; readonly rows: number; readonly removals: readonly Fragment[] }[] = []
  for (const table of tables) found.push(await rowsAbout(warehouse, table, traces))
  found.push(await unkeyedRows(warehouse, tables, traces))
  found.push(await namedIn(warehouse, names, redact, redactOne))
  const models = await copiesInModels(warehouse, names, [...traces.persons, ...values])
  const leftovers = names.filter(isLeftover).map(name => dropTable(warehouse, name))

  const tally: Record<string, number> = {}
  for (const { what, rows: n } of [...found, ...models]) if (n > 0) tally[what] = (tally[what] ?? 0) + n
  return {
    ...{ traces, redact, redactPlan: redactOne, tally },
    leftAt: await findLeft(warehouse, project, tables, traces),
    removals: [...found, ...models].flatMap(({ removals }) => removals).concat(leftovers, dropCopies(warehouse, names)),
  }
}

/** One transaction. */
export async function forgetInWarehouse(warehouse: Warehouse, { removals }: FoundPerson): Promise<void> {
  await warehouse.transaction(removals.map(removal => render(removal, warehouse.dialect.placeholder)))
}

async function findTraces(
  warehouse: Warehouse,
  project: Project,
  tables: readonly ErasableTable[],
  key: string,
): Promise<PersonTraces> {
  const keyName = project.identity?.key ?? 'key'
  const identities = tables.find(({ name }) => name === 'identities')
  const linked = identities && (await query(warehouse, selectPersonKeys(identities.relation, keyName, key)))
  const persons = distinct([key, ...(linked ?? []).flatMap(({ value, entity }) => [String(value), String(entity)])])
  const keys: string[] = [...persons]
  for (const table of tables) {
    if (table.columns.includes('person'))
      keys.push(...texts(await query(warehouse, selectKeysOfPersons(table, persons)), 'key'))
    if (table.columns.includes('key')) {
      const composite = texts(await query(warehouse, selectCompositeKeys(table, persons)), 'key')
      keys.push(...composite.filter(candidate => namesPerson(project, candidate, persons)))
    }
  }
  return { persons, keys: distinct(keys), keyName }
}

/** Whether a composite key holds the person where some synced model says that the person stands. */
function namesPerson({ models, syncs, identity }: Project, key: string, persons: readonly string[]): boolean {
  if (identity === undefined) return false
  const parts = partsOf(key)
  return syncs.some(({ model: name }) => {
    const model = models.find(candidate => candidate.name === name)
    if (model === undefined || model.key.length !== parts.length) return false
    const own = parts[model.key.indexOf(identity.key)]
    return own !== undefined && persons.includes(own)
  })
}

function partsOf(key: string): readonly string[] {
  try {
    const parts: unknown = JSON.parse(key)
    return Array.isArray(parts) ? parts.map(String) : []
  } catch {
    return [] // a key may begin with a bracket without being JSON
  }
}

/** What else tells who the person is: their identifiers, and what was sent of them. */
async function findValues(
  warehouse: Warehouse,
  tables: readonly ErasableTable[],
  traces: PersonTraces,
): Promise<readonly string[]> {
  const identities = tables.find(({ name }) => name === 'identities')
  const identifiers = identities && (await query(warehouse, selectIdentifierValues(identities.relation, traces)))
  const values: string[] = [...texts(identifiers ?? [], 'value')]
  for (const statement of tables.flatMap(table => selectPayloads(table, traces))) {
    const payloads = texts(await query(warehouse, statement), 'text')
    values.push(...payloads.flatMap(payload => textsWithin(JSON.parse(payload))).filter(isTelling))
  }
  return distinct(values)
}

async function rowsAbout(warehouse: Warehouse, table: ErasableTable, traces: PersonTraces) {
  const about = isAbout(table, traces)
  const rows = await countRows(warehouse, sql`${table.relation} where ${about}`)
  const removals = rows === 0 ? [] : [sql`delete from ${table.relation} where ${about}`]
  return { what: table.what, rows, removals }
}

/** Rows of sources, and rows whose key is missing, have no key of their own in the quarantine; the row itself says whose it is. */
async function unkeyedRows(warehouse: Warehouse, tables: readonly ErasableTable[], traces: PersonTraces) {
  const quarantine = tables.find(({ name }) => name === 'quarantine')
  if (quarantine === undefined) return { what: 'quarantine', rows: 0, removals: [] }
  const { relation } = quarantine
  const candidates = texts(await query(warehouse, selectUnkeyedRows(relation, traces.persons)), 'row_text')
  const persons = new Set(traces.persons)
  const theirs = candidates.filter(row => persons.has(personOfRow(row, traces.keyName) ?? ''))
  const removals = theirs.map(row => sql`delete from ${relation} as q where q.row = ${row}`)
  let rows = 0
  for (const row of theirs)
    rows += await countRows(
      warehouse,
      sql`${relation} q where q.row = ${row} and (key is null or not ${isAbout(quarantine, traces)})`,
    )
  return { what: 'quarantine', rows, removals }
}

/** Texts that name others as well keep all but the person. */
async function namedIn(
  warehouse: Warehouse,
  names: readonly string[],
  redact: (text: string) => string,
  redactOne: (plan: string) => string,
) {
  const removals: Fragment[] = []
  for (const { table, column, id, plan } of namingTexts.filter(({ table: name }) => names.includes(name))) {
    const relation = raw(warehouse.dialect.relation([...warehouse.state, table]))
    const columns = raw([...id, column].join(', '))
    const rows = await query(warehouse, sql`select ${columns} from ${relation} where ${raw(column)} is not null`)
    for (const row of rows) {
      const text = String(row[column])
      const redacted = plan ? redactOne(text) : redact(text)
      if (redacted === text) continue
      const same = id.map(name => sql`${raw(name)} = ${row[name] ?? null}`)
      const where = same.reduce((left, right) => sql`${left} and ${right}`)
      removals.push(sql`update ${relation} set ${raw(column)} = ${redacted} where ${where}`)
    }
  }
  return { what: 'plans and messages', rows: removals.length, removals }
}

/** A model that is a table is made anew before it is read, so one that holds the person is dropped whole. */
async function copiesInModels(warehouse: Warehouse, names: readonly string[], values: readonly string[]) {
  const found = []
  for (const name of names.filter(candidate => candidate.startsWith('model__'))) {
    const relation = raw(warehouse.dialect.relation([...warehouse.state, name]))
    const columns = await warehouse.describe(`select * from ${relation.texts[0]}`)
    const named = columns.flatMap(column => {
      const text = raw(warehouse.dialect.castTo(warehouse.dialect.quote(column.name), 'string'))
      return values.map(value => sql`${text} = ${value}`)
    })
    const rows = await countRows(
      warehouse,
      sql`${relation} where ${named.reduce((left, right) => sql`${left} or ${right}`)}`,
    )
    if (rows > 0) found.push({ what: 'tables of models', rows, removals: [sql`drop table ${relation}`] })
  }
  return found
}

/** Where the person is still a member: at a destination that was told of them and not told otherwise. */
async function findLeft(
  warehouse: Warehouse,
  { syncs }: Project,
  tables: readonly ErasableTable[],
  traces: PersonTraces,
): Promise<readonly LeftAt[]> {
  const left: LeftAt[] = []
  for (const sync of syncs) {
    const snapshot = tables.find(({ name }) => name === `snapshot__${sync.name}`)
    if (snapshot === undefined) continue
    const { dialect, state } = warehouse
    if (dialect.billsByColumn) await prepareSnapshot(warehouse, sync.name)
    const there = sql`${snapshotRelation(dialect, state, sync.name)} where ${isAbout(snapshot, traces)} and standing in ('member', 'remains')`
    if ((await countRows(warehouse, there)) === 0) continue
    left.push({ destination: sync.destination, sync: sync.name, removable: removes(sync) })
  }
  return left
}

function removes({ mode, enabled }: Sync): boolean {
  return enabled && (mode === 'mirror' || mode === 'audience')
}

function dropTable(warehouse: Warehouse, name: string): Fragment {
  return raw(`drop table if exists ${warehouse.dialect.relation([...warehouse.state, name])}`)
}

async function countRows(warehouse: Warehouse, from: Fragment): Promise<number> {
  const [row] = await query(warehouse, sql`select count(*) as n from ${from}`)
  return Number(row?.n)
}

function texts(rows: readonly Row[], column: string): readonly string[] {
  return rows.flatMap(row => (row[column] === null || row[column] === undefined ? [] : [String(row[column])]))
}

function distinct(values: readonly string[]): readonly string[] {
  return [...new Set(values)]
}
