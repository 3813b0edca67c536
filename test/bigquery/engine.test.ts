/** What the engine of tests spares itself must not show in what it answers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { typeOf, zetasqlMissing } from '../engines/zetasql.ts'
import { Engine } from './engine.ts'
import { formOf, listedSelects } from './text.ts'

describe.skipIf(zetasqlMissing !== undefined)('the engine', () => {
  let engine: Engine
  beforeAll(() => {
    engine = new Engine('acme')
    engine.datasets.set('shop', 'EU')
  })
  afterAll(() => engine.stop())

  const numbers = (values: readonly (number | null)[]) => ({
    kind: 'TABLE' as const,
    columns: [{ name: 'n', type: typeOf('DOUBLE') }],
    rows: values.map(value => [value === null ? {} : { doubleValue: value }]),
  })
  const valuesOf = async (sql: string) => {
    const { rows } = await engine.execute(sql, [])
    return rows.map(([cell]) => Object.values(cell ?? {})[0] ?? null)
  }
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

  test('computes a statement again once a table of it has other rows', async () => {
    const counted = 'select count(*) as c from `shop.t` where n > 1'
    for (const [values, count] of [
      [[1, 2], '1'],
      [[2, 3], '2'],
      [[1, 2], '1'],
    ] as const) {
      engine.tables.set('shop.t', numbers(values))
      expect(await valuesOf(counted)).toEqual([count])
    }
  })

  // One divided by it shows the sign of a zero.
  test.each([
    ['NaN', Number.NaN, 'nan', 'nan'],
    ['infinity', Number.POSITIVE_INFINITY, 'inf', '0'],
    ['zero', 0, '0', 'inf'],
    ['a zero below zero', -0, '0', '-inf'],
    ['NULL', null, null, null],
  ])('tells %s from other numbers that are one in JSON', async (_what, value, text, reciprocal) => {
    engine.tables.set('shop.t', numbers([value]))
    expect(await valuesOf('select cast(n as string) as text from `shop.t`')).toEqual([text])
    expect(await valuesOf('select cast(ieee_divide(1, n) as string) as text from `shop.t`')).toEqual([reciprocal])
  })

  test('reads the tables that a statement names, also when one of its form named others', async () => {
    engine.tables.set('shop.one', numbers([1]))
    engine.tables.set('shop.two', numbers([2, 2]))
    const joined = (left: string, right: string) =>
      `select count(*) as c from \`shop.${left}\` as a join \`shop.${right}\` as b on a.n = b.n`
    expect(await valuesOf(joined('one', 'two'))).toEqual(['0'])
    expect(await valuesOf(joined('two', 'one'))).toEqual(['0'])
    expect(await valuesOf(joined('two', 'two'))).toEqual(['4'])
    await expect(engine.execute(joined('two', 'three'), [])).rejects.toThrow('acme:shop.three was not found')
  })

  // The larger table has what it lists computed once, the smaller one for each row.
  test.each([10, 100])('means by `in` what it means for a table of %d rows', async rows => {
    engine.tables.set('shop.t', numbers([...upTo(rows), null]))
    engine.tables.set('shop.few', numbers([1, 2, 2]))
    engine.tables.set('shop.gaps', numbers([1, null]))
    const where = (condition: string) => valuesOf(`select n from \`shop.t\` as t where ${condition} order by n`)
    expect(await where('n in (select n from `shop.few`)')).toEqual([1, 2])
    expect(await where('n not in (select n from `shop.few`)')).toHaveLength(rows - 2)
    expect(await where('n not in (select n from `shop.gaps`)')).toEqual([])
    expect(await where('n in (select n from `shop.few` where n in (select n from `shop.gaps`))')).toEqual([1])
    // This one depends on the row.
    expect(await where('n in (select few.n from `shop.few` as few where few.n = t.n + 0 and t.n < 2)')).toEqual([1])
  })

  test('refuses what the analyser refuses, whatever is computed apart', async () => {
    engine.tables.set('shop.t', numbers(upTo(100)))
    await expect(engine.execute('select nosuch from `shop.t` where n in (select n from `shop.t`)', [])).rejects.toThrow(
      'Unrecognized name: nosuch',
    )
  })
})

test('statements that differ in values and quoted names have one form', () => {
  const one = formOf("select `x` from `a.one` where `x` = 'it''s `b`' and n > 10 -- `c`\n")
  const two = formOf("select `y` from `a.two` where `y` = '' and n > 7 -- \n")
  expect(one.names).toEqual(['x', 'a.one'])
  expect(two.names).toEqual(['y', 'a.two'])
  expect(formOf('select 1 from `a` join `b`').form).not.toBe(formOf('select 1 from `a` join `a`').form)
  expect(formOf('select t1.a').form).not.toBe(formOf('select t2.a').form)
})

test('finds the selects that an `in` lists, the outer ones', () => {
  const sql = "select ')in (select' as x from t where a in (select b from c where d in (select 1)) and e in (1, 2)"
  expect(listedSelects(sql).map(({ from, to }) => sql.slice(from, to))).toEqual([
    'select b from c where d in (select 1)',
  ])
})
