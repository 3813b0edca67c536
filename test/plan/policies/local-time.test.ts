import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isWithin, localTime, nextAt, startOfDay } from '../../../src/plan/policies/local-time.ts'

const minute = 60_000
const zones = [
  'UTC',
  'Europe/London',
  'America/New_York',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'America/St_Johns',
  'Africa/Casablanca',
  'Pacific/Chatham',
]
const zone = fc.constantFrom(...zones)
/** Around the changes of the clock of both halves of the world, and anywhere in five years. */
const instant = fc.oneof(
  fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2029, 0, 1) }),
  fc
    .tuple(
      fc.constantFrom('2026-03-08', '2026-03-29', '2026-04-05', '2026-10-04', '2026-10-25', '2026-11-01', '2026-09-27'),
      fc.integer({ min: -36 * 60, max: 36 * 60 }),
    )
    .map(([day, minutes]) => Date.parse(`${day}T00:00:00Z`) + minutes * minute),
)

describe('the next time that a clock shows a minute', () => {
  test('is after now, and no earlier instant shows it, through every change of the clock', () => {
    fc.assert(
      fc.property(zone, instant, fc.integer({ min: 0, max: 1439 }), (where, at, target) => {
        const found = nextAt(where, at, target)
        expect(found).toBeGreaterThan(at)
        const start = Math.floor(at / minute) * minute
        for (let before = start + minute; before < found; before += minute)
          expect(localTime(where, before).minutes).not.toBe(target)
        const shown = localTime(where, found).minutes
        const skipped = isWithin(target, { from: (localTime(where, found - minute).minutes + 1) % 1440, to: shown })
        expect(shown === target || skipped).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  test('skips an hour that is skipped, and takes the first of an hour that comes twice', () => {
    expect(nextAt('Europe/London', Date.parse('2026-03-29T00:30:00Z'), 90)).toBe(Date.parse('2026-03-29T01:00:00Z'))
    expect(nextAt('Europe/London', Date.parse('2026-10-25T00:10:00Z'), 90)).toBe(Date.parse('2026-10-25T00:30:00Z'))
  })
})

test('a local day begins at its first instant', () => {
  fc.assert(
    fc.property(zone, instant, (where, at) => {
      const began = startOfDay(where, at)
      const { date } = localTime(where, at)
      expect(began).toBeLessThanOrEqual(at)
      expect(localTime(where, began).date).toBe(date)
      expect(localTime(where, began - 1).date).not.toBe(date)
    }),
    { numRuns: 500 },
  )
})

test('a window that ends before it begins spans midnight', () => {
  const night = { from: 21 * 60, to: 8 * 60 }
  expect([20 * 60 + 59, 21 * 60, 0, 8 * 60 - 1, 8 * 60].map(minutes => isWithin(minutes, night))).toEqual([
    ...[false, true, true, true, false],
  ])
})

test('what is no zone is refused', () => {
  expect(() => localTime('Mars/Olympus', 0)).toThrow(RangeError)
})
