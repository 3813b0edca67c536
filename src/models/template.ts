/**
 * A model's template, read but not executed: only Handlebars' parser is used (`parseWithoutProcessing`, which neither
 * compiles nor runs anything), and the syntax tree is walked here. So there is no context object, no prototype, no
 * escaping and no helper lookup that a template could reach around; what is not on the list below is refused.
 *
 *   {{ref "x"}} {{source "x"}} {{var "x"}} {{ident "x"}} {{ident (var "x")}} {{run_date}} {{run_at}} {{this}}
 *   {{#if (var "x")}} … {{else if (var "y")}} … {{else}} … {{/if}}    {{#unless (var "x")}} … {{/unless}}
 *   {{> partial}}    {{! comment }}    {{~ and ~}} eat white space
 *
 * Both branches of a block are checked; only the one that is taken becomes text. As in Handlebars, false, null, 0 and
 * the empty text do not hold. A block on a line of its own leaves that line empty, so that lines of the compiled SQL
 * stay close to those of the file.
 */
import type { Place, Problem } from '../project/problem.ts'
import { suggestion } from '../project/suggest.ts'
import type { ModelsCode } from './codes.ts'
import { type Expression, isProblem, type Names, readExpression, readVariable } from './expression.ts'
import {
  depthLimit,
  linesOf,
  parseText,
  placeOf,
  sizeLimit,
  type TemplateText,
  textOfFile,
  writtenAs,
} from './template-text.ts'

const nodeLimit = 20_000

export interface Content {
  readonly kind: 'content'
  readonly text: string
  readonly from: TemplateText
  /** Line and column of the first character, from 1. */
  readonly line: number
  readonly column: number
}

export interface Hole {
  readonly kind: 'hole'
  readonly expression: Expression
  /** As it stands in the file. */
  readonly written: string
  readonly place: Place
}

export type Part = Content | Hole

export interface Template {
  /** What the taken branches come to, in order. */
  readonly parts: readonly Part[]
  readonly problems: readonly Problem[]
}

/** Reads a template with all its partials. What a user wrote wrong is in the result, all of it at once. */
export function readTemplate(from: TemplateText, names: Names): Template {
  const walk: Walk = {
    names,
    parts: [],
    problems: [],
    partials: [],
    programs: new Map(),
    size: 0,
    nodes: 0,
    stopped: false,
  }
  readText(walk, { from, taken: true, depth: 0 })
  return { parts: eatSpace(walk.parts), problems: walk.problems }
}

/** Line and column (from 1) of a character of a content. */
export function positionIn(content: Content, offset: number): { readonly line: number; readonly column: number } {
  const lines = linesOf(content.text.slice(0, offset))
  const last = lines.at(-1)?.length ?? 0
  return lines.length === 1
    ? { line: content.line, column: content.column + last }
    : { line: content.line + lines.length - 1, column: last + 1 }
}

/** `~`: eats white space of the neighbouring content. */
interface Eater {
  readonly kind: 'eat'
  readonly side: 'before' | 'after'
}

interface Walk {
  readonly names: Names
  readonly parts: (Part | Eater)[]
  readonly problems: Problem[]
  /** Names of the partials being read, outermost first. */
  readonly partials: string[]
  /** Partials that were parsed before. */
  readonly programs: Map<string, hbs.AST.Program>
  size: number
  nodes: number
  stopped: boolean
}

interface Scope {
  readonly from: TemplateText
  /** Whether the branch becomes text, or is only checked. */
  readonly taken: boolean
  readonly depth: number
}

function report(walk: Walk, code: ModelsCode, message: string, place: Place, help?: string): undefined {
  walk.problems.push({ code, message, place, ...(help === undefined ? {} : { help }) })
}

function stop(walk: Walk, message: string, place: Place): undefined {
  walk.stopped = true
  report(walk, 'A2013', message, place)
}

function readText(walk: Walk, scope: Scope): undefined {
  const program = walk.programs.get(scope.from.text) ?? parseText(scope.from)
  if (isProblem(program)) {
    walk.problems.push(program)
  } else {
    walk.programs.set(scope.from.text, program)
    readProgram(walk, scope, program)
  }
}

function readProgram(walk: Walk, scope: Scope, program: hbs.AST.Program | undefined): undefined {
  for (const node of program?.body ?? []) {
    if (walk.stopped) return
    walk.nodes += 1
    if (walk.nodes > nodeLimit) stop(walk, `the template has more than ${nodeLimit} parts`, placeOf(scope.from, node))
    else readNode(walk, scope, node)
  }
}

const allowed =
  'allowed are ref, source, var, ident, run_date, run_at, the macros (date_add, safe_divide, …), {{#if (var "x")}}, {{#unless (var "x")}} and {{> partial}}'

function readNode(walk: Walk, scope: Scope, node: hbs.AST.Statement): undefined {
  switch (node.type) {
    case 'ContentStatement':
      return addContent(walk, scope, node as hbs.AST.ContentStatement)
    case 'CommentStatement':
      return around(walk, scope, (node as hbs.AST.CommentStatement).strip, () => undefined)
    case 'MustacheStatement':
      return around(walk, scope, (node as hbs.AST.MustacheStatement).strip, () =>
        addHole(walk, scope, node as hbs.AST.MustacheStatement),
      )
    case 'BlockStatement':
      return readBlock(walk, scope, node as hbs.AST.BlockStatement)
    case 'PartialStatement':
      return around(walk, scope, (node as hbs.AST.PartialStatement).strip, () =>
        readPartial(walk, scope, node as hbs.AST.PartialStatement),
      )
    default:
      // PartialBlockStatement, Decorator, DecoratorBlock, and whatever a later Handlebars adds.
      return report(
        walk,
        'A2002',
        'decorators, inline partials and partials with a block are not allowed',
        placeOf(scope.from, node),
        allowed,
      )
  }
}

function addContent(walk: Walk, scope: Scope, node: hbs.AST.ContentStatement): undefined {
  if (!scope.taken) return
  const { line, column } = node.loc.start
  grow(walk, scope, node, node.value.length)
  walk.parts.push({ kind: 'content', text: node.value, from: scope.from, line, column: column + 1 })
}

function addHole(walk: Walk, scope: Scope, node: hbs.AST.MustacheStatement): undefined {
  const expression = readExpression(scope.from, node, walk.names)
  if (isProblem(expression)) {
    walk.problems.push(expression)
  } else if (scope.taken) {
    const written = writtenAs(scope.from, node)
    grow(walk, scope, node, written.length)
    walk.parts.push({ kind: 'hole', expression, written, place: placeOf(scope.from, node) })
  }
}

function grow(walk: Walk, scope: Scope, node: hbs.AST.Node, characters: number): undefined {
  walk.size += characters
  if (walk.size > sizeLimit) stop(walk, `the SQL has more than ${sizeLimit} characters`, placeOf(scope.from, node))
}

function readBlock(walk: Walk, scope: Scope, node: hbs.AST.BlockStatement): undefined {
  const name = String(node.path.original)
  const place = placeOf(scope.from, node, `{{#${name}`.length)
  // A raw block, {{{{if}}}}, is the only one without flags.
  if ((name !== 'if' && name !== 'unless') || node.openStrip.open === undefined) {
    return report(walk, 'A2002', `a block "${name}" is not allowed`, place, allowed)
  }
  if (scope.depth >= depthLimit) return stop(walk, `blocks are nested more than ${depthLimit} deep`, place)
  const [condition, ...others] = node.params
  const form = `{{#${name} (var "x")}}`
  const named = [node.program, node.inverse].some(program => (program?.blockParams ?? []).length > 0)
  if (condition === undefined || others.length > 0 || node.hash !== undefined || named) {
    return report(walk, 'A2004', `${name} takes one variable`, place, `write ${form}`)
  }
  const variable = readVariable(scope.from, condition, form, walk.names)
  if (isProblem(variable)) walk.problems.push(variable)
  readBranches(walk, scope, node, !isProblem(variable) && Boolean(variable.value) === (name === 'if'))
}

function readBranches(walk: Walk, scope: Scope, node: hbs.AST.BlockStatement, holds: boolean): undefined {
  const branch = (program: hbs.AST.Program | undefined, taken: boolean) =>
    readProgram(walk, { ...scope, taken: scope.taken && taken, depth: scope.depth + 1 }, program)
  const between = node.inverseStrip as hbs.AST.StripFlags | undefined
  const hasElse = node.inverse !== undefined && node.program !== undefined
  eat(walk, scope, 'before', node.openStrip.open)
  eat(walk, scope, 'after', holds || !hasElse ? node.openStrip.close : between?.close)
  branch(node.program, holds)
  branch(node.inverse, !holds)
  eat(walk, scope, 'before', holds && hasElse ? between?.open : node.closeStrip.open)
  eat(walk, scope, 'after', node.closeStrip.close)
}

function readPartial(walk: Walk, scope: Scope, node: hbs.AST.PartialStatement): undefined {
  const place = placeOf(scope.from, node)
  if (node.name.type === 'SubExpression') {
    return report(walk, 'A2002', 'a computed partial is not allowed', place, 'write its name: {{> name}}')
  }
  if (node.params.length > 0 || node.hash !== undefined) {
    return report(walk, 'A2002', 'a partial takes no arguments', place, 'write {{> name}}; variables are known in it')
  }
  const name = String((node.name as hbs.AST.PathExpression).original)
  const partial = walk.names.partials.find(each => each.name === name)
  if (partial === undefined) {
    const known = walk.names.partials.map(each => each.name)
    const help = suggestion(name, known, 'partials') ?? `a partial is a file: models/_partials/${name}.sql`
    return report(walk, 'A2008', `there is no partial "${name}"`, placeOf(scope.from, node.name), help)
  }
  if (walk.partials.includes(name)) {
    const circle = [...walk.partials.slice(walk.partials.indexOf(name)), name].join(' -> ')
    return report(walk, 'A2008', `a partial includes itself: ${circle}`, place)
  }
  if (scope.depth >= depthLimit) return stop(walk, `partials are nested more than ${depthLimit} deep`, place)
  walk.partials.push(name)
  readText(walk, { from: textOfFile(partial.path, partial.text, 1), taken: scope.taken, depth: scope.depth + 1 })
  walk.partials.pop()
}

function around(walk: Walk, scope: Scope, strip: hbs.AST.StripFlags | undefined, read: () => undefined): undefined {
  eat(walk, scope, 'before', strip?.open)
  read()
  eat(walk, scope, 'after', strip?.close)
}

function eat(walk: Walk, scope: Scope, side: Eater['side'], wanted: boolean | undefined): undefined {
  if (wanted === true && scope.taken) walk.parts.push({ kind: 'eat', side })
}

function eatSpace(parts: readonly (Part | Eater)[]): readonly Part[] {
  const kept: Part[] = []
  let eating = false
  for (const part of parts) {
    const last = kept.at(-1)
    if (part.kind === 'eat') {
      if (part.side === 'after') eating = true
      else if (last?.kind === 'content') kept[kept.length - 1] = { ...last, text: last.text.trimEnd() }
    } else if (part.kind === 'content' && eating) {
      const text = part.text.trimStart()
      kept.push({ ...part, ...positionIn(part, part.text.length - text.length), text })
      eating = false
    } else {
      kept.push(part)
      eating = false
    }
  }
  return kept
}
