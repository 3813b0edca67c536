import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCaps } from '../../src/delivery/caps.ts'
import { createLimiter } from '../../src/delivery/limiter.ts'

test('lets as many more leave as the destination said, less those it may not have counted, until the reset', () => {
  const caps = createCaps()
  caps.heed({ name: 'a', remaining: 5, until: 1_000 }, 10, 2, 0)
  expect(caps.wait(13, 0)).toBe(0)
  expect(caps.wait(14, 400)).toBe(600)
  expect(caps.room(10, 0)).toBe(3)
  expect(caps.room(10, 1_000)).toBe(Number.POSITIVE_INFINITY)
})

test('takes the smaller number of two replies of one window, whichever came first, and begins anew after it', () => {
  const caps = createCaps()
  caps.heed({ name: 'a', remaining: 3, until: 1_000 }, 10, 0, 0)
  caps.heed({ name: 'a', remaining: 9, until: 1_400 }, 10, 0, 100)
  expect(caps.room(10, 500)).toBe(3)
  caps.heed({ name: 'a', remaining: 9, until: 2_000 }, 13, 0, 1_000)
  expect(caps.room(13, 1_000)).toBe(9)
})

/** A server with a fixed window that tells of it; replies come back after a while, and overtake each other. */
test('keeps below a fixed window that only the headers tell of', () => {
  const world = fc.record({
    limit: fc.integer({ min: 5, max: 50 }),
    window: fc.integer({ min: 2, max: 10 }).map(seconds => seconds * 1_000),
    concurrency: fc.integer({ min: 1, max: 4 }),
    delays: fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 20 }),
  })
  fc.assert(
    fc.property(world, ({ limit, window, concurrency, delays }) => {
      const limiter = createLimiter([])
      const replies: { at: number; remaining: number; until: number }[] = []
      let [counted, windowStart, refused, sent] = [0, 0, 0, 0]
      for (let now = 0; now < 5 * window; now += 5) {
        const due = replies.filter(({ at }) => at <= now)
        for (const reply of due) {
          replies.splice(replies.indexOf(reply), 1)
          // In whole seconds, as most tell it.
          const until = now + Math.ceil((reply.until - now) / 1_000) * 1_000
          if (until > now) limiter.heed({ name: 'x', remaining: reply.remaining, until }, replies.length, now)
        }
        while (replies.length < concurrency && limiter.take(now) === 0) {
          if (now >= windowStart + window) [windowStart, counted] = [windowStart + window, 0]
          counted += 1
          if (counted > limit) refused += 1
          const remaining = Math.max(0, limit - counted)
          replies.push({ at: now + (delays[sent % delays.length] ?? 1), remaining, until: windowStart + window })
          sent += 1
        }
      }
      expect(refused).toBe(0)
      // It is a limit, not a standstill: most of each window is used.
      expect(sent).toBeGreaterThan(limit)
    }),
  )
})
