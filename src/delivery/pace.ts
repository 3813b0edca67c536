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

/**
 * Requests that may have an intent or an answer waiting for the ledger, beside one per connection: four commits' worth. When
 * the ledger commits more slowly than the destination answers, delivery waits for the ledger.
 */
export const mostUnrecorded = 1_024

export interface Load {
  /** Requests that may be under way at the destination at once. */
  readonly width: number
  /** What `further` said. */
  readonly further: number
  /** Requests with an intent on disk or on its way there, and no answer yet. */
  readonly underWay: number
  /** Answered, and not recorded yet. */
  readonly concluding: number
  /** Whether few enough records are in memory to begin requests ahead of a free connection. */
  readonly isLight: boolean
}

/**
 * Requests that are repeatable are begun ahead of a free connection, many with one commit; others only when one is free for them, and
 * keep it until they are recorded, so that a crash leaves no more of them in doubt than there are connections.
 */
export function mayBegin(repeatable: boolean, { width, further, underWay, concluding, isLight }: Load): boolean {
  const unrecorded = underWay + concluding
  if (!repeatable) return unrecorded < width
  if (unrecorded >= width + mostUnrecorded) return false
  return underWay < width || (underWay < width + further && isLight)
}
