/**
 * Rate limits over several windows at once. A bucket that is full and refills lets up to twice the limit through one
 * sliding window, so this keeps the instants of the last requests instead: the n-th request waits until the one `limit`
 * places before it lies a whole window back. That holds for a server that counts in sliding windows, in fixed ones, or
 * with a bucket of its own. Windows are stretched by one per cent, which the network's jitter may use up.
 */
import type { RateLimit } from './destination.ts'

export interface Limiter {
  /** Takes one request's place when there is one; otherwise the milliseconds after which to ask again (0 = go). */
  take(now: number): number
  /** How many places were taken so far; right after a `take`, the number of that place. */
  readonly taken: number
  /** The request in this place left only now (it waited for a connection): its windows are counted from here. */
  left(place: number, now: number): void
  /** How many requests could be taken at this instant. */
  room(now: number): number
  /** Milliseconds until there is room again, without taking anything. */
  wait(now: number): number
  /** Nothing is taken before this instant (Retry-After); a shorter pause never shortens a longer one. */
  pause(until: number): void
}

export const windowStretch = 1.01

/** More instants than this are kept in groups, each as old as its youngest, which errs on the careful side. */
const mostInstants = 65_536

interface Window {
  readonly limit: number
  readonly length: number
  /** Requests per kept instant. */
  readonly group: number
  /** A ring: place p is kept at floor((p - 1) / group) modulo its length. */
  readonly instants: Float64Array
}

function openWindow({ requests, perMilliseconds }: RateLimit): Window {
  const limit = Math.floor(requests)
  if (!(limit >= 1) || !(perMilliseconds > 0)) {
    throw new RangeError('a rate limit needs at least one request and a window longer than nothing')
  }
  const group = Math.ceil(limit / mostInstants)
  const instants = new Float64Array(Math.ceil(limit / group) + 1).fill(Number.NEGATIVE_INFINITY)
  return { limit, length: perMilliseconds * windowStretch, group, instants }
}

/** When the request in this place left; places before the first never keep anyone waiting. */
function instantOf(window: Window, place: number): number {
  if (place < 1) return Number.NEGATIVE_INFINITY
  return window.instants[Math.floor((place - 1) / window.group) % window.instants.length] ?? Number.NEGATIVE_INFINITY
}

function keep(window: Window, place: number, instant: number): void {
  const index = Math.floor((place - 1) / window.group) % window.instants.length
  const first = (place - 1) % window.group === 0
  const kept = window.instants[index] ?? Number.NEGATIVE_INFINITY
  window.instants[index] = first ? instant : Math.max(kept, instant)
}

export function createLimiter(limits: readonly RateLimit[]): Limiter {
  const windows = limits.map(openWindow)
  let taken = 0
  let latest = Number.NEGATIVE_INFINITY
  /** A wall clock that was set back must not make everyone wait for it to catch up: time here never goes back. */
  let offset = 0
  let pausedUntil = Number.NEGATIVE_INFINITY

  function steady(now: number): number {
    if (now + offset < latest) offset = latest - now
    latest = now + offset
    return latest
  }

  function waitAt(time: number, place: number): number {
    let wait = Math.max(0, pausedUntil - time)
    for (const window of windows) {
      const blocking = instantOf(window, place - window.limit)
      wait = Math.max(wait, blocking + window.length - time)
    }
    return wait
  }

  return {
    get taken() {
      return taken
    },
    take(now) {
      const time = steady(now)
      const wait = waitAt(time, taken + 1)
      if (wait > 0) return wait
      taken += 1
      for (const window of windows) keep(window, taken, time)
      return 0
    },
    left(place, now) {
      const time = steady(now)
      for (const window of windows) {
        if (place > taken - window.limit) {
          const index = Math.floor((place - 1) / window.group) % window.instants.length
          window.instants[index] = Math.max(window.instants[index] ?? time, time)
        }
      }
    },
    room(now) {
      const time = steady(now)
      if (pausedUntil > time) return 0
      let room = Number.POSITIVE_INFINITY
      for (const window of windows) room = Math.min(room, roomIn(window, taken, time))
      return room
    },
    wait(now) {
      return waitAt(steady(now), taken + 1)
    },
    pause(until) {
      pausedUntil = Math.max(pausedUntil, until + offset)
    },
  }
}

/** Places after `taken` that this window would let through now, counted up to a hundred. */
function roomIn(window: Window, taken: number, time: number): number {
  let room = 0
  while (
    room < Math.min(window.limit, 100) &&
    instantOf(window, taken + 1 + room - window.limit) + window.length <= time
  ) {
    room += 1
  }
  return room
}
