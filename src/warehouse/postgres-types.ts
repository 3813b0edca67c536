/** PostgreSQL's types by what they hold, under the names that `format_type` gives them and those that planning uses. */
import type { ColumnType } from '../project/project.ts'
import type { Column, StateType } from './dialect.ts'

/** What decides how a value is written as text. */
export type Kind =
  | 'text'
  | 'small integer'
  | 'integer'
  | 'decimal'
  | 'double'
  | 'boolean'
  | 'date'
  | 'timestamp'
  | 'timestamp with zone'
  | 'json'
  | 'array'
  | 'bytes'
  | 'other'

const kinds: Readonly<Record<string, Kind>> = {
  text: 'text',
  varchar: 'text',
  'character varying': 'text',
  character: 'text',
  bpchar: 'text',
  citext: 'text',
  name: 'text',
  uuid: 'text',
  smallint: 'small integer',
  integer: 'small integer',
  bigint: 'integer',
  numeric: 'decimal',
  real: 'double',
  double: 'double',
  'double precision': 'double',
  boolean: 'boolean',
  date: 'date',
  timestamp: 'timestamp',
  'timestamp without time zone': 'timestamp',
  'timestamp with time zone': 'timestamp with zone',
  json: 'json',
  jsonb: 'json',
  bytea: 'bytes',
}

/** `timestamp(3) without time zone` has its precision in the middle. */
export function kindOf(native: string): Kind {
  if (native.endsWith('[]')) return 'array'
  const bare = native.replace(/\(\d+(,-?\d+)?\)/, '').toLowerCase()
  return kinds[bare] ?? 'other'
}

const typeOfKind = {
  text: 'string',
  'small integer': 'integer',
  integer: 'integer',
  decimal: 'number',
  double: 'number',
  boolean: 'boolean',
  date: 'date',
  timestamp: 'timestamp',
  'timestamp with zone': 'timestamp',
  json: 'json',
  array: 'json',
  bytes: 'other',
  other: 'other',
} as const satisfies Record<Kind, Column['type']>

export function columnType(native: string): Column['type'] {
  return typeOfKind[kindOf(native)]
}

export const nativeOfType = {
  string: 'text',
  integer: 'bigint',
  number: 'double precision',
  boolean: 'boolean',
  date: 'date',
  timestamp: 'timestamptz',
  json: 'json',
} as const satisfies Record<ColumnType, string>

export const stateTypes = {
  text: 'text',
  bigint: 'bigint',
  double: 'double precision',
  boolean: 'boolean',
  timestamp: 'timestamptz',
} as const satisfies Record<StateType, string>

/** Digits of a `numeric(precision,scale)`; undefined for one without bounds. */
export function precisionOf(native: string): { readonly width: number; readonly scale: number } | undefined {
  const [, width, scale = '0'] = /^numeric\((\d+)(?:,(-?\d+))?\)$/i.exec(native) ?? []
  return width === undefined ? undefined : { width: Number(width), scale: Number(scale) }
}
