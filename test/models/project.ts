/** Projects to compile, as short as a test can say them. */

import type { CompilableProject, CompileOptions } from '../../src/models/compile.ts'
import type { Place } from '../../src/project/problem.ts'
import { ActivateError } from '../../src/project/problem.ts'
import type {
  ColumnContract,
  ColumnTest,
  ColumnType,
  Materialisation,
  Model,
  RelationTest,
  Scalar,
  Source,
} from '../../src/project/project.ts'
import { duckdbDialect } from '../../src/warehouse/duckdb-dialect.ts'

export const at: Place = { file: 'activate.yml', line: 1, column: 1 }

export const options: CompileOptions = {
  dialect: duckdbDialect,
  asOf: Date.parse('2026-03-01T23:30:00Z'),
  state: ['memory', 'activate'],
}

export function model(name: string, template: string, more: Partial<Model> = {}): Model {
  return {
    name,
    path: `models/${name}.sql`,
    template,
    templateLine: 1,
    key: [],
    materialised: 'ephemeral' satisfies Materialisation,
    columns: [],
    tests: [],
    onViolation: 'fail',
    tags: [],
    place: { file: `models/${name}.sql`, line: 1, column: 1 },
    ...more,
  }
}

export function source(name: string, from: Source['from'], more: Partial<Source> = {}): Source {
  return { name, from, columns: [], tests: [], onViolation: 'fail', tags: [], place: at, ...more }
}

export function column(name: string, type?: ColumnType, tests: readonly ColumnTest[] = []): ColumnContract {
  return { name, tests, place: at, ...(type === undefined ? {} : { type }) }
}

interface Files {
  readonly models?: readonly Model[]
  readonly sources?: readonly Source[]
  readonly vars?: Readonly<Record<string, Scalar>>
  readonly partials?: Readonly<Record<string, string>>
  readonly timezone?: string
}

export function project({
  models = [],
  sources = [],
  vars = {},
  partials = {},
  timezone = 'UTC',
}: Files): CompilableProject {
  const files = Object.entries(partials).map(([name, text]) => ({ name, path: `models/_partials/${name}.sql`, text }))
  return { models, sources, vars, timezone, partials: files }
}

/** The problems that something throws, as `code file:line:column message`; empty when it throws none. */
export function problemsOf(work: () => unknown): readonly string[] {
  return thrown(work).map(
    ({ code, message, place }) => `${code} ${place?.file}:${place?.line}:${place?.column} ${message}`,
  )
}

export function helpOf(work: () => unknown): readonly (string | undefined)[] {
  return thrown(work).map(problem => problem.help)
}

export function thrown(work: () => unknown): ActivateError['problems'] | [] {
  try {
    work()
    return []
  } catch (error) {
    if (error instanceof ActivateError) return error.problems
    throw error
  }
}

export type { RelationTest }
