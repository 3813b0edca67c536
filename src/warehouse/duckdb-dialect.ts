/**
 * DuckDB's SQL (checked against 1.5). The session's time zone is UTC, which `openDuckdb` sets; functions that take
 * timestamps rely on it only where text without a zone is cast.
 */
import { ActivateError } from '../project/problem.ts'
import type { ColumnType } from '../project/project.ts'
import type { Column, Dialect, Literal, StateType } from './dialect.ts'
import { spacesBeyondAscii } from './letters.ts'
import { numeral, wholeNumber } from './numerals.ts'
import { raw, sql } from './sql.ts'
import { type TextType, textTypes, trueTexts } from './text-types.ts'

type Typed = Pick<Column, 'type' | 'native'>

/** What decides how a value is written as text. */
type Kind =
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
  | 'nested'
  | 'blob'
  | 'other'

const kinds: Readonly<Record<string, Kind>> = {
  VARCHAR: 'text',
  ENUM: 'text',
  UUID: 'text',
  TINYINT: 'small integer',
  SMALLINT: 'small integer',
  INTEGER: 'small integer',
  UTINYINT: 'small integer',
  USMALLINT: 'small integer',
  UINTEGER: 'small integer',
  BIGINT: 'integer',
  UBIGINT: 'integer',
  HUGEINT: 'integer',
  UHUGEINT: 'integer',
  DECIMAL: 'decimal',
  FLOAT: 'double',
  DOUBLE: 'double',
  BOOLEAN: 'boolean',
  DATE: 'date',
  TIMESTAMP: 'timestamp',
  TIMESTAMP_S: 'timestamp',
  TIMESTAMP_MS: 'timestamp',
  TIMESTAMP_NS: 'timestamp',
  'TIMESTAMP WITH TIME ZONE': 'timestamp with zone',
  TIMESTAMPTZ: 'timestamp with zone',
  JSON: 'json',
  STRUCT: 'nested',
  MAP: 'nested',
  UNION: 'nested',
  VARIANT: 'nested',
  BLOB: 'blob',
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
  nested: 'json',
  blob: 'other',
  other: 'other',
} as const satisfies Record<Kind, Column['type']>

const nativeOfType = {
  string: 'VARCHAR',
  integer: 'BIGINT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'TIMESTAMPTZ',
  json: 'JSON',
} as const satisfies Record<ColumnType, string>

const stateTypes = {
  text: 'VARCHAR',
  bigint: 'BIGINT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  timestamp: 'TIMESTAMPTZ',
} as const satisfies Record<StateType, string>

function kindOf(native: string): Kind {
  if (native.endsWith(']')) return 'nested'
  return kinds[native.replace(/\(.*$/s, '').toUpperCase()] ?? 'other'
}

function quote(identifier: string): string {
  if (identifier === '' || identifier.includes('\0')) {
    throw new ActivateError('invalid', {
      code: 'A3006',
      message: identifier === '' ? 'a name is empty' : `the name ${JSON.stringify(identifier)} holds a NUL character`,
    })
  }
  return `"${identifier.replaceAll('"', '""')}"`
}

/** DuckDB's parser ends a statement at a NUL, so that one has to be spelled. */
function text(value: string): string {
  const parts = value.split('\0').map(part => `'${part.replaceAll("'", "''")}'`)
  return parts.length === 1 ? parts.join('') : `(${parts.join(' || chr(0) || ')})`
}

function literal(value: Literal): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return text(value)
  if (typeof value === 'number') return numeral(value)
  if (typeof value === 'boolean') return String(value)
  return 'date' in value ? `cast(${text(value.date)} as DATE)` : `cast(${text(value.timestamp)} as TIMESTAMPTZ)`
}

function varchar(expression: string): string {
  return `cast(${expression} as VARCHAR)`
}

/**
 * Whole numbers lose the `.0`. The rest goes through JSON, which prints the same shortest digits in less than half the
 * time (measured); a FLOAT would be widened there. NaN and infinities are told apart by `isFinite` before this is asked.
 */
function doubleText(expression: string, native: string): string {
  const whole = `${expression} = trunc(${expression}) and abs(${expression}) < 1e18`
  const broken = native.toUpperCase() === 'DOUBLE' ? varchar(`to_json(${expression})`) : varchar(expression)
  return `case when ${whole} then ${varchar(`cast(${expression} as BIGINT)`)} else ${broken} end`
}

/** The trailing zeros go. Up to fifteen digits a double holds every one, and JSON prints it three times faster than trimming. */
function decimalText(expression: string, native: string): string {
  const { width, scale } = precisionOf(native)
  if (scale === 0) return varchar(expression)
  const whole = varchar(`cast(${expression} as ${width <= 18 ? 'BIGINT' : 'HUGEINT'})`)
  const broken = isShort(native) ? varchar(`to_json(${expression})`) : `rtrim(${varchar(expression)}, '0')`
  return `case when ${expression} = trunc(${expression}) then ${whole} else ${broken} end`
}

/** Whether any value of the type survives the way through a double, printed without an exponent. */
function isShort(native: string): boolean {
  const { width, scale } = precisionOf(native)
  return width <= 15 && scale <= 4
}

function precisionOf(native: string): { readonly width: number; readonly scale: number } {
  const [, width = '18', scale = '3'] = /\((\d+)\s*,\s*(\d+)\)/.exec(native) ?? []
  return { width: Number(width), scale: Number(scale) }
}

/** Formatting is faster than casting and replacing, but knows no fraction without needless zeros. */
function timestampText(expression: string): string {
  const fractionless = `strftime(${expression}, '%Y-%m-%dT%H:%M:%S')`
  return `case when epoch_us(${expression}) % 1000000 = 0 then ${fractionless} else ${castTimestamp(expression)} end`
}

function castTimestamp(expression: string): string {
  return `replace(${varchar(expression)}, ' ', 'T')`
}

function asText(expression: string, column: Typed): string {
  switch (kindOf(column.native)) {
    case 'text':
    case 'small integer':
    case 'integer':
    case 'boolean':
    case 'date':
    case 'other':
      return varchar(expression)
    case 'decimal':
      return decimalText(expression, column.native)
    case 'double':
      return doubleText(expression, column.native)
    case 'timestamp':
      return column.native.toUpperCase() === 'TIMESTAMP' ? timestampText(expression) : castTimestamp(expression)
    case 'timestamp with zone':
      return `(${timestampText(`make_timestamp(epoch_us(${expression}))`)} || 'Z')`
    case 'json':
      return varchar(`json(${expression})`)
    case 'nested':
      return varchar(`to_json(${expression})`)
    case 'blob':
      return `lower(hex(${expression}))`
  }
}

function quoted(textExpression: string): string {
  return `('"' || ${textExpression} || '"')`
}

/**
 * A decimal is a number when the shortest text of the nearest double reads as the same decimal, which is how any JSON
 * parser would give it back. Fifteen digits always do; asking is slow beyond (7 µs a row for DECIMAL(38,2), measured).
 */
function jsonDecimal(expression: string, native: string): string {
  const shown = decimalText(expression, native)
  const { width, scale } = precisionOf(native)
  if (width <= 15) return shown
  const short = `abs(${expression}) < cast('1e${15 - scale}' as ${native})`
  const back = `try_cast(${varchar(`cast(${expression} as DOUBLE)`)} as ${native})`
  return `case when ${short} then ${shown} when ${back} = ${expression} then ${shown} else ${quoted(shown)} end`
}

/** The JSON text of one value, NULL for NULL. */
function jsonValue(expression: string, column: Typed): string {
  const shown = asText(expression, column)
  switch (kindOf(column.native)) {
    case 'small integer':
    case 'double':
    case 'boolean':
    case 'json':
    case 'nested':
      return shown
    case 'integer':
      return `case when ${expression} between -9007199254740991 and 9007199254740991 then ${shown} else ${quoted(shown)} end`
    case 'decimal':
      return jsonDecimal(expression, column.native)
    case 'date':
      return varchar(`to_json(${expression})`)
    case 'timestamp':
    case 'timestamp with zone':
    case 'blob':
      return quoted(shown)
    case 'text':
    case 'other':
      return varchar(`to_json(${shown})`)
  }
}

/** What JavaScript's `trim` removes; DuckDB's own `trim` knows the space only. */
const whitespace = `E' \\t\\n\\x0B\\f\\r${spacesBeyondAscii()}'`

/** Looking at the first and the last character takes a ninth of the time of trimming (measured), and most texts need none. */
function trim(expression: string): string {
  const plain = (text: string) => `${text} between '!' and '~'`
  return `case when ${plain(`(${expression})`)} and ${plain(`(${expression})[-1]`)} then ${expression} else trim(${expression}, ${whitespace}) end`
}

/** Text as a value of a declared type; text that is no such value is an error that shows it, never NULL. */
export function typedText(name: string, type: ColumnType): string {
  const column = quote(name)
  if (type === 'string') return column
  const { noun, pattern }: TextType = textTypes[type]
  const trimmed = trim(column)
  const cast = `try_cast(${trimmed} as ${nativeOfType[type]})`
  const value = type === 'boolean' ? `lower(${trimmed}) in (${trueTexts.map(text).join(', ')})` : cast
  const conditions = [
    ...(pattern === undefined ? [] : [`regexp_full_match(lower(${trimmed}), ${text(pattern)})`]),
    ...(type === 'number' ? [`isfinite(${cast})`] : []),
  ]
  const fitting = conditions.length === 0 ? value : `case when ${conditions.join(' and ')} then ${value} end`
  const complaint = `error(concat(${text(`column ${name}: '`)}, ${column}, ${text(`' is not ${noun}`)}))`
  return `case when coalesce(${trimmed}, '') = '' then null else coalesce(${fitting}, ${complaint}) end`
}

function csvRelation(path: string, columns: readonly { readonly name: string; readonly type: ColumnType }[]): string {
  const types = columns.map(({ name }) => `${text(name)}: 'VARCHAR'`)
  const declared = types.length === 0 ? '' : `, types = {${types.join(', ')}}`
  // Quotes as RFC 4180 has them: guessing them costs ten times the reading, and a file without one could be read without.
  const file = `read_csv(${text(path)}, header = true, quote = '"', escape = '"', sample_size = -1${declared})`
  const typed = columns.filter(({ type }) => type !== 'string')
  if (typed.length === 0) return file
  const replaced = typed.map(({ name, type }) => `${typedText(name, type)} as ${quote(name)}`)
  return `(select * replace (${replaced.join(', ')}) from ${file})`
}

export const duckdbDialect: Dialect = {
  name: 'duckdb',
  quote,
  relation: parts => parts.map(quote).join('.'),
  scratch: name => `temp.main.${quote(name)}`,
  placeholder: index => `$${index + 1}`,
  literal,
  stateType: type => stateTypes[type],
  castTo: (expression, type) => `cast(${expression} as ${nativeOfType[type]})`,
  columnType: native => typeOfKind[kindOf(native)],
  asText,
  jsonObject(fields) {
    const members = fields.map(({ name, expression, column }, index) => {
      const start = `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`
      return `${text(start)}, coalesce(${jsonValue(expression, column)}, 'null')`
    })
    return members.length === 0 ? "'{}'" : `concat(${members.join(', ')}, '}')`
  },
  jsonTextArray(expressions) {
    const anyNull = expressions.map(expression => `(${expression}) is null`).join(' or ')
    return `case when ${anyNull} then null else ${varchar(`to_json([${expressions.join(', ')}])`)} end`
  },
  jsonMember(expression, name) {
    const pointer = `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    return varchar(`json_extract(${expression}, ${text(pointer)})`)
  },
  sha256: expression => `sha256(${expression})`,
  quickHash: expression => `hash(${expression})`,
  countDifferent: expression => sql`count(distinct ${raw(expression)})`,
  rarely: condition => condition,
  // Half of the range, because the state's bigint is signed.
  rowDigest: values => `cast(hash(${values.map(({ expression }) => expression).join(', ')}) >> 1 as BIGINT)`,
  rowsWhere: (relation, condition) => sql`${relation} where ${condition}`,
  outerJoinsAnything: true,
  billsByColumn: false,
  computedOnce: 'as',
  takeTurn: () => undefined,
  unitInterval(saltExpression, keyExpression) {
    const hex = `substr(sha256(concat(${saltExpression}, ':', ${keyExpression})), 1, 13)`
    return `(cast(concat('0x', ${hex}) as BIGINT) / cast(4503599627370496 as DOUBLE))`
  },
  isFinite: expression => `isfinite(${expression})`,
  trim,
  lower: expression => `lower(${expression})`,
  matches: (expression, pattern) => `regexp_matches(${expression}, ${text(pattern)})`,
  replaceMatches: (expression, pattern, by) => `regexp_replace(${expression}, ${text(pattern)}, ${text(by)}, 'g')`,
  round: (expression, digits) => `round(${expression}, ${numeral(wholeNumber(digits))})`,
  timestamp: expression => `cast(${expression} as TIMESTAMPTZ)`,
  addMilliseconds: (timestamp, milliseconds) =>
    `(${timestamp} + to_milliseconds(cast(${numeral(wholeNumber(milliseconds))} as BIGINT)))`,
  absentFrom: (expression, keys, column) =>
    sql`${expression} not in (select ${raw(column)} from ${keys} where ${raw(column)} is not null)`,
  createTableAs: (relation, select, { scratch }) =>
    sql`create ${raw(scratch ? 'temp table' : 'table')} ${raw(relation)} as ${select}`,
  layout: () => '',
  copies: undefined,
  statistics: () => undefined,
  /** The name is always a view's, because DuckDB replaces no view by a table: a table's rows stand beside it. */
  createModel(relation, select, materialised) {
    const rows = relation.replace(/"$/, '__rows"')
    return materialised === 'view'
      ? [`create or replace view ${relation} as ${select}`, `drop table if exists ${rows}`]
      : [`create or replace table ${rows} as ${select}`, `create or replace view ${relation} as select * from ${rows}`]
  },
  fileRelation: (file, columns = []) =>
    'csv' in file ? csvRelation(file.csv, columns) : `read_parquet(${text(file.parquet)})`,
}
