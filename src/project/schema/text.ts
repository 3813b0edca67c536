/** Building blocks of the file schemas: texts that are read into something else, and names. */
import { z } from 'zod'

export interface Reading {
  /** For the JSON Schema; `read` decides. */
  readonly pattern?: string
  readonly examples?: readonly string[]
  readonly code: string
  /** Completes "`<text>` …". */
  readonly message: string
  readonly help?: string | ((text: string) => string | undefined)
}

/** A text that `read` turns into a value; one that it answers with undefined is a problem with the reading's code. */
export function readable<Value>(read: (text: string) => Value | undefined, reading: Reading) {
  const meta = {
    ...(reading.pattern === undefined ? {} : { pattern: reading.pattern }),
    ...(reading.examples === undefined ? {} : { examples: [...reading.examples] }),
  }
  return z
    .string()
    .meta(meta)
    .transform((text, context): Value => {
      const value = read(text)
      if (value !== undefined) return value
      const help = typeof reading.help === 'function' ? reading.help(text) : reading.help
      const params = { code: reading.code, ...(help === undefined ? {} : { help }) }
      context.issues.push({ code: 'custom', input: text, message: `"${text}" ${reading.message}`, params })
      return z.NEVER
    })
}

/** A text that must match, and stays a text. */
export function matching(pattern: RegExp, reading: Omit<Reading, 'pattern' | 'code'> & { readonly code?: string }) {
  return readable(text => (pattern.test(text) ? text : undefined), {
    code: 'A1104',
    pattern: pattern.source,
    ...reading,
  })
}

export const namePattern = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/
export const nameHelp = 'use letters, digits, _ and -'

/** The name of a thing of the project. */
export const name = () => matching(namePattern, { code: 'A1124', message: 'cannot be used as a name', help: nameHelp })

/** A name that becomes part of SQL. */
export const identifier = () =>
  matching(/^[A-Za-z_][A-Za-z0-9_]*$/, {
    code: 'A1124',
    message: 'cannot be used as a name',
    help: 'use letters, digits and _, and start with a letter',
  })

export const nonEmpty = () => z.string().min(1)

export const scalar = () => z.union([z.string(), z.number(), z.boolean(), z.null()])

const zones = () => Intl.supportedValuesOf('timeZone')

export function isTimezone(zone: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(zone)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

export { zones as knownTimezones }
