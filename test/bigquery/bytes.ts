/**
 * What BigQuery counts for a bill, from the resolved statement and the rows that are there: the columns that a statement refers to, each
 * table once; of a table that a DELETE, UPDATE or MERGE changes, every column (cloud.google.com/bigquery/pricing and
 * docs/best-practices-costs, read 2026-08). A query's target of an INSERT or CREATE is written, and nothing of it read.
 */
import type { ZetaColumn, ZetaType, ZetaValue } from '../engines/zetasql.ts'
import { isNull } from './values.ts'

/** What one statement reads of one table. */
export interface Scan {
  /** `dataset.table`. */
  readonly table: string
  readonly rows: number
  /** Bytes by column. */
  readonly columns: Readonly<Record<string, number>>
}

interface Contents {
  readonly columns: readonly ZetaColumn[]
  readonly rows: readonly (readonly ZetaValue[])[]
}

/** Logical sizes (cloud.google.com/bigquery/docs/reference/standard-sql/data-types, "Data type sizes", read 2026-08). */
const fixed: Readonly<Record<string, number>> = {
  ...{ TYPE_INT64: 8, TYPE_DOUBLE: 8, TYPE_BOOL: 1, TYPE_DATE: 8, TYPE_DATETIME: 8, TYPE_TIMESTAMP: 8, TYPE_TIME: 8 },
  ...{ TYPE_NUMERIC: 16, TYPE_BIGNUMERIC: 32 },
}

/** Tables are replaced, never changed, so what was counted of one stays true. */
const counted = new WeakMap<Contents['rows'], Map<string, number>>()

export function bytesOfColumn({ columns, rows }: Contents, name: string): number {
  const known = counted.get(rows) ?? new Map<string, number>()
  counted.set(rows, known)
  const before = known.get(name)
  if (before !== undefined) return before
  const place = columns.findIndex(column => column.name.toLowerCase() === name.toLowerCase())
  const type = columns[place]?.type
  const bytes = type === undefined ? 0 : rows.reduce((sum, row) => sum + bytesOfValue(row[place], type), 0)
  known.set(name, bytes)
  return bytes
}

/** NULL takes no room. */
function bytesOfValue(value: ZetaValue | undefined, type: ZetaType): number {
  if (value === undefined || isNull(value)) return 0
  const size = fixed[type.typeKind]
  if (size !== undefined) return size
  if (typeof value.stringValue === 'string') return 2 + Buffer.byteLength(value.stringValue)
  if (typeof value.jsonValue === 'string') return Buffer.byteLength(value.jsonValue)
  if (Buffer.isBuffer(value.bytesValue)) return 2 + value.bytesValue.length
  return Buffer.byteLength(JSON.stringify(value))
}

/** Names of the columns of each table that a resolved statement reads; `changed`, when its target is changed in place. */
export function readOf(resolved: unknown): {
  readonly tables: ReadonlyMap<string, ReadonlySet<string>>
  readonly changed: string | undefined
} {
  const tables = new Map<string, Set<string>>()
  let changed: string | undefined
  walk(resolved, (name, node) => {
    const table = String((node.table as { readonly name?: unknown } | undefined)?.name ?? '')
    if (name === 'resolvedDeleteStmtNode' || name === 'resolvedUpdateStmtNode')
      changed = String((node.tableScan as { readonly table: { readonly name: string } }).table.name)
    if (name !== 'resolvedTableScanNode') return
    const { columnList = [] } = node.parent as { readonly columnList?: readonly { readonly name: string }[] }
    const columns = tables.get(table) ?? new Set()
    for (const column of columnList) columns.add(column.name)
    tables.set(table, columns)
  })
  return { tables, changed }
}

type Node = Readonly<Record<string, unknown>>

function walk(value: unknown, visit: (name: string, node: Node) => void): void {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return
  for (const [name, inner] of Object.entries(value)) {
    if (typeof inner !== 'object' || inner === null) continue
    if (!Array.isArray(inner)) visit(name, inner as Node)
    walk(inner, visit)
  }
}

export function totalOf(scans: readonly Scan[]): number {
  return scans.reduce((sum, { columns }) => sum + Object.values(columns).reduce((total, bytes) => total + bytes, 0), 0)
}
