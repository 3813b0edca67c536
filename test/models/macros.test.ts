import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileModels } from '../../src/models/compile.ts'
import { macros, oddArgument } from '../../src/models/macros.ts'
import { ActivateError } from '../../src/project/problem.ts'
import type { Dialect } from '../../src/warehouse/dialect.ts'
import { duckdbDialect } from '../../src/warehouse/duckdb-dialect.ts'
import type { Value } from '../../src/warehouse/sql.ts'
import { zetasqlMissing } from '../engines/zetasql.ts'
import { type Engine, onBigquery, onPostgres, openEngine } from '../plan/engine.ts'
import { postgresMissing } from '../postgres-server.ts'
import { model, project } from './project.ts'

function compiled(template: string, dialect: Dialect = duckdbDialect): string {
  const asOf = Date.parse('2026-03-01T02:00:00Z')
  return compileModels(project({ models: [model('m', template)], vars: { weeks: 2 } }), {
    dialect,
    asOf,
    state: ['activate'],
  }).model('m').sql
}

/** What the warehouse must give, whichever it is. */
const cases: readonly (readonly [string, Value])[] = [
  ['{{safe_divide "7" "2"}}', 3.5],
  ['{{safe_divide 1 0}}', null],
  ['{{safe_divide (date_diff (run_date) "cast(\'2026-02-01\' as date)") 7}}', 4],
  ['{{safe_divide "1 + 2" "1 + 1"}}', 1.5],
  ['{{date_add "cast(\'2026-01-31\' as date)" 1 "month"}}', '2026-02-28'],
  ['{{date_add (run_date) -7 "day"}}', '2026-02-22'],
  ['{{date_add (run_date) (var "weeks") "week"}}', '2026-03-15'],
  ['{{date_add (run_date) 1 "quarter"}}', '2026-06-01'],
  ['{{date_diff "cast(\'2026-02-01\' as date)" (run_date)}}', -28],
  ['{{date_diff (run_at) "cast(\'2026-02-28 23:00:00+00\' as timestamptz)"}}', 1],
  ['{{timestamp_add (run_at) 90 "minute"}}', '2026-03-01T03:30:00Z'],
  ['{{timestamp_add (run_at) -1 "day"}}', '2026-02-28T02:00:00Z'],
  ['{{decimal_text "17.5" 2}}', '17.50'],
  ['{{decimal_text "-0.125" 2}}', '-0.13'],
  ['{{decimal_text "1234567.891" 1}}', '1234567.9'],
  ['{{timestamp_diff (run_at) "cast(\'2026-03-01 00:30:00+00\' as timestamptz)" "hour"}}', 1],
  ['{{timestamp_diff "cast(\'2026-03-01 00:30:00+00\' as timestamptz)" (run_at) "hour"}}', -2],
]

function describeMacros(): void {
  let engine: Engine
  beforeAll(async () => {
    engine = await openEngine()
  })
  afterAll(() => engine.close())

  test.each(cases)('%s is %j', async (template, expected) => {
    const sql = compiled(`select ${template} as v`, engine.warehouse.dialect)
    const [row] = await engine.warehouse.query({ sql, params: [] })
    expect(row?.v).toEqual(expected)
  })
}

describe('on DuckDB', describeMacros)
describe.skipIf(postgresMissing !== undefined)('on PostgreSQL', () => {
  onPostgres()
  describeMacros()
})

describe.skipIf(zetasqlMissing !== undefined)('on BigQuery', () => {
  onBigquery()
  describeMacros()
})

test('are written for every engine', () => {
  for (const [, { sql, takes, units }] of macros) {
    const args = takes.map((_, index) => (units !== undefined && index === takes.length - 1 ? 'day' : `x${index}`))
    for (const write of Object.values(sql)) expect(write(...args)).toMatch(/x0.*x1/)
  }
})

test.each([
  ['nothing', ' '],
  ['a second statement', '1; drop table x'],
  ['a comment', '1 -- x'],
  ['another comment', '1 /* x'],
  ['a query', '(select 1)'],
  ['an open parenthesis', '(1'],
  ['a parenthesis that it does not open', '1) + (2'],
  ['an open quote', "'x"],
  ['an escape', "'\\'"],
  ['a dollar quote', '$$x$$'],
  ['a template', '{{x}}'],
])('refuse %s as an argument', (_what, sql) => {
  expect(oddArgument(sql)).toBeDefined()
})

test('take quotes, names and words that only look like something else', () => {
  for (const sql of ["'it''s; -- fine'", '"from"', 'p.selected_at', "coalesce(x, 'select')", 'sum(a) filter (where b)'])
    expect(oddArgument(sql), sql).toBeUndefined()
})

test.each<[string, RegExp]>([
  ['{{safe_divide "1"}}', /A2004: safe_divide takes dividend, divisor/],
  ['{{date_add "d" 1 "fortnight"}}', /A2004: "fortnight" is not a unit of date_add/],
  ['{{safe_divide revenue 2}}', /A2004: an argument of safe_divide is neither in quotes nor in parentheses/],
  ['{{safe_divide "1; drop table x" 2}}', /A2004: an argument of safe_divide holds ";"/],
  ['{{safe_divide (ref "m") 2}}', /A2004: ref cannot stand within safe_divide|A2005/],
  ['{{date_ad "d" 1 "day"}}', /A2003: "date_ad" is not a helper/],
])('%s is a problem with its place', (template, message) => {
  const compile = () => compiled(`select ${template} as v`)
  expect(compile).toThrow(ActivateError)
  expect(compile).toThrow(message)
})
