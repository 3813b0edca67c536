/** One file through its schema: the value, or what is wrong with it. */
import type { z } from 'zod'
import { type Path, valueAt, type YamlDocument } from './document.ts'
import { problemsOf } from './issues.ts'
import type { Problem } from './problem.ts'

export type Reading<Value> =
  | {
      readonly value: Value
      /** The document with its data as the schema accepted it. */
      readonly document: YamlDocument
      readonly problems: readonly []
    }
  | { readonly value?: undefined; readonly problems: readonly Problem[] }

/** Validates a document. An unquoted number where a text is wanted (`epoch: 1.10`) is the text that was written. */
export function readSchema<Schema extends z.ZodType>(
  schema: Schema,
  document: YamlDocument,
): Reading<z.output<Schema>> {
  if (typeof document.data !== 'object' || document.data === null || Array.isArray(document.data)) {
    const place = document.place([], 'value')
    return {
      problems: [
        {
          code: 'A1103',
          message: `${document.file} must be a mapping`,
          place,
          help: 'write lines such as "key: value"',
        },
      ],
    }
  }
  const first = schema.safeParse(document.data)
  if (first.success) return { value: first.data, document, problems: [] }
  const data = first.error.issues.reduce(
    (patched, issue) => withWritten(patched, issue, document),
    document.data as unknown,
  )
  const result = data === document.data ? first : schema.safeParse(data)
  if (result.success) return { value: result.data, document: document.withData(data), problems: [] }
  return { problems: problemsOf(result.error.issues, { schema, data, place: (path, at) => document.place(path, at) }) }
}

function withWritten(data: unknown, issue: z.core.$ZodIssue, document: YamlDocument): unknown {
  if (issue.code !== 'invalid_type' || issue.expected !== 'string') return data
  const written = document.writtenAt(issue.path)
  return typeof valueAt(data, issue.path) === 'number' && written !== undefined
    ? withValue(data, issue.path, written)
    : data
}

function withValue(data: unknown, [segment, ...rest]: Path, value: unknown): unknown {
  if (segment === undefined) return value
  if (typeof data !== 'object' || data === null) return data
  const inner = withValue((data as Record<PropertyKey, unknown>)[segment], rest, value)
  if (Array.isArray(data)) return data.map((item: unknown, index) => (index === Number(segment) ? inner : item))
  return { ...data, [segment]: inner }
}
