/**
 * Which time zones may be sent to tonight. The zones of tonight's people are few, whatever their number: they are asked
 * of the warehouse, judged here, and go back as a small relation that the rules join.
 */
import type { Policies, SendWindow } from '../../project/policies.ts'
import type { Sync } from '../../project/project.ts'
import type { Dialect } from '../../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../../warehouse/sql.ts'
import { isWithin, localTime, nextAt } from './local-time.ts'

/** When one kind of window lets a sync send: quiet hours keep it from sending within, send windows outside. */
export interface Hours {
  readonly column: string | undefined
  readonly default: string
  /** Whether nothing may be sent at this instant. */
  readonly isShut: (zone: string, at: number) => boolean
  /** The instant from which nothing may be sent any more, for a zone that is open now. */
  readonly shutsAt: (zone: string, at: number) => number
}

export interface ZoneVerdict {
  readonly zone: string
  readonly shut: boolean
  /** Milliseconds; undefined when it is shut already. */
  readonly until: number | undefined
}

export function quietHoursOf(
  sync: Pick<Sync, 'channel'>,
  { quietHours }: Pick<Policies, 'quietHours'>,
): Hours | undefined {
  if (quietHours === undefined || sync.channel === undefined || !quietHours.channels.includes(sync.channel))
    return undefined
  return {
    column: quietHours.timezone.column,
    default: quietHours.timezone.default,
    isShut: (zone, at) => isWithin(localTime(zone, at).minutes, quietHours),
    shutsAt: (zone, at) => nextAt(zone, at, quietHours.from),
  }
}

export function sendWindowOf({ sendWindow }: Pick<Sync, 'sendWindow'>): Hours | undefined {
  if (sendWindow === undefined) return undefined
  return {
    column: sendWindow.timezone.column,
    default: sendWindow.timezone.default,
    isShut: (zone, at) => !isOpen(sendWindow, zone, at),
    shutsAt: (zone, at) => nextAt(zone, at, sendWindow.to),
  }
}

/** The hours after midnight of a window that spans it belong to the day on which it opened. */
function isOpen(window: SendWindow, zone: string, at: number): boolean {
  const { minutes, weekday } = localTime(zone, at)
  if (!isWithin(minutes, window)) return false
  const opened = window.from > window.to && minutes < window.to ? ((weekday + 5) % 7) + 1 : weekday
  return window.days.includes(opened)
}

/** The verdict for each zone, and the texts that are no zone; the default zone is always among the verdicts. */
export function judgeZones(
  hours: Hours,
  zones: readonly string[],
  at: number,
): { readonly verdicts: readonly ZoneVerdict[]; readonly unknown: readonly string[] } {
  const verdicts: ZoneVerdict[] = []
  const unknown: string[] = []
  for (const zone of new Set([hours.default, ...zones])) {
    if (!isZone(zone)) unknown.push(zone)
    else {
      const shut = hours.isShut(zone, at)
      verdicts.push({ zone, shut, until: shut ? undefined : hours.shutsAt(zone, at) })
    }
  }
  return { verdicts, unknown }
}

function isZone(text: string): boolean {
  try {
    return localTime(text, 0).date !== ''
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

/** `zone`, `shut`, `until`: the verdicts as a select. */
export function selectZones(dialect: Dialect, verdicts: readonly ZoneVerdict[]): Fragment {
  const instant = (at: number | undefined) =>
    raw(dialect.timestamp(dialect.literal(at === undefined ? null : new Date(at).toISOString())))
  const rows = verdicts.map(
    ({ zone, shut, until }) =>
      sql`select ${raw(dialect.literal(zone))} as zone, ${raw(String(shut))} as shut, ${instant(until)} as until`,
  )
  return join(rows, '\nunion all ')
}

/** How the default zone's verdict is joined: there is always exactly one, so that an inner join loses nothing. */
export function joinDefault(dialect: Dialect): Fragment {
  return raw(dialect.outerJoinsAnything ? 'left join' : 'join')
}
