/**
 * Points in time as a person writes them: a date (its midnight), a date and time, both on the project's wall clock, or an
 * instant with its offset. A wall-clock time that the clock jumps over is read as far after the jump as it is written
 * after its start (02:30 becomes 03:30); one that occurs twice means the first (Temporal's `compatible`).
 */
import { ActivateError } from '../project/problem.ts'

const written =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d{2}:?\d{2})?)?$/i

/** Milliseconds since the epoch. Throws A8004. */
export function parsePointInTime(text: string, zone: string, option = '--as-of'): number {
  const match = written.exec(text.trim())
  if (match === null) throw unreadable(text, option)
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '0', offset] = match
  const milliseconds = Math.floor(Number(`0.${fraction}`) * 1000)
  const wall = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    milliseconds,
  )
  const real = new Date(wall)
    .toISOString()
    .startsWith(`${year}-${month}-${day}T${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`)
  if (!real || Number(second) > 59) throw unreadable(text, option)
  return offset === undefined ? instantOf(wall, zone) : wall - offsetMilliseconds(offset)
}

function unreadable(text: string, option: string): ActivateError {
  return new ActivateError('invalid', {
    code: 'A8004',
    message: `${option} is not a point in time: "${text}"`,
    help: "write 2026-03-01, 2026-03-01T02:00 (in the project's time zone) or 2026-03-01T02:00:00Z",
  })
}

function offsetMilliseconds(offset: string): number {
  if (/^z$/i.test(offset)) return 0
  const sign = offset.startsWith('-') ? -1 : 1
  const digits = offset.slice(1).replace(':', '')
  return sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))) * 60_000
}

const day = 86_400_000

/** The instant at which the wall clock of a zone shows `wall` (as if it were UTC). */
function instantOf(wall: number, zone: string): number {
  const before = wall - zoneOffset(wall - day, zone)
  const after = wall - zoneOffset(wall + day, zone)
  const showing = [before, after].filter(instant => instant + zoneOffset(instant, zone) === wall)
  return showing.length === 0 ? before : Math.min(...showing)
}

/** How far the wall clock is ahead of UTC at an instant, in milliseconds. */
function zoneOffset(instant: number, zone: string): number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  const parts = Object.fromEntries(format.formatToParts(instant).map(part => [part.type, Number(part.value)]))
  const { year = 0, month = 1, day: date = 1, hour = 0, minute = 0, second = 0 } = parts
  return Date.UTC(year, month - 1, date, hour, minute, second) - Math.floor(instant / 1000) * 1000
}
