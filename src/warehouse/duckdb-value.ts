/**
 * DuckDB's values as the port's: booleans, texts and NULL as they are; integers as numbers where a double is exact and
 * as bigints beyond ±(2^53-1); FLOAT and DOUBLE as numbers; DECIMAL as text with every digit of its scale; DATE as
 * `2026-03-01`; TIMESTAMP as `2026-03-01T02:00:00`, with a `Z` when it is an instant (TIMESTAMPTZ), and a fraction only
 * when it is not zero; JSON, lists, structs and maps as JSON text; BLOB as lower-case hex; UUID, TIME, INTERVAL and the
 * like as DuckDB prints them.
 */
import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBUnionValue,
  type DuckDBValue,
} from '@duckdb/node-api'
import type { Json } from '../project/project.ts'
import type { Value } from './sql.ts'

export function toValue(value: DuckDBValue): Value {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number')
    return value
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  return isNested(value) ? JSON.stringify(toJson(value)) : scalarText(value)
}

type DuckDBObject = Exclude<DuckDBValue, null | string | boolean | number | bigint>
type Nested = DuckDBListValue | DuckDBArrayValue | DuckDBStructValue | DuckDBMapValue | DuckDBUnionValue

function isNested(value: DuckDBObject): value is Nested {
  return (
    value instanceof DuckDBListValue ||
    value instanceof DuckDBArrayValue ||
    value instanceof DuckDBStructValue ||
    value instanceof DuckDBMapValue ||
    value instanceof DuckDBUnionValue
  )
}

function scalarText(value: DuckDBObject): string {
  if (value instanceof DuckDBTimestampTZValue) {
    const text = isoText(value.micros, new DuckDBTimestampValue(value.micros))
    return text.endsWith('infinity') ? text : `${text}Z`
  }
  if (value instanceof DuckDBTimestampValue) return isoText(value.micros, value)
  if (value instanceof DuckDBTimestampMillisecondsValue) return isoText(value.millis * 1000n, value)
  if (value instanceof DuckDBTimestampSecondsValue) return isoText(value.seconds * 1_000_000n, value)
  if (value instanceof DuckDBTimestampNanosecondsValue) {
    return String(value)
      .replace(' ', 'T')
      .replace(/(\.\d*?)0+$/, '$1')
      .replace(/\.$/, '')
  }
  if (value instanceof DuckDBDateValue) return value.toString()
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('hex')
  return String(value)
}

/** Years beyond JavaScript's dates, and the infinities, keep DuckDB's own text. */
function isoText(micros: bigint, printed: { toString(): string }): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const date = new Date(Number((micros - fraction) / 1000n))
  const year = Number.isNaN(date.getTime()) ? Number.NaN : date.getUTCFullYear()
  if (!(year >= 1 && year <= 9999)) return printed.toString().replace(' ', 'T')
  const digits = fraction === 0n ? '' : `.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`
  return `${date.toISOString().slice(0, 19)}${digits}`
}

function toJson(value: DuckDBValue): Json {
  if (value === null || typeof value !== 'object') {
    const plain = toValue(value)
    return typeof plain === 'bigint' ? String(plain) : plain
  }
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(toJson)
  if (value instanceof DuckDBUnionValue) return toJson(value.value)
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, member]) => [name, toJson(member)]))
  }
  if (value instanceof DuckDBMapValue) {
    return Object.fromEntries(value.entries.map(({ key, value: member }) => [String(toValue(key)), toJson(member)]))
  }
  return scalarText(value)
}
