/**
 * Clocks of people: what time it is somewhere, and when a daily window opens or closes there next. Zones are those of Intl
 * (the IANA database that Node ships), so that a night is quiet alike in every warehouse, through both changes of the clock.
 */
import type { Daytime } from '../../project/policies.ts'

export interface LocalTime {
  /** `2026-03-01`. */
  readonly date: string
  /** Since local midnight, by the clock on the wall: 0 to 1439. */
  readonly minutes: number
  /** 1 is Monday, 7 is Sunday. */
  readonly weekday: number
}

const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const minute = 60_000
const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    ...{ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', weekday: 'short' },
    hourCycle: 'h23',
  } as Intl.DateTimeFormatOptions)
  formats.set(zone, format)
  return format
}

/** `at` is in milliseconds. Throws a RangeError for what is no zone. */
export function localTime(zone: string, at: number): LocalTime {
  const parts = new Map(
    formatOf(zone)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  )
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? ''
  return {
    date: `${part('year').padStart(4, '0')}-${part('month')}-${part('day')}`,
    minutes: Number(part('hour')) * 60 + Number(part('minute')),
    weekday: weekdays.indexOf(part('weekday')) + 1,
  }
}

/** Whether a minute of the day is within; `from` is, `to` is not, and a window that ends before it begins spans midnight. */
export function isWithin(minutes: number, { from, to }: Daytime): boolean {
  return from <= to ? minutes >= from && minutes < to : minutes >= from || minutes < to
}

/** Minutes that a clock on the wall has to run until it shows `target`, the next time that it does: 1 to 1440. */
function minutesUntil(now: number, target: number): number {
  return ((target - now + 1439) % 1440) + 1
}

/**
 * The first instant after `at` at which the clock on the wall shows this minute of the day, or is moved past it: where a
 * change of the clock skips the minute, the instant of the change counts. `target` is in minutes since midnight.
 */
export function nextAt(zone: string, at: number, target: number): number {
  const start = Math.floor(at / minute) * minute
  const guess = start + minutesUntil(localTime(zone, start).minutes, target) * minute
  const drift = driftAt(zone, start, guess)
  if (drift === 0) return guess
  // The clock changes in between: a search, which only two nights of a year need.
  for (let instant = start + minute; instant < guess - Math.min(0, drift) * minute; instant += minute) {
    const { minutes } = localTime(zone, instant)
    const before = localTime(zone, instant - minute).minutes
    const skipped = isForward(before, minutes) && isWithin(target, { from: (before + 1) % 1440, to: minutes })
    if (minutes === target || skipped) return instant
  }
  return guess - drift * minute
}

/** By how many minutes the clock was moved between two instants; forward is positive. */
function driftAt(zone: string, from: number, to: number): number {
  const passed = (to - from) / minute
  const shown = localTime(zone, to).minutes - localTime(zone, from).minutes
  return ((((shown - passed) % 1440) + 1440 + 720) % 1440) - 720
}

/** Whether a clock that showed `before` a minute ago was moved forward, rather than back. */
function isForward(before: number, now: number): boolean {
  return (now - before + 1440) % 1440 < 720
}

/** The instant at which the local day of `at` began. */
export function startOfDay(zone: string, at: number): number {
  const { date, minutes } = localTime(zone, at)
  const guess = Math.floor(at / minute) * minute - minutes * minute
  const shown = localTime(zone, guess)
  if (shown.date === date) return guess - shown.minutes * minute
  return guess + (1440 - shown.minutes) * minute
}
