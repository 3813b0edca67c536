import { expect, test } from 'vitest'
import { aheadFor, createPace } from '../../src/delivery/pace.ts'

test('lets as many ahead as were answered in the last moment, and forgets what is longer ago', () => {
  const pace = createPace(0, 10_000)
  expect(pace.further(0, 0)).toBe(0)
  for (let now = 0; now < aheadFor; now += 1) pace.answered(now)
  expect(pace.further(aheadFor - 1, 0)).toBe(aheadFor)
  expect(pace.further(aheadFor + aheadFor / 2, 0)).toBeCloseTo(aheadFor / 2, 0)
  expect(pace.further(3 * aheadFor, 0)).toBe(0)
})

test('keeps step with a steady destination', () => {
  const pace = createPace(0, 10_000)
  for (let now = 0; now < 20 * aheadFor; now += 10) {
    pace.answered(now)
    if (now > 2 * aheadFor) expect(Math.abs(pace.further(now, 0) - aheadFor / 10)).toBeLessThanOrEqual(2)
  }
})

test('lets at least and at most so many ahead as it was made for', () => {
  const pace = createPace(4, 20)
  expect(pace.further(0, 0)).toBe(4)
  for (let n = 0; n < 100; n += 1) pace.answered(1)
  expect(pace.further(1, 0)).toBe(20)
})

test('lets nobody ahead until most of those before are gone, so that the next fill a commit', () => {
  const pace = createPace(20, 20)
  expect(pace.further(0, 5)).toBe(20)
  expect(pace.further(0, 6)).toBe(0)
})

test('starts anew when the clock is set back', () => {
  const pace = createPace(0, 10_000)
  for (let now = 10_000; now < 10_000 + aheadFor; now += 1) pace.answered(now)
  expect(pace.further(5_000, 0)).toBe(0)
  pace.answered(5_001)
  expect(pace.further(5_001, 0)).toBe(1)
})
