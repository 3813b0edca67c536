import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Batch, type CutRules, createCutter, recordBytes } from '../../src/delivery/batch.ts'
import type { Operation, PlannedChange } from '../../src/plan/plan.ts'

const rows = fc
  .array(
    fc.record({
      op: fc.constantFrom<Operation>('enter', 'change', 'leave'),
      text: fc.string({ maxLength: 400, unit: 'grapheme' }),
      gap: fc.boolean(),
    }),
    {
      maxLength: 80,
    },
  )
  .map(list => {
    let seq = 0
    return list.map(({ op, text, gap }): PlannedChange => {
      seq += gap ? 2 : 1
      return { seq, key: `k${seq}`, op, changeId: `c${seq}`, fields: { text } }
    })
  })
const rules: fc.Arbitrary<CutRules> = fc.record({
  maxRecords: fc.integer({ min: 1, max: 20 }),
  maxBytes: fc.integer({ min: 300, max: 3_000 }),
})

function cut(changes: readonly PlannedChange[], cutRules: CutRules): readonly Batch[] {
  const cutter = createCutter(
    op => (op === 'leave' ? 'remove' : 'upsert'),
    () => cutRules,
  )
  return [...changes.flatMap(change => cutter.add(change)), ...cutter.end()]
}

describe('batches', () => {
  test('hold every row once, in order, in consecutive ranges of one action', () => {
    fc.assert(
      fc.property(rows, rules, (changes, cutRules) => {
        const batches = cut(changes, cutRules)
        expect(batches.flatMap(batch => batch.changes)).toEqual(changes)
        for (const { action, changes: members } of batches) {
          const [first] = members
          expect(members.map(({ seq }) => seq)).toEqual(members.map((_, index) => (first?.seq ?? 0) + index))
          for (const { op } of members) expect(op === 'leave' ? 'remove' : 'upsert').toBe(action)
        }
      }),
    )
  })

  test('stay within the records and bytes that the action takes, unless one record is larger by itself', () => {
    fc.assert(
      fc.property(rows, rules, (changes, cutRules) => {
        for (const { changes: members, tooLarge } of cut(changes, cutRules)) {
          expect(members.length).toBeLessThanOrEqual(cutRules.maxRecords)
          const body = JSON.stringify({
            records: members.map(({ key, changeId, op, fields }) => ({ key, change_id: changeId, op, fields })),
          })
          if (members.length > 1) expect(Buffer.byteLength(body)).toBeLessThanOrEqual(cutRules.maxBytes ?? 0)
          const [only] = members
          if (only !== undefined) expect(tooLarge).toBe(recordBytes(only) - 1 > (cutRules.maxBytes ?? 0))
        }
      }),
    )
  })

  test('are full: the next row would not have fitted', () => {
    const changes = Array.from(
      { length: 250 },
      (_, i): PlannedChange => ({ seq: i + 1, key: `${i}`, op: 'enter', changeId: `c${i}`, fields: {} }),
    )
    expect(cut(changes, { maxRecords: 100 }).map(batch => batch.changes.length)).toEqual([100, 100, 50])
  })

  test('depend on nothing before them: cut from any boundary, the rest is cut the same way', () => {
    fc.assert(
      fc.property(rows, rules, fc.nat(), (changes, cutRules, chosen) => {
        const batches = cut(changes, cutRules)
        const boundary = batches.length === 0 ? 0 : chosen % batches.length
        const rest = batches.slice(boundary).flatMap(batch => batch.changes)
        expect(cut(rest, cutRules)).toEqual(batches.slice(boundary))
      }),
    )
  })
})
