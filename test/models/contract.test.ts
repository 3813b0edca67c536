import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { checkContract, checkProblem, runChecks } from '../../src/models/checks.ts'
import { compileModels } from '../../src/models/compile.ts'
import { checkColumns, contractChecks } from '../../src/models/contract.ts'
import type { ColumnTest, ColumnType, RelationTest } from '../../src/project/project.ts'
import { at, column, model, options, project, source } from './project.ts'
import { openTestWarehouse, type TestWarehouse } from './warehouse.ts'

const relation = '"memory"."main"."rows"'

let opened: TestWarehouse
beforeAll(async () => {
  opened = await openTestWarehouse()
  await opened.run(
    `create table ${relation} as select * from (values
      (1, 'gold', 0.5, date '2026-01-01', 'a'),
      (2, 'silver', 1.5, date '2026-02-01', 'b'),
      (2, null, 'nan'::double, null, 'a'),
      (null, 'Gold', null, date '2027-01-01', 'c')) t(id, tier, share, day, parent)`,
    "create table memory.main.parents as select * from (values ('a'), ('b'), (null)) t(\"key\")",
  )
})
afterAll(() => opened.close())
afterEach(() => opened.asked.splice(0))

const scope = () =>
  compileModels(
    project({
      models: [model('parents', 'select "key" from {{source "keys"}}')],
      sources: [source('keys', { table: ['memory', 'main', 'parents'] })],
      vars: { least: 2 },
    }),
    { ...options, state: opened.warehouse.state },
  )

const contract = (columns: ReturnType<typeof column>[], tests: readonly RelationTest[] = []) => ({
  columns,
  tests,
  place: at,
})

async function resultsOf(
  name: string,
  tests: readonly ColumnTest[],
  type?: ColumnType,
  relationTests: readonly RelationTest[] = [],
) {
  const checks = contractChecks(
    opened.warehouse.dialect,
    relation,
    contract([column(name, type, tests)], relationTests),
    scope(),
  )
  const results = await runChecks(opened.warehouse, relation, checks)
  return results.map(result => [result.check.id, result.kind === 'failed' ? result.offending : result.kind])
}

describe('declared tests', () => {
  test('count the rows that break them', async () => {
    expect(await resultsOf('id', [{ test: 'not_null' }, { test: 'unique' }])).toEqual([
      ['not_null:id', 1],
      ['unique:id', 2],
    ])
  })

  test('accepted values tell upper from lower case and pass over NULL, also when NULL is listed', async () => {
    const accepted = (...values: (string | null)[]) => ({ test: 'accepted_values', values }) as const
    expect(
      await resultsOf('tier', [accepted('gold', 'silver'), accepted('gold', 'silver', null, 'Gold'), accepted(null)]),
    ).toEqual([
      ['accepted_values:tier', 1],
      ['accepted_values:tier:2', 'passed'],
      ['accepted_values:tier:3', 3],
    ])
  })

  test('NaN is outside of every range', async () => {
    expect(await resultsOf('share', [{ test: 'between', min: 0, max: 1 }])).toEqual([['between:share', 2]])
  })

  test('a range of a date is compared as dates', async () => {
    const between = { test: 'between', min: '2026-01-01', max: '2026-12-31' } as const
    expect(await resultsOf('day', [between], 'date')).toEqual([['between:day', 1]])
  })

  test('relationships look into a model or a source', async () => {
    const to = (name: string) => ({ test: 'relationships', to: name, column: 'key' }) as const
    expect(await resultsOf('parent', [to('parents'), to('keys')])).toEqual([
      ['relationships:parent', 1],
      ['relationships:parent:2', 1],
    ])
  })

  test('a row count is broken as a whole', async () => {
    const counts: RelationTest[] = [
      { test: 'row_count', min: 4, max: 4 },
      { test: 'row_count', min: 5 },
      { test: 'row_count', max: 3 },
    ]
    expect(await resultsOf('id', [], undefined, counts)).toEqual([
      ['row_count', 'passed'],
      ['row_count:2', 1],
      ['row_count:3', 1],
    ])
  })

  test('a SQL test selects the offending rows of {{this}}, with refs and variables', async () => {
    const sql =
      'select * from {{this}} where id >= {{var "least"}} and parent in (select "key" from {{ref "parents"}}) -- so\n;'
    expect(await resultsOf('id', [], undefined, [{ test: 'sql', name: 'known', sql }])).toEqual([['sql:known', 2]])
  })

  test('up to five offending rows are shown', async () => {
    const many = '(select * from range(20) t(n))'
    const checks = contractChecks(
      opened.warehouse.dialect,
      many,
      contract([column('n', 'integer', [{ test: 'between', min: 0, max: 9 }])]),
      scope(),
    )
    const [result] = await runChecks(opened.warehouse, many, checks)
    expect(result).toMatchObject({ kind: 'failed', offending: 10 })
    expect(result?.kind === 'failed' && result.samples).toHaveLength(5)
  })

  test('say what holds when they pass', () => {
    const columns = [
      column('id', 'integer', [{ test: 'not_null' }, { test: 'unique' }, { test: 'between', min: 0, max: 9 }]),
      column('tier', 'string', [
        { test: 'accepted_values', values: ['gold', 1] },
        { test: 'relationships', to: 'keys', column: 'key' },
      ]),
    ]
    const tests: RelationTest[] = [
      { test: 'row_count', min: 2, max: 9 },
      { test: 'row_count', min: 1 },
      { test: 'row_count', max: 5 },
    ]
    const checks = contractChecks(opened.warehouse.dialect, relation, contract(columns, tests), scope())
    expect(checks.map(check => check.describes)).toEqual([
      'id is never null',
      'id is unique',
      'id is between 0 and 9',
      'tier is one of "gold", 1',
      'tier exists in keys.key',
      'there are between 2 and 9 rows',
      'there are at least 1 rows',
      'there are at most 5 rows',
    ])
  })

  test('a value that reads like SQL is compared, not executed', async () => {
    const accepted = { test: 'accepted_values', values: ["x'; drop table rows; --"] } as const
    expect(await resultsOf('parent', [accepted])).toEqual([['accepted_values:parent', 4]])
  })
})

describe('running checks', () => {
  test('all counts are asked in one statement, those of single rows in one scan; samples only of what failed', async () => {
    await resultsOf('id', [{ test: 'not_null' }, { test: 'unique' }, { test: 'between', min: 0, max: 9 }])
    expect(opened.asked).toHaveLength(3)
    expect(opened.asked[0]).toBe(
      `select c0, (select coalesce(sum(times), 0) as offending from (select count(*) as times from ${relation} as tested where tested."id" is not null group by tested."id" having count(*) > 1) as repeated) as c1, c2 from (select count(case when tested."id" is null then 1 end) as c0, count(case when (tested."id" < 0 or tested."id" > 9) then 1 end) as c2 from ${relation} as tested) as shared`,
    )
  })

  test('nothing is asked when nothing is declared', async () => {
    expect(await runChecks(opened.warehouse, relation, [])).toEqual([])
    expect(opened.asked).toEqual([])
  })

  test('a test that the warehouse refuses is broken by itself, and the others still answer', async () => {
    const tests: ColumnTest[] = [{ test: 'not_null' }, { test: 'between', min: 'low', max: 'high' }, { test: 'unique' }]
    const checks = contractChecks(
      opened.warehouse.dialect,
      relation,
      contract([column('id', 'integer', tests)]),
      scope(),
    )
    const results = await runChecks(opened.warehouse, relation, checks)
    expect(results.map(result => result.kind)).toEqual(['failed', 'broken', 'failed'])
    const problems = results.map(result => checkProblem(result, 'rows'))
    expect(problems.map(problem => problem?.code)).toEqual(['A2022', 'A2025', 'A2022'])
    expect(problems[0]?.message).toBe('rows: "id is never null" does not hold: 1 row offends')
    expect(problems[1]?.message).toMatch(/^rows: the test "id is between low and high" could not be computed: .*low/)
    expect(problems[2]?.message).toBe('rows: "id is unique" does not hold: 2 rows offend')
  })

  test('more checks than fit one statement keep their order', async () => {
    const tests = Array.from({ length: 120 }, (_, index) => ({ test: 'between', min: index, max: 200 }) as const)
    const results = await resultsOf('id', tests)
    expect(results.slice(0, 4).map(([, kind]) => kind)).toEqual(['passed', 'passed', 2 - 1, 3])
    expect(results).toHaveLength(120)
  })

  test('a missing column is told instead of asked for', async () => {
    const columns = [column('ID', 'integer', [{ test: 'unique' }]), column('tier', 'number')]
    const { problems, results } = await checkContract(opened.warehouse, relation, contract(columns), scope())
    expect(results).toEqual([])
    expect(problems).toMatchObject([
      { code: 'A2020', message: 'there is no column "ID"', help: 'did you mean "id"?' },
      {
        code: 'A2021',
        message: 'the column "tier" is declared as number, but is VARCHAR',
        help: 'cast it in the SQL, or declare string',
      },
    ])
  })

  test('columns and tests of a select in parentheses are checked too', async () => {
    const columns = [column('key', 'string', [{ test: 'not_null' }])]
    const answer = await checkContract(opened.warehouse, scope().relationOf('parents'), contract(columns), scope())
    expect(answer.problems).toEqual([])
    expect(answer.results.map(result => result.kind)).toEqual(['failed'])
  })
})

describe('declared types', () => {
  const described = (type: ColumnType | 'other', native: string) => [{ name: 'c', type, native }]

  test.each([
    ['number', 'integer', 'BIGINT'],
    ['integer', 'integer', 'BIGINT'],
    ['json', 'json', 'JSON'],
  ] as const)('%s is met by %s', (declared, type, native) => {
    expect(checkColumns([column('c', declared)], described(type, native))).toEqual([])
  })

  test.each([
    ['integer', 'number', 'DOUBLE'],
    ['string', 'integer', 'BIGINT'],
    ['timestamp', 'date', 'DATE'],
    ['date', 'timestamp', 'TIMESTAMP'],
    ['string', 'other', 'BLOB'],
  ] as const)('%s is not met by %s', (declared, type, native) => {
    expect(checkColumns([column('c', declared)], described(type, native)).map(problem => problem.code)).toEqual([
      'A2021',
    ])
  })

  test('a column without a declared type only has to be there', () => {
    expect(checkColumns([column('c')], described('other', 'BLOB'))).toEqual([])
    expect(checkColumns([column('d')], [])).toMatchObject([{ code: 'A2020', place: at }])
  })
})
