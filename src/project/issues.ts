/** From what a schema found wrong to problems that people can act on: a place, what is wrong, and help. */
import { z } from 'zod'
import { type Path, valueAt } from './document.ts'
import type { Place, Problem } from './problem.ts'
import { suggest } from './suggest.ts'

type Issue = z.core.$ZodIssue

export interface IssueContext {
  readonly schema: z.ZodType
  /** What the schema was given. */
  readonly data: unknown
  readonly place: (path: Path, at: 'key' | 'value') => Place
}

/** A problem on its way, with what decides whether another one makes it redundant. */
interface Finding {
  readonly problem: Problem
  readonly missing?: string
  /** The path of the key that an unknown one was probably meant to be. */
  readonly meant?: string
}

export function problemsOf(issues: readonly Issue[], context: IssueContext): Problem[] {
  const findings = issues.flatMap(issue => explain(issue, [], context.schema, context))
  const meant = new Set(findings.map(finding => finding.meant).filter(path => path !== undefined))
  return findings
    .filter(finding => finding.missing === undefined || !meant.has(finding.missing))
    .map(finding => finding.problem)
}

/** The schema without what only wraps it, and every member of a union. */
function unwrap(schema: unknown): z.ZodType[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable) {
    return unwrap(schema.unwrap())
  }
  if (schema instanceof z.ZodPipe) return unwrap(schema.in)
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(unwrap)
  return schema instanceof z.ZodType ? [schema] : []
}

/** The schemas that may describe what stands at a path, still wrapped. */
function schemasAt(schema: unknown, path: Path): unknown[] {
  let found: unknown[] = [schema]
  for (const segment of path) {
    found = found.flatMap(unwrap).flatMap((part): unknown[] => {
      if (part instanceof z.ZodObject) {
        const shape: Record<PropertyKey, unknown> = part.shape
        return Object.hasOwn(shape, segment) ? [shape[segment]] : []
      }
      if (part instanceof z.ZodRecord) return [part.valueType]
      if (part instanceof z.ZodArray) return [part.element]
      if (part instanceof z.ZodTuple) return typeof segment === 'number' ? [part.def.items[segment]] : []
      return []
    })
  }
  return found
}

function keysAt(schema: unknown, path: Path): string[] {
  const objects = schemasAt(schema, path).flatMap(unwrap)
  return [...new Set(objects.flatMap(part => (part instanceof z.ZodObject ? Object.keys(part.shape) : [])))]
}

function descriptionAt(schema: unknown, path: Path): string | undefined {
  for (const found of schemasAt(schema, path)) {
    if (found instanceof z.ZodType && found.description !== undefined) return found.description
  }
  return undefined
}

const nouns: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  tuple: 'a list',
  null: 'empty',
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a mapping'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

const labelOf = (path: Path): string => (path.length === 0 ? 'the file' : path.map(String).join('.'))
const within = (path: Path): string => (path.length === 0 ? '' : ` in ${labelOf(path)}`)

function finding(
  problem: { code: string; message: string; place: Place; help?: string | undefined },
  rest: Omit<Finding, 'problem'> = {},
): Finding {
  const { help, ...required } = problem
  return { problem: help === undefined ? required : { ...required, help }, ...rest }
}

function explain(issue: Issue, base: Path, schema: unknown, context: IssueContext): Finding[] {
  const path = [...base, ...issue.path]
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(key => unknownKey(key, path, keysAt(schema, issue.path), context))
    case 'invalid_union':
      return explainUnion(issue, path, schema, context)
    case 'invalid_key':
      return issue.issues
        .flatMap(inner => explain(inner, path, z.string(), context))
        .map(inner => atKey(inner, path, context))
    case 'invalid_type':
      return [wrongType(issue.expected, path, descriptionAt(schema, issue.path), context)]
    case 'invalid_value':
      return [unknownChoice(issue.values.map(String), path, descriptionAt(schema, issue.path), context)]
    default:
      return [wrongValue(issue, path, context)]
  }
}

function atKey(inner: Finding, path: Path, context: IssueContext): Finding {
  return { ...inner, problem: { ...inner.problem, place: context.place(path, 'key') } }
}

function unknownKey(key: string, parent: Path, known: readonly string[], context: IssueContext): Finding {
  const near = suggest(key, known)
  const path = [...parent, key]
  const help =
    near !== undefined ? `did you mean "${near}"?` : known.length > 0 ? `known keys: ${known.join(', ')}` : undefined
  const problem = {
    code: 'A1101',
    message: `unknown key "${key}"${within(parent)}`,
    place: context.place(path, 'key'),
    help,
  }
  return finding(problem, near === undefined ? {} : { meant: labelOf([...parent, near]) })
}

function missingKey(path: Path, description: string | undefined, context: IssueContext): Finding {
  const parent = path.slice(0, -1)
  const message = `"${String(path.at(-1))}" is missing${within(parent)}`
  const problem = { code: 'A1102', message, place: context.place(parent, 'key'), help: description }
  return finding(problem, { missing: labelOf(path) })
}

function wrongType(expected: string, path: Path, description: string | undefined, context: IssueContext): Finding {
  const value = valueAt(context.data, path)
  if (value === undefined && path.length > 0) return missingKey(path, description, context)
  const noun = nouns[expected] ?? expected
  if (value === null) {
    const problem = { code: 'A1103', message: `${labelOf(path)} has no value`, place: context.place(path, 'value') }
    return finding({ ...problem, help: `give it ${noun}, or remove the line` })
  }
  const scalar = typeof value === 'number' || typeof value === 'boolean'
  return finding({
    code: 'A1103',
    message: `${labelOf(path)} must be ${noun}, not ${shown(value)}`,
    place: context.place(path, 'value'),
    help: expected === 'string' && scalar ? `quote it: "${String(value)}"` : description,
  })
}

function unknownChoice(
  choices: readonly string[],
  path: Path,
  description: string | undefined,
  context: IssueContext,
): Finding {
  const value = valueAt(context.data, path)
  if (value === undefined) return missingKey(path, description, context)
  const named = String(path.findLast(segment => typeof segment === 'string') ?? 'value')
  const key = typeof path.at(-1) === 'number' ? named.replace(/s$/, '') : named
  const near = typeof value === 'string' ? suggest(value, choices) : undefined
  const allowed = `allowed: ${choices.join(', ')}`
  return finding({
    code: 'A1107',
    message: `unknown ${key} ${shown(value)}`,
    place: context.place(path, 'value'),
    help: near === undefined ? allowed : `did you mean "${near}"? ${allowed}`,
  })
}

function wrongValue(issue: Issue, path: Path, context: IssueContext): Finding {
  const place = context.place(path, 'value')
  if (issue.code === 'custom') {
    const code = typeof issue.params?.code === 'string' ? issue.params.code : 'A1104'
    const help = typeof issue.params?.help === 'string' ? issue.params.help : undefined
    return finding({
      code,
      message: path.length === 0 ? issue.message : `${labelOf(path)}: ${issue.message}`,
      place,
      help,
    })
  }
  const value = valueAt(context.data, path)
  const limit = limitOf(issue, value)
  return finding({ code: 'A1104', message: `${labelOf(path)} ${limit ?? `is not valid: ${issue.message}`}`, place })
}

function limitOf(issue: Issue, value: unknown): string | undefined {
  if (issue.code !== 'too_small' && issue.code !== 'too_big') return undefined
  if (issue.code === 'too_small' && (issue.origin === 'string' || issue.origin === 'array')) return 'is empty'
  const bound = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`
  const what = issue.origin === 'array' ? ' entries' : issue.origin === 'string' ? ' characters' : ''
  return `must be ${bound}${what}${typeof value === 'number' ? `, not ${value}` : ''}`
}

interface Branch {
  readonly findings: readonly Finding[]
  /** How far what was written is from this member of the union. */
  readonly cost: number
}

function explainUnion(
  issue: z.core.$ZodIssueInvalidUnion,
  path: Path,
  schema: unknown,
  context: IssueContext,
): Finding[] {
  if (issue.errors.length === 0) {
    const union = schemasAt(schema, issue.path.slice(0, -1)).flatMap(unwrap)
    const key = issue.path.at(-1)
    const choices = union.flatMap(part =>
      part instanceof z.ZodObject && key !== undefined ? literalsOf(part.shape[String(key)]) : [],
    )
    return [unknownChoice(choices, path, undefined, context)]
  }
  if (valueAt(context.data, path) === undefined) return [missingKey(path, descriptionAt(schema, issue.path), context)]
  const members = unionAt(schema, issue.path, issue.errors.length)
  const branches = issue.errors.map((errors, index) => branchOf(errors, path, members[index], context))
  const [best] = branches.toSorted((a, b) => a.cost - b.cost)
  const undecided =
    best !== undefined &&
    branches.filter(({ cost }) => cost === best.cost).length > 1 &&
    isEmpty(valueAt(context.data, path))
  if (best === undefined || best.cost >= 10 || undecided) return [noneFits(issue, path, schema, context)]
  return [...best.findings]
}

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0

function literalsOf(schema: unknown): string[] {
  return schema instanceof z.ZodLiteral ? [...schema.values].map(String) : []
}

/** The members of the union that reported as many alternatives. */
function unionAt(schema: unknown, path: Path, alternatives: number): readonly unknown[] {
  const bare = (part: unknown): unknown[] => {
    if (part instanceof z.ZodOptional || part instanceof z.ZodDefault) return bare(part.unwrap())
    return part instanceof z.ZodPipe ? bare(part.in) : [part]
  }
  for (const part of schemasAt(schema, path).flatMap(bare)) {
    if (part instanceof z.ZodUnion && part.options.length === alternatives) return part.options
  }
  return []
}

function branchOf(errors: readonly Issue[], path: Path, schema: unknown, context: IssueContext): Branch {
  const findings = errors.flatMap(error => explain(error, path, schema, context))
  const meant = new Set(findings.map(found => found.meant))
  const isText = typeof valueAt(context.data, path) === 'string'
  const isOff = (error: Issue) => error.code === 'invalid_type' || (error.code === 'invalid_value' && !isText)
  const costs = errors.map(error => (error.path.length === 0 && isOff(error) ? 10 : 0))
  const each = findings.map(({ problem, missing, meant: near }) => {
    if (missing !== undefined) return meant.has(missing) ? 0 : 2
    if (problem.code === 'A1101') return near === undefined ? 3 : 1
    if (problem.code === 'A1107') return problem.help?.startsWith('did you mean') ? 1 : 4
    return 2
  })
  return { findings, cost: [...costs, ...each].reduce<number>((sum, cost) => sum + cost, 0) }
}

function noneFits(issue: z.core.$ZodIssueInvalidUnion, path: Path, schema: unknown, context: IssueContext): Finding {
  const wanted = issue.errors.flatMap(errors =>
    errors.flatMap(error => {
      if (error.path.length > 0) return []
      if (error.code === 'invalid_value') return [`one of ${error.values.map(String).join(', ')}`]
      return error.code === 'invalid_type' ? [nouns[error.expected] ?? error.expected] : []
    }),
  )
  const value = valueAt(context.data, path)
  return finding({
    code: 'A1103',
    message:
      value === null
        ? `${labelOf(path)} has no value`
        : `${labelOf(path)} must be ${[...new Set(wanted)].join(' or ')}, not ${shown(value)}`,
    place: context.place(path, 'value'),
    help: descriptionAt(schema, issue.path),
  })
}
