/**
 * What a file must satisfy before a parser sees it. The parser of `yaml` 2.9.1 can abort the whole process on brackets
 * that nest thousands deep (measured 2026-11), so size and depth are checked on the raw text.
 */
import { maskLine } from './mask.ts'
import type { Problem } from './problem.ts'

export const maxBytes = 1024 * 1024
export const maxDepth = 64

/** A file of the project; `path` is relative to the root, with forward slashes. */
export interface FileBytes {
  readonly path: string
  readonly bytes: Uint8Array
}

export interface FileText {
  readonly path: string
  readonly text: string
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

/** The line, counted from 1, that holds the first bytes which are not UTF-8. */
function firstBadLine(bytes: Uint8Array): number {
  let line = 1
  let start = 0
  for (;;) {
    const end = bytes.indexOf(10, start)
    if (decode(bytes.subarray(start, end === -1 ? bytes.length : end)) === undefined || end === -1) return line
    line++
    start = end + 1
  }
}

/** The text of a file (a byte order mark is dropped), or A1003 or A1004. */
export function decodeFile(file: FileBytes): FileText | Problem {
  const place = { file: file.path, line: 1, column: 1 }
  if (file.bytes.length > maxBytes) return tooLarge(file.path)
  const text = decode(file.bytes)
  if (text !== undefined) return { path: file.path, text }
  return {
    code: 'A1004',
    message: `${file.path} is not valid UTF-8`,
    place: { ...place, line: firstBadLine(file.bytes) },
    help: 'save the file as UTF-8',
  }
}

export function tooLarge(path: string): Problem {
  return {
    code: 'A1003',
    message: `${path} is larger than 1 MiB`,
    place: { file: path, line: 1, column: 1 },
    help: 'keep data in the warehouse or in a CSV source',
  }
}

/**
 * Where brackets, indentation and list dashes first nest deeper than `maxDepth`, as line and column from 1. Quotes are
 * not looked at: a count that is too high by a few unbalanced brackets in texts costs nothing at this limit.
 */
export function tooDeep(text: string): { readonly line: number; readonly column: number } | undefined {
  let brackets = 0
  const indents: number[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.search(/[^ \t\r]/)
    if (content === -1) continue
    while ((indents.at(-1) ?? -1) >= content) indents.pop()
    indents.push(content)
    const dashes = /^(?:[-?:][ \t]+)*/.exec(line.slice(content))?.[0] ?? ''
    const block = indents.length + (dashes.match(/[-?:]/g)?.length ?? 0)
    for (let column = content; column < line.length; column++) {
      const character = line[column]
      if (character === '[' || character === '{') brackets++
      else if (character === ']' || character === '}') brackets = Math.max(0, brackets - 1)
      if (brackets + block > maxDepth) return { line: index + 1, column: column + 1 }
    }
  }
  return undefined
}

/** A1005 for a text that nests too deeply. */
export function checkDepth(file: FileText, firstLine: number): Problem | undefined {
  const deep = tooDeep(file.text)
  if (deep === undefined) return undefined
  const source = maskLine((file.text.split('\n')[deep.line - 1] ?? '').slice(0, 200))
  return {
    code: 'A1005',
    message: `${file.path} nests deeper than ${maxDepth} levels`,
    place: { file: file.path, line: deep.line + firstLine - 1, column: deep.column, source, length: 1 },
    help: 'look for a bracket that is never closed',
  }
}
