import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createConcurrency } from '../../src/delivery/concurrency.ts'

const answer = fc.record({
  wait: fc.integer({ min: 0, max: 2_000 }),
  took: fc.integer({ min: -50, max: 60_000 }),
  throttled: fc.boolean(),
})

describe('the adaptive concurrency', () => {
  test('is never above what was configured, and never below one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.array(answer, { maxLength: 300 }), (most, answers) => {
        const concurrency = createConcurrency(most)
        let now = 0
        for (const { wait, took, throttled } of answers) {
          now += wait
          const before = concurrency.limit
          concurrency.answered(now - took, now, throttled)
          expect(concurrency.limit).toBeGreaterThanOrEqual(1)
          expect(concurrency.limit).toBeLessThanOrEqual(most)
          expect(concurrency.limit - before).toBeLessThanOrEqual(1)
        }
      }),
    )
  })

  test('begins at what was configured, and stays there while answers take as long as they did', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 20, max: 240 }), { maxLength: 2_000 }), times => {
        const concurrency = createConcurrency(8)
        for (const [index, took] of times.entries()) concurrency.answered(index * 10 - took, index * 10, false)
        expect(concurrency.limit).toBe(8)
      }),
    )
  })

  test('is halved once by a burst of 429, and comes back one by one', () => {
    const concurrency = createConcurrency(16)
    for (let n = 0; n < 16; n++) concurrency.answered(0, 100 + n, true)
    expect(concurrency.limit).toBe(8)
    let rounds = 0
    for (let now = 200; concurrency.limit < 16; now += 50, rounds++) {
      const before = concurrency.limit
      for (let n = 0; n < before; n++) concurrency.answered(now, now + 40, false)
      expect(concurrency.limit).toBe(before + 1)
    }
    expect(rounds).toBe(8)
  })

  test('settles near what a destination can do that slows down under more', () => {
    const overload = fc.record({ most: fc.integer({ min: 8, max: 64 }), able: fc.integer({ min: 1, max: 6 }) })
    fc.assert(
      fc.property(overload, ({ most, able }) => {
        const concurrency = createConcurrency(most)
        const averages: number[] = []
        // First alone, so that what is usual is known; then with everything that may be under way.
        for (let n = 0; n < 20; n++) concurrency.answered(n * 100, n * 100 + 100, false)
        let now = 10_000
        for (let round = 0; round < 60; round++) {
          const under = concurrency.limit
          const took = 100 * Math.max(1, (under / able) ** 2)
          for (let n = 0; n < under; n++) concurrency.answered(now, now + took, false)
          now += took + 1
          averages.push(concurrency.limit)
        }
        const late = averages.slice(-30)
        expect(Math.max(...late)).toBeLessThanOrEqual(4 * able)
      }),
    )
  })

  test('gets used to a destination that is slow for good', () => {
    const concurrency = createConcurrency(4)
    for (let n = 0; n < 100; n++) concurrency.answered(n * 100, n * 100 + 50, false)
    let now = 20_000
    for (let n = 0; n < 5_000; n++, now += 1_000) concurrency.answered(now - 900, now, false)
    expect(concurrency.limit).toBe(4)
  })
})
