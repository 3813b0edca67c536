/** BigQuery's identifiers and texts: backticks and quotes with the same escapes within (GoogleSQL, "Lexical structure", 2026). */
import { ActivateError } from '../project/problem.ts'

/** Tables of one run, told apart from those of every other by a token. */
export const scratchPrefix = 'scratch__'

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Control characters would end a line, and with it the literal; U+2028 and U+2029 look like one to some editors. */
function escaped(text: string): string {
  return text
    .replace(/[\\'"`]/g, character => `\\${character}`)
    .replace(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to be escaped
      /[\0-\x1f\x7f\u2028\u2029]/g,
      character => named[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
}

/** How many tables a statement of this tool reads, by their names; what it makes is not read. */
export function tablesRead(sql: string): number {
  const read = sql.replace(/^\s*create (or replace )?table `[^`]*`/i, '')
  return new Set([...read.matchAll(/`((?:\\.|[^`\\])*\.(?:\\.|[^`\\])*)`/g)].map(([name]) => name)).size
}

export function quoteText(text: string): string {
  return `'${escaped(text)}'`
}

function checked(identifier: string): string {
  if (identifier === '' || identifier.includes('\0')) {
    throw new ActivateError('invalid', {
      code: 'A3006',
      message: identifier === '' ? 'a name is empty' : `the name ${JSON.stringify(identifier)} holds a NUL character`,
    })
  }
  return identifier
}

export function quoteName(identifier: string): string {
  return `\`${escaped(checked(identifier))}\``
}

/** A path within one pair of backticks, as BigQuery's own console writes it: no name of a project, dataset or table holds a dot. */
export function relationName(parts: readonly string[]): string {
  return `\`${parts.map(part => escaped(checked(part))).join('.')}\``
}
