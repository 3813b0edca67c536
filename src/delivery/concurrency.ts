/**
 * How many requests may be under way at once: additive increase, multiplicative decrease (Chiu and Jain, 1989), between one
 * and what was configured. Halved by a 429, cut by a third when answers take much longer than they used to, and raised by
 * one for every round of answers without either.
 */

export interface Concurrency {
  /** Requests that may be under way now. */
  readonly limit: number
  /** `begunAt` and `now` in milliseconds; `throttled`: the destination said that it is too much. */
  answered(begunAt: number, now: number, throttled: boolean): void
}

/** Answers are slow when they take this many times what they used to, … */
const slowFactor = 2

/** … and so many milliseconds more: what a busy machine or a garbage collection adds says nothing of a destination. */
const slowBeyond = 250

/** The share by which the newest answer moves what is called recent, and what is called usual. */
const recentShare = 0.1
const usualShare = 0.002

export function createConcurrency(most: number): Concurrency {
  let limit = most
  let good = 0
  let cutAt = Number.NEGATIVE_INFINITY
  let usual: number | undefined
  let recent = 0

  function cut(to: number, now: number): void {
    limit = Math.max(1, Math.min(most, to))
    cutAt = now
    good = 0
    recent = usual ?? 0
  }

  return {
    get limit() {
      return limit
    },
    answered(begunAt, now, throttled) {
      // What was begun before the last cut tells of how it was before it.
      const heeds = begunAt >= cutAt
      if (throttled) {
        if (heeds) cut(Math.floor(limit / 2), now)
        return
      }
      if (!heeds) return
      const took = Math.max(0, now - begunAt)
      recent = usual === undefined ? took : recent + recentShare * (took - recent)
      // Down at once, and up so slowly that a rise is noticed before it has become usual.
      usual = usual === undefined ? took : Math.min(recent, usual + usualShare * Math.max(0, recent - usual))
      if (recent > Math.max(slowFactor * usual, usual + slowBeyond)) {
        cut(Math.floor((limit * 2) / 3), now)
        return
      }
      good += 1
      if (good < limit) return
      good = 0
      limit = Math.min(most, limit + 1)
    },
  }
}
