/**
 * The SQL of a template as one checked, read-only statement with holes. The check happens on the text around the holes,
 * and a hole may only stand where its filling is a token of its own: never inside quotes, never glued to a word. So what
 * fills it, whatever it is, cannot change what the rest of the statement means.
 */
import type { Place, Problem } from '../project/problem.ts'
import type { ModelsCode } from './codes.ts'
import type { Expression } from './expression.ts'
import { type Flavour, glues, holeMark, scan, type Token } from './scanner.ts'
import { type Hole, type Part, positionIn } from './template.ts'

/** CTEs that this tool adds are named so; a model may not use the prefix itself. */
export const reservedPrefix = '__model__'

export interface SqlStatement {
  /** Text and expressions in turn; comments and semicolons at the end are gone. */
  readonly parts: readonly (string | Expression)[]
  /** Whether the statement brings its own CTEs. */
  readonly startsWithCte: boolean
  /** `ref`s and `source`s that are part of the SQL, not of a comment. */
  readonly uses: readonly { readonly expression: Expression; readonly place: Place }[]
}

/** Checks what a template came to. A problem means that there is no statement. */
export function readStatement(
  parts: readonly Part[],
  flavour: Flavour,
  whole: Place,
): SqlStatement | readonly Problem[] {
  const drawn = draw(parts)
  const tokens = scan(drawn.text, flavour, new Set(drawn.holes.keys()))
  const code = codeOf(tokens, drawn.text)
  const view: View = { drawn, code, flavour, whole }
  const problems = [...unreadable(view), ...misplacedHoles(view, tokens), ...changes(view)]
  if (problems.length > 0) return problems
  const inCode = new Set(code.filter(token => token.kind === 'hole').map(token => token.start))
  return {
    parts: piecesOf(drawn, code.at(-1)?.end ?? 0, inCode),
    startsWithCte: lowerWord(view, code[0]) === 'with',
    uses: [...drawn.holes].filter(([offset]) => inCode.has(offset)).map(([, hole]) => hole),
  }
}

/** The text with a mark for each hole, and where each stretch of it came from. */
interface Drawn {
  readonly text: string
  readonly holes: ReadonlyMap<number, Hole>
  readonly stretches: readonly { readonly start: number; readonly part: Part }[]
}

interface View {
  readonly drawn: Drawn
  /** Tokens without comments and without the semicolons at the end. */
  readonly code: readonly Token[]
  readonly flavour: Flavour
  readonly whole: Place
}

function draw(parts: readonly Part[]): Drawn {
  const holes = new Map<number, Hole>()
  const stretches: { start: number; part: Part }[] = []
  let text = ''
  for (const part of parts) {
    stretches.push({ start: text.length, part })
    if (part.kind === 'hole') holes.set(text.length, part)
    text += part.kind === 'hole' ? holeMark : part.text
  }
  return { text, holes, stretches }
}

function piecesOf(drawn: Drawn, end: number, inCode: ReadonlySet<number>): readonly (string | Expression)[] {
  const pieces: (string | Expression)[] = []
  let from = 0
  for (const [offset, hole] of drawn.holes) {
    if (offset >= end) break
    pieces.push(drawn.text.slice(from, offset), inCode.has(offset) ? hole.expression : harmless(hole.written))
    from = offset + 1
  }
  pieces.push(drawn.text.slice(from, end))
  if (typeof pieces[0] === 'string') pieces[0] = pieces[0].trimStart()
  return pieces
}

/** Within a comment an expression stays as it is written, unless that would end the comment. */
function harmless(written: string): string {
  return /[\r\n]|\*\/|\/\*/.test(written) ? '' : written
}

/** Tokens without comments and without the semicolons at the end. */
function codeOf(tokens: readonly Token[], text: string): readonly Token[] {
  const code = tokens.filter(token => token.kind !== 'comment')
  const last = code.findLastIndex(token => text.slice(token.start, token.end) !== ';')
  return code.slice(0, last + 1)
}

function textOf({ drawn }: View, token: Token | undefined): string {
  return token === undefined ? '' : drawn.text.slice(token.start, token.end)
}

function lowerWord(view: View, token: Token | undefined): string | undefined {
  return token?.kind === 'word' ? textOf(view, token).toLowerCase() : undefined
}

function problemAt(view: View, token: Token, code: ModelsCode, message: string, help?: string): Problem {
  const { line, column, from } = placeAt(view.drawn, token.start)
  const width = /^.*/.exec(textOf(view, token))?.[0].length ?? 1
  const place = from === undefined ? view.whole : from.place(line, column, width)
  return { code, message, place, ...(help === undefined ? {} : { help }) }
}

function placeAt(drawn: Drawn, offset: number) {
  const stretch = drawn.stretches.findLast(({ start, part }) => start <= offset && part.kind === 'content')
  if (stretch?.part.kind !== 'content') return { line: 1, column: 1, from: undefined }
  return { ...positionIn(stretch.part, offset - stretch.start), from: stretch.part.from }
}

function* unreadable(view: View): Generator<Problem> {
  let depth = 0
  for (const token of view.code) {
    const text = textOf(view, token)
    if (token.kind === 'unterminated') {
      yield problemAt(view, token, 'A2014', text.startsWith('/*') ? 'a comment is not closed' : 'a quote is not closed')
    } else if (token.kind === 'invisible') {
      const point = [...text].find(character => /[\p{C}\p{Z}]/u.test(character))?.codePointAt(0) ?? 0
      const name = `U+${point.toString(16).toUpperCase().padStart(4, '0')}`
      yield problemAt(view, token, 'A2014', `an invisible character (${name}) stands in the SQL`, 'type the space anew')
    } else if (token.kind === 'parameter') {
      yield problemAt(view, token, 'A2014', `a model has no parameters, but "${text}" is one`, 'write {{var "name"}}')
    } else if ((token.kind === 'word' || token.kind === 'name') && /^["`]?__model__/i.test(text)) {
      yield problemAt(view, token, 'A2014', `names that start with ${reservedPrefix} are reserved`, 'rename it')
    } else if (text === '(') {
      depth += 1
    } else if (text === ')') {
      depth -= 1
      if (depth < 0) return yield problemAt(view, token, 'A2014', 'this parenthesis closes nothing')
    }
  }
  const last = view.code.findLast(token => textOf(view, token) === '(')
  if (depth > 0 && last !== undefined && view.code.at(-1)?.kind !== 'unterminated') {
    yield problemAt(view, last, 'A2014', `${depth === 1 ? 'a parenthesis is' : `${depth} parentheses are`} not closed`)
  }
}

function* misplacedHoles({ drawn, code }: View, tokens: readonly Token[]): Generator<Problem> {
  const indexes = new Map(code.map((token, index) => [token.start, index]))
  for (const [offset, hole] of drawn.holes) {
    const index = indexes.get(offset)
    if (index === undefined && tokens.some(token => isCommentOver(token, offset))) continue
    const before = drawn.text[offset - 1] ?? ''
    const after = drawn.text[offset + 1] ?? ''
    const previous = code[(index ?? 0) - 1]
    if (index === undefined) {
      yield misplaced(hole, 'stands inside quotes', 'take the quotes away: the literal or name brings its own')
    } else if (glues(before) || glues(after)) {
      yield misplaced(hole, 'is glued to its neighbour', 'put a space between them, or join texts with ||')
    } else if (previous?.kind === 'string' && hole.expression.helper !== 'ident') {
      // Two texts in a row are one text in PostgreSQL, under the escaping rules of the first.
      yield misplaced(hole, 'follows a quoted text', 'join texts with ||')
    }
  }
}

function isCommentOver(token: Token, offset: number): boolean {
  return token.kind === 'comment' && token.start < offset && offset < token.end
}

function misplaced(hole: Hole, what: string, help: string): Problem {
  return { code: 'A2009' satisfies ModelsCode, message: `${hole.written} ${what}`, place: hole.place, help }
}

const readers = new Set(['select', 'with', 'from', 'values'])

/** What makes it something else than one reading statement. */
function* changes(view: View): Generator<Problem> {
  const { code } = view
  const first = code.find(token => textOf(view, token) !== '(')
  if (first === undefined) {
    yield { code: 'A2012' satisfies ModelsCode, message: 'there is no SQL here', place: view.whole }
    return
  }
  const help = 'a model only reads: it starts with select, with, from or values'
  if (first.kind !== 'unterminated' && !readers.has(lowerWord(view, first) ?? '')) {
    return yield problemAt(view, first, 'A2012', 'the SQL is not a select', help)
  }
  for (const [index, token] of code.entries()) {
    if (textOf(view, token) === ';') {
      const next = code[index + 1] ?? token
      return yield problemAt(view, next, 'A2011', 'a second statement starts here', 'a model is exactly one select')
    }
    if (isChange(view, index)) yield problemAt(view, token, 'A2012', `a model cannot ${lowerWord(view, token)}`, help)
  }
}

/** After which words a statement's verb is meant, and not a column or function of that name. */
const verbs: Readonly<Record<string, readonly string[]>> = { insert: ['into', 'or'], delete: ['from'], merge: ['into'] }

function isChange(view: View, index: number): boolean {
  const word = lowerWord(view, view.code[index])
  if (word === undefined) return false
  // PostgreSQL's `select … into` makes a table; the word is reserved there and has no other use in a select.
  if (word === 'into') return view.flavour === 'postgres' && lowerWord(view, view.code[index - 1]) !== 'insert'
  if (!['(', ')'].includes(textOf(view, view.code[index - 1]))) return false
  const next = view.code[index + 1]
  if (word === 'update') return ['word', 'name', 'hole'].includes(next?.kind ?? '') && lowerWord(view, next) !== 'from'
  return Object.hasOwn(verbs, word) && verbs[word]?.includes(lowerWord(view, next) ?? '') === true
}
