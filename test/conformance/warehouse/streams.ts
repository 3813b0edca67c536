/** Rows in chunks, and work that is cut off: never mistaken for an end. */
import { describe, expect, test } from 'vitest'
import { join, raw, sql } from '../../../src/warehouse/sql.ts'
import type { Row } from '../../../src/warehouse/warehouse.ts'
import { collect, type Trial } from './trial.ts'

export function describeStreams(trial: Trial): void {
  const { warehouse, dialect, statement, execute, load, open } = trial
  describe('streams', () => {
    const long = trial.abilities.longStream ?? 1_000_000
    const numbers = (count: number) => {
      const ten = join(
        Array.from({ length: 10 }, (_, digit) => sql`select ${digit} as d`),
        ' union all ',
      )
      // As many digits as the longest stream needs: a small engine should not compute a million rows for the sake of ten.
      const places = Array.from({ length: String(long - 1).length }, (_, place) => raw(`d${place}`))
      const sum = join(
        places.map((place, index) => sql`${raw(String(10 ** index))} * ${place}.d`),
        ' + ',
      )
      const tens = join(
        places.map(place => sql`ten ${place}`),
        ', ',
      )
      return sql`with ten as (${ten}), many as (select ${sum} as i from ${tens}) select i from many where i < ${count} order by i`
    }

    test('reads many rows in order, chunk by chunk', async () => {
      let expected = 0
      let disorder = 0
      let largest = 0
      for await (const chunk of warehouse().stream(statement(numbers(long)), { chunkRows: long / 50 })) {
        largest = Math.max(largest, chunk.length)
        for (const row of chunk) {
          if (Number(row.i) !== expected) disorder += 1
          expected += 1
        }
      }
      expect({ expected, disorder }).toEqual({ expected: long, disorder: 0 })
      expect(largest).toBeLessThanOrEqual(long / 50)
    })

    test('ends at once when there is nothing', async () => {
      expect(await collect(warehouse().stream(statement(numbers(0))))).toEqual([])
    })

    test('lets other statements run while it is being read, and sees none of their changes', async () => {
      const table = await load(
        [{ name: 'x', type: 'integer' }],
        Array.from({ length: 5 }, (_, index) => [String(index)]),
      )
      const seen: Row[] = []
      for await (const chunk of warehouse().stream(statement(raw(`select x from ${table.relation} order by x`)), {
        chunkRows: 2,
      })) {
        await execute(raw(`delete from ${table.relation} where x >= 0`))
        seen.push(...chunk)
      }
      expect(seen).toEqual([{ x: 0 }, { x: 1 }, { x: 2 }, { x: 3 }, { x: 4 }])
    })

    test('may be left early, and read twice at the same time', async () => {
      for await (const chunk of warehouse().stream(statement(numbers(100)), { chunkRows: 10 })) {
        expect(chunk).toHaveLength(10)
        break
      }
      const [left, right] = await Promise.all([
        collect(warehouse().stream(statement(numbers(1000)))),
        collect(warehouse().stream(statement(numbers(2000)))),
      ])
      expect([left.length, right.length]).toEqual([1000, 2000])
    })

    test('throws when a row late in the result fails, instead of ending early', async () => {
      const failingLate = sql`select cast(case when i = ${raw(String(long - 1000))} then 'not a number' else ${'1'} end as ${raw(dialect().stateType('bigint'))}) as x from (${numbers(long)}) n`
      await expect(collect(warehouse().stream(statement(failingLate)))).rejects.toThrow('A3010')
    })
  })

  test('a stream that is cut off throws', async () => {
    const { warehouse: other, cleanup } = await open()
    const stream = other.stream(
      { sql: 'select 1 as n union all select 2 union all select 3', params: [] },
      { chunkRows: 1 },
    )
    const chunks = stream[Symbol.asyncIterator]()
    expect((await chunks.next()).value).toHaveLength(1)
    await other.close()
    await expect(chunks.next()).rejects.toThrow('A3013')
    await cleanup()
  })

  test('a query that is cancelled throws, and so does all that comes after', async () => {
    const { warehouse: other, cleanup } = await open()
    const ten = Array.from({ length: 10 }, (_, digit) => `select ${digit} as d`).join(' union all ')
    const endless = `with ten as (${ten}) select count(*) as n from ${Array.from({ length: 14 }, (_, index) => `ten t${index}`).join(', ')} where t0.d + t13.d > 3`
    const running = expect(other.query({ sql: endless, params: [] })).rejects.toThrow('A3011')
    const later = other.query({ sql: 'select 1 as n', params: [] })
    const { runsInParallel } = trial.abilities
    const waiting = runsInParallel ? expect(later).resolves.toEqual([{ n: 1 }]) : expect(later).rejects.toThrow('A3013')
    await Promise.all([new Promise(resolve => setTimeout(resolve, 50)), runsInParallel ? waiting : undefined])
    await other.close()
    await Promise.all([running, waiting])
    await expect(other.query({ sql: 'select 1 as n', params: [] })).rejects.toThrow('A3013')
    await cleanup()
  })
}
