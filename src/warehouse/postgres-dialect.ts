/**
 * PostgreSQL's SQL (checked against 14 to 18). The session's time zone is UTC and its styles of dates and numbers are
 * fixed, which `postgres-session.ts` sees to. Texts that planning compares or sorts have the collation "C": bytes, the same
 * on every server and in DuckDB, and the fastest to sort.
 */
import { ActivateError } from '../project/problem.ts'
import type { Column, Dialect, Literal } from './dialect.ts'
import { lowerings, spacesBeyondAscii } from './letters.ts'
import { numeral, wholeNumber } from './numerals.ts'
import { createModel } from './postgres-model.ts'
import { quoteName, quoteText, relationName } from './postgres-name.ts'
import { columnType, kindOf, nativeOfType, precisionOf, stateTypes } from './postgres-types.ts'
import { raw, sql } from './sql.ts'

type Typed = Pick<Column, 'type' | 'native'>

export interface PostgresDialectOptions {
  /** Schema of the state, in which scratch tables stand as well. */
  readonly state: string
  /** What the scratch tables of this open warehouse are told apart by. */
  readonly token: string
}

export const scratchPrefix = 'scratch__'

function text(value: string): string {
  if (value.includes('\0'))
    throw new ActivateError('invalid', {
      code: 'A3007',
      message: `the text ${JSON.stringify(value)} holds a NUL character, which PostgreSQL cannot store`,
    })
  return quoteText(value)
}

function literal(value: Literal): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return text(value)
  if (typeof value === 'number') return numeral(value)
  if (typeof value === 'boolean') return String(value)
  return 'date' in value ? `cast(${text(value.date)} as date)` : `cast(${text(value.timestamp)} as timestamptz)`
}

function plainText(expression: string): string {
  return `cast(${expression} as text)`
}

function byBytes(textExpression: string): string {
  return `(${textExpression} collate "C")`
}

/**
 * Whole numbers without an exponent, and the shortest digits of the rest: as JavaScript writes them. NaN and infinities are
 * told apart by `isFinite` before this is asked.
 */
function doubleText(expression: string): string {
  const shown = plainText(expression)
  const whole = `${expression} = trunc(${expression}) and abs(${expression}) < 1e18`
  const plain = `abs(${expression}) >= 1e-6 and abs(${expression}) < 1e21`
  return `case when ${whole} then ${plainText(`cast(${expression} as bigint)`)} when ${shown} not like '%e%' then ${shown} when ${plain} then ${plainText(`cast(${shown} as numeric)`)} else replace(regexp_replace(${shown}, 'e([+-])0*', 'e\\1'), 'e+', 'e') end`
}

/** PostgreSQL prints ISO 8601 with a space, and a fraction only when it is not zero. */
function timestampText(expression: string): string {
  return `replace(${plainText(expression)}, ' ', 'T')`
}

/** The text of a `json` keeps the order of its members, and loses the white space outside of its strings. */
function compactJson(expression: string): string {
  return `regexp_replace(${plainText(expression)}, '("(?:[^"\\\\]|\\\\.)*")|\\s+', '\\1', 'g')`
}

function shownText(expression: string, { native }: Typed): string {
  switch (kindOf(native)) {
    case 'text':
    case 'small integer':
    case 'integer':
    case 'boolean':
    case 'date':
    case 'other':
      return plainText(expression)
    case 'decimal':
      return plainText(`trim_scale(${expression})`)
    case 'double':
      return doubleText(expression)
    case 'timestamp':
      return timestampText(expression)
    case 'timestamp with zone':
      return `(${timestampText(`(${expression} at time zone 'UTC')`)} || 'Z')`
    case 'json':
      return compactJson(expression)
    case 'array':
      return compactJson(`to_json(${expression})`)
    case 'bytes':
      return `encode(${expression}, 'hex')`
  }
}

function quoted(textExpression: string): string {
  return `('"' || ${textExpression} || '"')`
}

/**
 * A decimal is a number when the shortest text of the nearest double reads as the same decimal, which is how any JSON
 * parser would give it back. Fifteen digits always do; beyond the range of doubles the question itself would fail.
 */
function jsonDecimal(expression: string, native: string): string {
  const shown = shownText(expression, { type: 'number', native })
  const precision = precisionOf(native)
  if (precision !== undefined && precision.width <= 15 && precision.scale >= 0) return shown
  const back = `cast(${plainText(`cast(${expression} as double precision)`)} as numeric)`
  const inRange = `(${expression} = 0 or abs(${expression}) between 1e-300 and 1e300)`
  const exact = `case when ${inRange} then ${back} = ${expression} else false end`
  return `case when ${exact} then ${shown} else ${quoted(shown)} end`
}

/** The JSON text of one value, NULL for NULL. */
function jsonValue(expression: string, column: Typed): string {
  const shown = shownText(expression, column)
  switch (kindOf(column.native)) {
    case 'small integer':
    case 'double':
    case 'boolean':
    case 'json':
    case 'array':
      return shown
    case 'integer':
      return `case when ${expression} between -9007199254740991 and 9007199254740991 then ${shown} else ${quoted(shown)} end`
    case 'decimal':
      return jsonDecimal(expression, column.native)
    case 'date':
    case 'timestamp':
    case 'timestamp with zone':
    case 'bytes':
      return quoted(shown)
    case 'text':
    case 'other':
      return plainText(`to_json(${shown})`)
  }
}

/** What JavaScript's `trim` removes. */
function whitespace(): string {
  return `E' \\t\\n\\x0B\\f\\r${spacesBeyondAscii()}'`
}

/**
 * ASCII by the server, other letters by naming each: the server's own mapping hangs on the collation of the database and on
 * its version of Unicode, and addresses must be tidied here as TypeScript tidies them.
 */
function lower(): (expression: string) => string {
  const { upper, lower: mapped } = lowerings()
  const beyond = upper.replace(/^[A-Z]*/, '')
  return expression => {
    const isAscii = `octet_length(${expression}) = char_length(${expression})`
    // `translate` looks through its whole list for each character, so it is left to texts that need it.
    const needsList = `case when ${isAscii} then false else ${expression} ~ ${text(`[${beyond}]`)} end`
    return byBytes(
      `case when ${needsList} then translate(${expression}, ${text(upper)}, ${text(mapped)}) else lower(${expression} collate "C") end`,
    )
  }
}

/** Not every type has a hash function: json has none, and what an array or a stranger holds is not known here. */
function hashable({ expression, column }: { readonly expression: string; readonly column: Typed }): string {
  return ['text', 'json', 'array', 'other'].includes(kindOf(column.native)) ? plainText(expression) : expression
}

function round(expression: string, digits: number, column?: Typed): string {
  const rounded = `round(cast(${expression} as numeric), ${wholeNumber(digits)})`
  if (column === undefined) return rounded
  const native = column.native === 'DOUBLE' ? 'double precision' : column.native
  return `cast(${rounded} as ${native})`
}

/** The dialect of one open warehouse: its scratch tables are its own. */
export function postgresDialect({ state, token }: PostgresDialectOptions): Dialect {
  return {
    name: 'postgres',
    quote: quoteName,
    relation: relationName,
    scratch: name => relationName([state, `${scratchPrefix}${token}__${name}`]),
    placeholder: index => `$${index + 1}`,
    literal,
    stateType: type => stateTypes[type],
    castTo: (expression, type) => `cast(${expression} as ${nativeOfType[type]})`,
    columnType,
    asText: (expression, column) => byBytes(shownText(expression, column)),
    jsonObject(fields) {
      const members = fields.map(({ name, expression, column }, index) => {
        const start = `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`
        return `${text(start)} || coalesce(${jsonValue(expression, column)}, 'null')`
      })
      return members.length === 0 ? "'{}'" : byBytes(`(${members.join(' || ')} || '}')`)
    },
    jsonTextArray(expressions) {
      const anyNull = expressions.map(expression => `(${expression}) is null`).join(' or ')
      const texts = expressions.map(expression => plainText(`to_json(${plainText(expression)})`))
      return `case when ${anyNull} then null else ${byBytes(`('[' || ${texts.join(` || ',' || `)} || ']')`)} end`
    },
    jsonMember: (expression, name) => plainText(`cast(${expression} as json) -> ${text(name)}`),
    sha256: expression => `encode(sha256(convert_to(${expression}, 'UTF8')), 'hex')`,
    quickHash: expression => `hashtextextended(${expression}, 0)`,
    // Different values are sorted to be counted. Beside other counts whole rows would be; without a limit of its own the select is
    // folded into the count, and the columns of the expression are sorted with it. Numbers alone take a third of both (measured).
    countDifferent: (expression, relation) =>
      sql`(select count(distinct value) from (select ${raw(expression)} as value from ${relation} offset 0) narrow)`,
    // No statistics tell how often a case is 1, so 1 in 200 is assumed. From "is null or differs" the server expects every row of a join
    // to be left, which it would not hand from several processes to one.
    rarely: condition => sql`case when ${condition} then 1 end = 1`,
    rowDigest: values => `hash_record_extended(row(${values.map(hashable).join(', ')}), 0)`,
    // Without limits of their own the rows are folded into an outer join, below which columns are computed of every row, and the
    // columns into whatever reads them, as often as it does.
    rowsWhere: (relation, condition) => sql`(select * from ${relation} where ${condition} offset 0) among offset 0`,
    outerJoinsAnything: true,
    billsByColumn: false,
    // Folded into what reads it, a payload would be built anew for each column that it appears in.
    computedOnce: 'as materialized',
    takeTurn: name => sql`select pg_advisory_xact_lock(hashtextextended(${`activate: ${name}`}, 0))`,
    unitInterval(saltExpression, keyExpression) {
      const bytes = `convert_to(concat(${saltExpression}, ':', ${keyExpression}), 'UTF8')`
      const bits = `cast('x' || substr(encode(sha256(${bytes}), 'hex'), 1, 13) as bit(52))`
      return `(cast(${bits} as bigint) / cast(4503599627370496 as double precision))`
    },
    isFinite: expression => `((${expression}) not in ('NaN', 'Infinity', '-Infinity'))`,
    trim: expression => `btrim(${expression}, ${whitespace()})`,
    lower: lower(),
    matches: (expression, pattern) => `(${expression} ~ ${text(pattern)})`,
    replaceMatches: (expression, pattern, by) => `regexp_replace(${expression}, ${text(pattern)}, ${text(by)}, 'g')`,
    round,
    timestamp: expression => `cast(${expression} as timestamptz)`,
    // Version 14 takes no more milliseconds in an interval's text than fit into 32 bits, which are 24 days.
    addMilliseconds: (timestamp, milliseconds) =>
      `(${timestamp} + interval '1 millisecond' * ${numeral(wholeNumber(milliseconds))})`,
    // A hashed list that outgrows work_mem would be searched through once for every row: an anti join spills instead.
    absentFrom: (expression, keys, column) =>
      sql`not exists (select 1 from (select ${raw(column)} as excluded_key from ${keys}) excluded where excluded.excluded_key = ${expression})`,
    // As a subquery, a select that hides a `delete … returning` is refused by the server.
    createTableAs: (name, select, { scratch }) =>
      sql`create ${raw(scratch ? 'unlogged table' : 'table')} ${raw(name)} as select * from (
${select}
) as made`,
    layout: () => '',
    copies: undefined,
    statistics: name => `analyze ${name}`,
    createModel,
    fileRelation: () => undefined,
  }
}
