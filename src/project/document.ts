/** A YAML file as plain data that knows where each of its values stands. */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  visit,
  type YAMLParseError,
} from 'yaml'
import { maskLine } from './mask.ts'
import type { Place, Problem } from './problem.ts'
import { checkDepth, type FileText } from './safety.ts'

export type Path = readonly PropertyKey[]
type Span = readonly [start: number, end: number]

interface Mark {
  readonly key?: Span
  readonly value?: Span
  /** Block mappings and lists are pointed at by their key. */
  readonly block: boolean
  /** A plain scalar as it is written: `1.10`. */
  readonly written?: string
}

const forbidden = new Set(['__proto__', 'constructor', 'prototype'])
const coreTag = /^tag:yaml\.org,2002:(str|int|float|bool|null|map|seq)$/
/** Problems after which the data is not what was meant. */
const unsound = new Set(['A1007', 'A1010', 'A1011'])
const maxAliased = 10_000
/** What is read as a number; `012`, `0x1F` and `0o17` stay text, because they are identifiers more often than not. */
const numeral = /^[-+]?(0|[1-9]\d*)?(\.\d*)?([eE][-+]?\d+)?$/

const parserHelp: Readonly<Record<string, string>> = {
  BLOCK_AS_IMPLICIT_KEY: 'check the indentation; a value that holds ": " must be quoted',
  BAD_SCALAR_START: 'quote the value',
  MISSING_CHAR: 'close the quote or the bracket',
  BAD_INDENT: 'check the indentation and that brackets are closed',
  TAB_AS_INDENT: 'indent with spaces',
  MULTIPLE_DOCS: 'one document per file: remove the line ---',
  UNEXPECTED_TOKEN: 'check quotes and brackets around here',
}

export class YamlDocument {
  readonly file: string
  readonly data: unknown
  readonly #marks: ReadonlyMap<string, Mark>
  readonly #text: SourceText

  constructor(text: SourceText, data: unknown, marks: ReadonlyMap<string, Mark>) {
    this.file = text.file
    this.data = data
    this.#marks = marks
    this.#text = text
  }

  /** Where a key or its value stands; what is absent is placed at the nearest thing around it. */
  place(path: Path, at: 'key' | 'value'): Place {
    for (let length = path.length; length >= 0; length--) {
      const mark = this.#marks.get(markName(path.slice(0, length)))
      if (mark === undefined) continue
      const span =
        at === 'key' || length < path.length || mark.block ? (mark.key ?? mark.value) : (mark.value ?? mark.key)
      if (span !== undefined) return this.#text.place(span)
    }
    return this.#text.place([0, 1])
  }

  /** The same places over data that was corrected. */
  withData(data: unknown): YamlDocument {
    return new YamlDocument(this.#text, data, this.#marks)
  }

  /** The plain data at a path, or undefined. */
  valueAt(path: Path): unknown {
    return valueAt(this.data, path)
  }

  /** A plain (unquoted) scalar as it is written in the file. */
  writtenAt(path: Path): string | undefined {
    return this.#marks.get(markName(path))?.written
  }

  /** Hides a value in every line that places show from now on. */
  mask(path: Path): void {
    const span = this.#marks.get(markName(path))?.value
    if (span !== undefined) this.#text.mask(span)
  }

  /** A line of the file as errors show it, counted from 1. */
  lineAt(line: number): string {
    return this.#text.line(line)
  }

  /** Every place below a path, by dotted path relative to it. */
  placesBelow(path: Path, at: 'key' | 'value'): Record<string, Place> {
    const places: Record<string, Place> = {}
    const walk = (value: unknown, below: Path): void => {
      if (below.length > 0) places[below.join('.')] = this.place([...path, ...below], at)
      if (typeof value !== 'object' || value === null) return
      for (const [name, item] of Object.entries(value)) walk(item, [...below, name])
    }
    walk(this.valueAt(path), [])
    return places
  }
}

export function valueAt(data: unknown, path: Path): unknown {
  let value = data
  for (const segment of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return undefined
    value = (value as Record<PropertyKey, unknown>)[segment]
  }
  return value
}

const markName = (path: Path): string => path.map(String).join('\0')

/** The lines of a file, from offsets to places. */
export class SourceText {
  readonly file: string
  #text: string
  readonly #firstLine: number
  readonly lines = new LineCounter()

  constructor(file: string, text: string, firstLine: number) {
    this.file = file
    this.#text = text
    this.#firstLine = firstLine
  }

  place([start, end]: Span): Place {
    const { line, col } = this.lines.linePos(Math.min(start, this.#text.length))
    const from = Math.min(start, this.#text.length) - Math.max(col - 1, 0)
    const source = (this.#text.slice(from).split('\n', 1)[0] ?? '').replace(/\r$/, '')
    const column = Math.max(col, 1)
    const length = Math.max(1, Math.min(end - start, source.trimEnd().length - column + 1))
    return { file: this.file, line: Math.max(line, 1) + this.#firstLine - 1, column, source: maskLine(source), length }
  }

  line(line: number): string {
    return maskLine((this.#text.split('\n')[line - this.#firstLine] ?? '').replace(/\r$/, ''))
  }

  mask([start, end]: Span): void {
    const hidden = this.#text.slice(start, end).replace(/[^\r\n]/g, '*')
    this.#text = this.#text.slice(0, start) + hidden + this.#text.slice(end)
  }
}

interface Walk {
  readonly text: SourceText
  readonly marks: Map<string, Mark>
  readonly problems: Problem[]
  readonly anchors: Map<string, Node>
  /** Whether an unquoted number at this path is meant as text. */
  readonly keepsText: (path: Path) => boolean
  /** Names of the aliases that are being followed. */
  readonly following: string[]
  aliased: number
}

export type DocumentResult =
  | { readonly document: YamlDocument; readonly problems: readonly Problem[] }
  | { readonly document?: undefined; readonly problems: readonly [Problem, ...Problem[]] }

export interface DocumentOptions {
  /** The line of the file on which the text starts, from 1. */
  readonly firstLine?: number
  readonly keepsText?: (path: Path) => boolean
}

/** Parses a file under the limits of `safety.ts`. With problems the document, if there is one, holds what could be read. */
export function readDocument(file: FileText, options: DocumentOptions = {}): DocumentResult {
  const firstLine = options.firstLine ?? 1
  const deep = checkDepth(file, firstLine)
  if (deep !== undefined) return { problems: [deep] }
  const text = new SourceText(file.path, file.text, firstLine)
  const parsed = parseDocument(file.text, {
    lineCounter: text.lines,
    prettyErrors: false,
    uniqueKeys: false,
    schema: 'core',
    resolveKnownTags: false,
    merge: false,
    logLevel: 'error',
  })
  const [error] = parsed.errors
  if (error !== undefined) {
    const help = parserHelp[error.code]
    const message = `malformed YAML: ${error.message.replace(/: ".*/s, '')}`
    return {
      problems: [
        {
          code: 'A1007',
          message,
          place: text.place(spanOfError(error, parsed.contents)),
          ...(help === undefined ? {} : { help }),
        },
      ],
    }
  }
  const walk: Walk = {
    text,
    marks: new Map(),
    problems: parsed.warnings
      .filter(warning => warning.code !== 'TAG_RESOLVE_FAILED')
      .map(warning => ({ code: 'A1007', message: warning.message, place: text.place(warning.pos) })),
    anchors: new Map(),
    keepsText: options.keepsText ?? (() => false),
    following: [],
    aliased: 0,
  }
  const data = parsed.contents === null ? null : read(walk, parsed.contents, [], {})
  if (data === null && walk.problems.length === 0) {
    return { problems: [{ code: 'A1006', message: `${file.path} is empty`, place: text.place([0, 1]) }] }
  }
  // What could not be told apart would only make more problems of its own.
  const [fault, ...others] = walk.problems
  if (fault !== undefined && walk.problems.some(({ code }) => unsound.has(code)))
    return { problems: [fault, ...others] }
  return { document: new YamlDocument(text, data, walk.marks), problems: walk.problems }
}

/** Where an error is; that of a quote which is not closed is where it was opened, not the end of the file. */
function spanOfError(error: YAMLParseError, contents: Node | null): Span {
  let span: Span = error.pos
  if (error.code !== 'MISSING_CHAR' || contents === null) return span
  visit(contents, {
    Scalar: (_, { type, range }) => {
      const quoted = type === Scalar.QUOTE_DOUBLE || type === Scalar.QUOTE_SINGLE
      if (quoted && range && range[1] === error.pos[0]) span = [range[0], range[1]]
    },
  })
  return span
}

function fail(walk: Walk, code: string, message: string, span: Span | undefined, help?: string): null {
  walk.problems.push({ code, message, place: walk.text.place(span ?? [0, 1]), ...(help === undefined ? {} : { help }) })
  return null
}

const spanOf = (node: Node): Span | undefined => (node.range ? [node.range[0], node.range[1]] : undefined)

/** The plain data of a node; marks where it stands. */
function read(walk: Walk, node: Node, path: Path, mark: { readonly key?: Span }): unknown {
  const written = isScalar(node) && node.type === Scalar.PLAIN ? node.source : undefined
  const span = spanOf(node)
  // An empty value has no place of its own: its key is pointed at.
  const value = written === '' ? undefined : span
  const block = (isMap(node) || isSeq(node)) && node.flow !== true
  const name = markName(path)
  if (!walk.marks.has(name)) {
    walk.marks.set(name, {
      ...mark,
      ...(value === undefined ? {} : { value }),
      block,
      ...(written === undefined ? {} : { written }),
    })
  }
  if (isAlias(node)) return readAlias(walk, node.source, path, span)
  if ('anchor' in node && node.anchor !== undefined) walk.anchors.set(node.anchor, node)
  if (node.tag !== undefined && !coreTag.test(node.tag)) {
    return fail(walk, 'A1010', `the tag ${node.tag} is not supported`, value, 'write a plain value')
  }
  if (walk.following.length > 0 && ++walk.aliased > maxAliased) {
    return walk.aliased === maxAliased + 1 ? fail(walk, 'A1011', 'aliases expand to too many values', span) : null
  }
  if (isMap(node)) return readMap(walk, node.items as Pair<Node, Node | null>[], path)
  if (isSeq(node)) return node.items.map((item, index) => read(walk, item as Node, [...path, index], {}))
  return isScalar(node) ? readScalar(walk, node, path, span) : null
}

function readAlias(walk: Walk, source: string, path: Path, span: Span | undefined): unknown {
  const target = walk.anchors.get(source)
  if (target === undefined) return fail(walk, 'A1007', `no anchor &${source} comes before this alias`, span)
  if (walk.following.includes(source) || walk.following.length >= 16) {
    return fail(walk, 'A1011', `the alias *${source} contains itself or too many others`, span)
  }
  if (walk.aliased > maxAliased) return null
  walk.following.push(source)
  const data = read(walk, target, path, {})
  walk.following.pop()
  return data
}

function readMap(walk: Walk, items: readonly Pair<Node, Node | null>[], path: Path): Record<string, unknown> {
  const entries = new Map<string, unknown>()
  for (const { key, value } of items) {
    const span = spanOf(key)
    const quote = 'keys are plain text; template expressions such as "{{first_name}}" must be quoted'
    if (!isScalar(key) || key.value === null) {
      fail(walk, 'A1007', 'malformed YAML: a key must be a text', span, quote)
      continue
    }
    const name = key.type === Scalar.PLAIN ? (key.source ?? String(key.value)) : String(key.value)
    const inner = [...path, name]
    if (name === '<<') fail(walk, 'A1007', 'merge keys (<<) are not supported', span, 'write the keys out')
    else if (forbidden.has(name)) fail(walk, 'A1009', `the key "${name}" is not allowed`, span)
    else if (entries.has(name))
      fail(walk, 'A1008', `the key "${name}" is given twice`, span, 'remove or rename one of them')
    else if (value === null) {
      walk.marks.set(markName(inner), { ...(span === undefined ? {} : { key: span }), block: true })
      entries.set(name, null)
    } else entries.set(name, read(walk, value, inner, span === undefined ? {} : { key: span }))
  }
  return Object.fromEntries(entries)
}

function readScalar(walk: Walk, node: Scalar, path: Path, span: Span | undefined): unknown {
  const { value, source } = node
  if (typeof value !== 'number' || source === undefined) return value
  if (!numeral.test(source)) {
    if (Number.isFinite(value)) return source
    return fail(walk, 'A1012', `${source} is not a finite number`, span, `quote it: "${source}"`)
  }
  if (!Number.isFinite(value) || (/^[-+]?\d+$/.test(source) && !Number.isSafeInteger(value))) {
    return fail(walk, 'A1012', `${source} is too large to be kept exactly as a number`, span, `quote it: "${source}"`)
  }
  return walk.keepsText(path) && String(value) !== source ? source : value
}
