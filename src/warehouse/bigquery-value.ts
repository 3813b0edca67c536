/**
 * BigQuery's values as the port's, from the text of a REST answer, of which `bigquery-arrow.ts` makes the same from Arrow. The client's
 * own reading rounds INT64 to a double, so it is not asked to read: integers are numbers where a double is exact and bigints beyond; NUMERIC is text; timestamps come as
 * microseconds (`formatOptions.useInt64Timestamp`).
 */
import { kindOf } from './bigquery-types.ts'
import type { Value } from './sql.ts'
import type { Row } from './warehouse.ts'

/** A field of a schema (REST `TableFieldSchema`). */
export interface Field {
  readonly name: string
  readonly type: string
  readonly mode?: string
  readonly fields?: readonly Field[]
  readonly precision?: string
  readonly scale?: string
}

/** A cell of an answer: text, null, a list of cells or a record. */
export type Cell = { readonly v: Cell[] | { readonly f: readonly Cell[] } | string | null }

export function nativeOf({ type, mode, precision, scale }: Field): string {
  const standard = { INTEGER: 'INT64', FLOAT: 'FLOAT64', BOOLEAN: 'BOOL', RECORD: 'STRUCT' }[type] ?? type
  const bounds = precision === undefined ? '' : `(${precision}${scale === undefined ? '' : `, ${scale}`})`
  return mode === 'REPEATED' ? `ARRAY<${standard}>` : `${standard}${bounds}`
}

export function toValue({ v }: Cell, field: Field): Value {
  if (v === null || v === undefined) return null
  if (field.mode === 'REPEATED' || typeof v !== 'string') return JSON.stringify(nested({ v }, field))
  switch (kindOf(nativeOf(field))) {
    case 'integer':
      return Number.isSafeInteger(Number(v)) ? Number(v) : BigInt(v)
    case 'double':
      // A zero has no sign: Arrow has kept it where a text has not.
      return Number(v.replace(/^(-?)inf(inity)?$/i, '$1Infinity')) + 0
    case 'boolean':
      return v === 'true'
    case 'timestamp':
      return instantOf(BigInt(v))
    case 'datetime':
      return v.replace(' ', 'T').replace(/\.(\d*?)0*$/, (_, digits: string) => (digits === '' ? '' : `.${digits}`))
    case 'bytes':
      return Buffer.from(v, 'base64').toString('hex')
    default:
      return v
  }
}

/** Rows of a REST answer. */
export function rowsOf(rows: readonly { readonly f: readonly Cell[] }[], fields: readonly Field[]): readonly Row[] {
  return rows.map(({ f }) =>
    Object.fromEntries(fields.map((field, index) => [field.name, toValue(f[index] ?? { v: null }, field)])),
  )
}

function nested(cell: Cell, field: Field): unknown {
  const { v } = cell
  if (v === null || v === undefined) return null
  if (Array.isArray(v)) return v.map(each => nested(each, { ...field, mode: 'NULLABLE' }))
  if (typeof v === 'object')
    return Object.fromEntries(
      (field.fields ?? []).map((each, index) => [each.name, nested(v.f[index] ?? { v: null }, each)]),
    )
  const value = toValue(cell, { ...field, mode: 'NULLABLE' })
  return typeof value === 'bigint' ? String(value) : value
}

/** Microseconds since 1970 as ISO 8601, with a fraction only when it is not zero. */
export function instantOf(microseconds: bigint): string {
  const million = 1_000_000n
  const fraction = ((microseconds % million) + million) % million
  const seconds = Number((microseconds - fraction) / million)
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19)
  return fraction === 0n ? `${whole}Z` : `${whole}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}Z`
}

/** A named parameter (REST `QueryParameter`), typed by its value, so that `select @p1` gives back what went in. */
export function parameterOf(value: Value, name: string) {
  return {
    name,
    parameterType: { type: typeOf(value) },
    parameterValue: { value: value === null ? null : String(value) },
  }
}

function typeOf(value: Value): string {
  if (value === null || typeof value === 'string') return 'STRING'
  if (typeof value === 'boolean') return 'BOOL'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'INT64' : 'FLOAT64'
  return BigInt.asIntN(64, value) === value ? 'INT64' : 'BIGNUMERIC'
}
