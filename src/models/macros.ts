/**
 * Portable SQL: what engines write each in their own way, by name and in one place. Arguments are SQL of the model itself, in
 * quotes, or other expressions in parentheses: `{{safe_divide "revenue" "repeats + 1"}}`, `{{date_diff (run_date) "max(ordered_on)"}}`.
 */
import type { Flavour } from './scanner.ts'

const days = ['day', 'week', 'month', 'quarter', 'year'] as const
const hours = ['second', 'minute', 'hour', 'day'] as const

export interface Macro {
  /** What each argument is, for messages: `{{date_add date number unit}}`. */
  readonly takes: readonly string[]
  /** What the last argument may be, where it is a unit. */
  readonly units?: readonly string[]
  readonly summary: string
  readonly sql: Readonly<Record<Flavour, (...args: string[]) => string>>
}

const intervalDate = (date: string, count: string, unit: string) => {
  const [factor, base] = unit === 'quarter' ? [3, 'month'] : [1, unit]
  return `cast(${date} + ${count} * interval '${factor} ${base}' as date)`
}

const intervalTimestamp = (timestamp: string, count: string, unit: string) =>
  `(${timestamp} + ${count} * interval '1 ${unit}')`

const secondsOf: Readonly<Record<string, number>> = { second: 1, minute: 60, hour: 3600, day: 86_400 }

const wholeUnits = (later: string, earlier: string, unit: string) =>
  `cast(floor(extract(epoch from (${later} - ${earlier})) / ${secondsOf[unit]}) as bigint)`

const differenceOfDates = (later: string, earlier: string) => `(cast(${later} as date) - cast(${earlier} as date))`

const quotient = (dividend: string, divisor: string) =>
  `(cast(${dividend} as double precision) / nullif(${divisor}, 0))`

const decimalText = (type: string) => (number: string, places: string) =>
  `cast(cast(${number} as decimal(38, ${places})) as ${type})`

export const macros: ReadonlyMap<string, Macro> = new Map<string, Macro>([
  [
    'date_add',
    {
      takes: ['date', 'number', 'unit'],
      units: days,
      summary: 'A date so many days, weeks, months, quarters or years later; a date again.',
      sql: {
        duckdb: intervalDate,
        postgres: intervalDate,
        bigquery: (date, count, unit) => `date_add(${date}, interval ${count} ${unit})`,
      },
    },
  ],
  [
    'date_diff',
    {
      takes: ['later', 'earlier'],
      summary:
        'Days from the earlier date to the later one; a whole number, negative when they are the other way around.',
      sql: {
        duckdb: differenceOfDates,
        postgres: differenceOfDates,
        bigquery: (later, earlier) => `date_diff(date(${later}), date(${earlier}), day)`,
      },
    },
  ],
  [
    'timestamp_add',
    {
      takes: ['timestamp', 'number', 'unit'],
      units: hours,
      summary: 'A timestamp so many seconds, minutes, hours or days of 24 hours later.',
      sql: {
        duckdb: intervalTimestamp,
        postgres: intervalTimestamp,
        bigquery: (timestamp, count, unit) => `timestamp_add(${timestamp}, interval ${count} ${unit})`,
      },
    },
  ],
  [
    'timestamp_diff',
    {
      takes: ['later', 'earlier', 'unit'],
      units: hours,
      summary:
        'Whole seconds, minutes, hours or days of 24 hours from the earlier timestamp to the later one, rounded down.',
      sql: {
        duckdb: wholeUnits,
        postgres: wholeUnits,
        bigquery: (later, earlier, unit) =>
          `cast(floor(timestamp_diff(${later}, ${earlier}, second) / ${secondsOf[unit]}) as int64)`,
      },
    },
  ],
  [
    'safe_divide',
    {
      takes: ['dividend', 'divisor'],
      summary: 'A quotient with its fraction, also of two whole numbers; NULL when the divisor is 0.',
      sql: {
        duckdb: quotient,
        postgres: quotient,
        bigquery: (dividend, divisor) => `safe_divide(${dividend}, ${divisor})`,
      },
    },
  ],
  [
    'decimal_text',
    {
      takes: ['number', 'places'],
      summary: 'A number as text with so many digits behind the point, so that 17.5 reads 17.50.',
      sql: {
        duckdb: decimalText('varchar'),
        postgres: decimalText('text'),
        // NUMERIC rounds half away from zero, as the others do; a FLOAT64 would be rounded by its binary digits.
        bigquery: (number, places) => `format('%.${places}f', round(cast(${number} as bignumeric), ${places}))`,
      },
    },
  ],
])

/**
 * What is wrong with SQL that stands in a macro's quotes, or undefined. It has to mean the same in every engine and must not
 * reach out of its parentheses: no comments, no statement, no escapes, quotes and parentheses that close.
 */
export function oddArgument(sql: string): string | undefined {
  if (sql.trim() === '') return 'is empty'
  // A backslash is an escape to some engines and a character to others.
  const code = sql.replaceAll(/'[^'\\]*'|"[^"\\]*"/g, ' quoted ')
  if (/['"]/.test(code)) return 'has a quote that is not closed, or a backslash within one'
  const odd = /[^\w\s.,()+\-*/%<>=|:\u{80}-\u{10ffff}]/u.exec(code)
  if (odd !== null) return `holds ${JSON.stringify(odd[0])}`
  if (/--|\/\*|\*\//.test(code)) return 'holds a comment'
  const word = /\b(select|from|with|insert|update|delete|merge|into|values)\b/i.exec(code)
  if (word !== null) return `holds "${word[0]}": only an expression may stand here`
  let depth = 0
  for (const character of code) {
    if (character === '(') depth += 1
    if (character === ')') depth -= 1
    if (depth < 0) return 'closes a parenthesis that it does not open'
  }
  return depth === 0 ? undefined : 'has a parenthesis that is not closed'
}
