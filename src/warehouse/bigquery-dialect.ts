/**
 * BigQuery's SQL (GoogleSQL, as of 2026; every statement of the tests passes its analyser). Joins are by equality of columns
 * that are not NULL, the only ones that BigQuery takes for outer joins. Scratch tables are tables of the state's dataset that
 * end by themselves: a session's temporary tables are seen by that session alone, which runs one statement at a time.
 */
import { quoteName, quoteText, relationName, scratchPrefix } from './bigquery-name.ts'
import { castName, columnType, kindOf, nativeOfType, stateTypes } from './bigquery-types.ts'
import type { Column, Dialect, Literal } from './dialect.ts'
import { lowerings, spacesBeyondAscii } from './letters.ts'
import { numeral, wholeNumber } from './numerals.ts'
import { raw, sql } from './sql.ts'

type Typed = Pick<Column, 'type' | 'native'>

export interface BigqueryDialectOptions {
  /** Dataset of the state, in which scratch tables stand as well: `[dataset]` or `[project, dataset]`. */
  readonly state: readonly string[]
  /** What the scratch tables of this open warehouse are told apart by. */
  readonly token: string
  /** How long copies of snapshots are kept; 0 makes none. 7 unless told. */
  readonly undoDays?: number | undefined
}

/** After which a scratch table is gone although nobody dropped it: longer than any run, and than a weekend. */
export const scratchDays = 7

function literal(value: Literal): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return quoteText(value)
  if (typeof value === 'number') return numeral(value)
  if (typeof value === 'boolean') return String(value)
  return 'date' in value ? `cast(${quoteText(value.date)} as DATE)` : `cast(${quoteText(value.timestamp)} as TIMESTAMP)`
}

function string(expression: string): string {
  return `cast(${expression} as STRING)`
}

/**
 * Whole numbers without an exponent, and the shortest digits of the rest, as JavaScript writes them: BigQuery's own cast tries
 * 15 digits and then 17. NaN and infinities are told apart by `isFinite` before this is asked.
 */
function doubleText(expression: string): string {
  const whole = `${expression} = trunc(${expression}) and abs(${expression}) < 1e18`
  const sixteen = `format('%.16g', ${expression})`
  const digits = `if(length(${string(expression)}) > 16 and cast(${sixteen} as FLOAT64) = ${expression}, ${sixteen}, ${string(expression)})`
  const plain = `abs(${expression}) >= 1e-6 and abs(${expression}) < 1e21`
  const exponent = `replace(regexp_replace(${digits}, r'e([+-])0*', r'e\\1'), 'e+', 'e')`
  return `case when ${whole} then ${string(`cast(${expression} as INT64)`)} when ${plain} then ${string(`cast(${digits} as BIGNUMERIC)`)} else ${exponent} end`
}

function asText(expression: string, { native }: Typed): string {
  switch (kindOf(native)) {
    case 'text':
    case 'integer':
    case 'decimal':
    case 'boolean':
    case 'date':
    case 'other':
      return string(expression)
    case 'double':
      return doubleText(expression)
    case 'datetime':
      return `format_datetime('%E4Y-%m-%dT%H:%M:%E*S', ${expression})`
    case 'timestamp':
      return `format_timestamp('%E4Y-%m-%dT%H:%M:%E*SZ', ${expression}, 'UTC')`
    // A function of JSON gives the text "null" for NULL.
    case 'json':
    case 'nested':
      return `if(${expression} is null, null, to_json_string(${expression}))`
    case 'bytes':
      return `to_hex(${expression})`
  }
}

function quoted(textExpression: string): string {
  return `('"' || ${textExpression} || '"')`
}

/**
 * A decimal is a number when the shortest text of the nearest double reads as the same decimal, which is how any JSON
 * parser would give it back. Fifteen digits always do.
 */
function jsonDecimal(expression: string): string {
  const shown = string(expression)
  const short = `length(regexp_replace(${shown}, '[-.]', '')) <= 15`
  const nearest = `cast(${expression} as FLOAT64)`
  const readsBack = ['%.16g', '%.17g'].map(
    form => `safe_cast(format('${form}', ${nearest}) as BIGNUMERIC) = cast(${expression} as BIGNUMERIC)`,
  )
  return `case when ${short} or ${readsBack.join(' or ')} then ${shown} else ${quoted(shown)} end`
}

/** The JSON text of one value, NULL for NULL. */
function jsonValue(expression: string, column: Typed): string {
  const shown = asText(expression, column)
  switch (kindOf(column.native)) {
    case 'double':
    case 'boolean':
    case 'json':
    case 'nested':
      return shown
    case 'integer':
      return `case when ${expression} between -9007199254740991 and 9007199254740991 then ${shown} else ${quoted(shown)} end`
    case 'decimal':
      return jsonDecimal(expression)
    case 'date':
    case 'datetime':
    case 'timestamp':
    case 'bytes':
      return quoted(shown)
    case 'text':
    case 'other':
      return jsonText(shown)
  }
}

function jsonText(textExpression: string): string {
  return `if(${textExpression} is null, null, to_json_string(${textExpression}))`
}

/** ASCII by BigQuery, other letters by naming each: its own mapping looks at the neighbours of a letter (ς), and makes two of İ. */
function lower(): (expression: string) => string {
  const { upper, lower: mapped } = lowerings()
  return expression => {
    const isAscii = `byte_length(${expression}) = char_length(${expression})`
    return `if(${isAscii}, lower(${expression}), translate(${expression}, ${quoteText(upper)}, ${quoteText(mapped)}))`
  }
}

function round(expression: string, digits: number, column?: Typed): string {
  const rounded = `round(${expression}, ${wholeNumber(digits)})`
  return column === undefined ? rounded : `cast(${rounded} as ${castName(column.native)})`
}

/** Of everything that the tool makes: bills are told apart by labels, and what is not for good ends by itself. */
function options(days?: number): string {
  const end =
    days === undefined ? '' : `expiration_timestamp = timestamp_add(current_timestamp(), interval ${days} day), `
  return `options (${end}labels = [('tool', 'activate')])`
}

/** Rows whose value is NULL lie in a partition by themselves ("Introduction to partitioned tables", read 2026-11). */
function partitions(column: string | undefined): string {
  return column === undefined ? '' : ` partition by range_bucket(${quoteName(column)}, generate_array(0, 4, 1))`
}

/** The dialect of one open warehouse: its scratch tables are its own. */
export function bigqueryDialect({ state, token, undoDays = 7 }: BigqueryDialectOptions): Dialect {
  return {
    name: 'bigquery',
    quote: quoteName,
    relation: relationName,
    scratch: name => relationName([...state, `${scratchPrefix}${token}__${name}`]),
    placeholder: index => `@p${index + 1}`,
    literal,
    stateType: type => stateTypes[type],
    castTo: (expression, type) =>
      type === 'json'
        ? `parse_json(${expression}, wide_number_mode=>'round')`
        : `cast(${expression} as ${nativeOfType[type]})`,
    columnType,
    asText,
    jsonObject(fields) {
      const members = fields.map(({ name, expression, column }, index) => {
        const start = `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`
        return `${quoteText(start)}, coalesce(${jsonValue(expression, column)}, 'null')`
      })
      return members.length === 0 ? "'{}'" : `concat(${members.join(', ')}, '}')`
    },
    jsonTextArray(expressions) {
      const anyNull = expressions.map(expression => `(${expression}) is null`).join(' or ')
      return `if(${anyNull}, null, to_json_string([${expressions.join(', ')}]))`
    },
    // The text of an absent member and that of a null are both "null"; only the value tells them apart.
    jsonMember(expression, name) {
      const member = `parse_json(${expression}, wide_number_mode=>'round')[${quoteText(name)}]`
      return `if(${member} is null, null, to_json_string(${member}))`
    },
    sha256: expression => `to_hex(sha256(${expression}))`,
    quickHash: expression => `farm_fingerprint(${expression})`,
    countDifferent: expression => sql`count(distinct ${raw(expression)})`,
    rarely: condition => condition,
    // Never by `concat`, which is NULL as soon as one part is; the JSON of a row tells NULL from '' and from 'null'.
    rowDigest: values =>
      `farm_fingerprint(to_json_string(struct(${values.map(({ expression }) => expression).join(', ')})))`,
    rowsWhere: (relation, condition) => sql`${relation} where ${condition}`,
    outerJoinsAnything: false,
    // FARM_FINGERPRINT: "the output of this function for a particular input will never change" (hash functions, read 2026-08).
    billsByColumn: true,
    computedOnce: 'as',
    // Of two transactions that change one table, BigQuery lets one commit and fails the other ("Multi-statement transactions").
    takeTurn: () => undefined,
    unitInterval(saltExpression, keyExpression) {
      const hex = `substr(to_hex(sha256(concat(${saltExpression}, ':', ${keyExpression}))), 1, 13)`
      return `(cast(concat('0x', ${hex}) as INT64) / 4503599627370496)`
    },
    isFinite: expression => `(not (is_nan(${expression}) or is_inf(${expression})))`,
    trim: expression => `trim(${expression}, ${quoteText(` \t\n\v\f\r${spacesBeyondAscii()}`)})`,
    lower: lower(),
    matches: (expression, pattern) => `regexp_contains(${expression}, ${quoteText(pattern)})`,
    replaceMatches: (expression, pattern, by) =>
      `regexp_replace(${expression}, ${quoteText(pattern)}, ${quoteText(by)})`,
    round,
    timestamp: expression => `cast(${expression} as TIMESTAMP)`,
    addMilliseconds: (timestamp, milliseconds) =>
      `timestamp_add(${timestamp}, interval ${wholeNumber(milliseconds)} millisecond)`,
    absentFrom: (expression, keys, column) =>
      sql`${expression} not in (select ${raw(column)} from ${keys} where ${raw(column)} is not null)`,
    createTableAs: (relation, select, { scratch, parts }) =>
      sql`create table ${raw(relation)}${raw(partitions(parts))} ${raw(options(scratch ? scratchDays : undefined))} as ${select}`,
    // No partitions: the rows of a night lie in all of them.
    layout: lookedUpBy =>
      `${lookedUpBy.length === 0 ? '' : ` cluster by ${lookedUpBy.map(quoteName).join(', ')}`} ${options()}`,
    copies: {
      keep: (relation, copy) =>
        undoDays === 0
          ? undefined
          : `create snapshot table if not exists ${copy} clone ${relation} ${options(undoDays)}`,
      drop: copy => `drop snapshot table if exists ${copy}`,
    },
    statistics: () => undefined,
    /** The name is always a view's, because BigQuery replaces no view by a table: a table's rows stand beside it. */
    createModel(relation, select, materialised) {
      const rows = relation.replace(/`$/, '__rows`')
      return materialised === 'view'
        ? [`create or replace view ${relation} as ${select}`, `drop table if exists ${rows}`]
        : [
            `create or replace table ${rows} as ${select}`,
            `create or replace view ${relation} as select * from ${rows}`,
          ]
    },
    fileRelation: () => undefined,
  }
}
