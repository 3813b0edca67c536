import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RateLimit } from '../../src/delivery/destination.ts'
import { createLimiter } from '../../src/delivery/limiter.ts'

const limits = fc.record({
  requests: fc.integer({ min: 1, max: 200 }),
  perMilliseconds: fc.integer({ min: 100, max: 60_000 }),
})

/** Sends as fast as the limiter lets it, and looks at the clock only when told to wait, or after a pause of its own. */
function drive(rates: readonly RateLimit[], until: number, idle: readonly number[] = []): number[] {
  const limiter = createLimiter(rates)
  const sent: number[] = []
  let now = 1_000_000
  const end = now + until
  let step = 0
  while (now < end && sent.length < 20_000) {
    const wait = limiter.take(now)
    if (wait > 0) now += wait
    else {
      sent.push(now)
      now += idle[step++ % idle.length] ?? 0
    }
  }
  return sent
}

/** The most requests in any window of this length, wherever it begins: what a strict server would count. */
function mostInSlidingWindow(sent: readonly number[], length: number): number {
  let most = 0
  let from = 0
  for (let to = 0; to < sent.length; to++) {
    while ((sent[to] ?? 0) - (sent[from] ?? 0) >= length) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

describe('the limiter', () => {
  test('never exceeds any of its limits in any sliding window, however requests come', () => {
    fc.assert(
      fc.property(
        fc.array(limits, { minLength: 1, maxLength: 3 }),
        fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 20 }),
        (rates, idle) => {
          const sent = drive(rates, 120_000, idle)
          for (const { requests, perMilliseconds } of rates) {
            expect(mostInSlidingWindow(sent, perMilliseconds)).toBeLessThanOrEqual(requests)
          }
        },
      ),
    )
  })

  test('uses at least 98 % of the tightest limit when there is always something to send', () => {
    fc.assert(
      fc.property(limits, rate => {
        const windows = Math.min(100, Math.floor(15_000 / rate.requests))
        fc.pre(windows >= 3)
        const sent = drive([rate], rate.perMilliseconds * windows)
        const [first = 0] = sent
        // Whole windows only: the place after the last full one shows how long they took.
        const full = Math.floor((sent.length - 1) / rate.requests) * rate.requests
        const duration = (sent[full] ?? 0) - first
        expect(full / rate.requests / (duration / rate.perMilliseconds)).toBeGreaterThanOrEqual(0.98)
      }),
    )
  })

  test('keeps to a limit that is too large for one instant per request, and still uses 98 % of it', () => {
    const rate = { requests: 150_000, perMilliseconds: 86_400_000 }
    const limiter = createLimiter([rate])
    const sent: number[] = []
    for (let now = 0; sent.length < 460_000; ) {
      const wait = limiter.take(now)
      if (wait > 0) now += wait
      else sent.push(now)
    }
    expect(mostInSlidingWindow(sent, rate.perMilliseconds)).toBeLessThanOrEqual(rate.requests)
    expect(sent[450_000]).toBeLessThanOrEqual((3 * rate.perMilliseconds) / 0.98)
  })

  test('counts a request from when it left, not from when its place was taken', () => {
    const limiter = createLimiter([{ requests: 1, perMilliseconds: 1000 }])
    expect(limiter.take(0)).toBe(0)
    limiter.left(limiter.taken, 400)
    expect(limiter.take(1050)).toBeCloseTo(360)
  })

  test('lets nobody through during a pause, and a shorter pause does not end a longer one', () => {
    const limiter = createLimiter([])
    limiter.pause(5_000)
    limiter.pause(2_000)
    expect(limiter.take(3_000)).toBe(2_000)
    expect(limiter.room(3_000)).toBe(0)
    expect(limiter.take(5_000)).toBe(0)
  })

  test('does not wait for a wall clock that was set back an hour', () => {
    const limiter = createLimiter([{ requests: 2, perMilliseconds: 1000 }])
    limiter.take(3_600_000)
    limiter.take(3_600_000)
    expect(limiter.take(0)).toBeLessThanOrEqual(1010)
  })

  test('says how much room there is, and what it says can be taken', () => {
    fc.assert(
      fc.property(
        limits,
        fc.integer({ min: 0, max: 300 }),
        fc.integer({ min: 0, max: 60_000 }),
        (rate, before, later) => {
          const limiter = createLimiter([rate])
          for (let i = 0; i < before; i++) limiter.take(0)
          const room = limiter.room(later)
          for (let i = 0; i < room; i++) expect(limiter.take(later)).toBe(0)
          expect(limiter.wait(later) > 0 || room >= 100).toBe(true)
        },
      ),
    )
  })

  test('refuses a limit of nothing', () => {
    expect(() => createLimiter([{ requests: 0, perMilliseconds: 1000 }])).toThrow(RangeError)
  })
})
