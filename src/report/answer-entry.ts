/** Answers of statistics as the report's JSON has them: no infinity, and no figure where there is none. */
import type { Measure } from '../project/outcomes.ts'
import type { Answer, Effect, NotEstimableReason } from './stats/answer.ts'
import { incremental } from './stats/incremental.ts'
import type { Lift, Verdict as Side } from './stats/lift.ts'

/** An end that is null has no bound. */
export interface EffectEntry {
  readonly estimate: number
  readonly lower: number | null
  readonly upper: number | null
}

export type AnswerEntry<Figures> =
  | ({ readonly kind: 'estimated' } & Figures)
  | {
      readonly kind: 'too_few'
      readonly arm: string
      readonly what: string
      readonly have: number
      readonly need: number
    }
  | { readonly kind: 'not_estimable'; readonly reason: NotEstimableReason; readonly estimate: number | null }

export interface LiftEntry {
  /** Treated minus withheld, per person. */
  readonly absolute: EffectEntry
  /** Treated over withheld, minus 1. */
  readonly relative: AnswerEntry<EffectEntry>
  /** `absolute` times the treated people; null of a quotient, which is of no number of people. */
  readonly incremental: EffectEntry | null
  readonly statistic: number
  readonly critical: number
  readonly p_value: number
  readonly side: Side
}

export function liftEntry(lift: Answer<Lift>, treatedPeople: number, measure: Measure): AnswerEntry<LiftEntry> {
  return answerEntry(lift, ({ absolute, relative, statistic, critical, pValue, verdict }) => ({
    absolute: effectEntry(absolute),
    relative: answerEntry(relative, effectEntry),
    incremental: measure === 'ratio' ? null : effectEntry(incremental(absolute, treatedPeople)),
    ...{ statistic, critical, p_value: pValue, side: verdict },
  }))
}

export function answerEntry<Figures, Entry>(
  answer: Answer<Figures>,
  entry: (figures: Figures) => Entry,
): AnswerEntry<Entry> {
  if (answer.kind === 'estimated') return { kind: 'estimated', ...entry(answer) }
  if (answer.kind === 'too_few') return answer
  return { kind: 'not_estimable', reason: answer.reason, estimate: answer.estimate ?? null }
}

export function effectEntry({ estimate, lower, upper }: Effect): EffectEntry {
  const bound = (value: number) => (Number.isFinite(value) ? value : null)
  return { estimate, lower: bound(lower), upper: bound(upper) }
}
