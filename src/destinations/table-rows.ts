/** Changes as rows of a table. Pure. */
import type { Change } from '../delivery/destination.ts'
import type { Json } from '../project/project.ts'
import type { TableSettings } from './table-settings.ts'

export type Cell = string | number | bigint | boolean | null

export interface Row {
  readonly changeId: string
  readonly key: Readonly<Record<string, Cell>>
  /** The mapped fields without those that are part of the key. */
  readonly values: Readonly<Record<string, Cell>>
}

/** Column types as the database names them, in lower case. */
export type ColumnsOfTable = Readonly<Record<string, string>>

export type RowAnswer =
  | { readonly kind: 'row'; readonly row: Row }
  | { readonly kind: 'bad_key'; readonly changeId: string; readonly message: string }

/** The key wins over a mapped field of the same name. */
export function rowOf(
  change: Change,
  key: readonly string[],
  columns: ColumnsOfTable,
  client: TableSettings['client'],
): RowAnswer {
  const parts = keyParts(change.key, key.length)
  if (parts === undefined) {
    const message = `the key is not a list of ${key.length} values, one for each of ${key.join(', ')}`
    return { kind: 'bad_key', changeId: change.changeId, message }
  }
  const cell = (column: string, value: Json) => cellOf(value, columns[column] ?? '', client)
  const keys = key.map((column, index) => [column, cell(column, parts[index] ?? null)] as const)
  const values = Object.entries(change.fields).filter(([column]) => !key.includes(column))
  return {
    kind: 'row',
    row: {
      changeId: change.changeId,
      key: Object.fromEntries(keys),
      values: Object.fromEntries(values.map(([column, value]) => [column, cell(column, value)])),
    },
  }
}

/** A composite key is a JSON array text (contract, "canonical key"). */
function keyParts(key: string, length: number): readonly Json[] | undefined {
  if (length === 1) return [key]
  const parsed = parseJson(key)
  return Array.isArray(parsed) && parsed.length === length ? (parsed as readonly Json[]) : undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function cellOf(value: Json, type: string, client: TableSettings['client']): Cell {
  if (value === null) return null
  if (type.startsWith('json')) return JSON.stringify(value)
  if (typeof value === 'object') return JSON.stringify(value)
  // The SQLite driver binds numbers as REAL, which a column of text would keep as `5.0`.
  if (client === 'sqlite' && typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (client === 'mysql' && typeof value === 'string' && /^(datetime|timestamp)/.test(type)) return mysqlTime(value)
  return value
}

/** MySQL takes no `T` and no `Z` in strict mode (dev.mysql.com/doc/refman/8.4/en/date-and-time-literals.html): the UTC time without them. */
function mysqlTime(text: string): string {
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*(?:Z|\+00:?00)$/.exec(text)
  return match === null ? text : `${match[1]} ${match[2]}`
}

/** Rows with the same columns may share a statement. The last of two rows with the same key wins, as it would one by one. */
export function byColumns(rows: readonly Row[]): readonly (readonly Row[])[] {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const columns = JSON.stringify(Object.keys(row.values).sort())
    const group = groups.get(columns)
    if (group === undefined) groups.set(columns, [row])
    else group.push(row)
  }
  return [...groups.values()]
}
