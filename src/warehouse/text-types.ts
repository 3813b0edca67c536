/**
 * How text in a CSV file becomes a typed value: one definition for the file that a warehouse reads itself and for the
 * file that a seed loads. An empty field is NULL; a blank one is NULL unless its column is a string; what does not fit is
 * an error. The patterns mean the same in JavaScript and RE2 and match the whole of a trimmed, lower-case text. Casts
 * alone will not do: DuckDB 1.5 reads '12.7' as the integer 13 and '1997-01-01x' as a date.
 */
import type { ColumnType } from '../project/project.ts'

export interface TextType {
  /** What a fitting text is, for messages: "'abc' is not a number". */
  readonly noun: string
  /** Undefined where any text is tried. */
  readonly pattern?: string
}

const date = '[0-9]{4}-[0-9]{2}-[0-9]{2}'
const clock = '([01][0-9]|2[0-3]):[0-5][0-9]'
const zone = '(z|[+-][0-9]{2}(:?[0-9]{2})?)'

export const textTypes = {
  string: { noun: 'a text' },
  integer: { noun: 'a whole number', pattern: '[+-]?[0-9]+(\\.0*)?' },
  number: { noun: 'a number', pattern: '[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)(e[+-]?[0-9]+)?' },
  boolean: { noun: 'true or false', pattern: 'true|false|t|f|yes|no|y|n|1|0' },
  date: { noun: 'a date such as 2026-03-01', pattern: date },
  timestamp: {
    noun: 'a timestamp such as 2026-03-01T02:00:00Z',
    pattern: `${date}([t ]${clock}(:[0-5][0-9](\\.[0-9]{1,9})?${zone}?)?)?`,
  },
  json: { noun: 'JSON' },
} as const satisfies Record<ColumnType, TextType>

/** Texts that mean true, in lower case. */
export const trueTexts: readonly string[] = ['true', 't', 'yes', 'y', '1']

const whole = Object.fromEntries(
  Object.entries(textTypes).map(([type, { pattern = '.*' }]: [string, TextType]) => [
    type,
    new RegExp(`^(?:${pattern})$`, 's'),
  ]),
)

/** Whether a trimmed text that is not empty is a value of the type. */
export function fits(text: string, type: ColumnType): boolean {
  if (whole[type]?.test(text.toLowerCase()) !== true) return false
  switch (type) {
    case 'string':
    case 'boolean':
      return true
    case 'integer':
      return isBigint(text)
    case 'number':
      return Number.isFinite(Number(text))
    case 'date':
    case 'timestamp':
      return isDay(text.slice(0, 10))
    case 'json':
      return isJson(text)
  }
}

function isBigint(text: string): boolean {
  const value = BigInt(text.replace(/\..*$/, '').replace(/^\+/, ''))
  return BigInt.asIntN(64, value) === value
}

function isDay(text: string): boolean {
  const day = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(day.getTime()) && day.toISOString().slice(0, 10) === text
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** A fitting text in the one form that every warehouse casts the same way. */
export function plainText(text: string, type: ColumnType): string {
  switch (type) {
    case 'integer':
      return text.replace(/\..*$/, '').replace(/^\+/, '')
    case 'boolean':
      return String(trueTexts.includes(text.toLowerCase()))
    case 'timestamp':
      return text.toUpperCase().replace(' ', 'T')
    default:
      return text
  }
}

/** The types that an undeclared column can be found to have, narrowest first. */
const inferable = ['integer', 'number', 'boolean', 'date', 'timestamp'] as const

const plainNumber = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-]?[0-9]+)?$/i
const plainInteger = /^-?[0-9]+$/

/** Those of the types that one more value allows. Leading zeros, plus signs and integers that a double would round are texts. */
export function narrow(types: readonly ColumnType[], text: string): readonly ColumnType[] {
  return types.filter(type => {
    if (type === 'integer') return plainInteger.test(text) && plainNumber.test(text) && fits(text, type)
    if (type === 'number') return isExactNumber(text) && fits(text, type)
    if (type === 'boolean') return /^(true|false)$/i.test(text)
    return fits(text, type)
  })
}

function isExactNumber(text: string): boolean {
  return plainNumber.test(text) && (!plainInteger.test(text) || Number.isSafeInteger(Number(text)))
}

/** Where the inference of a column starts; what remains first is its type, a string if nothing does. */
export const anyType: readonly ColumnType[] = inferable
