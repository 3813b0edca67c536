/** What a destination said of its limits in replies, as the last place that may be taken before a limit renews. */
import type { LimitReading } from './rate-headers.ts'

export interface Caps {
  /** `taken`: places taken so far. `underWay`: those whose requests the destination may not have counted yet. */
  heed(reading: LimitReading, taken: number, underWay: number, now: number): void
  /** Milliseconds until the request in this place may leave. */
  wait(place: number, now: number): number
  /** Places after `taken` that may be taken now. */
  room(taken: number, now: number): number
}

/** Resets that differ by less are the same reset, told in whole seconds. */
const sameReset = 1_000

interface Cap {
  readonly name: string
  readonly last: number
  readonly until: number
}

export function createCaps(): Caps {
  let caps: readonly Cap[] = []

  return {
    heed({ name, remaining, until }, taken, underWay, now) {
      const last = taken + Math.max(0, remaining - underWay)
      const before = caps.find(cap => cap.name === name && cap.until > now)
      // Replies overtake each other: within one window the smaller number is the later one.
      const same = before !== undefined && Math.abs(before.until - until) < sameReset
      const cap = same ? { ...before, last: Math.min(before.last, last) } : { name, last, until }
      caps = [...caps.filter(one => one.name !== name && one.until > now), cap]
    },
    wait(place, now) {
      let wait = 0
      for (const { last, until } of caps) if (place > last) wait = Math.max(wait, until - now)
      return wait
    },
    room(taken, now) {
      let room = Number.POSITIVE_INFINITY
      for (const { last, until } of caps) if (until > now) room = Math.min(room, Math.max(0, last - taken))
      return room
    },
  }
}
