import { describe, expect, test } from 'vitest'
import { compileModels } from '../../src/models/compile.ts'
import { helpOf, model, options, problemsOf, project, source } from './project.ts'

const vars = { at_risk_below: 0.5, tier: 'gold', debug: false, segment_column: 'tier', none: null, below: -5 }

function compile(template: string, partials: Readonly<Record<string, string>> = {}) {
  const files = { models: [model('m', template), model('base', 'select 1 as id')], vars, partials }
  return compileModels(
    project({ ...files, sources: [source('orders', { table: ['shop', 'main', 'orders'] })] }),
    options,
  )
}

const sqlOf = (template: string, partials: Readonly<Record<string, string>> = {}) =>
  compile(template, partials).model('m').sql
const problems = (template: string, partials: Readonly<Record<string, string>> = {}) =>
  problemsOf(() => compile(template, partials))
const help = (template: string) => helpOf(() => compile(template))

describe('what a template may say', () => {
  test('variables become quoted literals of their type', () => {
    expect(sqlOf('select {{var "at_risk_below"}}, {{var "tier"}}, {{var "debug"}}, {{var "none"}}')).toBe(
      "select 0.5, 'gold', false, null",
    )
  })

  test('a negative number keeps its distance from a minus before it', () => {
    expect(sqlOf('select 1 -{{var "below"}}')).toBe('select 1 -(-5)')
  })

  test('the clock gives the date in the time zone of the project, and the instant in UTC', () => {
    const files = { models: [model('m', 'select {{run_date}}, {{run_at}}')], timezone: 'Europe/Paris' }
    expect(compileModels(project(files), options).model('m').sql).toBe(
      "select cast('2026-03-02' as DATE), cast('2026-03-01T23:30:00Z' as TIMESTAMPTZ)",
    )
  })

  test('an identifier is checked and quoted, also one that a variable names', () => {
    expect(sqlOf('select c.{{ident "order"}}, {{ident (var "segment_column")}}')).toBe('select c."order", "tier"')
  })

  test('a source is the relation that it stands for', () => {
    expect(sqlOf('from {{source "orders"}} o')).toBe('from "shop"."main"."orders" o')
  })

  test('#if and #unless take one branch, by a variable', () => {
    const template =
      'select 1{{#if (var "debug")}}, 2{{else if (var "tier")}}, 3{{else}}, 4{{/if}}{{#unless (var "debug")}}, 5{{/unless}}'
    expect(sqlOf(template)).toBe('select 1, 3, 5')
  })

  test('a tilde eats the white space beside it', () => {
    expect(sqlOf('select 1 {{~#if (var "tier") ~}} , 2 {{~/if~}} , 3')).toBe('select 1, 2, 3')
    expect(sqlOf('select 1 +   {{~! note ~}}   1')).toBe('select 1 +1')
  })

  test('partials are put where they are named, partials within partials too', () => {
    const partials = { 'filters/active': 'where {{> inner}}', inner: 'tier = {{var "tier"}}' }
    expect(sqlOf('select 1 as tier {{> filters/active}}', partials)).toBe("select 1 as tier where tier = 'gold'")
  })

  test('an escaped brace is text', () => {
    expect(sqlOf("select 'Hi \\{{name}}' as greeting")).toBe("select 'Hi {{name}}' as greeting")
  })

  test('a value that reads like a template stays text', () => {
    const files = { models: [model('m', 'select {{var "x"}}')], vars: { x: '{{secret}}' } }
    expect(compileModels(project(files), options).model('m').sql).toBe("select '{{secret}}'")
  })

  test('an expression inside a SQL comment stays as written and is no dependency', () => {
    const compiled = compile('select 1 -- from {{ref "base"}}\n, 2 /* {{var "tier"}} */, 3')
    expect(compiled.model('m').sql).toBe('select 1 -- from {{ref "base"}}\n, 2 /* {{var "tier"}} */, 3')
    expect(compiled.model('m').dependsOn.models).toEqual([])
  })
})

describe('what a template may not say', () => {
  test('a bare name is no helper, and the place is exact', () => {
    const file = { models: [model('m', 'select a,\n  {{ tier }}\nfrom t', { templateLine: 12 })], vars }
    expect(problemsOf(() => compileModels(project(file), options))).toEqual([
      'A2003 models/m.sql:13:3 "tier" is not a helper',
    ])
    const [problem] = [...(helpOf(() => compileModels(project(file), options)) ?? [])]
    expect(problem).toBe('did you mean {{var "tier"}}?')
  })

  test.each([
    ['{{rfe "base"}}', 'did you mean "ref"?'],
    ['{{base}}', 'did you mean {{ref "base"}}?'],
    ['{{orders}}', 'did you mean {{source "orders"}}?'],
    ['{{at_risk_belov}}', 'did you mean {{var "at_risk_below"}}?'],
    ['{{this}}', '{{this}} is the relation under test, in SQL tests only'],
    ['{{env "HOME"}}', 'the environment is not available in models; declare a variable under `vars`'],
    [
      '{{something_else}}',
      'helpers: ref, source, var, ident, run_date, run_at, date_add, date_diff, timestamp_add, timestamp_diff, safe_divide, decimal_text',
    ],
  ])('%s is answered with help', (expression, expected) => {
    expect(help(`select ${expression}`)).toEqual([expected])
  })

  test.each([
    ['{{constructor}}', 'A2003'],
    ['{{constructor.constructor}}', 'A2003'],
    ['{{__proto__}}', 'A2003'],
    ['{{@root.x}}', 'A2003'],
    ['{{../x}}', 'A2003'],
    ['{{this.constructor}}', 'A2003'],
    ['{{lookup . "x"}}', 'A2003'],
    ['{{log "x"}}', 'A2003'],
    ['{{"x"}}', 'A2003'],
    ['{{helperMissing}}', 'A2003'],
    ['{{{x}}}', 'A2002'],
    ['{{{var "tier"}}}', 'A2002'],
    ['{{&var "tier"}}', 'A2002'],
    ['{{> (lookup . "p")}}', 'A2002'],
    ['{{> p x=1}}', 'A2002'],
    ['{{#> p}}x{{/p}}', 'A2002'],
    ['{{#*inline "p"}}x{{/inline}}', 'A2002'],
    ['{{* decorate}}', 'A2002'],
    ['{{#each (var "tier")}}x{{/each}}', 'A2002'],
    ['{{#with (var "tier")}}x{{/with}}', 'A2002'],
    ['{{#constructor}}x{{/constructor}}', 'A2002'],
    ['{{{{if (var "tier")}}}}x{{{{/if}}}}', 'A2002'],
    ['{{#if tier}}x{{/if}}', 'A2004'],
    ['{{#if (lookup "tier")}}x{{/if}}', 'A2004'],
    ['{{#if (var "tier") includeZero=true}}x{{/if}}', 'A2004'],
    ['{{#if (var "tier") as |x|}}x{{/if}}', 'A2004'],
    ['{{ref base}}', 'A2004'],
    ['{{ref "base" "more"}}', 'A2004'],
    ['{{ref "base" x=1}}', 'A2004'],
    ['{{ref (var "tier")}}', 'A2004'],
    ['{{var 1}}', 'A2004'],
    ['{{run_date "x"}}', 'A2004'],
    ['{{ident "a b"}}', 'A2015'],
    ['{{ident "a\\"; drop table t; --"}}', 'A2015'],
    ['{{ident (var "at_risk_below")}}', 'A2015'],
    ["{{ref('base')}}", 'A2001'],
    ['{{ref "base"', 'A2001'],
    ['{{#if (var "tier")}}x', 'A2001'],
    ['{{#if (var "tier")}}x{{/unless}}', 'A2001'],
    ['{{/if}}', 'A2001'],
  ])('%s is refused', (expression, code) => {
    expect(problems(`select\n  ${expression}`).map(problem => problem.slice(0, 5))).toEqual([code])
  })

  test('what the parser cannot read is shown where it stands', () => {
    expect(problems("select 1,\n  x\nfrom {{ ref('base') }}")).toEqual([
      'A2001 models/m.sql:3:9 the template cannot be read here',
    ])
    expect(problems('select\n {{#if (var "tier")}}x{{/unless}}')).toEqual([
      "A2001 models/m.sql:2:5 if doesn't match unless",
    ])
  })

  test('names that do not exist are found in every branch, all at once', () => {
    const template = `select {{var "teir"}}
from {{ref "bas"}} join {{source "order"}}
{{#if (var "debug")}}{{ref "nowhere_at_all"}}{{/if}}
{{#unless (var "undefined_one")}}{{> nothing}}{{/unless}}`
    expect(problems(template)).toEqual([
      'A2007 models/m.sql:1:14 there is no variable "teir"',
      'A2005 models/m.sql:2:12 there is no model "bas"',
      'A2006 models/m.sql:2:34 there is no source "order"',
      'A2005 models/m.sql:3:28 there is no model "nowhere_at_all"',
      'A2007 models/m.sql:4:16 there is no variable "undefined_one"',
      'A2008 models/m.sql:4:38 there is no partial "nothing"',
    ])
    expect(help(template).slice(0, 3)).toEqual([
      'did you mean "tier"?',
      'did you mean "base"?',
      'did you mean "orders"?',
    ])
  })

  test('a source that is taken for a model is told apart', () => {
    expect(help('from {{ref "orders"}}')).toEqual(['"orders" is a source: write {{source "orders"}}'])
    expect(help('from {{source "base"}}')).toEqual(['"base" is a model: write {{ref "base"}}'])
  })

  test('an error in a partial is placed in the partial', () => {
    expect(problems('select 1 {{> p}}', { p: 'where\n  x = {{nope}}' })).toEqual([
      'A2003 models/_partials/p.sql:2:7 "nope" is not a helper',
    ])
  })

  test('a partial that includes itself is shown as a path', () => {
    expect(problems('select {{> a}}', { a: '{{> b}}', b: '{{> a}}' })).toEqual([
      'A2008 models/_partials/b.sql:1:1 a partial includes itself: a -> b -> a',
    ])
  })

  test('partials that multiply are stopped', () => {
    const double = (name: string) => `{{> ${name}}}{{> ${name}}}{{> ${name}}}{{> ${name}}}`
    const partials = {
      a: double('b'),
      b: double('c'),
      c: double('d'),
      d: double('e'),
      e: double('f'),
      f: 'x'.repeat(2000),
    }
    expect(problems(`select {{> a}}`, partials).map(problem => problem.slice(0, 5))).toEqual(['A2013'])
    const empty = { ...partials, f: double('g'), g: double('h'), h: double('i'), i: double('j'), j: '' }
    expect(problems(`select {{> a}}`, empty).map(problem => problem.slice(0, 5))).toEqual(['A2013'])
  })

  test.each([
    ['blocks', `${'{{#if (var "tier")}}'.repeat(65)}x${'{{/if}}'.repeat(65)}`],
    ['blocks that never close', '{{^if (var "tier")}}'.repeat(50_000)],
    ['branches', `{{#if (var "tier")}}${'{{else if (var "tier")}}x'.repeat(4_000)}{{/if}}`],
    ['parentheses', `{{var ${'(a '.repeat(8_000)}`],
    ['comments', '{{! x }}'.repeat(100_000)],
  ])('%s without end are refused before the parser sees them', (_, text) => {
    expect(problems(`select ${text}`).map(problem => problem.slice(0, 5))).toEqual(['A2013'])
  })

  test('a template larger than 1 MiB is not even parsed', () => {
    expect(problems(`select '${'x'.repeat(1024 * 1024)}'`).map(problem => problem.slice(0, 5))).toEqual(['A2013'])
  })

  test('a syntax tree in place of a text is refused', () => {
    const tree = { type: 'Program', body: [], loc: undefined } as unknown as string
    expect(() => compile(tree)).toThrow(TypeError)
  })

  test('a variable that is no number has no literal', () => {
    const files = { models: [model('m', 'select {{var "x"}}')], vars: { x: Number.NaN } }
    expect(problemsOf(() => compileModels(project(files), options))).toEqual([
      'A2016 models/m.sql:1:1 the variable "x" is not a number',
    ])
  })
})
