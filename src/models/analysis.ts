/** A project's models, sources and their SQL tests as checked statements; everything wrong with them at once. */
import { ActivateError, type Place, type Problem } from '../project/problem.ts'
import type { ColumnContract, Model, Project, RelationTest, Source } from '../project/project.ts'
import { suggestion } from '../project/suggest.ts'
import type { ModelsCode } from './codes.ts'
import type { Names } from './expression.ts'
import { walkGraph } from './graph.ts'
import type { Flavour } from './scanner.ts'
import { readStatement, type SqlStatement } from './statement.ts'
import { readTemplate } from './template.ts'
import { type TemplateText, textOfFile } from './template-text.ts'

export type ModelProject = Pick<Project, 'models' | 'sources' | 'vars' | 'partials'>

export interface Analysis {
  readonly names: Names
  readonly statements: ReadonlyMap<string, SqlStatement>
  /** Names of models; each comes after all it refers to. */
  readonly order: readonly string[]
}

export type SqlTest = Extract<RelationTest, { readonly test: 'sql' }>

/** The part of a model or source that says what its rows must be like. */
export interface Contract {
  readonly columns: readonly ColumnContract[]
  readonly tests: readonly RelationTest[]
  readonly place: Place
}

/** Throws ActivateError (exit `invalid`) with the problems of all models, sources and tests. */
export function analyse(project: ModelProject, flavour: Flavour): Analysis {
  const names = namesOf(project)
  const problems: Problem[] = []
  const statements = new Map<string, SqlStatement>()
  for (const model of project.models) {
    const read = readChecked(textOfFile(model.path, model.template, model.templateLine), names, flavour, model.place)
    if (isStatement(read)) statements.set(model.name, read)
    else problems.push(...read)
  }
  const { order, circles } = walkGraph(project.models.map(model => graphNode(model, statements)))
  problems.push(...circles)
  for (const contract of [...project.sources, ...project.models])
    problems.push(...testProblems(contract, names, flavour))
  if (problems.length > 0) throw new ActivateError('invalid', problems)
  return { names, statements, order }
}

/** A SQL test as a statement in which `{{this}}` is known. Throws ActivateError (exit `invalid`). */
export function readTest(test: SqlTest, names: Names, flavour: Flavour, place: Place): SqlStatement {
  const read = readChecked(textOfTest(test, place), { ...names, self: true }, flavour, place)
  if (isStatement(read)) return read
  throw new ActivateError('invalid', read)
}

/** Names of what a statement is computed from, each once, in the order of their first use. */
export function namesUsed(statement: SqlStatement | undefined, helper: 'ref' | 'source'): readonly string[] {
  const used = (statement?.uses ?? []).map(({ expression }) => (expression.helper === helper ? [expression.name] : []))
  return [...new Set(used.flat())]
}

function namesOf({ vars, models, sources, partials }: ModelProject): Names {
  return {
    vars,
    partials,
    models: new Set(models.map(model => model.name)),
    sources: new Set(sources.map(source => source.name)),
    self: false,
  }
}

function isStatement(read: SqlStatement | readonly Problem[]): read is SqlStatement {
  return 'parts' in read
}

function readChecked(
  text: TemplateText,
  names: Names,
  flavour: Flavour,
  whole: Place,
): SqlStatement | readonly Problem[] {
  const { parts, problems } = readTemplate(text, names)
  return problems.length > 0 ? problems : readStatement(parts, flavour, whole)
}

function graphNode(model: Model, statements: ReadonlyMap<string, SqlStatement>) {
  const uses = statements.get(model.name)?.uses ?? []
  const refs = uses.flatMap(({ expression, place }) =>
    expression.helper === 'ref' ? [{ name: expression.name, place }] : [],
  )
  return { name: model.name, refs }
}

/** A test's text stands in a scalar of YAML, whose lines are not the file's: all its places are that of its owner. */
function textOfTest(test: SqlTest, place: Place): TemplateText {
  return { text: test.sql, place: () => place }
}

function testProblems(owner: Model | Source, names: Names, flavour: Flavour): readonly Problem[] {
  const known = [...names.models, ...names.sources]
  const missing = owner.columns.flatMap(column =>
    column.tests.flatMap(test => {
      if (test.test !== 'relationships' || known.includes(test.to)) return []
      const help = suggestion(test.to, known, 'models and sources')
      const message = `the relationships test of ${owner.name}.${column.name} names "${test.to}", which does not exist`
      return [
        { code: 'A2005' satisfies ModelsCode, message, place: column.place, ...(help === undefined ? {} : { help }) },
      ]
    }),
  )
  const unreadable = owner.tests.flatMap(test => {
    if (test.test !== 'sql') return []
    const read = readChecked(textOfTest(test, owner.place), { ...names, self: true }, flavour, owner.place)
    return isStatement(read) ? [] : read.map(each => ({ ...each, message: `test "${test.name}": ${each.message}` }))
  })
  return [...missing, ...unreadable]
}
