/**
 * A circuit breaker (Nygard, "Release It!", 2007): after some failures in a row nothing is sent for a while, then one request
 * finds out whether that is over. Only what concerns the destination as a whole is a failure: no answer, or one of its faults.
 */

export interface Breaker {
  readonly isClosed: boolean
  /** Instant from which one request may find out, unless it is closed. */
  readonly until: number
  /** Whether so many probes failed that a run should not wait for another. */
  readonly isHopeless: boolean
  /** Milliseconds until a request may leave, given those under way. */
  wait(now: number, underWay: number): number
  /** What was begun before it opened last says nothing new. */
  failed(begunAt: number, now: number): void
  succeeded(): void
}

/** Failures in a row that open it. */
export const opensAfter = 5

/** Milliseconds until the first probe; each failed probe doubles it. */
export const firstPause = 2_000
const longestPause = 60_000

/** Probes in a row that fail before a run gives up. */
export const probes = 4

/** While a probe is under way, the others ask again after this. */
const askAgain = 250

export function createBreaker(): Breaker {
  let failures = 0
  let trips = 0
  let openedAt = Number.NEGATIVE_INFINITY
  let until = Number.NEGATIVE_INFINITY

  return {
    get isClosed() {
      return trips === 0
    },
    get until() {
      return until
    },
    get isHopeless() {
      return trips > probes
    },
    wait(now, underWay) {
      if (trips === 0) return 0
      // A wall clock that was set back must not keep it open.
      if (now < until) return Math.min(until - now, longestPause)
      return underWay === 0 ? 0 : askAgain
    },
    failed(begunAt, now) {
      failures += 1
      if (failures < opensAfter || begunAt < openedAt || now < until) return
      trips += 1
      openedAt = now
      until = now + Math.min(longestPause, firstPause * 2 ** (trips - 1))
    },
    succeeded() {
      failures = 0
      trips = 0
      openedAt = Number.NEGATIVE_INFINITY
      until = Number.NEGATIVE_INFINITY
    },
  }
}
