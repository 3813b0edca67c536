/** From what the warehouse summed up to the lift of each treated arm over the withheld one. Pure. */
import type { Row } from '../warehouse/warehouse.ts'
import type { Answer } from './stats/answer.ts'
import type { Boundary } from './stats/boundary.ts'
import { adjusted, type WithCovariate } from './stats/cuped.ts'
import type { Lift } from './stats/lift.ts'
import { compareMeans } from './stats/means.ts'
import { compareProportions } from './stats/proportions.ts'

/** The arm that nobody sent to; every other arm is compared with it. */
export const withheldArm = 'withheld'

export interface ArmFigures extends WithCovariate {
  readonly arm: string
}

export interface Comparison {
  readonly arm: string
  readonly treated: ArmFigures
  readonly withheld: ArmFigures
  readonly lift: Answer<Lift>
  /** By how much a covariate narrowed the interval; undefined without one. */
  readonly reduction: number | undefined
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

/** Each treated arm with the withheld one. `counts`: each person has the outcome or has it not. */
export function compareArms(
  figures: readonly ArmFigures[],
  boundary: Boundary,
  { counts, covariate }: { readonly counts: boolean; readonly covariate: boolean },
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
    const lift = counts
      ? compareProportions(countOf(treated), countOf(withheld), boundary)
      : compareMeans(treated, withheld, boundary)
    return { ...pair, lift, reduction: undefined }
  })
}

function countOf({ n, nonZero }: ArmFigures): { readonly n: number; readonly x: number } {
  return { n, x: nonZero }
}
