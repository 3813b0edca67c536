import type { Row } from './warehouse.ts'

/** Of rows of `table_name` and `column_name`. */
export function columnsByTable(rows: readonly Row[]): ReadonlyMap<string, readonly string[]> {
  const byTable = new Map<string, string[]>()
  for (const { table_name, column_name } of rows) {
    const table = String(table_name)
    const columns = byTable.get(table) ?? []
    columns.push(String(column_name))
    byTable.set(table, columns)
  }
  return byTable
}
