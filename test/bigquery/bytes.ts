/**
 * What BigQuery counts for a bill, from the resolved statement and the rows that are there: the columns that a statement refers to, each
 * table once; of a table that a DELETE, UPDATE or MERGE changes, every column (cloud.google.com/bigquery/pricing and
 * docs/best-practices-costs, read 2026-08). A query's target of an INSERT or CREATE is written, and nothing of it read.
 *
 * Of a partitioned table, partitions that a constant filter on its partitioning column leaves out are not counted
 * (docs/querying-partitioned-tables, read 2026-11): here only where the column stands alone on one side of a comparison with a literal, in
 * a condition right over the table that has to hold for every row. BigQuery prunes more than that.
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

/** How a statement reads one table. */
export interface Reading {
  readonly columns: ReadonlySet<string>
  /** For each time that the table stands in the statement, the comparisons with constants that every row must pass. */
  readonly scans: readonly (readonly Comparison[])[]
}

interface Comparison {
  readonly column: string
  readonly holds: (value: bigint) => boolean
}

/**
 * What a resolved statement reads of each table; `changed`, when its target is changed in place. A column that a subquery hands on and
 * nobody asks for is not read: the analyser lists it, and keeps its number wherever it goes.
 */
export function readOf(resolved: unknown): {
  readonly tables: ReadonlyMap<string, Reading>
  readonly changed: string | undefined
} {
  const tables = new Map<string, { columns: Set<string>; scans: (readonly Comparison[])[] }>()
  const filtered = new Map<unknown, readonly Comparison[]>()
  const wanted = wantedColumns(resolved)
  let changed: string | undefined
  walk(resolved, (name, node) => {
    const table = String((node.table as { readonly name?: unknown } | undefined)?.name ?? '')
    if (name === 'resolvedDeleteStmtNode' || name === 'resolvedUpdateStmtNode')
      changed = String((node.tableScan as { readonly table: { readonly name: string } }).table.name)
    if (name === 'resolvedFilterScanNode')
      filtered.set(member(node.inputScan, 'resolvedTableScanNode'), comparisonsOf(node))
    if (name !== 'resolvedTableScanNode') return
    const reading = tables.get(table) ?? { columns: new Set(), scans: [] }
    for (const column of columnsOf(node)) if (wanted.has(column.columnId)) reading.columns.add(column.name)
    reading.scans.push(filtered.get(node) ?? [])
    tables.set(table, reading)
  })
  return { tables, changed }
}

interface ResolvedColumn {
  readonly columnId: string
  readonly name: string
}

/** Numbers of the columns that an expression names, or that the statement, a common table or a part of a union hands out. */
function wantedColumns(resolved: unknown): ReadonlySet<string> {
  const wanted = new Set<string>()
  const add = (columns: readonly ResolvedColumn[]) => {
    for (const { columnId } of columns) wanted.add(columnId)
  }
  walk(resolved, (name, node) => {
    if (name === 'resolvedColumnRefNode') add([node.column as ResolvedColumn])
    for (const list of [node.outputColumnList, node.queryOutputColumnList])
      add(((list ?? []) as readonly (ResolvedColumn | { readonly column: ResolvedColumn })[]).map(outputOf))
    for (const subquery of [node.withSubquery, node.subquery])
      for (const scan of Object.values((subquery ?? {}) as Readonly<Record<string, unknown>>)) add(columnsOf(scan))
  })
  return wanted
}

function outputOf(output: ResolvedColumn | { readonly column: ResolvedColumn }): ResolvedColumn {
  return 'column' in output ? output.column : output
}

/** Of a scan of any kind: some are scans with more to them. */
function columnsOf(scan: unknown): readonly ResolvedColumn[] {
  if (typeof scan !== 'object' || scan === null) return []
  const { columnList, parent } = scan as { readonly columnList?: readonly ResolvedColumn[]; readonly parent?: unknown }
  return columnList ?? columnsOf(parent)
}

/** Rows of a table partitioned by this column that lie in partitions which the statement may not leave out. */
export function rowsRead({ columns, rows }: Contents, partitionedBy: string, { scans }: Reading): Contents['rows'] {
  const place = columns.findIndex(({ name }) => name === partitionedBy)
  const inScan = (row: readonly ZetaValue[], comparisons: readonly Comparison[]) =>
    comparisons.every(({ column, holds }) => {
      const value = row[place]?.int64Value
      return column !== partitionedBy || (value !== undefined && value !== null && holds(BigInt(String(value))))
    })
  return rows.filter(row => scans.some(comparisons => inScan(row, comparisons)))
}

const operators: Readonly<Record<string, (a: bigint, b: bigint) => boolean>> = {
  $equal: (a, b) => a === b,
  $greater: (a, b) => a > b,
  $greater_or_equal: (a, b) => a >= b,
  $less: (a, b) => a < b,
  $less_or_equal: (a, b) => a <= b,
}

function comparisonsOf(filter: Node): readonly Comparison[] {
  return conjuncts(filter.filterExpr).flatMap(({ name, of: [left, right] }) => {
    const column = (member(left, 'resolvedColumnRefNode')?.column as { readonly name: string } | undefined)?.name
    const literal = member(right, 'resolvedLiteralNode')?.value as { readonly value?: ZetaValue } | undefined
    const constant = literal?.value?.int64Value
    const operator = operators[name]
    if (column === undefined || operator === undefined || constant === undefined || constant === null) return []
    return [{ column, holds: value => operator(value, BigInt(String(constant))) }]
  })
}

function conjuncts(expression: unknown): readonly { readonly name: string; readonly of: readonly unknown[] }[] {
  const call = member(member(expression, 'resolvedFunctionCallBaseNode'), 'resolvedFunctionCallNode')
  const parent = call?.parent as
    | { readonly function: { readonly name: string }; readonly argumentList: readonly unknown[] }
    | undefined
  if (parent === undefined) return []
  const name = parent.function.name.replace(/^ZetaSQL:/, '')
  return name === '$and' ? parent.argumentList.flatMap(conjuncts) : [{ name, of: parent.argumentList }]
}

function member(value: unknown, name: string): Node | undefined {
  return (value as Readonly<Record<string, Node | null>> | null | undefined)?.[name] ?? undefined
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
