/**
 * How many requests may be begun ahead of a free connection. When their rows are looked at right before, those are as many
 * as will surely leave within a moment of the look: a slow destination is given what was just looked at, a fast one enough
 * to fill a commit.
 */

/** Milliseconds within which a request that is begun ahead should be on its way. */
export const aheadFor = 250

export interface Pace {
  /** A request has left and was answered. */
  answered(now: number): void
  /** How many may be begun beside one per connection; none while a good part of those begun before, `waiting`, are left. */
  further(now: number, waiting: number): number
}

/** At most `most`, and at least `least`; in between, as many as were answered in about the last `aheadFor` milliseconds. */
export function createPace(least: number, most: number): Pace {
  // Two counts stand for a sliding window: the span before this one fades while this one fills.
  let since = Number.NEGATIVE_INFINITY
  let before = 0
  let current = 0

  function turnTo(now: number): void {
    const spans = Math.floor((now - since) / aheadFor)
    if (spans === 0) return
    before = spans === 1 ? current : 0
    current = 0
    // A wall clock that was set back says nothing of how long ago anything was: it begins anew, too.
    since = spans === 1 ? since + aheadFor : now
  }

  return {
    answered(now) {
      turnTo(now)
      current += 1
    },
    further(now, waiting) {
      turnTo(now)
      const recent = current + before * (1 - (now - since) / aheadFor)
      const ahead = Math.min(most, Math.max(least, recent))
      return waiting <= ahead / 4 ? ahead : 0
    },
  }
}
