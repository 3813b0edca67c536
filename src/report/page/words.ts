/** Figures of the report's document in words: shared by every section of the page. */
import type { Measure } from '../../project/outcomes.ts'
import type { AnswerEntry, EffectEntry, LiftEntry } from '../answer-entry.ts'
import type { NotEstimableReason } from '../stats/answer.ts'
import { decimal, percent, points, signed } from '../verdict.ts'

export type { Measure }

export const reasonInWords: Readonly<Record<NotEstimableReason, string>> = {
  empty_arm: 'nobody is counted in one arm yet',
  single_unit: 'one person is no arm',
  zero_variance: 'people of an arm do not differ',
  denominator_near_zero: 'too near zero to divide by',
  nothing_to_compare_with: 'nothing to compare with',
  nothing_gained: 'nothing was gained',
  out_of_reach: 'out of reach',
}

export function number(value: number): string {
  return Math.round(value).toLocaleString('en-GB')
}

/** `1 person`, `2 people`. */
export function people(n: number): string {
  return `${number(n)} ${n === 1 ? 'person' : 'people'}`
}

/** What people did on average. */
export function mean(measure: Measure, value: number | null): string {
  if (value === null) return '–'
  return measure === 'share' ? percent(value) : decimal(value)
}

/** A difference of means, with its sign. */
export function difference(measure: Measure, value: number): string {
  return signed(measure === 'share' ? points(value) : decimal(value))
}

export interface Shown {
  readonly estimate: number
  /** Infinite where there is no bound. */
  readonly lower: number
  readonly upper: number
  readonly text: (value: number) => string
}

/** The lift as it is shown: relative where there is such a figure, as a difference elsewhere. */
export function shownLift(lift: AnswerEntry<LiftEntry>, measure: Measure): Shown | undefined {
  if (lift.kind !== 'estimated') return undefined
  const relative = lift.relative.kind === 'estimated' ? lift.relative : undefined
  const effect: EffectEntry = relative ?? lift.absolute
  const text =
    relative === undefined ? (value: number) => difference(measure, value) : (value: number) => signed(percent(value))
  return { ...bounded(effect), text }
}

export function bounded({ estimate, lower, upper }: EffectEntry): Omit<Shown, 'text'> {
  return { estimate, lower: lower ?? Number.NEGATIVE_INFINITY, upper: upper ?? Number.POSITIVE_INFINITY }
}

/** `+1.0 % to +9.0 %`. */
export function between({ lower, upper, text }: Shown): string {
  const [low, high] = [Number.isFinite(lower), Number.isFinite(upper)]
  if (low && high) return `${text(lower)} to ${text(upper)}`
  if (low) return `at least ${text(lower)}`
  return high ? `at most ${text(upper)}` : 'anything'
}

/** Why there is no figure. */
export function whyNot(answer: AnswerEntry<unknown>): string {
  if (answer.kind === 'too_few') return `too few yet (${number(answer.have)} of ${number(answer.need)})`
  return answer.kind === 'not_estimable' ? reasonInWords[answer.reason] : ''
}

export function date(iso: string): string {
  return iso.slice(0, 10)
}

/** Of cents as of thousands. */
export function money(value: number | null): string {
  if (value === null) return 'no bound'
  return Math.abs(value) < 0.1 && value !== 0 ? value.toPrecision(2) : value.toFixed(2)
}

/** A chance of less than 1 in 10,000 is said so. */
export function chance(p: number): string {
  return p < 0.0001 ? '< 0.0001' : p.toFixed(4)
}

export function share(value: number | null): string {
  return value === null ? '–' : percent(value)
}

export function seconds(value: number): string {
  if (value < 90) return `${value.toFixed(value < 10 ? 1 : 0)} s`
  return value < 5400 ? `${Math.round(value / 60)} min` : `${(value / 3600).toFixed(1)} h`
}
