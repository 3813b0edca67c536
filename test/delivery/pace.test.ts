import { expect, test } from 'vitest'
import { aheadFor, createPace } from '../../src/delivery/pace.ts'

test('tells how many were answered in the last moment, and forgets what is longer ago', () => {
  const pace = createPace()
  expect(pace.recent(0)).toBe(0)
  for (let now = 0; now < aheadFor; now += 1) pace.answered(now)
  expect(pace.recent(aheadFor - 1)).toBe(aheadFor)
  expect(pace.recent(aheadFor + aheadFor / 2)).toBeCloseTo(aheadFor / 2, 0)
  expect(pace.recent(3 * aheadFor)).toBe(0)
})

test('keeps step with a steady destination', () => {
  const pace = createPace()
  for (let now = 0; now < 20 * aheadFor; now += 10) {
    pace.answered(now)
    if (now > 2 * aheadFor) expect(Math.abs(pace.recent(now) - aheadFor / 10)).toBeLessThanOrEqual(2)
  }
})

test('starts anew when the clock is set back', () => {
  const pace = createPace()
  for (let now = 10_000; now < 10_000 + aheadFor; now += 1) pace.answered(now)
  expect(pace.recent(5_000)).toBe(0)
  pace.answered(5_001)
  expect(pace.recent(5_001)).toBe(1)
})
