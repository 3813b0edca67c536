import fc from 'fast-check'
import { expect, test } from 'vitest'
import { requestKey } from '../../src/ledger/change-id.ts'

test('is the same for the same changes in the same order, and 32 hex digits', () => {
  expect(requestKey(['a', 'b'])).toBe(requestKey(['a', 'b']))
  expect(requestKey(['a', 'b'])).toMatch(/^[0-9a-f]{32}$/)
  // Fixed, because a key that changes with a version of the tool would let a repetition through.
  expect(requestKey(['a', 'b'])).toBe('facdde7abf1eac5b301273ab2e282f79')
})

test('is another one for any other batch', () => {
  const ids = fc.array(fc.string({ maxLength: 3 }), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(ids, ids, (a, b) => {
      expect(requestKey(a) === requestKey(b)).toBe(JSON.stringify(a) === JSON.stringify(b))
    }),
  )
})

test('needs a change', () => {
  expect(() => requestKey([])).toThrow(TypeError)
})
