/** From what the warehouse summed up to the lift of each treated arm over the withheld one. Pure. */
import { type Measure, measureOf, type Outcome } from '../project/outcomes.ts'
import type { Row } from '../warehouse/warehouse.ts'
import type { Answer } from './stats/answer.ts'
import type { Boundary } from './stats/boundary.ts'
import { adjusted, type WithCovariate } from './stats/cuped.ts'
import type { Lift } from './stats/lift.ts'
import { compareMeans, type MeanLift } from './stats/means.ts'
import { compareProportions } from './stats/proportions.ts'
import { compareRatios, ratioMoments } from './stats/ratio-metrics.ts'

/** The arm that nobody sent to; every other arm is compared with it. */
export const withheldArm = 'withheld'

export interface ArmFigures extends WithCovariate {
  readonly arm: string
}

export interface Comparison {
  readonly arm: string
  readonly treated: ArmFigures
  readonly withheld: ArmFigures
  readonly lift: Answer<Lift | MeanLift>
  /** By how much a covariate narrowed the interval; undefined without one. */
  readonly reduction: number | undefined
}

/** How an outcome is compared. */
export interface Compared {
  readonly measure: Measure
  /** Whether what was known before is taken out of the noise. */
  readonly covariate: boolean
}

export function comparedBy(outcome: Outcome): Compared {
  return { measure: measureOf(outcome), covariate: outcome.covariate !== undefined }
}

/** A row of `selectAggregates`. */
export function figuresOf(row: Row): ArmFigures {
  const number = (column: string) => Number(row[column] ?? 0)
  return {
    arm: String(row.arm),
    ...{ n: number('n'), nonZero: number('non_zero'), sum: number('sum_y'), sumX: number('sum_x') },
    ...{ m2: number('myy'), m3: number('myyy'), mxx: number('mxx'), mxy: number('mxy') },
    ...{ mxxx: number('mxxx'), mxxy: number('mxxy'), mxyy: number('mxyy') },
  }
}

const nobody: WithCovariate = {
  ...{ n: 0, nonZero: 0, sum: 0, m2: 0, m3: 0 },
  ...{ sumX: 0, mxx: 0, mxy: 0, mxxx: 0, mxxy: 0, mxyy: 0 },
}

/** What people of an arm did on average, or per what it is divided by; null when there is nobody, or nothing to divide by. */
export function averageOf({ n, nonZero, sum, sumX }: WithCovariate, measure: Measure): number | null {
  const [dividend, divisor] = { share: [nonZero, n], mean: [sum, n], ratio: [sum, sumX] }[measure] as [number, number]
  return divisor === 0 ? null : dividend / divisor
}

/** Each treated arm with the withheld one. */
export function compareArms(
  figures: readonly ArmFigures[],
  boundary: Boundary,
  { measure, covariate }: Compared,
): readonly Comparison[] {
  const withheld = figures.find(({ arm }) => arm === withheldArm) ?? { ...nobody, arm: withheldArm }
  const treatedArms = figures.filter(({ arm }) => arm !== withheldArm)
  const arms = treatedArms.length === 0 ? [{ ...nobody, arm: 'treated' }] : treatedArms
  return arms.map(treated => {
    const pair = { arm: treated.arm, treated, withheld }
    if (covariate && treated.n > 1 && withheld.n > 1) {
      const { reduction, ...after } = adjusted(treated, withheld)
      return { ...pair, lift: compareMeans(after.treated, after.withheld, boundary), reduction }
    }
    return { ...pair, lift: liftIn(measure, treated, withheld, boundary), reduction: undefined }
  })
}

function liftIn(measure: Measure, treated: ArmFigures, withheld: ArmFigures, boundary: Boundary): Comparison['lift'] {
  switch (measure) {
    case 'share':
      return compareProportions(countOf(treated), countOf(withheld), boundary)
    case 'mean':
      return compareMeans(treated, withheld, boundary)
    case 'ratio':
      return compareRatios(ratioMoments(treated), ratioMoments(withheld), boundary)
  }
}

function countOf({ n, nonZero }: ArmFigures): { readonly n: number; readonly x: number } {
  return { n, x: nonZero }
}
