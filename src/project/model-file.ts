/** A model's SQL file: front matter in its opening comment, and the template after it. */
import type { z } from 'zod'
import { type Path, readDocument, type YamlDocument } from './document.ts'
import { present } from './present.ts'
import type { Problem } from './problem.ts'
import type { Model } from './project.ts'
import { readSchema } from './reading.ts'
import type { FileText } from './safety.ts'
import { columnsOf, relationTestsOf } from './schema/columns.ts'
import { frontMatterSchema } from './schema/front-matter.ts'

interface Parts {
  readonly yaml?: string
  readonly template: string
  readonly templateLine: number
}

const opening = /^\s*\/\*---[ \t]*\r?\n/
const closing = /^---\*\/[ \t]*(?:\r?\n|$)?/m
const almostOpening = /^\s*\/\*[ \t]*-{2,}/

const linesIn = (text: string): number => text.split('\n').length - 1

/** Splits the file, or answers with A1122 when the front matter is begun and not ended as it should. */
function split(file: FileText): Parts | Problem {
  const opened = opening.exec(file.text)
  if (opened === null) {
    const almost = almostOpening.exec(file.text)
    if (almost === null) return { template: file.text, templateLine: 1 }
    return unclosed(file, linesIn(almost[0]), 'front matter begins with /*--- on a line of its own')
  }
  const rest = file.text.slice(opened[0].length)
  const closed = closing.exec(rest)
  if (closed === null) return unclosed(file, linesIn(opened[0]) - 1, 'end it with a line that starts with ---*/')
  const end = opened[0].length + closed.index + closed[0].length
  return {
    yaml: rest.slice(0, closed.index),
    template: file.text.slice(end),
    templateLine: linesIn(file.text.slice(0, end)) + 1,
  }
}

function unclosed(file: FileText, line: number, help: string): Problem {
  const source = file.text.split('\n')[line] ?? ''
  const column = source.search(/\S/) + 1
  const place = { file: file.path, line: line + 1, column, source: source.trimEnd(), length: source.trim().length }
  return { code: 'A1122', message: 'the front matter is not closed', place, help }
}

export interface ModelFile {
  readonly name: string
  readonly path: string
  readonly document?: YamlDocument
  /** Absent when something is wrong with the file. */
  readonly model?: Model
  readonly problems: readonly Problem[]
}

const keepsText = (path: Path): boolean => path.includes('accepted_values')

export function readModel(name: string, file: FileText): ModelFile {
  const parts = split(file)
  if ('code' in parts) return { name, path: file.path, problems: [parts] }
  const problems: Problem[] = []
  const place = { file: file.path, line: 1, column: 1 }
  if (parts.template.trim() === '') {
    problems.push({
      code: 'A1123',
      message: `${file.path} holds no SQL`,
      place,
      help: 'write one select after the front matter',
    })
  }
  const empty = parts.yaml === undefined || /^(\s*(#.*)?(\r?\n|$))*$/.test(parts.yaml)
  if (empty || parts.yaml === undefined) {
    if (problems.length > 0) return { name, path: file.path, problems }
    return { name, path: file.path, model: modelOf(name, file.path, parts, frontMatterSchema.parse({})), problems }
  }
  const read = readDocument(
    { path: file.path, text: parts.yaml },
    { firstLine: linesIn(file.text.slice(0, file.text.indexOf('/*---'))) + 2, keepsText },
  )
  problems.push(...read.problems)
  if (read.document === undefined) return { name, path: file.path, problems }
  const reading = readSchema(frontMatterSchema, read.document)
  problems.push(...reading.problems)
  if (reading.value === undefined || problems.length > 0)
    return { name, path: file.path, document: read.document, problems }
  return {
    name,
    path: file.path,
    document: read.document,
    model: modelOf(name, file.path, parts, reading.value, read.document),
    problems,
  }
}

function modelOf(
  name: string,
  path: string,
  parts: Parts,
  written: z.output<typeof frontMatterSchema>,
  document?: YamlDocument,
): Model {
  const place = { file: path, line: 1, column: 1 }
  const { description, owner, materialised, key } = written
  return present({
    name,
    path,
    template: parts.template,
    templateLine: parts.templateLine,
    description,
    key: key === undefined ? [] : typeof key === 'string' ? [key] : key,
    owner,
    materialised,
    columns: columnsOf(written.columns, column => document?.place(['columns', column], 'key') ?? place),
    tests: relationTestsOf(written.tests),
    onViolation: written.on_violation,
    tags: written.tags ?? [],
    place,
  })
}
