import fc from 'fast-check'
import { expect, test } from 'vitest'
import { editDistance, suggest } from '../../src/project/suggest.ts'

const modes = ['upsert', 'update', 'insert', 'mirror', 'audience', 'append', 'trigger']

test.each([
  ['miror', 'mirror'],
  ['Mirror', 'mirror'],
  ['upsret', 'upsert'],
  ['triger', 'trigger'],
  ['audeince', 'audience'],
  ['replace', undefined],
  ['', undefined],
  ['x', undefined],
])('takes %j for %j', (typed, meant) => {
  expect(suggest(typed, modes)).toBe(meant)
})

test('counts a swap of neighbours as one edit', () => {
  expect([
    editDistance('ab', 'ba'),
    editDistance('abc', ''),
    editDistance('kitten', 'sitting'),
    editDistance('a', 'a'),
  ]).toEqual([1, 3, 3, 0])
})

test('is the same both ways', () => {
  const word = fc.string({ maxLength: 12, unit: fc.constantFrom('a', 'b', 'c', 'é', '_') })
  fc.assert(
    fc.property(word, word, (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a))
      expect(suggest(a, [b]) === b && a !== b).toBe(suggest(b, [a]) === a && a !== b)
    }),
  )
})

test('finds a name again after one edit in a name of four letters or more', () => {
  const word = fc.string({ minLength: 4, maxLength: 20, unit: fc.constantFrom('k', 'l', 'm', 'n') })
  fc.assert(
    fc.property(word, fc.nat(19), (name, at) => suggest(`${name.slice(0, at)}x${name.slice(at + 1)}`, [name]) === name),
  )
})
