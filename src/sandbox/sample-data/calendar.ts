/** Dates of the sample world: instants are milliseconds, everything is UTC, and nothing asks what time it is now. */

export const hour = 3_600_000
export const day = 24 * hour

export function startOfDay(at: number): number {
  return Math.floor(at / day) * day
}

/** `2026-03-01T06:12:45Z` */
export function instantText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`
}

/** `2026-03-01` */
export function dateText(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}

/** The same day of a later month, or its last day where that month is shorter: what billing systems do. */
export function addMonths(at: number, months: number): number {
  const from = new Date(at)
  const first = Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + months, 1)
  const days = new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + months + 1, 0)).getUTCDate()
  return first + (Math.min(from.getUTCDate(), days) - 1) * day + (at - startOfDay(at))
}

/** How busy shops are in each month, 1 on average: a quiet January, a loud November and December. */
const monthly = [0.78, 0.82, 0.95, 1.0, 0.98, 0.96, 0.9, 0.86, 1.0, 1.06, 1.37, 1.42] as const

export function season(at: number): number {
  return monthly[new Date(at).getUTCMonth()] ?? 1
}
