/**
 * Models as the SQL that the warehouse runs. An ephemeral model becomes a CTE of whoever refers to it; a view or table
 * becomes `<state>.model__<name>`, made anew before it is read. Pure: the clock is an argument.
 */
import { ActivateError, type Place, type Problem } from '../project/problem.ts'
import type { Materialisation, Model, Project, Scalar, Source } from '../project/project.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import {
  type Analysis,
  analyse,
  type Contract,
  type ModelProject,
  namesUsed,
  readTest,
  type SqlTest,
} from './analysis.ts'
import type { ModelsCode } from './codes.ts'
import type { Expression } from './expression.ts'
import { closure } from './graph.ts'
import { macros } from './macros.ts'
import { losesRows, type SourceOptions, type StagedSource, sourceRelation, stagedSource } from './staged-source.ts'
import { reservedPrefix, type SqlStatement } from './statement.ts'
import { sizeLimit } from './template-text.ts'

export type CompilableProject = ModelProject & Pick<Project, 'timezone'>

export interface CompileOptions extends SourceOptions {
  /** The run's logical clock, in milliseconds: what `run_date` and `run_at` read. */
  readonly asOf: number
}

export interface CompiledModel {
  readonly name: string
  /** Relative to the project's root. */
  readonly path: string
  readonly materialised: Materialisation
  /** The model's own select, complete: CTEs of ephemeral models included. No semicolon and no comment at its end. */
  readonly sql: string
  /** What its SQL names directly. */
  readonly dependsOn: { readonly models: readonly string[]; readonly sources: readonly string[] }
  /**
   * Where it can be read from once `create` was executed; undefined for an ephemeral model, and for a view of a source that
   * loses rows tonight: the view outlives the night and shows all of them, so what refers to it takes its SQL instead.
   */
  readonly relation: string | undefined
  /** Statements that make its view or table; none for an ephemeral model. */
  readonly create: readonly string[]
}

export interface CompiledProject {
  readonly models: ReadonlyMap<string, CompiledModel>
  /** Names of models; each comes after all it refers to. */
  readonly order: readonly string[]
  /** Sources as something to select from. */
  readonly sources: ReadonlyMap<string, string>
  /** Throws ActivateError A2005 for a name that is not a model. */
  model(name: string): CompiledModel
  /** Statements to execute, in order, before `model(name).sql` can be computed and its declared tests run. */
  statementsFor(name: string): readonly string[]
  /** The source that a statement reads or the model that it makes, for places in errors; undefined for other text. */
  subjectOf(statement: string): string | undefined
  /** The source that a statement stands for loading, into the scratch table of this name: see `models/make.ts`. */
  loadOf(statement: string): { readonly source: Source; readonly path: string; readonly scratch: string } | undefined
  /** Statements that read these sources into scratch tables, for those that are read so. */
  statementsForSources(names: Iterable<string>): readonly string[]
  /** Every source that a model reads, directly or through other models. */
  sourcesOf(model: string): ReadonlySet<string>
  /** What the tests of a contract look into, beside the relation under test. */
  lookedInto(contract: Contract): UsedNames
  /** Statements to execute before the declared tests of a source (or any contract) can run. */
  statementsForTests(contract: Contract): readonly string[]
  /** A model or source as something to select from: a relation, or a select in parentheses. */
  relationOf(name: string): string
  /** A source as something to select from, also where a model has its name. */
  sourceOf(name: string): string
  /** A SQL test as the select of its offending rows in `relation`. Throws ActivateError (exit `invalid`). */
  testSql(test: SqlTest, relation: string, place: Place): string
}

/** What each model reads: names of models, and `source:<name>`; for selectors. Throws as `compileModels` does. */
export function dependencies(
  project: ModelProject & Pick<Project, 'warehouse'>,
): Readonly<Record<string, readonly string[]>> {
  const { statements } = analyse(project, project.warehouse.type)
  const entries = [...statements].map(([name, statement]) => {
    const sources = namesUsed(statement, 'source').map(source => `source:${source}`)
    return [name, [...namesUsed(statement, 'ref'), ...sources]] as const
  })
  return Object.fromEntries(entries)
}

/** Compiles all models. Throws one ActivateError (exit `invalid`) with everything that is wrong with them. */
export function compileModels(project: CompilableProject, options: CompileOptions): CompiledProject {
  const analysis = analyse(project, options.dialect.name)
  const staged = new Map(project.sources.flatMap(source => stagedSource(source, options)))
  const sources = new Map(
    project.sources.map(source => [source.name, staged.get(source.name)?.relation ?? sourceRelation(source, options)]),
  )
  const compiler: Compiler = {
    analysis,
    sources,
    staged,
    options,
    timezone: project.timezone,
    cleanedSources: new Set(
      project.sources.filter(source => staged.has(source.name) && losesRows(source)).map(({ name }) => name),
    ),
    cleaned: new Set(),
    models: new Map(),
    bodies: new Map(),
  }
  const problems: Problem[] = []
  for (const name of analysis.order) {
    const model = project.models.find(each => each.name === name)
    const statement = analysis.statements.get(name)
    if (model !== undefined && statement !== undefined) problems.push(...compileModel(compiler, model, statement))
  }
  if (problems.length > 0) throw new ActivateError('invalid', problems)
  if (staged.size > 0)
    takeLastingViews(compiler, compileModels(project, { ...options, stageFiles: false, loadFiles: false }))
  return compiledProject(compiler, project)
}

interface Compiler {
  readonly analysis: Analysis
  readonly sources: ReadonlyMap<string, string>
  readonly staged: ReadonlyMap<string, StagedSource>
  readonly options: CompileOptions
  readonly timezone: string
  /** Sources that lose rows tonight, and the models that read them. */
  readonly cleanedSources: ReadonlySet<string>
  readonly cleaned: Set<string>
  readonly models: Map<string, CompiledModel>
  /** What each model's template came to, without the CTEs of others. */
  readonly bodies: Map<string, string>
}

/** A view that read a scratch table would be broken for everybody as soon as the night is over. */
function takeLastingViews({ models }: Compiler, lasting: CompiledProject): void {
  for (const model of models.values()) {
    if (model.materialised !== 'view') continue
    models.set(model.name, { ...model, create: lasting.model(model.name).create })
  }
}

function compiledProject(compiler: Compiler, project: CompilableProject): CompiledProject {
  const { models, sources, analysis } = compiler
  const contracts = new Map(project.models.map(model => [model.name, model]))
  const model = (name: string) => {
    const found = models.get(name)
    if (found !== undefined) return found
    throw new ActivateError('invalid', { code: 'A2005' satisfies ModelsCode, message: `there is no model "${name}"` })
  }
  const refsOf = (name: string) => models.get(name)?.dependsOn.models ?? []
  /** Statements of the views and tables among these models and all that they need. */
  const statements = (names: Iterable<string>) => {
    const needed = closure(names, refsOf)
    return analysis.order.filter(name => needed.has(name)).flatMap(name => models.get(name)?.create ?? [])
  }
  const sourcesOf = (names: Iterable<string>) =>
    new Set([...closure(names, refsOf)].flatMap(name => models.get(name)?.dependsOn.sources ?? []))
  const readSources = (names: Iterable<string>) =>
    [...new Set(names)].flatMap(name => compiler.staged.get(name)?.statements ?? [])
  /** Statements that read the files among these sources and those of these models and of all that they need. */
  const reads = (names: Iterable<string>, direct: readonly string[]) => readSources([...sourcesOf(names), ...direct])
  return {
    models,
    sources,
    order: analysis.order,
    model,
    statementsFor: name => {
      const contract = contracts.get(name)
      const tested = contract === undefined ? noNames : namesInTests(compiler, contract)
      const upstream = [...model(name).dependsOn.models, ...tested.models]
      return [...reads([name, ...upstream], tested.sources), ...statements(upstream)]
    },
    statementsForSources: readSources,
    loadOf: statement => [...compiler.staged.values()].find(({ load }) => load?.statement === statement)?.load,
    sourcesOf: name => sourcesOf([model(name).name]),
    lookedInto: contract => namesInTests(compiler, contract),
    statementsForTests: contract => {
      const tested = namesInTests(compiler, contract)
      return [...reads(tested.models, tested.sources), ...statements(tested.models)]
    },
    subjectOf: statement =>
      [...compiler.staged].find(([, staged]) => staged.statements.includes(statement))?.[0] ??
      [...models.values()].find(({ create }) => create.includes(statement))?.name,
    relationOf: name => relationOf(compiler, name),
    sourceOf: name => relationOf({ ...compiler, models: new Map() }, name),
    testSql: (test, relation, place) => testSql(compiler, test, relation, place),
  }
}

function compileModel(compiler: Compiler, model: Model, statement: SqlStatement): readonly Problem[] {
  const { dialect, state } = compiler.options
  const body = fill(compiler, statement, model.place)
  if (typeof body !== 'string') return [body]
  compiler.bodies.set(model.name, body)
  const sql = withCtes(compiler, statement, body)
  if (sql.length > sizeLimit) return [tooLarge(model, sql.length)]
  const { materialised, name, path } = model
  const inlined = materialised === 'ephemeral' || (materialised === 'view' && readsCleaned(compiler, statement))
  if (readsCleaned(compiler, statement)) compiler.cleaned.add(name)
  const relation = inlined ? undefined : dialect.relation([...state, `model__${name}`])
  const create =
    relation === undefined || materialised === 'ephemeral' ? [] : dialect.createModel(relation, sql, materialised)
  const dependsOn = { models: namesUsed(statement, 'ref'), sources: namesUsed(statement, 'source') }
  compiler.models.set(name, { name, path, materialised, sql, dependsOn, relation, create })
  return []
}

/** Whether a statement reads a source that loses rows, itself or through models. */
function readsCleaned({ cleaned, cleanedSources }: Compiler, statement: SqlStatement): boolean {
  return (
    namesUsed(statement, 'source').some(name => cleanedSources.has(name)) ||
    namesUsed(statement, 'ref').some(name => cleaned.has(name))
  )
}

function tooLarge(model: Model, characters: number): Problem {
  const message = `the SQL of "${model.name}" with the ephemeral models it refers to has ${characters} characters`
  const help = 'materialise some of them: `materialised: view` or `table`'
  return { code: 'A2013' satisfies ModelsCode, message, place: model.place, help }
}

/** The statement with its expressions filled in. */
function fill(compiler: Compiler, statement: SqlStatement, place: Place, self = ''): string | Problem {
  let filled = ''
  for (const part of statement.parts) {
    const text = typeof part === 'string' ? part : fillingOf(compiler, part, self)
    if (text === undefined) {
      const name = typeof part === 'object' && part.helper === 'var' ? part.name : ''
      return { code: 'A2016' satisfies ModelsCode, message: `the variable "${name}" is not a number`, place }
    }
    filled += text
  }
  return filled
}

function fillingOf(compiler: Compiler, expression: Expression, self: string): string | undefined {
  const { dialect, asOf } = compiler.options
  switch (expression.helper) {
    case 'ref':
      return compiler.models.get(expression.name)?.relation ?? dialect.quote(cteName(expression.name))
    case 'source':
      return compiler.sources.get(expression.name)
    case 'ident':
      return dialect.quote(expression.name)
    case 'var':
      return literal(dialect, expression.value)
    case 'run_date':
      return dialect.literal({ date: dateIn(compiler.timezone, asOf) })
    case 'run_at':
      return dialect.literal({ timestamp: new Date(asOf).toISOString().replace('.000Z', 'Z') })
    case 'this':
      return self
    case 'macro':
      return fillMacro(compiler, expression, self)
  }
}

/** Each argument in parentheses, so that it stays one whatever is written around it. */
function fillMacro(
  compiler: Compiler,
  { name, args }: Extract<Expression, { helper: 'macro' }>,
  self: string,
): string | undefined {
  const filled: string[] = []
  for (const argument of args) {
    if ('unit' in argument) filled.push(argument.unit)
    else {
      const text = 'sql' in argument ? argument.sql : fillingOf(compiler, argument.expression, self)
      if (text === undefined) return undefined
      filled.push(/^\w+$/.test(text) ? text : `(${text})`)
    }
  }
  return macros.get(name)?.sql[compiler.options.dialect.name](...filled)
}

/** A negative number in parentheses, because `--5` would be a comment; undefined for what is not a number. */
function literal(dialect: Dialect, value: Scalar): string | undefined {
  if (typeof value === 'number' && !Number.isFinite(value)) return undefined
  const text = dialect.literal(value)
  return text.startsWith('-') ? `(${text})` : text
}

/** The calendar date of an instant in a time zone. */
function dateIn(timeZone: string, instant: number): string {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' })
  const parts = new Map(format.formatToParts(instant).map(part => [part.type, part.value]))
  return `${parts.get('year')?.padStart(4, '0')}-${parts.get('month')}-${parts.get('day')}`
}

function cteName(model: string): string {
  return `${reservedPrefix}${model}`
}

/**
 * Puts the ephemeral models that a statement needs before it. A statement with CTEs of its own goes into a subquery:
 * merged into one list, its names would hide the tables that the ephemeral models read (`with recursive` shows every
 * member of a list to every other).
 */
function withCtes(compiler: Compiler, statement: SqlStatement, body: string): string {
  const { dialect } = compiler.options
  const needed = closure(ephemeralRefs(compiler, statement), name =>
    ephemeralRefs(compiler, compiler.analysis.statements.get(name)),
  )
  const ctes = compiler.analysis.order
    .filter(name => needed.has(name))
    .map(name => `${dialect.quote(cteName(name))} as (\n${compiler.bodies.get(name)}\n)`)
  if (ctes.length === 0) return body
  const rest = statement.startsWithCte ? `select * from (\n${body}\n) as ${dialect.quote(reservedPrefix)}` : body
  return `with ${ctes.join(',\n')}\n${rest}`
}

/** What has no relation of its own: ephemeral models, and views that would show a source with all of its rows. */
function ephemeralRefs(compiler: Compiler, statement: SqlStatement | undefined): readonly string[] {
  return namesUsed(statement, 'ref').filter(name => compiler.models.get(name)?.relation === undefined)
}

function relationOf({ models, sources }: Compiler, name: string): string {
  const model = models.get(name)
  const relation = model === undefined ? sources.get(name) : (model.relation ?? `(\n${model.sql}\n)`)
  if (relation !== undefined) return relation
  throw new ActivateError('invalid', {
    code: 'A2005' satisfies ModelsCode,
    message: `there is no model or source "${name}"`,
  })
}

function testSql(compiler: Compiler, test: SqlTest, relation: string, place: Place): string {
  const statement = readTest(test, compiler.analysis.names, compiler.options.dialect.name, place)
  const body = fill(compiler, statement, place, relation)
  if (typeof body === 'string') return withCtes(compiler, statement, body)
  throw new ActivateError('invalid', body)
}

export interface UsedNames {
  readonly models: readonly string[]
  readonly sources: readonly string[]
}

const noNames: UsedNames = { models: [], sources: [] }

/** What the tests of a contract read, beside the relation under test. */
function namesInTests({ analysis, options }: Compiler, contract: Contract): UsedNames {
  const related = contract.columns.flatMap(column =>
    column.tests.flatMap(test => (test.test === 'relationships' ? [test.to] : [])),
  )
  const statements = contract.tests.flatMap(test =>
    test.test === 'sql' ? [readTest(test, analysis.names, options.dialect.name, contract.place)] : [],
  )
  const isModel = (name: string) => analysis.names.models.has(name)
  return {
    models: [...related.filter(isModel), ...statements.flatMap(statement => namesUsed(statement, 'ref'))],
    sources: [...related.filter(name => !isModel(name)), ...statements.flatMap(each => namesUsed(each, 'source'))],
  }
}
