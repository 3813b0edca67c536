/**
 * How fast a destination takes requests, and so how many may be begun ahead of a free connection when their rows have to be
 * looked at right before they leave: those that will surely leave within a moment of the look. A slow destination is given
 * requests that were just looked at; a fast one gets enough of them to fill a commit.
 */

/** Milliseconds within which a request that is begun ahead should be on its way. */
export const aheadFor = 250

export interface Pace {
  /** A request has been answered for. */
  answered(now: number): void
  /** How many were answered in about the last `aheadFor` milliseconds, as if each such span were even. */
  recent(now: number): number
}

/** Two counts stand for a sliding window: the span before this one fades as this one fills. */
export function createPace(): Pace {
  let since = Number.NEGATIVE_INFINITY
  let before = 0
  let current = 0

  function turnTo(now: number): void {
    const spans = Math.floor((now - since) / aheadFor)
    if (spans === 0) return
    // A wall clock that was set back says nothing of how long ago anything was.
    before = spans === 1 ? current : 0
    current = 0
    since = spans === 1 ? since + aheadFor : now
  }

  return {
    answered(now) {
      turnTo(now)
      current += 1
    },
    recent(now) {
      turnTo(now)
      return current + before * (1 - (now - since) / aheadFor)
    },
  }
}
