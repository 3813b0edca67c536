/**
 * Rate limits over several windows at once. A bucket that is full and refills lets up to twice the limit through one
 * sliding window, so this keeps the instants of the last requests instead: the n-th request waits until the one `limit`
 * places before it lies a whole window back. That holds for a server that counts in sliding windows, in fixed ones, or
 * with a bucket of its own. Windows are stretched by one per cent, which the network's jitter may use up.
 */
import type { Used } from '../ledger/usage.ts'
import { createCaps } from './caps.ts'
import type { RateLimit } from './destination.ts'
import type { LimitReading } from './rate-headers.ts'

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
  /** The limit that is waited for, when it is one of those that were configured. */
  blockedBy(now: number): RateLimit | undefined
  /** What the destination said of its limits; `underWay` requests it may not have counted yet. */
  heed(reading: LimitReading, underWay: number, now: number): void
  /** More windows, which begin empty. */
  add(limits: readonly RateLimit[]): void
}

/** A limiter whose account was used by somebody else meanwhile. */
export interface LoadableLimiter extends Limiter {
  /** Forgets what it knows, and goes by this: all that left, in the order of time. */
  load(used: readonly Used[], now: number): void
}

export const windowStretch = 1.01

/** More instants than this are kept in groups, each as old as its youngest, which errs on the careful side. */
const mostInstants = 65_536

interface Window {
  readonly rate: RateLimit
  readonly limit: number
  readonly length: number
  /** Requests per kept instant. */
  readonly group: number
  /** A ring: place p is kept at floor((p - 1) / group) modulo its length. */
  readonly instants: Float64Array
}

function openWindow(rate: RateLimit): Window {
  const { requests, perMilliseconds } = rate
  const limit = Math.floor(requests)
  if (!(limit >= 1) || !(perMilliseconds > 0)) {
    throw new RangeError('a rate limit needs at least one request and a window longer than nothing')
  }
  const group = Math.ceil(limit / mostInstants)
  const instants = new Float64Array(Math.ceil(limit / group) + 1).fill(Number.NEGATIVE_INFINITY)
  return { rate, limit, length: perMilliseconds * windowStretch, group, instants }
}

/** Places count from 1; those before are of requests that others sent. */
function indexOf({ group, instants }: Window, place: number): number {
  const index = Math.floor((place - 1) / group) % instants.length
  return index < 0 ? index + instants.length : index
}

/** When the request in this place left; those that nobody took never keep anyone waiting. */
function instantOf(window: Window, place: number): number {
  return window.instants[indexOf(window, place)] ?? Number.NEGATIVE_INFINITY
}

function keep(window: Window, place: number, instant: number): void {
  const index = indexOf(window, place)
  const first = (place - 1) % window.group === 0
  const kept = window.instants[index] ?? Number.NEGATIVE_INFINITY
  window.instants[index] = first ? instant : Math.max(kept, instant)
}

export function createLimiter(limits: readonly RateLimit[]): LoadableLimiter {
  const windows = limits.map(openWindow)
  const caps = createCaps()
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
    let wait = Math.max(0, pausedUntil - time, caps.wait(place, time))
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
        if (place > taken - window.limit) raise(window, place, time)
      }
    },
    room(now) {
      const time = steady(now)
      if (pausedUntil > time) return 0
      let room = caps.room(taken, time)
      for (const window of windows) room = Math.min(room, roomIn(window, taken, time))
      return room
    },
    wait(now) {
      return waitAt(steady(now), taken + 1)
    },
    pause(until) {
      pausedUntil = Math.max(pausedUntil, until + offset)
    },
    blockedBy(now) {
      const time = steady(now)
      const wait = waitAt(time, taken + 1)
      const found = windows.find(window => instantOf(window, taken + 1 - window.limit) + window.length - time >= wait)
      return wait > 0 ? found?.rate : undefined
    },
    heed(reading, underWay, now) {
      const time = steady(now)
      caps.heed({ ...reading, until: reading.until + offset }, taken, underWay, time)
    },
    add(more) {
      windows.push(...more.map(openWindow))
    },
    load(used, now) {
      steady(now)
      for (const window of windows) load(window, taken, used, offset)
    },
  }
}

/** The last places before `taken` are those of the requests that left, whoever sent them. */
function load(window: Window, taken: number, used: readonly Used[], offset: number): void {
  window.instants.fill(Number.NEGATIVE_INFINITY)
  let place = taken
  for (const { span, at, requests } of [...used].reverse()) {
    if (span !== window.rate.perMilliseconds) continue
    for (let left = requests; left > 0; left--, place--) {
      if (place <= taken - window.limit) return
      raise(window, place, at + offset)
    }
  }
}

/** A group is as old as its youngest. */
function raise(window: Window, place: number, instant: number): void {
  const index = indexOf(window, place)
  window.instants[index] = Math.max(window.instants[index] ?? instant, instant)
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
