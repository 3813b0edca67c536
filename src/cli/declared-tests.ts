/** Runs the declared tests of sources and models, and the freshness of sources, and says how each ended. */
import { type CheckResult, checkContract } from '../models/checks.ts'
import { type CompiledProject, compileModels } from '../models/compile.ts'
import { checkFreshness, freshnessProblem } from '../models/freshness.ts'
import { makeStatement } from '../models/make.ts'
import type { Problem } from '../project/problem.ts'
import type { Json, Model, Source } from '../project/project.ts'
import type { Row, Warehouse } from '../warehouse/warehouse.ts'
import type { Wired } from '../wire.ts'

export interface TestResult {
  readonly kind: 'source' | 'model'
  readonly name: string
  /** `unique:customer_id`, `columns`, `freshness`. */
  readonly test: string
  /** What holds when it passes, or what is wrong. */
  readonly describes: string
  /** `broken`: the test itself could not be computed. */
  readonly status: 'passed' | 'failed' | 'broken'
  readonly offending: number
  readonly samples: readonly Readonly<Record<string, Json>>[]
}

export interface Relations {
  readonly sources: readonly Source[]
  readonly models: readonly Model[]
}

export async function runDeclaredTests(wired: Wired, asked: Relations, asOf: number): Promise<readonly TestResult[]> {
  const warehouse = await wired.warehouse()
  const compiled = compileModels(wired.project, {
    ...{ dialect: warehouse.dialect, asOf, state: warehouse.state, loadFiles: true },
  })
  const make = maker(warehouse, compiled)
  const results: TestResult[] = []
  for (const source of asked.sources) {
    await make([...compiled.statementsForSources([source.name]), ...compiled.statementsForTests(source)])
    results.push(...(await contractResults('source', source, warehouse, compiled)))
    results.push(...(await freshnessResults(source, warehouse, compiled, asOf)))
  }
  for (const model of asked.models) {
    await make([...compiled.statementsFor(model.name), ...compiled.model(model.name).create])
    results.push(...(await contractResults('model', model, warehouse, compiled)))
  }
  return results
}

/** Views and tables that several models need are made once. */
function maker(warehouse: Warehouse, compiled: CompiledProject): (statements: readonly string[]) => Promise<void> {
  const made = new Set<string>()
  return async statements => {
    for (const statement of statements) {
      if (made.has(statement)) continue
      await makeStatement(warehouse, compiled, statement)
      made.add(statement)
    }
  }
}

async function contractResults(
  kind: TestResult['kind'],
  contract: Source | Model,
  warehouse: Warehouse,
  compiled: CompiledProject,
): Promise<readonly TestResult[]> {
  if (contract.columns.length + contract.tests.length === 0) return []
  const { name } = contract
  const relation = kind === 'source' ? compiled.sourceOf(name) : compiled.relationOf(name)
  const { problems, results } = await checkContract(warehouse, relation, contract, compiled)
  return [
    ...problems.map(problem => columnResult(kind, name, problem)),
    ...results.map(result => checkResult(kind, name, result)),
  ]
}

function columnResult(kind: TestResult['kind'], name: string, problem: Problem): TestResult {
  return { kind, name, test: 'columns', describes: problem.message, status: 'failed', offending: 1, samples: [] }
}

function checkResult(kind: TestResult['kind'], name: string, result: CheckResult): TestResult {
  const { id: test, describes } = result.check
  const base = { kind, name, test, describes, status: result.kind, offending: 0, samples: [] }
  switch (result.kind) {
    case 'passed':
      return base
    case 'failed':
      return { ...base, offending: result.offending, samples: result.samples.map(asJson) }
    case 'broken':
      return { ...base, describes: `${describes}: ${result.error.message}` }
  }
}

async function freshnessResults(
  source: Source,
  warehouse: Warehouse,
  compiled: CompiledProject,
  asOf: number,
): Promise<readonly TestResult[]> {
  const verdict = await checkFreshness(warehouse, compiled.sourceOf(source.name), source, asOf)
  if (verdict === undefined) return []
  const problem = freshnessProblem(source, verdict)
  return [
    {
      ...{ kind: 'source', name: source.name, test: 'freshness' },
      describes: problem?.message ?? `${source.freshness?.column} is recent enough`,
      status: problem === undefined ? 'passed' : 'failed',
      offending: problem === undefined ? 0 : 1,
      samples: [],
    },
  ]
}

function asJson(row: Row): Readonly<Record<string, Json>> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? String(value) : value]),
  )
}
