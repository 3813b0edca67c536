/** The text of a template, its places in the project, and its syntax tree as Handlebars' parser sees it. */
import Handlebars from 'handlebars'
import type { Place, Problem } from '../project/problem.ts'
import type { ModelsCode } from './codes.ts'

/** Most characters that a template, or the SQL made of it, may have. */
export const sizeLimit = 1024 * 1024
/** How deep blocks, and partials within partials, may go. */
export const depthLimit = 64

/** A text with template expressions, and where its lines and columns (both from 1) stand in the project. */
export interface TemplateText {
  readonly text: string
  place(line: number, column: number, length?: number): Place
}

/** A text that is a file from line `firstLine` on. */
export function textOfFile(path: string, text: string, firstLine: number): TemplateText {
  let lines: readonly string[] | undefined
  return {
    text,
    place(line, column, length) {
      lines ??= linesOf(text)
      const source = lines[line - 1]
      return {
        file: path,
        line: firstLine + line - 1,
        column,
        ...(source === undefined ? {} : { source }),
        ...(length === undefined ? {} : { length }),
      }
    },
  }
}

/** Line breaks as Handlebars' lexer counts them. */
export function linesOf(text: string): readonly string[] {
  return text.split(/\r\n?|\n/)
}

export function placeOf(from: TemplateText, node: hbs.AST.Node, length?: number): Place {
  const { start, end } = node.loc
  const width = length ?? (start.line === end.line ? end.column - start.column : undefined)
  return from.place(start.line, start.column + 1, width)
}

/** A node as it is written. */
export function writtenAs(from: TemplateText, node: hbs.AST.Node): string {
  const { start, end } = node.loc
  const lines = from.text.split(/(?<=\r\n|\n|\r(?!\n))/).slice(start.line - 1, end.line)
  const first = lines[0] ?? ''
  if (lines.length <= 1) return first.slice(start.column, end.column)
  return [first.slice(start.column), ...lines.slice(1, -1), (lines.at(-1) ?? '').slice(0, end.column)].join('')
}

/** Parses, and neither compiles nor executes. Throws TypeError for anything but a text. */
export function parseText(from: TemplateText): hbs.AST.Program | Problem {
  // Handlebars takes a syntax tree for a template (CVE-2026-33937, CVSS 9.8), so the type is asserted, not assumed.
  if (typeof from.text !== 'string') throw new TypeError('a template is a text')
  const excess = excessOf(from.text)
  if (excess !== undefined) {
    return { code: 'A2013' satisfies ModelsCode, message: `the template has ${excess}`, place: from.place(1, 1) }
  }
  const nul = from.text.indexOf('\0')
  if (nul >= 0) {
    const before = linesOf(from.text.slice(0, nul))
    const place = from.place(before.length, (before.at(-1)?.length ?? 0) + 1)
    return { code: 'A2014' satisfies ModelsCode, message: 'an invisible character (U+0000) stands in the SQL', place }
  }
  try {
    return Handlebars.parseWithoutProcessing(from.text)
  } catch (error) {
    return parseProblem(from, error)
  }
}

const expressionLimit = 5_000
const elseLimit = 500

/**
 * What a template has too much of for the parser, whose time grows with the square of these and more: 8,000 nested
 * parentheses take it a minute (4.7.10, measured).
 */
export function excessOf(text: string): string | undefined {
  if (text.length > sizeLimit) return `${text.length} characters; ${sizeLimit} are allowed`
  if (text.split('{{').length > expressionLimit) return `more than ${expressionLimit} expressions`
  if ((text.match(/\{\{~?\s*else\b/g) ?? []).length > elseLimit) return `more than ${elseLimit} branches`
  let blocks = 0
  for (const [expression] of text.matchAll(/\{\{[^{}]*/g)) {
    if (/^\{\{~?(?:#|\^[^~}])/.test(expression)) blocks += 1
    else if (/^\{\{~?\//.test(expression)) blocks -= 1
    if (blocks > depthLimit) return `blocks nested more than ${depthLimit} deep`
    if (deepest(expression) > depthLimit) return `parentheses nested more than ${depthLimit} deep`
  }
  return undefined
}

function deepest(expression: string): number {
  let [depth, most] = [0, 0]
  for (const character of expression) {
    if (character === '(') depth += 1
    else if (character === ')') depth -= 1
    most = Math.max(most, depth)
  }
  return most
}

/** The parser names the line; the column has to be found in the excerpt that it draws under its message. */
function parseProblem(from: TemplateText, error: unknown): Problem {
  if (!(error instanceof Error)) throw error
  const { lineNumber, column } = error as { readonly lineNumber?: number; readonly column?: number }
  const [headline = '', excerpt = '', arrow = '', expected = ''] = error.message.split('\n')
  const counted = /^(?:Parse|Lexical) error on line (\d+)/.exec(headline)?.[1]
  const line = lineNumber ?? Number(counted ?? 1)
  const at = column ?? columnOf(linesOf(from.text)[line - 1] ?? '', excerpt, arrow)
  const early = /got 'EOF'/.test(expected)
  const message =
    counted === undefined
      ? headline.replace(/ - \d+:\d+$/, '')
      : early
        ? 'the template ends too early: something is not closed'
        : 'the template cannot be read here'
  const help =
    'helpers take their argument after a space, in double quotes: {{ref "x"}}; blocks close by their name: {{/if}}'
  return { code: 'A2001' satisfies ModelsCode, message, place: from.place(line, at + 1), help }
}

/** The excerpt is up to 20 characters before the arrow and some after it, without its line breaks. */
function columnOf(line: string, excerpt: string, arrow: string): number {
  const pointed = arrow.indexOf('^')
  const before = excerpt.slice(0, Math.max(pointed, 0)).replace(/^\.\.\./, '')
  const after = excerpt.slice(pointed, pointed + 3)
  for (let column = line.length; column > 0; column--) {
    const head = line.slice(0, column)
    const rest = line.slice(column, column + 3)
    if ((head.endsWith(before) || before.endsWith(head)) && after.startsWith(rest)) return column
  }
  return 0
}
