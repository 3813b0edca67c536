/**
 * Since when an effect is proven. A confidence sequence holds the truth at all of its looks at once, so that what is true lies in all of its
 * intervals together (the running intersection: Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
 * sequences", Annals of Statistics 49, 2021): once one look stood clear of zero, no later one takes that back. Unless nothing is left of the
 * intersection: then the effect is not the same at all times, and only the present look can be spoken of. Pure.
 */
import type { Part } from './breakdown.ts'
import { type ArmFigures, type Compared, compareArms } from './comparison.ts'
import type { Boundary } from './stats/boundary.ts'
import { mergeMoments, noMoments } from './stats/joint-moments.ts'
import type { Verdict as Side } from './stats/lift.ts'

const day = 86_400_000

export type Decision =
  /** `at`: the end of the first look at which it was, in milliseconds. */
  | { readonly kind: 'decided'; readonly side: Exclude<Side, 'undecided'>; readonly at: number }
  /** From `at` on the intervals contradict each other. */
  | { readonly kind: 'changed'; readonly at: number }

interface Looks {
  readonly side: Side
  readonly since: number
  readonly lower: number
  readonly upper: number
  readonly changedAt: number | undefined
}

const none: Looks = {
  ...{ side: 'undecided', since: 0, changedAt: undefined },
  ...{ lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY },
}

/**
 * Of each treated arm, after every day on which somebody was first triggered. `days`: of `partsOf`; a day's people are counted when their window, in
 * milliseconds, is over. Arms of which nothing is decided are not in it.
 */
export function decisionsOf(
  days: readonly Part[],
  boundary: Boundary,
  { window, asOf, ...compared }: Compared & { readonly window: number; readonly asOf: number },
): ReadonlyMap<string, Decision> {
  const arms = new Map<string, ArmFigures>()
  const looks = new Map<string, Looks>()
  for (const { part, arms: own } of days) {
    for (const { arm, ...more } of own) arms.set(arm, { arm, ...mergeMoments(arms.get(arm) ?? noMoments, more) })
    const at = Math.min(Date.parse(part) + day + window, asOf)
    for (const { arm, lift } of compareArms([...arms.values()], boundary, compared))
      if (lift.kind === 'estimated') looks.set(arm, narrowed(looks.get(arm) ?? none, lift.absolute, lift.verdict, at))
  }
  return new Map([...looks].flatMap(([arm, all]) => entryOf(arm, all)))
}

function narrowed(
  before: Looks,
  { lower, upper }: { readonly lower: number; readonly upper: number },
  side: Side,
  at: number,
): Looks {
  const both = { lower: Math.max(before.lower, lower), upper: Math.min(before.upper, upper) }
  const first = before.side === 'undecided' && side !== 'undecided' ? { side, since: at } : {}
  const changedAt = before.changedAt ?? (both.lower > both.upper ? at : undefined)
  return { ...before, ...both, ...first, changedAt }
}

function entryOf(arm: string, { side, since, changedAt }: Looks): readonly (readonly [string, Decision])[] {
  if (changedAt !== undefined) return [[arm, { kind: 'changed', at: changedAt }]]
  return side === 'undecided' ? [] : [[arm, { kind: 'decided', side, at: since }]]
}
