/**
 * How text in a CSV file becomes a typed value: one definition for the file that a warehouse reads itself and for the
 * file that a seed loads. The patterns are plain enough to mean the same in JavaScript and RE2; they match the whole of
 * a trimmed text. Casts alone will not do: DuckDB 1.5 reads '12.7' as the integer 13 and '1997-01-01x' as a date.
 */
import type { ColumnType } from '../project/project.ts'

export interface TextType {
  /** What a fitting text is, for messages: "'abc' is not a number". */
  readonly noun: string
  /** Undefined where any text is tried. */
  readonly pattern?: string
}

const time = '[0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,9})?)?'
const zone = '(Z|[+-][0-9]{2}(:?[0-9]{2})?)'

export const textTypes = {
  string: { noun: 'a text' },
  integer: { noun: 'a whole number', pattern: '[+-]?[0-9]+(\\.0*)?' },
  number: { noun: 'a number', pattern: '[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?' },
  boolean: { noun: 'true or false', pattern: '(?i:true|false|t|f|yes|no|y|n|1|0)' },
  date: { noun: 'a date such as 2026-03-01', pattern: '[0-9]{4}-[0-9]{2}-[0-9]{2}' },
  timestamp: {
    noun: 'a timestamp such as 2026-03-01T02:00:00Z',
    pattern: `[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]${time} ?${zone}?)?`,
  },
  json: { noun: 'JSON' },
} as const satisfies Record<ColumnType, TextType>

/** Texts that mean true, in lower case. */
export const trueTexts = ['true', 't', 'yes', 'y', '1'] as const
