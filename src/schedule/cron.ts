/**
 * When a schedule is due: pure arithmetic over croner 11 (its DST rules were exercised 2026-11). Instants are milliseconds
 * since the epoch.
 *
 * Daylight saving, as Debian's cron has it:
 * - A fixed time (no `*` and no step in minute and hour) that the clock jumps over is due right after the jump, once.
 * - A fixed time in the hour that the clock repeats is due once, at its first occurrence.
 * - Anything with a `*` or a step follows real time: nothing in the hour that is missing, twice in the one that repeats.
 */
import { Cron } from 'croner'

const day = 86_400_000

/** Missed times older than this are not listed as skipped, unless the schedule is rarer than that. */
export const horizon = 31 * day

/** How many missed times are recorded at most; a minute's schedule after a month asleep has 44,640. */
export const mostSkipped = 500

function cron(schedule: string, zone: string): Cron {
  return new Cron(schedule, { timezone: zone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true })
}

/** The first due time after an instant; undefined when there is none. */
export function nextDue(schedule: string, zone: string, after: number): number | undefined {
  return cron(schedule, zone).nextRun(new Date(after))?.getTime()
}

/** Every due time after `after`, up to and including `until`, in order. */
export function dueTimes(schedule: string, zone: string, after: number, until: number): readonly number[] {
  const times: number[] = []
  const expression = cron(schedule, zone)
  let time = expression.nextRun(new Date(after))
  while (time !== null && time.getTime() <= until) {
    times.push(time.getTime())
    time = expression.nextRun(time)
  }
  return times
}

export interface Pending {
  /** The due time to be served now: the newest one that has passed. */
  readonly serve: number | undefined
  /** Those before it that nobody served: a sleep of three nights is caught up by one run. */
  readonly skipped: readonly number[]
}

/**
 * What is owed at `now`. `lastDue` is the newest due time that was claimed; `seen` is when the schedule was first met, and
 * nothing before it is caught up: a schedule that is new, or was changed, starts with its next time.
 */
export function pending(
  due: { readonly schedule: string; readonly zone: string },
  known: { readonly lastDue: number | undefined; readonly seen: number; readonly now: number },
): Pending {
  const after = Math.max(known.lastDue ?? Number.NEGATIVE_INFINITY, known.seen - 1)
  if (after >= known.now) return { serve: undefined, skipped: [] }
  const recent = dueTimes(due.schedule, due.zone, Math.max(after, known.now - horizon), known.now)
  const times = recent.length === 0 ? dueTimes(due.schedule, due.zone, after, known.now) : recent
  return { serve: times.at(-1), skipped: times.slice(0, -1).slice(-mostSkipped) }
}
