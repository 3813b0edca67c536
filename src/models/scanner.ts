/**
 * Just enough of a SQL lexer to know what is code and what is quoted. It mirrors the engines' own lexers where a
 * difference would let text escape from its quotes: PostgreSQL's rules (which DuckDB 1.5.6 shares; checked against
 * its `extractStatements` in the tests) and GoogleSQL's (cloud.google.com/bigquery/docs/reference/standard-sql/lexical).
 */
import type { Dialect } from '../warehouse/dialect.ts'

export type Flavour = Dialect['name']

export type TokenKind =
  | 'word'
  | 'number'
  | 'string'
  /** A quoted identifier. */
  | 'name'
  | 'comment'
  | 'symbol'
  | 'parameter'
  /** The stand-in of a template expression. */
  | 'hole'
  /** A quote or comment that is never closed; always the last token. */
  | 'unterminated'
  /** A control character, or one that looks like a space and is none. */
  | 'invisible'

export interface Token {
  readonly kind: TokenKind
  readonly start: number
  readonly end: number
}

/** Stands for a template expression while the text around it is scanned. */
export const holeMark = '\u0001'

const postgresWord = /[A-Za-z_\u{80}-\u{10ffff}][A-Za-z0-9_$\u{80}-\u{10ffff}]*/uy
const bigqueryWord = /[A-Za-z_][A-Za-z0-9_]*/y
const number = /0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?/y
const dollarTag = /\$(?:[A-Za-z_\u{80}-\u{10ffff}][A-Za-z0-9_\u{80}-\u{10ffff}]*)?\$/uy
const dollarParameter = /\$[A-Za-z0-9_]+/y
const atParameter = /@[A-Za-z_]\w*/y
const dashComment = /--[^\n\r]*/y
const hashComment = /#[^\n\r]*/y
const space = /[ \t\n\r\f\v]+/y
const invisible = /[\p{C}\p{Z}]/u
/** What may stand between two halves of one PostgreSQL string: white space with a line break in it. */
const continuation = /(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'/y

/** Whether a character would become part of a word, or of a quoted text, that it stands beside. */
export function glues(character: string): boolean {
  return character === holeMark || /[A-Za-z0-9_$'"`\u{80}-\u{10ffff}]/u.test(character)
}

type Reader = (text: string, at: number) => Token | undefined

/** Tokens in order, white space left out. */
export function scan(text: string, flavour: Flavour, holes: ReadonlySet<number> = new Set()): readonly Token[] {
  const readers = flavour === 'bigquery' ? bigqueryReaders : postgresReaders
  const tokens: Token[] = []
  let at = skipSpace(text, 0)
  while (at < text.length) {
    const token = holes.has(at)
      ? { kind: 'hole' as const, start: at, end: at + 1 }
      : readToken(text, at, readers, flavour)
    tokens.push(token)
    at = skipSpace(text, token.end)
  }
  return tokens
}

function readToken(text: string, at: number, readers: readonly Reader[], flavour: Flavour): Token {
  for (const read of readers) {
    const token = read(text, at)
    if (token !== undefined) return token
  }
  const character = String.fromCodePoint(text.codePointAt(at) ?? 0)
  if (character === '?' && flavour !== 'postgres') return { kind: 'parameter', start: at, end: at + 1 }
  return { kind: invisible.test(character) ? 'invisible' : 'symbol', start: at, end: at + character.length }
}

function skipSpace(text: string, at: number): number {
  return endOf(space, text, at) ?? at
}

function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : undefined
}

function pattern(kind: TokenKind, expression: RegExp): Reader {
  return (text, start) => {
    const end = endOf(expression, text, start)
    return end === undefined ? undefined : { kind, start, end }
  }
}

function closed(kind: TokenKind, start: number, end: number | undefined, text: string): Token {
  return end === undefined ? { kind: 'unterminated', start, end: text.length } : { kind, start, end }
}

/** The end of a quoted text whose first character after the opening quote is at `from`. */
function closing(
  text: string,
  from: number,
  quote: string,
  escapes: 'doubled' | 'backslash' | 'both',
): number | undefined {
  let at = from
  while (at < text.length) {
    if (escapes !== 'doubled' && text[at] === '\\') at += 2
    else if (text.startsWith(quote, at)) {
      if (escapes === 'backslash' || !text.startsWith(quote, at + quote.length)) return at + quote.length
      at += 2 * quote.length
    } else at += 1
  }
  return undefined
}

function quoted(kind: TokenKind, quote: string, escapes: 'doubled' | 'backslash'): Reader {
  return (text, start) =>
    text.startsWith(quote, start)
      ? closed(kind, start, closing(text, start + quote.length, quote, escapes), text)
      : undefined
}

/** `E'…'`, in which a backslash escapes; it goes on after a line break, as `E'a'\n'b'`, with the same rule. */
function escapeString(text: string, start: number): Token | undefined {
  if (!/^[eE]'/.test(text.slice(start, start + 2))) return undefined
  let end = closing(text, start + 2, "'", 'both')
  while (end !== undefined) {
    const next = endOf(continuation, text, end)
    if (next === undefined) break
    end = closing(text, next, "'", 'both')
  }
  return closed('string', start, end, text)
}

function dollarString(text: string, start: number): Token | undefined {
  const open = endOf(dollarTag, text, start)
  if (open === undefined) return undefined
  const tag = text.slice(start, open)
  const close = text.indexOf(tag, open)
  return closed('string', start, close < 0 ? undefined : close + tag.length, text)
}

function blockComment(nested: boolean): Reader {
  return (text, start) => {
    if (!text.startsWith('/*', start)) return undefined
    let depth = 1
    let at = start + 2
    while (at < text.length && depth > 0) {
      if (text.startsWith('*/', at)) depth -= 1
      else if (nested && text.startsWith('/*', at)) depth += 1
      else {
        at += 1
        continue
      }
      at += 2
    }
    return closed('comment', start, depth > 0 ? undefined : at, text)
  }
}

/** A word, unless it holds a character that only looks like a space. */
function word(expression: RegExp): Reader {
  const read = pattern('word', expression)
  return (text, start) => {
    const token = read(text, start)
    if (token === undefined) return undefined
    return invisible.test(text.slice(token.start, token.end)) ? { ...token, kind: 'invisible' } : token
  }
}

const postgresReaders: readonly Reader[] = [
  pattern('comment', dashComment),
  blockComment(true),
  escapeString,
  quoted('string', "'", 'doubled'),
  quoted('name', '"', 'doubled'),
  dollarString,
  pattern('parameter', dollarParameter),
  word(postgresWord),
  pattern('number', number),
]

const bigqueryReaders: readonly Reader[] = [
  pattern('comment', dashComment),
  pattern('comment', hashComment),
  blockComment(false),
  quoted('string', "'''", 'backslash'),
  quoted('string', '"""', 'backslash'),
  quoted('string', "'", 'backslash'),
  quoted('string', '"', 'backslash'),
  quoted('name', '`', 'backslash'),
  pattern('parameter', atParameter),
  word(bigqueryWord),
  pattern('number', number),
]
