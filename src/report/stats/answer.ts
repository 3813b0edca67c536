/**
 * What a statistic may answer. Figures are one of three answers; "too few" and "not estimable" are the others, so that no NaN
 * and no interval that means nothing can reach a reader.
 */

/** Both ends are numbers; an end may be infinite where the text beside it says so. */
export interface Interval {
  readonly lower: number
  readonly upper: number
}

export interface Effect extends Interval {
  readonly estimate: number
}

export type Arm = 'treated' | 'withheld'

/** Why there is no figure, whatever the number of units. */
export type NotEstimableReason =
  /** An arm has no units. */
  | 'empty_arm'
  /** An arm has one unit: nothing is known of how much units differ. */
  | 'single_unit'
  /** Units do not differ at all. */
  | 'zero_variance'
  /** What is divided by cannot be told from zero, so that the quotient could be anything. */
  | 'denominator_near_zero'
  /** The withheld arm has no outcome at all, so that there is nothing to be relative to. */
  | 'nothing_to_compare_with'
  /** The effect is not above zero, so that nothing was gained that could have a price. */
  | 'nothing_gained'
  /** No effect that is possible is large enough. */
  | 'out_of_reach'

export interface TooFew {
  readonly kind: 'too_few'
  readonly arm: Arm
  /** What there is too little of. */
  readonly what: 'units' | 'outcomes' | 'units_without_outcome' | 'exposures'
  readonly have: number
  readonly need: number
}

export interface NotEstimable {
  readonly kind: 'not_estimable'
  readonly reason: NotEstimableReason
  /** The point estimate, when there is one although nothing can be said of its certainty. */
  readonly estimate?: number
  /** What can be said nevertheless, when there is a bound although there is no estimate. */
  readonly interval?: Interval
}

export type Estimated<Figures> = { readonly kind: 'estimated' } & Figures

export type Answer<Figures> = Estimated<Figures> | TooFew | NotEstimable

export function estimated<Figures extends object>(figures: Figures): Estimated<Figures> {
  return { kind: 'estimated', ...figures }
}

export function notEstimable(
  reason: NotEstimableReason,
  nevertheless: Pick<NotEstimable, 'estimate' | 'interval'> = {},
): NotEstimable {
  return { kind: 'not_estimable', reason, ...nevertheless }
}
