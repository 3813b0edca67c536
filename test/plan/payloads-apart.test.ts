/** Where the engine bills by column: payloads stand apart from the snapshot, and the stage has those of changed rows alone. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { resolveStatements } from '../../src/plan/resolve.ts'
import { query } from '../../src/plan/stage.ts'
import { isSuperseded } from '../../src/plan/state.ts'
import { prepareState } from '../../src/plan/state-tables.ts'
import type { Sync } from '../../src/project/project.ts'
import { raw, render, sql } from '../../src/warehouse/sql.ts'
import { zetasqlMissing } from '../engines/zetasql.ts'
import { onBigquery } from './engine.ts'
import { columnOf, fieldsOf, model, openNights, type PlanNights, syncOf } from './plan-nights.ts'

describe.skipIf(zetasqlMissing !== undefined)('payloads apart', () => {
  onBigquery()
  let nights: PlanNights
  beforeEach(async () => {
    nights = await openNights()
  })
  afterEach(() => nights.close())

  const sends = async () => (await nights.outbox()).map(({ op, key, payload }) => [op, key, payload])

  test('a row that became what it was before leaves once, with what it had', async () => {
    for (const v of ['x', 'y', 'x']) await nights.night(model({ a: v, b: 'z' }))
    const { payloads } = await prepareState(nights.warehouse, 's')
    const kept = await query(
      nights.warehouse,
      sql`select key, payload from ${payloads ?? raw('')} order by key, payload`,
    )
    expect(kept.map(({ key, payload }) => [key, payload])).toEqual([
      ['a', '{"v":"x"}'],
      ['a', '{"v":"x"}'],
      ['a', '{"v":"y"}'],
      ['b', '{"v":"z"}'],
    ])
    await nights.night(model({ b: 'z' }))
    expect(await sends()).toEqual([['leave', 'a', '{"v":"x"}']])
  })

  test('who comes back as they were is sent whole', async () => {
    await nights.night(model({ a: 'x', b: 'z' }))
    await nights.night(model({ b: 'z' }))
    await nights.night(model({ a: 'x', b: 'z' }))
    expect(await sends()).toEqual([['enter', 'a', '{"v":"x"}']])
  })

  test('everyone is sent whole in a full resync', async () => {
    await nights.night(model({ a: 'x', b: 'z' }))
    await nights.night(model({ a: 'x', b: 'z' }), { fullResync: true })
    expect(await sends()).toEqual([
      ['change', 'a', '{"v":"x"}'],
      ['change', 'b', '{"v":"z"}'],
    ])
  })

  describe('of a leaver, the destination is told', () => {
    const fields = fieldsOf({ v: { column: 'v' }, list: { value: 'vip' } })
    const leaving = async (sync: Partial<Sync>, leaverFields: readonly string[]) => {
      await nights.night(model({ b: 'z' }), { sync, leaverFields })
      return (await sends()).filter(([op]) => op === 'leave')
    }

    test('names and constants, where it uses no other values', async () => {
      await nights.night(model({ a: 'x', b: 'z' }), { sync: { fields } })
      expect(await leaving({ fields }, ['list'])).toEqual([['leave', 'a', '{"list":"vip","v":null}']])
      await nights.night(model({ a: 'x', b: 'z' }), { sync: { fields } })
      expect(await sends()).toEqual([['enter', 'a', '{"list":"vip","v":"x"}']])
    })

    test('what they had, where it uses some of that', async () => {
      await nights.night(model({ a: 'x', b: 'z' }), { sync: { fields } })
      expect(await leaving({ fields }, ['v'])).toEqual([['leave', 'a', '{"list":"vip","v":"x"}']])
    })

    test('what they had, once the mapping was ever another', async () => {
      const before = fieldsOf({ v: { column: 'v' }, list: { value: 'old' } })
      await nights.night(model({ a: 'x', b: 'z' }), { sync: { fields: before } })
      await nights.night(model({ a: 'x', b: 'z' }), { sync: { fields }, pending: ['a'] })
      expect(await leaving({ fields }, ['list'])).toEqual([['leave', 'a', '{"list":"old","v":"x"}']])
    })

    test('the same when a person says that it arrived, and what they had stays known', async () => {
      await nights.night(model({ a: 'x', b: 'z' }), { sync: { fields } })
      await nights.night(model({ b: 'z' }), { sync: { fields }, leaverFields: ['list'], parked: ['a'] })
      const { warehouse } = nights
      const state = await prepareState(warehouse, 's')
      const asked = {
        sync: syncOf({ fields }),
        verdict: 'acked',
        keys: ['a'],
        resolvedAt: '2026-03-09T02:00:00.000Z',
      } as const
      const statements = resolveStatements(warehouse.dialect, { ...asked, ...state })
      await warehouse.transaction(statements.map(each => render(each, warehouse.dialect.placeholder)))
      const [a] = await nights.snapshot()
      expect([a?.key, a?.standing, a?.payload]).toEqual(['a', 'left', '{"list":"vip","v":"x"}'])
    })
  })

  test('samples show what was before, of changes and of leavers', async () => {
    await nights.night(model({ a: 'x', b: 'z' }))
    const { samples } = await nights.plan(model({ a: 'y', c: 'n' }), { samples: 5 })
    expect(samples.map(({ key, before, after }) => [key, before, after])).toEqual([
      ['c', null, { v: 'n' }],
      ['a', { v: 'x' }, { v: 'y' }],
      ['b', { v: 'z' }, null],
    ])
  })

  test('what no row stands for any more is known, and nothing else', async () => {
    await nights.night(model({ a: 'x', b: 'z' }))
    await nights.night(model({ a: 'y' }))
    const { snapshot, payloads } = await prepareState(nights.warehouse, 's')
    const superseded = sql`select payload from ${payloads ?? raw('')} where ${isSuperseded(nights.warehouse.dialect, snapshot)}`
    expect((await query(nights.warehouse, superseded)).map(({ payload }) => payload)).toEqual(['{"v":"x"}'])
    const copy = sql`(select key, digest from ${payloads ?? raw('')} where payload = '{"v":"x"}') copy`
    const kept = sql`select payload from ${payloads ?? raw('')} where ${isSuperseded(nights.warehouse.dialect, snapshot, [copy])}`
    expect(await query(nights.warehouse, kept)).toEqual([])
  })

  test('a field that cannot be computed of a row in quarantine stops nobody', async () => {
    const options = {
      sync: { fields: fieldsOf({ v: { column: 'v', as: 'integer' } }) },
      columns: [columnOf('v', undefined, [{ test: 'accepted_values', values: ['1', '2'] }])],
      onViolation: 'quarantine',
    } as const
    const plan = await nights.night(model({ a: '1', b: 'none' }), options)
    expect([plan.rows.quarantined, plan.decisions.send]).toEqual([1, 1])
    expect(await sends()).toEqual([['enter', 'a', '{"v":1}']])
  })
})
