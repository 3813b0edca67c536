/** What the cases of the suite work with: a warehouse that was opened for them, and short ways to ask it. */
import type { ColumnType } from '../../../src/project/project.ts'
import type { Column, Dialect } from '../../../src/warehouse/dialect.ts'
import { type Fragment, raw, render, type Statement, type Value } from '../../../src/warehouse/sql.ts'
import type { Row, Warehouse } from '../../../src/warehouse/warehouse.ts'

export interface OpenedWarehouse {
  readonly warehouse: Warehouse
  cleanup(): Promise<void>
}

/** In what warehouses may differ, each with a reason where it is declared. */
export interface Abilities {
  /** Texts may hold a NUL character. */
  readonly storesNul: boolean
  /** Statements that are asked at the same time run at the same time, rather than in turn. */
  readonly runsInParallel: boolean
  /** Names that no table or column can have are left out. */
  readonly names?: { readonly table: string; readonly columns: readonly string[] }
  /** Types that the warehouse calls by another name than the others do. */
  readonly types?: Readonly<Record<string, string>>
  /** What a decimal of two places that is 1.50 comes back as. */
  readonly decimal?: string
  /** How many rows a long stream has; a million unless told. */
  readonly longStream?: number
}

export interface LoadedTable {
  readonly parts: readonly string[]
  readonly relation: string
  readonly columns: readonly Column[]
}

export interface Trial {
  readonly abilities: Abilities
  /** The warehouse's own name of a type. */
  native(type: string): string
  warehouse(): Warehouse
  dialect(): Dialect
  /** Opens another one. */
  open(): Promise<OpenedWarehouse>
  statement(fragment: Fragment): Statement
  rows(fragment: Fragment): Promise<readonly Row[]>
  execute(fragment: Fragment): Promise<void>
  /** A table that is not there yet. */
  fresh(): string[]
  value(expression: string, ...params: Value[]): Promise<Value>
  load(
    columns: readonly { name: string; type: ColumnType }[],
    data: readonly (readonly (string | null)[])[],
  ): Promise<LoadedTable>
  /** The texts and the JSON of one loaded column, row by row. */
  shown(type: ColumnType, data: readonly (string | null)[]): Promise<readonly Value[][]>
}

export function trialOf(warehouse: () => Warehouse, open: () => Promise<OpenedWarehouse>, abilities: Abilities): Trial {
  let made = 0
  const dialect = () => warehouse().dialect
  const statement = (fragment: Fragment) => render(fragment, dialect().placeholder)
  const rows = (fragment: Fragment) => warehouse().query(statement(fragment))
  const execute = (fragment: Fragment) => warehouse().execute(statement(fragment))
  const fresh = () => {
    made += 1
    return [...warehouse().state, `conformance__${made}`]
  }
  const value = async (expression: string, ...params: Value[]): Promise<Value> => {
    const [row] = await warehouse().query({ sql: `select ${expression} as v`, params })
    return row?.v ?? null
  }
  const load = async (
    columns: readonly { name: string; type: ColumnType }[],
    data: readonly (readonly (string | null)[])[],
  ) => {
    const parts = fresh()
    await warehouse().load(parts, columns, once(data))
    const relation = dialect().relation(parts)
    return { parts, relation, columns: await warehouse().describe(relation) }
  }
  /** The texts and the JSON of one loaded column, row by row. */
  const shown = async (type: ColumnType, data: readonly (string | null)[]) => {
    const table = await load(
      [
        { name: 'n', type: 'integer' },
        { name: 'x', type },
      ],
      data.map((text, index) => [String(index), text]),
    )
    const column = named(table.columns, 'x')
    const x = dialect().quote('x')
    const json = dialect().jsonObject([{ name: 'x', expression: x, column }])
    const found = await rows(
      raw(`select ${dialect().asText(x, column)} as t, ${json} as j from ${table.relation} order by n`),
    )
    return found.map(row => [row.t ?? null, row.j ?? null])
  }
  const native = (type: string) => abilities.types?.[type] ?? type
  return { abilities, native, warehouse, dialect, open, statement, rows, execute, fresh, value, load, shown }
}

export function named(columns: readonly Column[], name: string): Column {
  const column = columns.find(candidate => candidate.name === name)
  if (column === undefined) throw new Error(`no column ${name}`)
  return column
}

export async function* once<T>(rows: readonly T[]): AsyncGenerator<readonly T[]> {
  yield rows
}

export async function* failing<T>(rows: readonly T[]): AsyncGenerator<readonly T[]> {
  yield rows
  throw new Error('the file ended')
}

export async function collect(stream: AsyncIterable<readonly Row[]>): Promise<readonly Row[]> {
  const all: Row[] = []
  for await (const chunk of stream) all.push(...chunk)
  return all
}
