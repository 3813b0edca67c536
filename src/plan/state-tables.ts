/** Makes the tool's own tables, and brings those of an earlier version up to date. */
import type { StateType } from '../warehouse/dialect.ts'
import type { Fragment } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import { execute } from './stage.ts'
import {
  addColumn,
  createTable,
  payloadColumns,
  payloadsRelation,
  type StateTable,
  snapshotColumnsOf,
  snapshotRelation,
  snapshotTable,
  stateRelation,
  stateTables,
} from './state.ts'

/** What is known of a warehouse's tables since it was opened: only this tool changes them. */
interface Known {
  /** Relations that were there at the opening: asking for all of them at once costs less than making each once more. */
  readonly present: ReadonlySet<string>
  /** Their columns, where the engine tells those of all tables at once. */
  readonly columns: ReadonlyMap<string, readonly string[]>
  /** Made, and brought up to date. */
  readonly prepared: Set<string>
}

const known = new WeakMap<Warehouse, Promise<Known>>()

function knownOf(warehouse: Warehouse): Promise<Known> {
  const made =
    known.get(warehouse) ??
    listTables(warehouse).catch((error: unknown) => {
      known.delete(warehouse)
      throw error
    })
  known.set(warehouse, made)
  return made
}

async function listTables(warehouse: Warehouse): Promise<Known> {
  const { dialect, state } = warehouse
  const relation = (name: string) => dialect.relation([...state, name])
  const told = await warehouse.columns(state)
  const columns = new Map([...(told ?? [])].map(([name, own]) => [relation(name), own]))
  const names = told === undefined ? (await warehouse.tables(state, '')).map(relation) : columns.keys()
  return { present: new Set(names), columns, prepared: new Set() }
}

/** Creates the table if it is missing; one that is there gets the columns it lacks, NULL in every row. */
export async function prepareTable(
  warehouse: Warehouse,
  relation: Fragment,
  columns: Readonly<Record<string, StateType>>,
): Promise<void> {
  const name = relation.texts[0] ?? ''
  const { present, columns: told, prepared } = await knownOf(warehouse)
  if (prepared.has(name)) return
  // Somebody else may have made it meanwhile, and an earlier version of this tool at that: only then is it asked again.
  if (!present.has(name)) await execute(warehouse, createTable(warehouse.dialect, relation, columns))
  await addMissingColumns(warehouse, relation, columns, told.get(name))
  prepared.add(name)
}

async function addMissingColumns(
  warehouse: Warehouse,
  relation: Fragment,
  columns: Readonly<Record<string, StateType>>,
  told: readonly string[] | undefined,
): Promise<void> {
  const there = new Set(told ?? (await describedNames(warehouse, relation)))
  for (const [name, type] of Object.entries(columns)) {
    if (!there.has(name)) await execute(warehouse, addColumn(warehouse.dialect, relation, name, type))
  }
}

async function describedNames(warehouse: Warehouse, relation: Fragment): Promise<readonly string[]> {
  const described = await warehouse.describe(`select * from ${relation.texts[0]}`)
  return described.map(({ name }) => name)
}

/** The table of a sync's snapshot, made and brought up to date: one of an earlier version lacks columns by which it is read. */
export async function prepareSnapshot(warehouse: Warehouse, sync: string): Promise<Fragment> {
  const { dialect, state } = warehouse
  const table = snapshotTable(dialect, state, sync)
  await prepareTable(warehouse, table, snapshotColumnsOf(dialect))
  return table
}

/** The relations of a sync's state. */
export interface StateRelations {
  /** To read: one row for each key. */
  readonly snapshot: Fragment
  /** To change, or to measure. */
  readonly snapshotTable: Fragment
  /** Where payloads stand apart from it. */
  readonly payloads: Fragment | undefined
  readonly tables: Readonly<Record<StateTable, Fragment>>
}

/** Creates the state tables and columns that are missing. Creating them changes nothing that a plan sees. */
export async function prepareState(warehouse: Warehouse, sync: string): Promise<StateRelations> {
  const { dialect, state } = warehouse
  const snapshot = await prepareSnapshot(warehouse, sync)
  const payloads = payloadsRelation(dialect, state, sync)
  if (payloads !== undefined) await prepareTable(warehouse, payloads, payloadColumns)
  const tables = Object.entries(stateTables).map(([name, columns]) => {
    const relation = stateRelation(dialect, state, name as StateTable)
    return { name, columns, relation }
  })
  for (const { relation, columns } of tables) await prepareTable(warehouse, relation, columns)
  return {
    ...{ snapshot: snapshotRelation(dialect, state, sync), snapshotTable: snapshot, payloads },
    tables: Object.fromEntries(tables.map(({ name, relation }) => [name, relation])) as Record<StateTable, Fragment>,
  }
}
