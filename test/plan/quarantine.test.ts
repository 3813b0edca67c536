import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isBigquery } from './engine.ts'
import { columnOf, fieldsOf, type NightOptions, openNights, type PlanNights } from './plan-nights.ts'

let nights: PlanNights
beforeEach(async () => {
  nights = await openNights()
})
afterEach(() => nights.close())

const day = (n: number) => `2026-03-${String(n).padStart(2, '0')}T02:00:00.000Z`

/** Rows of id, v and w. */
const rows = (...values: readonly string[]) => `select * from (values ${values.join(', ')}) t(id, v, w)`

const between: NightOptions = {
  columns: [columnOf('v', 'integer', [{ test: 'between', min: 0, max: 9 }]), columnOf('w', 'string')],
  onViolation: 'quarantine',
  sync: { fields: fieldsOf({ v: 'v', w: 'w' }) },
}

async function intervals() {
  const found = await nights.rows('quarantine')
  return found.map(({ key, reason, since, until }) => [key, reason, since, until])
}

describe('rows that break a declared test', () => {
  test('are left out with their first reason, and the sums hold', async () => {
    const plan = await nights.plan(
      rows(`('a', 1, 'x')`, `('b', 10, 'x')`, `('c', 11, null)`, `('d', 2, null)`, `('e', 3, 'y')`, `('f', 3, 'z')`),
      {
        ...between,
        columns: [
          columnOf('v', 'integer', [{ test: 'between', min: 0, max: 9 }, { test: 'unique' }]),
          columnOf('w', 'string', [{ test: 'not_null' }, { test: 'accepted_values', values: ['x', 'y', 'z'] }]),
        ],
      },
    )
    expect(plan.rows).toEqual({ model: 6, quarantined: 5, ineligible: 0, population: 1, unchanged: 0 })
    expect(plan.reasons).toEqual({
      'quarantine.between:v': 2,
      'quarantine.unique:v': 2,
      'quarantine.not_null:w': 1,
    })
    expect((await nights.outbox()).map(row => row.key)).toEqual(['a'])
  })

  test('may refer to what does not exist elsewhere', async () => {
    await nights.warehouse.execute({ sql: `create table activate.known as select 1 as "id"`, params: [] })
    const plan = await nights.plan(rows(`('a', 1, 'x')`, `('b', 2, 'x')`, `('c', null, 'x')`), {
      ...between,
      columns: [columnOf('v', 'integer', [{ test: 'relationships', to: 'activate.known', column: 'id' }])],
    })
    expect([plan.rows.population, plan.reasons]).toEqual([2, { 'quarantine.relationships:v': 1 }])
  })

  test('stand beside bad keys, each key with all of its reasons', async () => {
    const model = rows(`('a', 10, 'x')`, `('a', 2, 'y')`, `(null, 3, 'x')`, `('', 12, 'x')`, `('b', 4, 'x')`)
    const plan = await nights.night(model, { ...between, sync: { ...between.sync, onBadKey: 'quarantine' } })
    expect(plan.reasons).toEqual({ 'quarantine.key.duplicate': 2, 'quarantine.key.missing': 2 })
    expect((await nights.rows('quarantine')).map(({ key, reason, row }) => [key, reason, row])).toEqual([
      ['a', 'between:v', '{"id":"a","v":10,"w":"x"}'],
      ['a', 'key.duplicate', '{"id":"a","v":10,"w":"x"}'],
      [null, 'between:v', '{"id":"","v":12,"w":"x"}'],
      [null, 'key.missing', '{"id":"","v":12,"w":"x"}'],
      [null, 'key.missing', '{"id":null,"v":3,"w":"x"}'],
    ])
  })

  // NaN is neither below nor above anything in BigQuery: there it passes the test, and stops the night with A4003.
  test.skipIf(isBigquery())(
    'may hold numbers that are not finite, which are shown as null and stop nobody else',
    async () => {
      const model = rows(`('a', 'nan'::double precision, 'x')`, `('b', 2, 'x')`)
      const plan = await nights.night(model, {
        ...between,
        columns: [columnOf('v', 'number', [{ test: 'between', min: 0, max: 9 }])],
      })
      expect([plan.rows.quarantined, plan.decisions.send]).toEqual([1, 1])
      expect((await nights.rows('quarantine')).map(row => row.row)).toEqual(['{"id":"a","v":null,"w":"x"}'])
    },
  )

  test.each(['fail', 'quarantine'] as const)('as a whole stop the plan under %s', async onViolation => {
    const plan = nights.plan(rows(`('a', 1, 'x')`), { ...between, onViolation, tests: [{ test: 'row_count', min: 2 }] })
    await expect(plan).rejects.toMatchObject({ problems: [{ code: 'A2022' }] })
  })

  test('only warn under warn, with their number, and are planned as usual', async () => {
    const plan = await nights.plan(rows(`('a', 1, 'x')`, `('b', 10, 'x')`), {
      ...between,
      onViolation: 'warn',
      tests: [{ test: 'row_count', min: 3 }],
    })
    expect([plan.rows.quarantined, plan.decisions.send]).toEqual([0, 2])
    expect(plan.warnings).toEqual([
      'm: "v is between 0 and 9" does not hold: 1 row offends, and counts all the same (on_violation: warn)',
      'm: "there are at least 3 rows" does not hold: 1 row offends',
    ])
  })

  test('stop the plan under fail, and a sync may say otherwise than its model', async () => {
    const model = rows(`('a', 10, 'x')`)
    await expect(nights.plan(model, { ...between, onViolation: 'fail' })).rejects.toMatchObject({
      problems: [{ code: 'A2022' }],
    })
    const sync = { ...between.sync, onViolation: 'quarantine' } as const
    expect((await nights.plan(model, { ...between, onViolation: 'fail', sync })).rows.quarantined).toBe(1)
  })

  test.each(['quarantine', 'warn'] as const)('do not excuse a wrong type under %s', async onViolation => {
    const plan = nights.plan(rows(`('a', 'one', 'x')`), {
      ...between,
      onViolation,
      columns: [columnOf('v', 'integer')],
    })
    await expect(plan).rejects.toMatchObject({ problems: [{ code: 'A2021' }] })
  })

  test('leave the repeats of one column of a composite key to its own test', async () => {
    const plan = nights.plan(rows(`('a', 1, 'x')`, `('a', 2, 'x')`), {
      key: ['id', 'v'],
      columns: [columnOf('id', 'string', [{ test: 'unique' }])],
      sync: { ...between.sync, onBadKey: 'quarantine' },
    })
    await expect(plan).rejects.toMatchObject({ problems: [{ code: 'A2022' }] })
  })
})

describe('a quarantined row', () => {
  test('neither changes nor leaves a mirror, and re-enters by itself when it is mended', async () => {
    await nights.night(rows(`('a', 1, 'x')`, `('b', 2, 'x')`), between)
    const broken = await nights.night(rows(`('a', 10, 'x')`, `('b', 2, 'x')`), between)
    expect(broken.changes).toEqual({ enter: 0, change: 0, leave: 0 })
    expect((await nights.snapshot()).map(({ key, payload }) => [key, payload])).toEqual([
      ['a', '{"v":1,"w":"x"}'],
      ['b', '{"v":2,"w":"x"}'],
    ])
    const mended = await nights.plan(rows(`('a', 3, 'x')`, `('b', 2, 'x')`), between)
    expect(mended.changes).toEqual({ enter: 0, change: 1, leave: 0 })
  })

  test('leaves when it is gone from the model', async () => {
    await nights.night(rows(`('a', 1, 'x')`, `('b', 2, 'x')`), between)
    await nights.night(rows(`('a', 10, 'x')`, `('b', 2, 'x')`), between)
    expect((await nights.plan(rows(`('b', 2, 'x')`), between)).changes.leave).toBe(1)
  })

  test('stays also when its key is there twice', async () => {
    const options = { ...between, sync: { ...between.sync, onBadKey: 'quarantine' } } as const
    await nights.night(rows(`('a', 1, 'x')`), options)
    const plan = await nights.plan(rows(`('a', 1, 'x')`, `('a', 2, 'x')`), options)
    expect([plan.changes.leave, plan.rows.quarantined]).toEqual([0, 2])
  })

  test('is not sent by a full resync', async () => {
    await nights.night(rows(`('a', 1, 'x')`, `('b', 2, 'x')`), between)
    const plan = await nights.plan(rows(`('a', 10, 'x')`, `('b', 2, 'x')`), { ...between, fullResync: true })
    expect((await nights.outbox()).map(row => row.key)).toEqual(['b'])
    expect(plan.decisions.send).toBe(1)
  })
})

describe('the quarantine', () => {
  test('knows since when a row was broken and until when, also when other columns moved meanwhile', async () => {
    await nights.night(rows(`('a', 10, 'x')`), { ...between, asOf: day(1) })
    await nights.night(rows(`('a', 10, 'y')`, `('b', 11, 'x')`), { ...between, asOf: day(2) })
    expect((await nights.rows('quarantine')).map(row => [row.key, row.row])).toEqual([
      ['a', '{"id":"a","v":10,"w":"y"}'],
      ['b', '{"id":"b","v":11,"w":"x"}'],
    ])
    await nights.night(rows(`('a', 1, 'y')`, `('b', 11, 'x')`), { ...between, asOf: day(3) })
    await nights.night(rows(`('a', 12, 'y')`, `('b', 1, 'x')`), { ...between, asOf: day(4) })
    const at = (n: number) => day(n).replace('.000', '')
    expect(await intervals()).toEqual([
      ['a', 'between:v', at(1), at(3)],
      ['a', 'between:v', at(4), null],
      ['b', 'between:v', at(2), at(4)],
    ])
  })

  test('ends when the sync no longer asks for it', async () => {
    await nights.night(rows(`('a', 10, 'x')`), { ...between, asOf: day(1) })
    await nights.night(rows(`('a', 10, 'x')`), { ...between, asOf: day(2), onViolation: 'warn' })
    expect((await nights.rows('quarantine')).map(row => row.until === null)).toEqual([false])
  })

  test('holds the same when a night is settled again', async () => {
    await nights.night(rows(`('a', 10, 'x')`, `('b', 1, 'x')`), between)
    const before = await nights.rows('quarantine')
    await nights.settleAgain()
    expect(await nights.rows('quarantine')).toEqual(before)
  })

  // More than the evaluator bears.
  test.skipIf(isBigquery())(
    'keeps no more than ten thousand rows, and takes up others as these are mended',
    async () => {
      const many = (from: number) =>
        `select i::varchar as id, case when i < ${from} then 1 else 10 end as v, 'x' as w from generate_series(0, 10004) t(i)`
      const plan = await nights.night(many(0), between)
      expect([plan.rows.quarantined, (await nights.rows('quarantine')).length]).toEqual([10_005, 10_000])
      await nights.night(many(10_000), between)
      const open = (await nights.rows('quarantine')).filter(row => row.until === null)
      expect(open.map(row => row.key)).toEqual(['10000', '10001', '10002', '10003', '10004'])
    },
  )
})
