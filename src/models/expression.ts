/** What may stand between the braces of a template, and what is said about everything else. */
import type { Problem } from '../project/problem.ts'
import type { Scalar, TemplatePartial } from '../project/project.ts'
import { suggest, suggestion } from '../project/suggest.ts'
import type { ModelsCode } from './codes.ts'
import { type Macro, macros, oddArgument } from './macros.ts'
import { placeOf, type TemplateText } from './template-text.ts'

/** What a template may name. */
export interface Names {
  readonly vars: Readonly<Record<string, Scalar>>
  readonly models: ReadonlySet<string>
  readonly sources: ReadonlySet<string>
  readonly partials: readonly TemplatePartial[]
  /** Whether `{{this}}` is known: in SQL tests only. */
  readonly self: boolean
}

export interface Variable {
  readonly helper: 'var'
  readonly name: string
  readonly value: Scalar
}

export type Expression =
  | Variable
  | { readonly helper: 'ref' | 'source' | 'ident'; readonly name: string }
  | { readonly helper: 'run_date' | 'run_at' | 'this' }
  | { readonly helper: 'macro'; readonly name: string; readonly args: readonly MacroArgument[] }

/** SQL as the model has it, a unit, or an expression. */
export type MacroArgument = { readonly sql: string } | { readonly unit: string } | { readonly expression: Expression }

export function isProblem<T extends object>(answer: T | Problem): answer is Problem {
  return 'code' in answer && 'message' in answer
}

type At = { readonly from: TemplateText; readonly node: hbs.AST.Node }

function problem(code: ModelsCode, message: string, { from, node }: At, help?: string): Problem {
  return { code, message, place: placeOf(from, node), ...(help === undefined ? {} : { help }) }
}

/** How many arguments each helper takes. A map, so that `constructor` is not found in it. */
const arities: ReadonlyMap<string, 0 | 1> = new Map([
  ['ref', 1],
  ['source', 1],
  ['var', 1],
  ['ident', 1],
  ['run_date', 0],
  ['run_at', 0],
])

/** `{{helper "argument"}}`, checked whole. */
export function readExpression(
  from: TemplateText,
  node: hbs.AST.MustacheStatement,
  names: Names,
): Expression | Problem {
  const at = { from, node }
  if (!node.escaped) {
    const help = 'write {{var "x"}} for a literal, {{ident "x"}} for a name'
    return problem('A2002', 'unchecked text, {{{…}}} or {{&…}}, is not allowed', at, help)
  }
  const name = String(node.path.type === 'PathExpression' ? (node.path as hbs.AST.PathExpression).original : '')
  const macro = macros.get(name)
  if (macro !== undefined) return readMacro(name, macro, node, at, names)
  const arity = name === 'this' && names.self ? 0 : arities.get(name)
  if (arity === undefined) return unknownHelper(name || textOf(node.path), at, names)
  if (node.hash !== undefined || node.params.length !== arity) return wrongArgument(name, arity, at)
  const [argument] = node.params
  if (argument === undefined) return { helper: name as 'run_date' | 'run_at' | 'this' }
  if (name === 'ident' && argument.type === 'SubExpression') return identOfVariable(from, argument, names)
  if (argument.type !== 'StringLiteral') return wrongArgument(name, arity, at)
  return named(name, (argument as hbs.AST.StringLiteral).value, { from, node: argument }, names)
}

function readMacro(
  name: string,
  macro: Macro,
  { params, hash }: Pick<hbs.AST.MustacheStatement, 'params' | 'hash'>,
  at: At,
  names: Names,
): Expression | Problem {
  const form = `{{${[name, ...macro.takes.map(argument => `"${argument}"`)].join(' ')}}}`
  if (hash !== undefined || params.length !== macro.takes.length)
    return problem('A2004', `${name} takes ${macro.takes.join(', ')}`, at, `write ${form}`)
  const args: MacroArgument[] = []
  for (const [index, node] of params.entries()) {
    const isUnit = macro.units !== undefined && index === params.length - 1
    const answer = isUnit
      ? readUnit(name, macro.units ?? [], { from: at.from, node })
      : readMacroArgument(name, { from: at.from, node }, names)
    if (isProblem(answer)) return answer
    args.push(answer)
  }
  return { helper: 'macro', name, args }
}

function readUnit(name: string, units: readonly string[], at: At): MacroArgument | Problem {
  const unit = textOf(at.node)
  if (at.node.type === 'StringLiteral' && units.includes(unit)) return { unit }
  return problem('A2004', `"${unit}" is not a unit of ${name}`, at, `units are ${units.join(', ')}`)
}

/** SQL in quotes, a number, or one of `(var "x")`, `(run_date)`, `(run_at)`, `(ident "x")` and other macros. */
function readMacroArgument(name: string, at: At, names: Names): MacroArgument | Problem {
  const { from, node } = at
  if (node.type === 'NumberLiteral') return { sql: textOf(node) }
  if (node.type === 'StringLiteral') {
    const sql = (node as hbs.AST.StringLiteral).value
    const odd = oddArgument(sql)
    if (odd === undefined) return { sql }
    return problem('A2004', `an argument of ${name} ${odd}`, at, 'write a plain SQL expression, such as "sum(amount)"')
  }
  if (node.type !== 'SubExpression') {
    const help = `SQL stands in double quotes: "${textOf(node)}"`
    return problem('A2004', `an argument of ${name} is neither in quotes nor in parentheses`, at, help)
  }
  const expression = readExpression(from, { ...(node as hbs.AST.SubExpression), escaped: true } as never, names)
  if (isProblem(expression)) return expression
  if (['var', 'run_date', 'run_at', 'ident', 'macro'].includes(expression.helper)) return { expression }
  return problem('A2004', `${expression.helper} cannot stand within ${name}`, at)
}

function textOf(literal: hbs.AST.Node): string {
  return String((literal as { readonly original?: unknown }).original)
}

function named(helper: string, name: string, at: At, names: Names): Expression | Problem {
  switch (helper) {
    case 'ref':
      if (names.models.has(name)) return { helper, name }
      return problem('A2005', `there is no model "${name}"`, at, refHelp(name, names))
    case 'source':
      if (names.sources.has(name)) return { helper, name }
      return problem('A2006', `there is no source "${name}"`, at, sourceHelp(name, names))
    case 'ident':
      return identifier(name, at)
    default:
      return variable(name, at, names)
  }
}

function variable(name: string, at: At, { vars }: Names): Variable | Problem {
  if (Object.hasOwn(vars, name)) return { helper: 'var', name, value: vars[name] ?? null }
  const help = suggestion(name, Object.keys(vars), 'variables') ?? 'declare it under `vars` in activate.yml'
  return problem('A2007', `there is no variable "${name}"`, at, help)
}

function identifier(name: string, at: At): Expression | Problem {
  if (/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)) return { helper: 'ident', name }
  const shown = JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name)
  return problem('A2015', `${shown} is not an identifier`, at, 'letters, digits and underscores, not a digit first')
}

function identOfVariable(from: TemplateText, node: hbs.AST.Expression, names: Names): Expression | Problem {
  const answer = readVariable(from, node, '{{ident "x"}} or {{ident (var "x")}}', names)
  if (isProblem(answer)) return answer
  if (typeof answer.value === 'string') return identifier(answer.value, { from, node })
  return problem('A2015', `the variable "${answer.name}" is not a text`, { from, node })
}

/** `(var "x")`, where nothing else is allowed; `form` is what to write instead. */
export function readVariable(from: TemplateText, node: hbs.AST.Node, form: string, names: Names): Variable | Problem {
  const call = node.type === 'SubExpression' ? (node as hbs.AST.SubExpression) : undefined
  const [argument] = call?.params ?? []
  const fits = call?.path.original === 'var' && call.hash === undefined && call.params.length === 1
  if (fits && argument?.type === 'StringLiteral') {
    return variable((argument as hbs.AST.StringLiteral).value, { from, node: argument }, names)
  }
  return problem('A2004', 'only a variable is allowed here', { from, node }, `write ${form}`)
}

function wrongArgument(name: string, arity: 0 | 1, at: At): Problem {
  return arity === 0
    ? problem('A2004', `${name} takes no argument`, at, `write {{${name}}}`)
    : problem('A2004', `${name} takes one name in double quotes`, at, `write {{${name} "name"}}`)
}

function refHelp(name: string, { sources, models }: Names): string | undefined {
  if (sources.has(name)) return `"${name}" is a source: write {{source "${name}"}}`
  return suggestion(name, [...models], 'models')
}

function sourceHelp(name: string, { sources, models }: Names): string {
  if (models.has(name)) return `"${name}" is a model: write {{ref "${name}"}}`
  return suggestion(name, [...sources], 'sources') ?? 'declare it under `sources` in activate.yml'
}

function unknownHelper(name: string, at: At, names: Names): Problem {
  return problem('A2003', `"${name}" is not a helper`, at, helperHelp(name, names))
}

function helperHelp(name: string, { vars, models, sources, self }: Names): string {
  if (name === 'env') return 'the environment is not available in models; declare a variable under `vars`'
  if (name === 'this') return '{{this}} is the relation under test, in SQL tests only'
  if (Object.hasOwn(vars, name)) return `did you mean {{var "${name}"}}?`
  if (models.has(name)) return `did you mean {{ref "${name}"}}?`
  if (sources.has(name)) return `did you mean {{source "${name}"}}?`
  const helpers = [...arities.keys(), ...macros.keys(), ...(self ? ['this'] : [])]
  const helper = suggest(name, helpers)
  if (helper !== undefined) return `did you mean "${helper}"?`
  const nearVariable = suggest(name, Object.keys(vars))
  return nearVariable === undefined ? `helpers: ${helpers.join(', ')}` : `did you mean {{var "${nearVariable}"}}?`
}
