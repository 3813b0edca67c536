/** BigQuery's types by what they hold, under the names that its schemas give them and those that planning uses. */
import type { ColumnType } from '../project/project.ts'
import type { Column, StateType } from './dialect.ts'

/** What decides how a value is written as text. */
export type Kind =
  | 'text'
  | 'integer'
  | 'decimal'
  | 'double'
  | 'boolean'
  | 'date'
  | 'datetime'
  | 'timestamp'
  | 'json'
  | 'nested'
  | 'bytes'
  | 'other'

const kinds: Readonly<Record<string, Kind>> = {
  STRING: 'text',
  VARCHAR: 'text',
  INT64: 'integer',
  INTEGER: 'integer',
  BIGINT: 'integer',
  NUMERIC: 'decimal',
  BIGNUMERIC: 'decimal',
  DECIMAL: 'decimal',
  FLOAT64: 'double',
  FLOAT: 'double',
  DOUBLE: 'double',
  BOOL: 'boolean',
  BOOLEAN: 'boolean',
  DATE: 'date',
  DATETIME: 'datetime',
  TIMESTAMP: 'timestamp',
  'TIMESTAMP WITH TIME ZONE': 'timestamp',
  JSON: 'json',
  STRUCT: 'nested',
  RECORD: 'nested',
  ARRAY: 'nested',
  BYTES: 'bytes',
}

export function kindOf(native: string): Kind {
  return kinds[native.replace(/[(<].*$/s, '').toUpperCase()] ?? 'other'
}

const typeOfKind = {
  text: 'string',
  integer: 'integer',
  decimal: 'number',
  double: 'number',
  boolean: 'boolean',
  date: 'date',
  datetime: 'timestamp',
  timestamp: 'timestamp',
  json: 'json',
  nested: 'json',
  bytes: 'other',
  other: 'other',
} as const satisfies Record<Kind, Column['type']>

export function columnType(native: string): Column['type'] {
  return typeOfKind[kindOf(native)]
}

/** How a cast names a type; BigQuery has no DOUBLE, which planning calls its own numbers. */
export function castName(native: string): string {
  const kind = kindOf(native)
  return kind === 'double' ? 'FLOAT64' : kind === 'integer' ? 'INT64' : native
}

export const nativeOfType = {
  string: 'STRING',
  integer: 'INT64',
  number: 'FLOAT64',
  boolean: 'BOOL',
  date: 'DATE',
  timestamp: 'TIMESTAMP',
  json: 'JSON',
} as const satisfies Record<ColumnType, string>

export const stateTypes = {
  text: 'STRING',
  bigint: 'INT64',
  double: 'FLOAT64',
  boolean: 'BOOL',
  timestamp: 'TIMESTAMP',
} as const satisfies Record<StateType, string>
