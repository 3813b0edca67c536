import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { farthestReset, parseReset, readRateHeaders } from '../../src/delivery/rate-headers.ts'

const now = Date.UTC(2026, 2, 1, 12)
const date = 'Sun, 01 Mar 2026 12:00:00 GMT'

describe('rate limit headers', () => {
  test.each([
    ['the draft', { ratelimit: '"burst";r=50;t=30' }, [{ name: 'burst', remaining: 50, until: now + 30_000 }]],
    [
      'the draft with several limits',
      { ratelimit: '"burst";r=5;t=1, "daily";r=4000;t=3600' },
      [
        { name: 'burst', remaining: 5, until: now + 1_000 },
        { name: 'daily', remaining: 4000, until: now + 3_600_000 },
      ],
    ],
    [
      'the draft with its time in the policy alone',
      { ratelimit: '"d, e";r=0', 'ratelimit-policy': '"x";q=1;w=1, "d, e";q=100;w=60' },
      [{ name: 'd, e', remaining: 0, until: now + 60_000 }],
    ],
    [
      'draft 07',
      { ratelimit: 'limit=100, remaining=50, reset=30' },
      [{ name: 'ratelimit', remaining: 50, until: now + 30_000 }],
    ],
    [
      'draft 03 to 06',
      { 'ratelimit-limit': '100, 100;w=60', 'ratelimit-remaining': '3', 'ratelimit-reset': '7' },
      [{ name: 'ratelimit', remaining: 3, until: now + 7_000 }],
    ],
    [
      'seconds from now',
      { 'x-ratelimit-remaining': '3', 'x-ratelimit-reset': '7' },
      [{ name: 'x-ratelimit', remaining: 3, until: now + 7_000 }],
    ],
    [
      'epoch seconds',
      { 'x-ratelimit-remaining': '3', 'x-ratelimit-reset': String(now / 1000 + 7) },
      [{ name: 'x-ratelimit', remaining: 3, until: now + 7_000 }],
    ],
    [
      'epoch milliseconds',
      { 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': String(now + 1_234) },
      [{ name: 'x-rate-limit', remaining: 0, until: now + 1_234 }],
    ],
    [
      'milliseconds by name',
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset-ms': '250' },
      [{ name: 'x-ratelimit', remaining: 0, until: now + 250 }],
    ],
    [
      'seconds with a fraction',
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset-after': '0.25', 'x-ratelimit-reset': '9' },
      [{ name: 'x-ratelimit', remaining: 0, until: now + 250 }],
    ],
    [
      'nothing left and no time',
      { 'x-ratelimit-remaining': '0' },
      [{ name: 'x-ratelimit', remaining: 0, until: now + 1_000 }],
    ],
    ['something left and no time', { 'x-ratelimit-remaining': '5' }, []],
    ['a reset that has passed', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(now / 1000 - 9) }, []],
    ['a reset in ten years', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(now / 1000 + 3e8) }, []],
    ['a limit alone', { 'x-ratelimit-limit': '100' }, []],
    ['nonsense', { 'x-ratelimit-remaining': 'lots', ratelimit: ';;;"' }, []],
    ['a negative number', { 'x-ratelimit-remaining': '-1', 'x-ratelimit-reset': '5' }, []],
    ['none', {}, []],
  ])('are read: %s', (_name, headers, expected) => {
    expect(readRateHeaders(headers as Record<string, string>, now)).toEqual(expected)
  })

  test('are read by the clock of the destination, where it sends one', () => {
    const ahead = now + 3_600_000
    const theirs = new Date(ahead).toUTCString()
    expect(parseReset(String(ahead / 1000 + 7), now, theirs)).toBe(7_000)
    expect(parseReset(new Date(now + 7_000).toUTCString(), now, date)).toBe(7_000)
  })

  test('never give anything but a whole number of requests and a time between now and a month from now', () => {
    const value = fc.oneof(
      fc.string(),
      fc.double().map(String),
      fc.integer().map(String),
      fc.constantFrom('"a";r=1;t=2', 'remaining=3, reset=4', date, '1e9', 'Infinity', '0x10', '٣'),
    )
    const name = fc.constantFrom(
      ...['ratelimit', 'ratelimit-policy', 'ratelimit-remaining', 'ratelimit-reset', 'date'],
      ...['x-ratelimit-remaining', 'x-ratelimit-reset', 'x-ratelimit-reset-ms', 'x-ratelimit-reset-after'],
    )
    fc.assert(
      fc.property(fc.dictionary(name, value), headers => {
        for (const { remaining, until } of readRateHeaders(headers, now)) {
          expect(Number.isSafeInteger(remaining) && remaining >= 0).toBe(true)
          expect(until > now && until <= now + farthestReset).toBe(true)
        }
      }),
    )
  })
})
