/** One outcome over time, by when people were first exposed, and by segment: from sums of days and segments, without another look at people. Pure. */
import type { Row } from '../warehouse/warehouse.ts'
import { type AnswerEntry, type LiftEntry, liftEntry } from './answer-entry.ts'
import { type ArmFigures, averageOf, type Compared, compareArms, figuresOf, withheldArm } from './comparison.ts'
import type { Boundary } from './stats/boundary.ts'
import { mergeMoments, noMoments } from './stats/joint-moments.ts'

const day = 86_400_000

/** The lift of everybody whose window was over by then. */
export interface SeriesPoint {
  /** ISO 8601. */
  readonly at: string
  readonly treated: number
  readonly withheld: number
  readonly lift: AnswerEntry<LiftEntry>
}

export interface Series {
  readonly arm: string
  readonly points: readonly SeriesPoint[]
}

/** Some of the people of an experiment, compared within themselves. */
export interface PartEntry {
  /** `2026-03` or `week of 2026-03-02`; the value of the segment, empty where there was none. */
  readonly part: string
  readonly arm: string
  readonly treated: { readonly people: number; readonly mean: number | null }
  readonly withheld: { readonly people: number; readonly mean: number | null }
  /** At a risk that is divided by the number of parts, so that of many parts none stands out by chance alone. */
  readonly lift: AnswerEntry<LiftEntry>
}

/** Sums of one part of the people, of every arm. */
export interface Part {
  readonly part: string
  readonly arms: readonly ArmFigures[]
}

/** Of `selectAggregatesBy`, in the order of the parts. */
export function partsOf(rows: readonly Row[]): readonly Part[] {
  const parts = new Map<string, ArmFigures[]>()
  for (const row of rows) {
    const part = String(row.part ?? '')
    parts.set(part, [...(parts.get(part) ?? []), figuresOf(row)])
  }
  return [...parts].map(([part, arms]) => ({ part, arms }))
}

function merged(parts: readonly Part[]): readonly ArmFigures[] {
  const arms = new Map<string, ArmFigures>()
  for (const figures of parts.flatMap(part => part.arms))
    arms.set(figures.arm, {
      arm: figures.arm,
      ...mergeMoments(arms.get(figures.arm) ?? noMoments, { ...figures }),
    })
  return [...arms.values()]
}

/** At most so many looks are shown; which of them is no matter, since a sequence holds at all of them at once. */
const looks = 40

/**
 * The confidence sequence after each day, week or four weeks. `days`: of `partsOf`, by the day of the first trigger; a day's people are
 * counted when their window, in milliseconds, is over. Each sequence holds at all of its looks together, so that it may be watched.
 */
export function seriesOf(
  days: readonly Part[],
  boundary: Boundary,
  { window, asOf, ...compared }: Compared & { readonly window: number; readonly asOf: number },
): readonly Series[] {
  const first = days[0]
  const last = days.at(-1)
  if (first === undefined || last === undefined) return []
  const [start, end] = [Date.parse(first.part), Date.parse(last.part) + day]
  const step =
    ([1, 7, 28].find(length => (end - start) / day / length <= looks) ?? Math.ceil((end - start) / day / looks)) * day
  // The last look is a whole step after the one before; what is left over makes the first one short.
  const points = Array.from({ length: Math.ceil((end - start) / step) }, (_, index) => end - index * step)
    .toReversed()
    .map(until => {
      const figures = merged(days.filter(({ part }) => Date.parse(part) < until))
      return { at: Math.min(until + window, asOf), comparisons: compareArms(figures, boundary, compared) }
    })
  const arms = [...new Set(points.flatMap(({ comparisons }) => comparisons.map(({ arm }) => arm)))]
  return arms.map(arm => ({
    arm,
    points: points.flatMap(({ at, comparisons }) =>
      comparisons.flatMap(({ arm: of, treated, withheld, lift }) =>
        of === arm
          ? [
              {
                at: new Date(at).toISOString(),
                ...{ treated: treated.n, withheld: withheld.n, lift: liftEntry(lift, treated.n, compared.measure) },
              },
            ]
          : [],
      ),
    ),
  }))
}

/** Weeks (from Monday, UTC) while there are few, months afterwards. */
export function cohortsOf(days: readonly Part[], boundary: Boundary, compared: Compared): readonly PartEntry[] {
  const first = days[0]
  const last = days.at(-1)
  if (first === undefined || last === undefined) return []
  const weeks = (Date.parse(last.part) - Date.parse(first.part)) / (7 * day)
  const named = weeks > 9 ? (part: string) => part.slice(0, 7) : weekOf
  const cohorts = new Map<string, Part[]>()
  for (const each of days) cohorts.set(named(each.part), [...(cohorts.get(named(each.part)) ?? []), each])
  const parts = [...cohorts].map(([part, within]) => ({ part, arms: merged(within) }))
  return parts.length < 2 ? [] : entriesOf(parts, boundary, compared)
}

function weekOf(date: string): string {
  const instant = Date.parse(date)
  const monday = instant - ((new Date(instant).getUTCDay() + 6) % 7) * day
  return `week of ${new Date(monday).toISOString().slice(0, 10)}`
}

/** More than these are shown together as one: nobody reads a list of postcodes. */
const mostSegments = 12
export const otherSegments = 'all others'

/** The largest segments first. Empty when nobody told them apart. */
export function segmentsOf(parts: readonly Part[], boundary: Boundary, compared: Compared): readonly PartEntry[] {
  if (parts.every(({ part }) => part === '')) return []
  const people = ({ arms }: Part) => arms.reduce((sum, { n }) => sum + n, 0)
  const ranked = parts.toSorted((left, right) => people(right) - people(left))
  const [shown, rest] = [ranked.slice(0, mostSegments), ranked.slice(mostSegments)]
  const others = rest.length === 0 ? [] : [{ part: otherSegments, arms: merged(rest) }]
  return entriesOf([...shown, ...others], boundary, compared)
}

function entriesOf(parts: readonly Part[], boundary: Boundary, compared: Compared): readonly PartEntry[] {
  const divided = { ...boundary, alpha: boundary.alpha / parts.length }
  return parts.flatMap(({ part, arms }) => {
    // People of a part may all be in one arm; then there is nothing to compare them with.
    const known = arms.some(({ arm }) => arm === withheldArm) ? arms : [...arms, { arm: withheldArm, ...noMoments }]
    return compareArms(known, divided, compared).map(({ arm, treated, withheld, lift }) => ({
      ...{ part, arm, treated: meanOf(treated, compared), withheld: meanOf(withheld, compared) },
      lift: liftEntry(lift, treated.n, compared.measure),
    }))
  })
}

function meanOf(figures: ArmFigures, { measure }: Compared): PartEntry['treated'] {
  return { people: figures.n, mean: averageOf(figures, measure) }
}
