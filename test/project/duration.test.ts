import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { duration, formatDuration, parseDuration } from '../../src/project/duration.ts'

test('reads each unit as milliseconds', () => {
  const read = ['500ms', '1s', '15m', '26h', '300d', '2w', '0s'].map(parseDuration)
  expect(read).toEqual([500, 1_000, 900_000, 93_600_000, 25_920_000_000, 1_209_600_000, 0])
})

test.each(['', '5', '1.5h', '-1d', '1 d', '1D', 'd', '1d12h', '99999999999999999999d', '∞'])('refuses %j', text => {
  expect(() => parseDuration(text)).toThrow('A1117')
})

test('writes the largest unit that is exact', () => {
  expect([0, 1, 1_500, 90_000, 93_600_000, 25_920_000_000].map(formatDuration)).toEqual([
    '0s',
    '1ms',
    '1500ms',
    '90s',
    '26h',
    '300d',
  ])
})

test('reads back what it wrote', () => {
  fc.assert(fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), span => parseDuration(formatDuration(span)) === span))
})

test('is a schema that yields milliseconds, and a text with a pattern in JSON Schema', () => {
  expect(duration().parse('26h')).toBe(93_600_000)
  expect(duration().safeParse('26').success).toBe(false)
  expect(z.toJSONSchema(duration(), { target: 'draft-7', io: 'input' })).toMatchObject({
    type: 'string',
    pattern: expect.any(String),
  })
})
