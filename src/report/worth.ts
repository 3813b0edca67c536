/** What a lift amounts to: on those who were reached, in money, and with each further trigger. Pure. */
import type { Measure } from '../project/outcomes.ts'
import type { Row } from '../warehouse/warehouse.ts'
import { type AnswerEntry, answerEntry, type EffectEntry, effectEntry } from './answer-entry.ts'
import type { partsOf } from './breakdown.ts'
import { type ArmFigures, averageOf, type Comparison, withheldArm } from './comparison.ts'
import type { PairedMoments } from './stats/aggregates.ts'
import { type Boundary, critical } from './stats/boundary.ts'
import { normalUpper } from './stats/distributions.ts'
import { costPerIncremental } from './stats/incremental.ts'
import { type NthEffect, novelty } from './stats/novelty.ts'
import { quotientOfEffects } from './stats/quotient-of-effects.ts'
import { ratioMoments, ratioOf } from './stats/ratio-metrics.ts'

export interface WorthEntry {
  /** Of the treated people who are counted, those to whom anything was delivered. */
  readonly delivered_share: number | null
  /** The effect on those who were reached, per person: that on everybody, divided by how many more were reached. */
  readonly on_reached: AnswerEntry<EffectEntry> | null
  /** What the messages within the window cost; null when no sync says what one costs. */
  readonly cost: number | null
  /** Of each outcome that would not have been (each unit of value, where values are summed). */
  readonly cost_per_incremental: AnswerEntry<EffectEntry> | null
  /** What each outcome that would not have been brings, in the unit of the outcomes that sum values. */
  readonly value_per_incremental: readonly { readonly outcome: string; readonly value: AnswerEntry<EffectEntry> }[]
}

/** Of `selectJoint`: x is the primary outcome, y the one that is named. */
export interface JointRows {
  readonly outcome: string
  readonly rows: readonly Row[]
}

/** The two-sided risk at which a normal statistic has the critical value of this boundary. */
export function riskAt(boundary: Boundary, units: number): number {
  return 2 * normalUpper(critical(boundary, { units: Math.max(1, units), df: Number.POSITIVE_INFINITY }))
}

/** `compliance`: of `selectCompliance`. `cost`: of the messages within the window. `direction`: `down` makes what was prevented the increment. */
export function worthOf(
  { arm, treated, withheld, lift }: Comparison,
  {
    compliance,
    cost,
    joint = [],
    boundary,
    direction,
    measure,
  }: {
    readonly compliance: readonly Row[]
    readonly cost: number | null
    readonly joint?: readonly JointRows[]
    readonly boundary: Boundary
    readonly direction: 'up' | 'down'
    readonly measure: Measure
  },
): WorthEntry {
  const [own, other] = [pairedOf(compliance, arm, 'z'), pairedOf(compliance, withheldArm, 'z')]
  const share = own === undefined || own.n === 0 ? null : own.sumX / own.n
  // A quotient is of nobody in particular: it has no effect on a person, and no number of increments.
  if (measure === 'ratio')
    return { delivered_share: share, on_reached: null, cost, cost_per_incremental: null, value_per_incremental: [] }
  const risk = riskAt(boundary, treated.n + withheld.n)
  const sign = direction === 'up' ? 1 : -1
  const gained =
    lift.kind === 'estimated'
      ? [lift.absolute.lower, lift.absolute.upper].map(end => sign * end * treated.n).toSorted((a, b) => a - b)
      : undefined
  const [lower = 0, upper = 0] = gained ?? []
  const estimate = lift.kind === 'estimated' ? sign * lift.absolute.estimate * treated.n : 0
  return {
    delivered_share: share,
    // With too few outcomes for a lift there are too few for its quotient.
    on_reached:
      own === undefined || other === undefined || lift.kind !== 'estimated'
        ? null
        : answerEntry(quotientOfEffects(own, other, risk), effectEntry),
    cost,
    cost_per_incremental:
      cost === null || gained === undefined
        ? null
        : answerEntry(costPerIncremental({ estimate, lower, upper }, cost), effectEntry),
    value_per_incremental: lift.kind === 'estimated' ? joint.flatMap(each => broughtBy(each, arm, risk)) : [],
  }
}

function broughtBy({ outcome, rows }: JointRows, arm: string, risk: number): WorthEntry['value_per_incremental'] {
  const [own, other] = [pairedOf(rows, arm, 'x'), pairedOf(rows, withheldArm, 'x')]
  if (own === undefined || other === undefined) return []
  return [{ outcome, value: answerEntry(quotientOfEffects(own, other, risk), effectEntry) }]
}

/** `x`: what the paired column is called. */
function pairedOf(rows: readonly Row[], arm: string, x: 'x' | 'z'): PairedMoments | undefined {
  const row = rows.find(each => each.arm === arm)
  if (row === undefined) return undefined
  const number = (column: string) => Number(row[column] ?? 0)
  return {
    ...{ n: number('n'), sumX: number(`sum_${x}`), sumY: number('sum_y') },
    ...{ mxx: number(`m${x}${x}`), myy: number('myy'), mxy: number(x === 'x' ? 'mxy' : 'myz') },
  }
}

export interface NoveltyEntry {
  readonly by_trigger: readonly {
    readonly nth: number
    readonly people: number
    readonly estimate: number
    readonly lower: number
    readonly upper: number
  }[]
  /** `null` while there are fewer than three triggers to compare. */
  readonly trend: 'fades' | 'grows' | 'steady' | null
}

/** Of an average. */
function varianceOf(figures: ArmFigures, measure: Measure): number {
  return measure === 'ratio' ? ratioOf(ratioMoments(figures)).variance : figures.m2 / (figures.n - 1) / figures.n
}

/** People of the smaller arm below which a trigger is left out. */
const peopleNeeded = 30

/** `parts`: of `partsOf`, by which trigger of a person it was; `arm` is the treated one. */
export function noveltyOf(
  parts: ReturnType<typeof partsOf>,
  arm: string,
  { alpha, measure }: { readonly alpha: number; readonly measure: Measure },
): NoveltyEntry | null {
  const effects = parts.flatMap(({ part, arms }): readonly (NthEffect & { readonly people: number })[] => {
    const treated = arms.find(each => each.arm === arm)
    const withheld = arms.find(each => each.arm === withheldArm)
    if (treated === undefined || withheld === undefined || Math.min(treated.n, withheld.n) < peopleNeeded) return []
    const [own, other] = [averageOf(treated, measure), averageOf(withheld, measure)]
    const variance = varianceOf(treated, measure) + varianceOf(withheld, measure)
    if (own === null || other === null || !(variance > 0)) return []
    return [{ nth: Number(part), estimate: own - other, se: Math.sqrt(variance), people: treated.n + withheld.n }]
  })
  if (effects.length < 2) return null
  const found = novelty(effects, alpha)
  return {
    by_trigger: effects.map(({ nth, people, estimate, se }) => ({
      ...{ nth, people, estimate, lower: estimate - 1.96 * se, upper: estimate + 1.96 * se },
    })),
    trend: found.kind === 'estimated' ? found.trend : null,
  }
}
