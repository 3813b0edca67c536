/** Seeds. */
import { describe, expect, test } from 'vitest'
import { raw } from '../../../src/warehouse/sql.ts'
import { failing, once, type Trial } from './trial.ts'

export function describeLoading(trial: Trial): void {
  const { warehouse, dialect, rows, fresh, load } = trial
  describe('loading', () => {
    test('replaces what was there and returns the number of rows', async () => {
      const parts = fresh()
      const columns = [{ name: 'x', type: 'integer' as const }]
      expect(await warehouse().load(parts, columns, once([['1'], ['2'], [null]]))).toBe(3)
      expect(await warehouse().load(parts, columns, once([['7']]))).toBe(1)
      expect(await rows(raw(`select * from ${dialect().relation(parts)}`))).toEqual([{ x: 7 }])
    })

    test('tells an empty text from NULL', async () => {
      const table = await load([{ name: 'x', type: 'string' }], [[''], [null]])
      expect(await rows(raw(`select count(*) as n, count(x) as present from ${table.relation}`))).toEqual([
        { n: 2, present: 1 },
      ])
    })

    test('leaves everything as it was when a value does not fit, or the rows end in an error', async () => {
      const parts = fresh()
      const columns = [{ name: 'x', type: 'number' as const }]
      await warehouse().load(parts, columns, once([['1']]))
      await expect(warehouse().load(parts, columns, once([['2'], ['abc']]))).rejects.toThrow(
        /A3010.*'abc' is not a number/,
      )
      await expect(warehouse().load(parts, columns, failing([['2']]))).rejects.toThrow('the file ended')
      expect(await rows(raw(`select x from ${dialect().relation(parts)}`))).toEqual([{ x: 1 }])
    })

    test('leaves nothing behind when a first load fails', async () => {
      const parts = fresh()
      await expect(warehouse().load(parts, [{ name: 'x', type: 'integer' }], once([['1.5']]))).rejects.toThrow(
        'is not a whole number',
      )
      expect(await warehouse().tables(parts.slice(0, -1), parts.at(-1) ?? '')).toEqual([])
    })
  })
}
