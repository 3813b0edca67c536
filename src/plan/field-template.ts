/**
 * A field's template (`Hi {{first_name}}`) as one SQL text expression. Handlebars only parses; nothing is ever executed
 * over a row. A NULL column is the empty text, and false for `#if`.
 */
import Handlebars from 'handlebars'
import { excessOf } from '../models/template-text.ts'
import type { Problem } from '../project/problem.ts'
import type { Column, Dialect } from '../warehouse/dialect.ts'
import { missingColumn } from './columns.ts'

type Answer = { readonly expression: string } | { readonly problem: Problem }
type Columns = ReadonlyMap<string, Column>

class Unsupported extends Error {
  readonly problem: Problem
  constructor(problem: Problem) {
    super(problem.message)
    this.problem = problem
  }
}

/** The expression, or the problem with what the template asks for. */
export function fieldTemplateToSql(dialect: Dialect, template: string, columns: Columns): Answer {
  try {
    const program = parse(template)
    return { expression: concat(dialect, programToSql(dialect, program, columns)) }
  } catch (error) {
    if (error instanceof Unsupported) return { problem: error.problem }
    throw error
  }
}

/** The columns that a template names, each once; the template has been found to be in order. */
export function columnsOfTemplate(template: string): readonly string[] {
  return [...new Set(namesIn(parse(template)))]
}

function namesIn(program: hbs.AST.Program): readonly string[] {
  return program.body.flatMap(statement => {
    if (statement.type === 'MustacheStatement') return [plainColumn(statement as hbs.AST.MustacheStatement)]
    if (statement.type !== 'BlockStatement') return []
    const { params, program: then, inverse } = statement as hbs.AST.BlockStatement
    const [subject] = params
    const asked = subject?.type === 'PathExpression' ? [(subject as hbs.AST.PathExpression).original] : []
    return [...asked, ...namesIn(then), ...(inverse ? namesIn(inverse) : [])]
  })
}

/** Throws TypeError for anything but a text: Handlebars takes a syntax tree for a template (CVE-2026-33937). */
function parse(template: string): hbs.AST.Program {
  if (typeof template !== 'string') throw new TypeError('a template is a text')
  const excess = excessOf(template)
  if (excess !== undefined) throw unsupported(`the template has ${excess}`)
  try {
    return Handlebars.parse(template)
  } catch (error) {
    throw unsupported(
      `the template cannot be read: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
    )
  }
}

function programToSql(dialect: Dialect, program: hbs.AST.Program, columns: Columns): string[] {
  return program.body.flatMap(statement => {
    switch (statement.type) {
      case 'ContentStatement':
        return [dialect.literal((statement as hbs.AST.ContentStatement).value)]
      case 'CommentStatement':
        return []
      case 'MustacheStatement':
        return [`coalesce(${columnText(dialect, plainColumn(statement as hbs.AST.MustacheStatement), columns)}, '')`]
      case 'BlockStatement':
        return [blockToSql(dialect, statement as hbs.AST.BlockStatement, columns)]
      default:
        throw unsupported(`a template cannot hold a ${statement.type}`)
    }
  })
}

function blockToSql(dialect: Dialect, block: hbs.AST.BlockStatement, columns: Columns): string {
  const name = block.path.type === 'PathExpression' ? (block.path as hbs.AST.PathExpression).original : ''
  if ((name !== 'if' && name !== 'unless') || block.params.length !== 1 || hasExtras(block))
    throw unsupported(`{{#${name}}} is not known in a template`)
  const [subject] = block.params
  if (subject?.type !== 'PathExpression') throw unsupported(`{{#${name}}} takes the name of a column`)
  const value = columnText(dialect, (subject as hbs.AST.PathExpression).original, columns)
  const then = concat(dialect, programToSql(dialect, block.program, columns))
  const otherwise = block.inverse ? concat(dialect, programToSql(dialect, block.inverse, columns)) : "''"
  const [truthy, falsy] = name === 'if' ? [then, otherwise] : [otherwise, then]
  return `case when coalesce(${value}, '') not in ('', 'false') then ${truthy} else ${falsy} end`
}

/** `x=1` and `as |x|` mean nothing here, and would be ignored. */
function hasExtras({ hash, program }: hbs.AST.BlockStatement): boolean {
  return hash !== undefined || ((program?.blockParams as readonly string[] | undefined)?.length ?? 0) > 0
}

function plainColumn(statement: hbs.AST.MustacheStatement): string {
  if (statement.params.length > 0 || statement.hash !== undefined || statement.path.type !== 'PathExpression')
    throw unsupported('a template holds names of columns, not calls')
  return (statement.path as hbs.AST.PathExpression).original
}

function columnText(dialect: Dialect, name: string, columns: Columns): string {
  const column = columns.get(name)
  if (column === undefined) throw new Unsupported(missingColumn(name, columns))
  return dialect.asText(dialect.quote(name), column)
}

function concat(dialect: Dialect, parts: readonly string[]): string {
  return parts.length === 0 ? dialect.literal('') : `(${parts.join(' || ')})`
}

function unsupported(message: string): Unsupported {
  return new Unsupported({
    code: 'A4004',
    message,
    help: 'templates know {{column}}, {{#if column}}…{{else}}…{{/if}} and {{#unless column}}…{{/unless}}',
  })
}
