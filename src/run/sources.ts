/**
 * The sources of a night: read, found fresh, held to their contracts, and rid of what is in quarantine, before any model
 * reads them. Each is judged once, however many syncs read it.
 */
import type { Contract } from '../models/analysis.ts'
import type { CompiledProject } from '../models/compile.ts'
import { checkFreshness, freshnessProblem } from '../models/freshness.ts'
import { makeStatement } from '../models/make.ts'
import { losesRows } from '../models/staged-source.ts'
import { deleteQuarantined, type Quarantine } from '../plan/quarantine.ts'
import { execute, quarantineRows } from '../plan/stage.ts'
import { ActivateError, type Problem } from '../project/problem.ts'
import type { Model, Source } from '../project/project.ts'
import { raw } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import { judgeContract } from './contract.ts'
import { placed } from './placed.ts'

export interface JudgedSource {
  readonly name: string
  readonly problems: readonly Problem[]
  readonly warnings: readonly string[]
  readonly quarantine: Quarantine | undefined
}

export interface SourceScope {
  readonly warehouse: Warehouse
  readonly compiled: CompiledProject
  readonly models: readonly Model[]
  readonly sources: readonly Source[]
  /** The logical clock, in milliseconds. */
  readonly asOf: number
  /** Statements that were executed this night. */
  readonly built: Set<string>
  readonly judged: Map<string, JudgedSource>
}

/** Executes what was not executed this night. */
export async function makeOnce(scope: SourceScope, statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    if (scope.built.has(statement)) continue
    await make(scope, statement)
    scope.built.add(statement)
  }
}

async function make({ warehouse, compiled, models, sources }: SourceScope, statement: string): Promise<void> {
  const name = compiled.subjectOf(statement)
  const subject = models.find(each => each.name === name) ?? sources.find(each => each.name === name)
  const work = () => makeStatement(warehouse, compiled, statement)
  await (subject === undefined ? work() : placed(subject, work))
}

/** Reads and judges every source that the model needs. Throws one ActivateError with all that is wrong with them. */
export async function refuseBadSources(scope: SourceScope, model: Model): Promise<readonly JudgedSource[]> {
  const read = scope.compiled.sourcesOf(model.name)
  const cleaned = cleanedFor(scope, model)
  const judged: JudgedSource[] = []
  for (const source of scope.sources) {
    if (read.has(source.name) || cleaned.has(source.name)) judged.push(await judgeSource(scope, source, new Set()))
  }
  const [first, ...others] = judged.flatMap(({ problems }) => problems)
  if (first !== undefined) throw new ActivateError('failed', [first, ...others])
  return judged
}

/** Sources that lose rows, among those that the tests of a contract look into: they have to have lost them before. */
function cleanedFor({ compiled, sources }: SourceScope, contract: Contract): ReadonlySet<string> {
  const looked = compiled.lookedInto(contract)
  const behind = looked.models.flatMap(model => [...compiled.sourcesOf(model)])
  const losing = new Set(sources.filter(losesRows).map(({ name }) => name))
  return new Set([...looked.sources, ...behind].filter(name => losing.has(name)))
}

/** `waiting` are those whose tests led here: in a circle, one of them is looked into as it came. */
async function judgeSource(scope: SourceScope, source: Source, waiting: ReadonlySet<string>): Promise<JudgedSource> {
  const known = scope.judged.get(source.name)
  if (known !== undefined) return known
  const path = new Set([...waiting, source.name])
  const first = cleanedFor(scope, source)
  for (const other of scope.sources) {
    if (first.has(other.name) && !path.has(other.name)) await judgeSource(scope, other, path)
  }
  await makeOnce(scope, scope.compiled.statementsForSources([source.name]))
  const stale = await staleness(scope, source)
  const judged = stale === undefined ? await judgeRows(scope, source) : { ...good(source), problems: [stale] }
  scope.judged.set(source.name, judged)
  return judged
}

function good({ name }: Source): JudgedSource {
  return { name, problems: [], warnings: [], quarantine: undefined }
}

async function staleness({ warehouse, compiled, asOf }: SourceScope, source: Source): Promise<Problem | undefined> {
  const verdict = await checkFreshness(warehouse, compiled.sourceOf(source.name), source, asOf)
  return verdict === undefined ? undefined : freshnessProblem(source, verdict)
}

async function judgeRows(scope: SourceScope, source: Source): Promise<JudgedSource> {
  const { warehouse, compiled } = scope
  if (source.columns.length + source.tests.length === 0) return good(source)
  await makeForTests(scope, source)
  const relation = compiled.sourceOf(source.name)
  const { problems, warnings, broken } = await judgeContract(warehouse, relation, source, compiled)
  if (problems.length > 0 || broken.length === 0) return { ...good(source), problems, warnings }
  const columns = await warehouse.describe(`select * from ${relation}`)
  const rows = { relation: raw(relation), columns, key: undefined, broken }
  const quarantine = await quarantineRows(warehouse, `quarantine__source__${source.name}`, rows)
  await execute(warehouse, deleteQuarantined(rows))
  return { ...good(source), warnings: [...warnings, quarantineWarning(source, quarantine)], quarantine }
}

/** Models that a test looks into may read sources that lose rows only later, so they are made again for those who read them. */
async function makeForTests(scope: SourceScope, source: Source): Promise<void> {
  const { compiled } = scope
  const statements = compiled.statementsForTests(source)
  const { models, sources } = compiled.lookedInto(source)
  const read = [...sources, ...models.flatMap(model => [...compiled.sourcesOf(model)])]
  const staging = new Set(compiled.statementsForSources(read))
  for (const statement of statements) {
    if (staging.has(statement)) await makeOnce(scope, [statement])
    else if (!scope.built.has(statement)) await make(scope, statement)
  }
}

function quarantineWarning({ name }: Source, { rows, reasons }: Quarantine): string {
  const parts = Object.entries(reasons).map(([reason, count]) => `${reason.replace('quarantine.', '')} ${count}`)
  return `source "${name}": ${rows === 1 ? '1 row is' : `${rows} rows are`} in quarantine, and no model reads them (${parts.join(', ')})`
}
