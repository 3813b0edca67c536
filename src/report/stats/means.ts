/**
 * Values per unit (revenue, days, orders) of two arms compared: Welch ("The generalization of Student's problem", Biometrika 34,
 * 1947), straightened for skew. `skew-fieller.ts` has the method, `docs/decisions` why the usual ones fail here.
 */
import { checkMoments, type Moments, mean } from './aggregates.ts'
import { type Answer, type Arm, estimated, notEstimable, type TooFew } from './answer.ts'
import type { Boundary } from './boundary.ts'
import type { Lift } from './lift.ts'
import { outcomesNeeded } from './proportions.ts'
import { liftOfMeans } from './skew-fieller.ts'

export interface MeanLift extends Lift {
  /** Degrees of freedom of Welch and Satterthwaite; where few units have a value, of those units. */
  readonly df: number
  /** Third standardised moment of a unit's value, pooled within arms. */
  readonly skew: number
  /**
   * Units of the smaller arm from which a mean of such skew is near enough to normal: 355·skew² (Kohavi et al., "Seven rules
   * of thumb", KDD 2014). Below it, winsorise.
   */
  readonly unitsForNormality: number
}

/**
 * The lift in the mean, in the unit of the value. `too_few` when fewer than `atLeast` units of an arm have a value that is not
 * zero (default: 5, and 30 while a test runs); `not_estimable` for an arm of no or one unit, or when its units do not differ:
 * a variance of zero would be taken for certainty. Throws A8510 for sums that are not finite.
 */
export function compareMeans(
  treated: Moments,
  withheld: Moments,
  boundary: Boundary,
  atLeast: number = outcomesNeeded(boundary),
): Answer<MeanLift> {
  checkMoments(treated)
  checkMoments(withheld)
  if (treated.n === 0 || withheld.n === 0) return notEstimable('empty_arm')
  const few = tooFew('withheld', withheld, atLeast) ?? tooFew('treated', treated, atLeast)
  if (few !== undefined) return few
  const estimate = mean(treated) - mean(withheld)
  if (treated.n === 1 || withheld.n === 1) return notEstimable('single_unit', { estimate })
  if (isConstant(treated) || isConstant(withheld)) return notEstimable('zero_variance', { estimate })
  const [t, w] = [ofMean(treated), ofMean(withheld)]
  const portion = t.variance / (t.variance + w.variance)
  const df = 1 / (portion ** 2 / (informing(treated) - 1) + (1 - portion) ** 2 / (informing(withheld) - 1))
  const skew = pooledSkew(treated, withheld)
  const skewness = (ratio: number) =>
    (skew * (1 / treated.n ** 2 - ratio ** 3 / withheld.n ** 2)) / (1 / treated.n + ratio ** 2 / withheld.n) ** 1.5
  const information = { units: treated.n + withheld.n, df }
  const lift = liftOfMeans({ treated: t, withheld: w, skewness, information }, boundary)
  return estimated({ ...lift, df, skew, unitsForNormality: Math.ceil(355 * skew ** 2) })
}

function tooFew(arm: Arm, { nonZero }: Moments, need: number): TooFew | undefined {
  return nonZero < need ? { kind: 'too_few', arm, what: 'outcomes', have: nonZero, need } : undefined
}

const manyWithValue = 30

/**
 * How many units tell of the variance. Of many zeros and few values the values alone do: with a t of all units the test says "lower" of nothing in 4.5 % of
 * experiments with ten withheld buyers expected, with that of the buyers in 3.2 % (`docs/validity.md`). To ask for more buyers instead would be
 * worse: experiments that have them are those in which more was bought by chance.
 */
function informing({ n, nonZero }: Moments): number {
  return nonZero < manyWithValue ? Math.max(2, nonZero) : n
}

/** Whether units differ by no more than the rounding of their mean. */
function isConstant(arm: Moments): boolean {
  return arm.m2 <= arm.n * (4 * Number.EPSILON * mean(arm)) ** 2
}

function ofMean(arm: Moments): { readonly mean: number; readonly variance: number } {
  return { mean: mean(arm), variance: arm.m2 / (arm.n - 1) / arm.n }
}

function pooledSkew(treated: Moments, withheld: Moments): number {
  const units = treated.n + withheld.n
  const variance = (treated.m2 + withheld.m2) / (units - 2)
  return (treated.m3 + withheld.m3) / units / variance / Math.sqrt(variance)
}
