import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  backoff,
  defaultBudget,
  longestRetryAfter,
  nextAttempt,
  nextDelay,
  onUncertain,
  parseRetryAfter,
  type RetryClass,
  type Spent,
} from '../../src/delivery/retry.ts'

const minute = 60_000

describe('the delay before another attempt', () => {
  test('is jittered over the whole of a doubling, capped range', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, random) => {
          const ceiling = Math.min(backoff.cap, backoff.base * 2 ** (attempt - 1))
          expect(nextDelay(attempt, () => random)).toBe(Math.floor(random * ceiling))
        },
      ),
    )
  })

  test('is what the destination asked for', () => {
    expect(nextDelay(5, () => 0.5, 1_234)).toBe(1_234)
  })

  test('is jittered when the destination says that it may be at once', () => {
    expect(nextDelay(1, () => 0.5, 0)).toBe(250)
  })
})

describe('Retry-After', () => {
  const now = Date.UTC(2026, 2, 1, 12, 0, 0)
  test.each([
    ['3', 3_000],
    ['0', 0],
    ['0.5', 500],
    [' 7 ', 7_000],
    ['-5', 0],
    ['99999999999', longestRetryAfter],
    ['Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
    ['Sunday, 01-Mar-26 12:00:30 GMT', 30_000],
    ['Sun Mar  1 12:00:30 2026', 30_000],
    ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
    ['Mon, 01 Mar 2027 12:00:00 GMT', longestRetryAfter],
    ['soon', undefined],
    ['', undefined],
    ['1e3', undefined],
    ['Sun, 99 Mar 2026 12:00:00 GMT', undefined],
  ])('of %j means %s ms', (text, expected) => {
    expect(parseRetryAfter(text, now)).toBe(expected)
  })

  test('is never negative and never longer than a quarter of an hour, whatever it says', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.double().map(String),
          fc.date({ noInvalidDate: true }).map(date => date.toUTCString()),
        ),
        text => {
          const after = parseRetryAfter(text, now)
          expect(after === undefined || (after >= 0 && after <= longestRetryAfter)).toBe(true)
        },
      ),
    )
  })
})

describe('the budget', () => {
  test('ends after six attempts that failed', () => {
    let attempt = 1
    let spent: Spent = { attempts: 1, connections: 0, throttled: 0 }
    while (nextAttempt(spent, defaultBudget, () => 0.5, { retryClass: 'server', attempt }).kind === 'again') {
      attempt += 1
      spent = { ...spent, attempts: spent.attempts + 1 }
    }
    expect(attempt).toBe(6)
  })

  test('is not used up by being throttled, until half an hour was waited', () => {
    let spent: Spent = { attempts: 1, connections: 0, throttled: 0 }
    let waits = 0
    for (;;) {
      const next = nextAttempt(spent, defaultBudget, () => 0.5, {
        retryClass: 'throttle',
        after: minute,
        attempt: waits + 1,
      })
      if (next.kind === 'spent') break
      waits += 1
      spent = { ...next.spent, attempts: next.spent.attempts + 1 }
    }
    expect(waits).toBe(30)
    expect(spent.attempts).toBe(1)
  })

  test('of each class is its own: what one class uses up leaves the others as they were', () => {
    const classes = fc.array(fc.constantFrom<RetryClass>('server', 'connection', 'throttle', 'token'), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(classes, failures => {
        let spent: Spent = { attempts: 1, connections: 0, throttled: 0 }
        const seen = { server: 0, connection: 0, throttle: 0, token: 0 }
        for (const retryClass of failures) {
          seen[retryClass] += 1
          const next = nextAttempt(spent, defaultBudget, () => 0.5, { retryClass, after: minute, attempt: 1 })
          const isOver = seen.server >= 6 || seen.connection >= 6 || seen.throttle > 30
          expect(next.kind).toBe(isOver ? 'spent' : 'again')
          if (next.kind === 'spent') return
          spent = { ...next.spent, attempts: next.spent.attempts + 1 }
        }
      }),
    )
  })
})

describe('a request that may have arrived', () => {
  const keyed = { kind: 'keyed', window: 30 * minute } as const

  test('is resent under its key only while the key is remembered, with a margin', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60 * minute }), age => {
        const answer = onUncertain(keyed, { firstSentAt: 0, now: age, onUncertain: 'park' })
        expect(answer).toBe(age < 29 * minute ? 'resend' : 'park')
      }),
    )
  })

  test('is not resent under its key when the clock was set back', () => {
    expect(onUncertain(keyed, { firstSentAt: 1_000, now: 0, onUncertain: 'park' })).toBe('park')
  })

  test.each([
    [{ kind: 'natural' }, 'park', 'resend'],
    [{ kind: 'lookup', settle: 1 }, 'resend', 'lookup'],
    [{ kind: 'none' }, 'park', 'park'],
    [{ kind: 'none' }, 'resend', 'resend'],
  ] as const)('with idempotency %o and on_uncertain %s: %s', (idempotency, chosen, expected) => {
    expect(onUncertain(idempotency, { firstSentAt: 0, now: 1, onUncertain: chosen })).toBe(expected)
  })
})
