/** Where the engine bills by column: rows are only added to the snapshot, and for each key the last one stands. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { resolveStatements } from '../../src/plan/resolve.ts'
import { isCrowded } from '../../src/plan/settle.ts'
import { execute, query } from '../../src/plan/stage.ts'
import { compactSnapshot, countMoved, snapshotColumnsOf } from '../../src/plan/state.ts'
import { prepareState } from '../../src/plan/state-tables.ts'
import { raw, render, sql } from '../../src/warehouse/sql.ts'
import { zetasqlMissing } from '../engines/zetasql.ts'
import { onBigquery } from './engine.ts'
import { model, openNights, type PlanNights, syncOf } from './plan-nights.ts'

describe.skipIf(zetasqlMissing !== undefined)('a snapshot that is only added to', () => {
  onBigquery()
  let nights: PlanNights
  beforeEach(async () => {
    nights = await openNights()
  })
  afterEach(() => nights.close())

  const table = async () => {
    const { snapshotTable } = await prepareState(nights.warehouse, 's')
    const rows = await query(
      nights.warehouse,
      sql`select key, standing, version, episode, moved from ${snapshotTable} order by key, moved nulls first`,
    )
    return rows.map(({ key, standing, version, episode, moved }) => [key, standing, version, episode, moved].join(' '))
  }
  const standing = async () =>
    (await nights.snapshot()).map(row => [row.key, row.payload, row.standing, row.version, row.episode].join(' '))

  test('has one row for each key, the last, whatever stands in the table', async () => {
    await nights.night(model({ a: 'x', b: 'x' }))
    await nights.night(model({ a: 'y', b: 'x', c: 'x' }))
    await nights.night(model({ b: 'x', c: 'x' }))
    await nights.night(model({ a: 'x', b: 'x', c: 'x' }))
    expect(await standing()).toEqual(['a {"v":"x"} member 4 2', 'b {"v":"x"} member 1 1', 'c {"v":"x"} member 1 1'])
    // What most rows hold is NULL there, and costs nothing.
    expect(await table()).toEqual(['a  1  ', 'a  2  1', 'a left 3  2', 'a  4 2 3', 'b  1  ', 'c  1  1'])
  })

  test('stays as it is when a run is settled again, and when there is nothing to move', async () => {
    await nights.night(model({ a: 'x' }))
    await nights.night(model({ a: 'y' }))
    const before = await table()
    await nights.settleAgain()
    await nights.night(model({ a: 'y' }))
    expect(await table()).toEqual(before)
  })

  test('takes in what a person resolves', async () => {
    await nights.night(model({ a: 'x', b: 'x' }))
    await nights.night(model({ a: 'y', b: 'y' }), { parked: ['a'] })
    const { warehouse } = nights
    const state = await prepareState(warehouse, 's')
    const params = { sync: syncOf(), verdict: 'acked', keys: ['a'], resolvedAt: '2026-03-09T02:00:00.000Z' } as const
    const statements = resolveStatements(warehouse.dialect, { ...params, ...state })
    const run = () => warehouse.transaction(statements.map(each => render(each, warehouse.dialect.placeholder)))
    await run()
    const once = await table()
    await run()
    expect(await table()).toEqual(once)
    expect(await standing()).toEqual(['a {"v":"y"} member 2 1', 'b {"v":"y"} member 2 1'])
    expect((await nights.plan(model({ a: 'y', b: 'y' }))).changes).toEqual({ enter: 0, change: 0, leave: 0 })
  })

  test('loses the rows that stand no more, and nothing else, when it is compacted', async () => {
    for (const v of ['x', 'y', 'z']) await nights.night(model({ a: v, b: 'x', 'a:': v }))
    const { snapshotTable } = await prepareState(nights.warehouse, 's')
    const before = await standing()
    const [moved] = await query(nights.warehouse, countMoved(snapshotTable))
    expect(Number(moved?.n)).toBe(4)
    const compact = compactSnapshot(nights.warehouse.dialect, snapshotTable)
    await nights.warehouse.transaction(compact.map(each => render(each, nights.warehouse.dialect.placeholder)))
    expect(await standing()).toEqual(before)
    expect(await table()).toEqual(['a  3  ', 'a:  3  ', 'b  1  '])
    await nights.night(model({ a: 'x', b: 'x', 'a:': 'z' }))
    expect(await standing()).toEqual(['a {"v":"x"} member 4 1', 'a: {"v":"z"} member 3 1', 'b {"v":"x"} member 1 1'])
  })

  test('of an earlier version, whose rows say all and were replaced, goes on', async () => {
    await nights.night(model({ a: 'x', b: 'x' }))
    const { warehouse } = nights
    const { snapshotTable } = await prepareState(warehouse, 's')
    const { moved: _later, ...columns } = snapshotColumnsOf(warehouse.dialect)
    const names = Object.keys(columns).map(name =>
      name === 'standing' ? `'member' as standing` : name === 'episode' ? '1 as episode' : name,
    )
    await execute(warehouse, sql`create table activate.older as select ${raw(names.join(', '))} from ${snapshotTable}`)
    await execute(warehouse, sql`drop table ${snapshotTable}`)
    await execute(warehouse, sql`create table ${snapshotTable} as select * from activate.older`)
    await execute(warehouse, sql`alter table ${snapshotTable} add column moved int64`)
    await nights.night(model({ a: 'y' }))
    expect(await standing()).toEqual(['a {"v":"y"} member 2 1', 'b {"v":"x"} left 2 1'])
  })

  test('is crowded when a quarter of it moved, and not while it is small', () => {
    expect([isCrowded(2500, 10_000), isCrowded(2501, 10_000), isCrowded(100, 100), isCrowded(101, 101)]).toEqual([
      ...[false, true, false, true],
    ])
  })
})
