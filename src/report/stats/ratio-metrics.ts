/**
 * A quotient of two sums compared between arms, where the unit of assignment is not the unit of the divisor: revenue per
 * order, opens per mail. Its variance is that of the delta method (Deng, Knoblich and Lu, "Applying the delta method in metric
 * analytics", KDD 2018), which is the variance of each unit's residual y − R·x. Those residuals are as skewed as revenue is, and units that have
 * nothing to divide by tell nothing of them: with the paper's normal quantile a small arm is called better in up to a seventh of experiments
 * without an effect. So the test is straightened as that of a mean is, with degrees of freedom of the units that contribute
 * (`docs/decisions/0057`).
 */
import { checkPaired, type PairedMoments } from './aggregates.ts'
import { type Answer, type Arm, estimated, notEstimable, type TooFew } from './answer.ts'
import { type Boundary, critical } from './boundary.ts'
import type { WithCovariate } from './cuped.ts'
import { demand, isCount } from './demand.ts'
import type { Lift } from './lift.ts'
import { outcomesNeeded } from './proportions.ts'
import { liftOfMeans, type MeanOf } from './skew-fieller.ts'

/** y is what is divided, x what it is divided by. */
export interface RatioMoments extends PairedMoments {
  /** Units of which y or x is not zero: the others are in neither sum. */
  readonly nonZero: number
  /** Σ(e − ē)³ of the residual e = y − R·x, R being the arm's own quotient. */
  readonly m3: number
}

/**
 * The lift in Σy/Σx, in units of y per unit of x. `too_few` when fewer than `atLeast` units of an arm contribute (default: 5, and 30 while a test
 * runs); `not_estimable` for an arm of no unit or of one that contributes, for a divisor that cannot be told from zero, or when units do not
 * differ. Throws A8510 for sums that are not finite.
 */
export function compareRatios(
  treated: RatioMoments,
  withheld: RatioMoments,
  boundary: Boundary,
  atLeast: number = outcomesNeeded(boundary),
): Answer<Lift> {
  checkRatio(treated)
  checkRatio(withheld)
  if (treated.n === 0 || withheld.n === 0) return notEstimable('empty_arm')
  const few = tooFew('withheld', withheld, atLeast) ?? tooFew('treated', treated, atLeast)
  if (few !== undefined) return few
  if (treated.sumX === 0 || withheld.sumX === 0) return notEstimable('denominator_near_zero')
  const estimate = treated.sumY / treated.sumX - withheld.sumY / withheld.sumX
  if (treated.nonZero < 2 || withheld.nonZero < 2) return notEstimable('single_unit', { estimate })
  if (isConstant(treated) || isConstant(withheld)) return notEstimable('zero_variance', { estimate })
  const [t, w] = [contributed(treated), contributed(withheld)]
  const portion = t.variance / (t.variance + w.variance)
  const df = 1 / (portion ** 2 / (treated.nonZero - 1) + (1 - portion) ** 2 / (withheld.nonZero - 1))
  const information = { units: treated.n + withheld.n, df }
  const c = critical(boundary, information)
  if (!isAwayFromZero(treated, c) || !isAwayFromZero(withheld, c))
    return notEstimable('denominator_near_zero', { estimate })
  const skew = pooledSkew(treated, withheld)
  const skewness = (ratio: number) =>
    (skew * (1 / treated.n ** 2 - ratio ** 3 / withheld.n ** 2)) / (1 / treated.n + ratio ** 2 / withheld.n) ** 1.5
  return estimated(liftOfMeans({ treated: t, withheld: w, skewness, information }, boundary))
}

/** The quotient of an arm and the delta-method variance of it. */
export function ratioOf(arm: PairedMoments): MeanOf {
  const { n, sumX, sumY } = arm
  return { mean: sumY / sumX, variance: residualSquares(arm) / (n - 1) / n / (sumX / n) ** 2 }
}

/** Residuals sum to zero among those who contribute, so that it is one of them who tells nothing, and not one of all units. */
function contributed(arm: RatioMoments): MeanOf {
  const { mean, variance } = ratioOf(arm)
  const { n, nonZero } = arm
  return { mean, variance: (variance * nonZero * (n - 1)) / (nonZero - 1) / n }
}

/** Of sums with their third moments, y being divided by x. */
export function ratioMoments(arm: WithCovariate): RatioMoments {
  const { n, nonZero, sum, sumX, m2, m3, mxx, mxy, mxxx, mxxy, mxyy } = arm
  const r = sumX === 0 ? 0 : sum / sumX
  const third = m3 - 3 * r * mxyy + 3 * r ** 2 * mxxy - r ** 3 * mxxx
  return { n, nonZero, sumX, sumY: sum, mxx, myy: m2, mxy, m3: third }
}

/** Spread of one unit's residual over the mean divisor: what `detectableMean` asks for, in units of y per unit of x. */
export function ratioDeviation(arm: PairedMoments): number {
  return Math.sqrt(residualSquares(arm) / (arm.n - 1)) / (arm.sumX / arm.n)
}

function residualSquares({ sumX, sumY, mxx, myy, mxy }: PairedMoments): number {
  const ratio = sumX === 0 ? 0 : sumY / sumX
  return Math.max(0, myy - 2 * ratio * mxy + ratio ** 2 * mxx)
}

function checkRatio(arm: RatioMoments): void {
  checkPaired(arm)
  const { n, nonZero, m3 } = arm
  demand(isCount(nonZero) && nonZero <= n && Number.isFinite(m3), `of ${n} units ${nonZero} contribute, with ${m3}`)
}

function tooFew(arm: Arm, { nonZero }: RatioMoments, need: number): TooFew | undefined {
  return nonZero < need ? { kind: 'too_few', arm, what: 'outcomes', have: nonZero, need } : undefined
}

/** Whether residuals are no more than the rounding of what they are made of. */
function isConstant(arm: RatioMoments): boolean {
  return residualSquares(arm) <= 1e-12 * arm.myy
}

/** The delta method is one of small relative errors of the divisor. */
function isAwayFromZero({ n, sumX, mxx }: RatioMoments, c: number): boolean {
  return (sumX / n) ** 2 > (c ** 2 * mxx) / (n - 1) / n
}

function pooledSkew(treated: RatioMoments, withheld: RatioMoments): number {
  const scaled = (arm: RatioMoments, moment: number, power: number) => moment / (arm.sumX / arm.n) ** power
  const units = treated.n + withheld.n
  const squares = [treated, withheld].map(arm => scaled(arm, residualSquares(arm), 2))
  const variance = squares.reduce((sum, each) => sum + each, 0) / (units - 2)
  const third = scaled(treated, treated.m3, 3) + scaled(withheld, withheld.m3, 3)
  return third / units / variance / Math.sqrt(variance)
}
