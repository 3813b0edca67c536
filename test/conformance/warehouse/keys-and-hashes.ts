/** Composite keys, and the hashes that changes and lots are told by. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { raw, type Value } from '../../../src/warehouse/sql.ts'
import { character, oddTexts } from './odd.ts'
import type { Trial } from './trial.ts'

export function describeKeysAndHashes(trial: Trial): void {
  const { dialect, rows, value, load } = trial
  describe('keys', () => {
    const array = (...parts: Value[]) =>
      value(
        dialect().jsonTextArray(
          parts.map((part, index) =>
            part === null
              ? `cast(null as ${dialect().stateType('text')})`
              : `cast(${dialect().placeholder(index)} as ${dialect().stateType('text')})`,
          ),
        ),
        ...parts.filter(part => part !== null),
      )

    test('tells composite keys apart by their parts', async () => {
      expect(await array('a', 'b|c')).toBe('["a","b|c"]')
      expect(await array('a|b', 'c')).toBe('["a|b","c"]')
      expect(await array('1', 'say "hi"')).toBe('["1","say \\"hi\\""]')
      expect(await array('日本', '')).toBe('["日本",""]')
    })

    test('has no composite key when a part is missing', async () => {
      expect(await array('a', null)).toBeNull()
    })

    test('keeps composed and decomposed letters apart', async () => {
      const table = await load([{ name: 'x', type: 'string' }], [['é'], ['e\u0301'], ['é']])
      expect(await rows(raw(`select count(distinct x) as n from ${table.relation}`))).toEqual([{ n: 2 }])
    })
  })

  describe('hashes', () => {
    test('agrees with SHA-256 of the UTF-8 bytes', async () => {
      for (const text of oddTexts) {
        expect(await value(dialect().sha256(dialect().placeholder(0)), text)).toBe(
          createHash('sha256').update(text, 'utf8').digest('hex'),
        )
      }
    })

    test('assigns the same number as TypeScript', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/),
          fc.string({ unit: character }),
          async (salt, key) => {
            const hex = createHash('sha256').update(`${salt}:${key}`, 'utf8').digest('hex').slice(0, 13)
            const expression = dialect().unitInterval(dialect().literal(salt), dialect().placeholder(0))
            expect(await value(expression, key)).toBe(Number.parseInt(hex, 16) / 2 ** 52)
          },
        ),
        { numRuns: 25 },
      )
    })

    test('compares texts by a quick hash within one query', async () => {
      const { quickHash, literal } = dialect()
      const found = await rows(
        raw(
          `select ${quickHash(literal('a'))} = ${quickHash(literal('a'))} as same, ${quickHash(literal('a'))} = ${quickHash(literal('b'))} as other`,
        ),
      )
      expect(found).toEqual([{ same: true, other: false }])
    })
  })
}
