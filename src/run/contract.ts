/** The contracts that gate a run: freshness of every source that the model reads, and the model's own declarations. */
import type { Contract } from '../models/analysis.ts'
import { type CheckResult, checkContract, checkProblem } from '../models/checks.ts'
import type { CompiledProject } from '../models/compile.ts'
import { checkFreshness, freshnessProblem } from '../models/freshness.ts'
import type { Stage } from '../plan/stage.ts'
import { ActivateError, type Problem } from '../project/problem.ts'
import type { Model, Source, Sync } from '../project/project.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'

interface Scope {
  readonly warehouse: Warehouse
  readonly compiled: CompiledProject
  readonly sources: readonly Source[]
  /** The logical clock, in milliseconds. */
  readonly asOf: number
}

/** Throws one ActivateError with every stale source that `model` reads, directly or through other models. */
export async function refuseStaleSources(scope: Scope, model: string): Promise<void> {
  const problems: Problem[] = []
  const read = sourcesOf(scope.compiled, model)
  for (const source of scope.sources.filter(({ name }) => read.has(name))) {
    const verdict = await checkFreshness(scope.warehouse, scope.compiled.relationOf(source.name), source, scope.asOf)
    const problem = verdict === undefined ? undefined : freshnessProblem(source, verdict)
    if (problem !== undefined) problems.push(problem)
  }
  if (problems.length > 0) throw new ActivateError('failed', problems)
}

/**
 * Throws one ActivateError with everything in which the staged model breaks its contract. A sync that quarantines bad keys
 * has dealt with them already, so the model's own `not_null` and `unique` of a key column do not stop it.
 */
export async function refuseBrokenContract(
  scope: Scope,
  model: Model,
  stage: Stage,
  sync: Pick<Sync, 'onBadKey'>,
): Promise<void> {
  const contract = sync.onBadKey === 'quarantine' ? withoutKeyTests(model) : model
  const relation = stage.relation.texts[0] ?? ''
  const { problems, results } = await checkContract(scope.warehouse, relation, contract, scope.compiled)
  const failed = results.flatMap((result: CheckResult) => checkProblem(result, model.name) ?? [])
  if (problems.length + failed.length > 0) throw new ActivateError('failed', [...problems, ...failed])
}

function withoutKeyTests(model: Model): Contract {
  const ofKeys = (test: { readonly test: string }) => test.test === 'not_null' || test.test === 'unique'
  const columns = model.columns.map(column =>
    model.key.includes(column.name) ? { ...column, tests: column.tests.filter(test => !ofKeys(test)) } : column,
  )
  return { ...model, columns }
}

function sourcesOf(compiled: CompiledProject, model: string): ReadonlySet<string> {
  const found = new Set<string>()
  const seen = new Set<string>()
  const visit = (name: string) => {
    if (seen.has(name)) return
    seen.add(name)
    const { models, sources } = compiled.model(name).dependsOn
    for (const source of sources) found.add(source)
    for (const upstream of models) visit(upstream)
  }
  visit(model)
  return found
}
