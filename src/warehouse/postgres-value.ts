/**
 * PostgreSQL's values as the port's, from the text that the server sends: integers as numbers where a double is exact and as
 * bigints beyond ±(2^53-1); `real` and `double precision` as numbers; `numeric` as text with every digit of its scale; dates as
 * `2026-03-01`; timestamps as `2026-03-01T02:00:00`, with a `Z` when they are instants, and a fraction only when it is not
 * zero; `bytea` as lower-case hex; JSON, arrays and all else as PostgreSQL prints them. Parameters go with the types that
 * their values have, so that `select $1` gives back what went in.
 */
import type { Value } from './sql.ts'

/** Object ids of built-in types (pg_type.dat; they never change). */
export const oids = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  float4: 700,
  float8: 701,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
} as const

export function toValue(text: string | null, oid: number): Value {
  if (text === null) return null
  switch (oid) {
    case oids.bool:
      return text === 't'
    case oids.int2:
    case oids.int4:
    case oids.oid:
      return Number(text)
    case oids.int8:
      return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text)
    case oids.float4:
    case oids.float8:
      return Number(text)
    case oids.timestamp:
      return text.replace(' ', 'T')
    case oids.timestamptz:
      // The session's zone is UTC, so that the offset is always this one.
      return text.replace(' ', 'T').replace(/\+00$/, 'Z')
    case oids.bytea:
      return text.slice(2)
    default:
      return text
  }
}

/** The type that a bound value is announced with; 0 lets the server find out, which it does for NULL. */
export function oidOf(value: Value): number {
  if (value === null) return 0
  if (typeof value === 'string') return oids.text
  if (typeof value === 'boolean') return oids.bool
  if (typeof value === 'number') return Number.isSafeInteger(value) ? oids.int8 : oids.float8
  return BigInt.asIntN(64, value) === value ? oids.int8 : oids.numeric
}
