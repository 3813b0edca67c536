/** What the statistics answer when there is nothing to say: a stated answer, never NaN, never an interval that is false. */
import { describe, expect, test } from 'vitest'
import { ActivateError } from '../../../src/project/problem.ts'
import { auditAssignment } from '../../../src/report/stats/assignment-audit.ts'
import { critical } from '../../../src/report/stats/boundary.ts'
import { costPerIncremental } from '../../../src/report/stats/incremental.ts'
import { compareMeans } from '../../../src/report/stats/means.ts'
import { novelty } from '../../../src/report/stats/novelty.ts'
import { detectableShare } from '../../../src/report/stats/power.ts'
import { compareProportions } from '../../../src/report/stats/proportions.ts'
import { compareRatios, ratioMoments } from '../../../src/report/stats/ratio-metrics.ts'
import { sampleRatio } from '../../../src/report/stats/sample-ratio.ts'
import { clopperPearson } from '../../../src/report/stats/single-share.ts'
import { postStratified } from '../../../src/report/stats/stratified.ts'
import { moments, withCovariate } from './samples.ts'

const fixed = { kind: 'fixed', alpha: 0.05 } as const
const sequential = { kind: 'sequential', alpha: 0.05, plannedUnits: 10_000 } as const

describe('shares', () => {
  test('of an empty arm are not estimable', () => {
    expect(compareProportions({ n: 0, x: 0 }, { n: 9, x: 1 }, fixed)).toEqual({
      kind: 'not_estimable',
      reason: 'empty_arm',
    })
    expect(compareProportions({ n: 9, x: 1 }, { n: 0, x: 0 }, fixed)).toEqual({
      kind: 'not_estimable',
      reason: 'empty_arm',
    })
  })

  test.each([
    ['nobody converted', { n: 1000, x: 0 }, { what: 'outcomes', have: 0 }],
    ['all converted', { n: 1000, x: 1000 }, { what: 'units_without_outcome', have: 0 }],
    ['four converted', { n: 1000, x: 4 }, { what: 'outcomes', have: 4 }],
  ])('are too few when, of those withheld, %s', (_, withheld, few) => {
    const answer = compareProportions({ n: 19_000, x: 100 }, withheld, fixed)
    expect(answer).toEqual({ kind: 'too_few', arm: 'withheld', need: 5, ...few })
  })

  test('need thirty outcomes before a sequence of looks begins', () => {
    const answer = compareProportions({ n: 19_000, x: 900 }, { n: 1000, x: 29 }, sequential)
    expect(answer).toEqual({ kind: 'too_few', arm: 'withheld', what: 'outcomes', have: 29, need: 30 })
    expect(compareProportions({ n: 19_000, x: 900 }, { n: 1000, x: 30 }, sequential).kind).toBe('estimated')
  })

  test('of whom all or nobody converted in both arms say nothing, in an interval that is wide', () => {
    const all = compareProportions({ n: 10, x: 10 }, { n: 20, x: 20 }, fixed, 0)
    expect(all).toMatchObject({ verdict: 'undecided', pValue: 1, absolute: { estimate: 0 } })
    const nobody = compareProportions({ n: 10, x: 0 }, { n: 20, x: 0 }, fixed, 0)
    expect(nobody).toMatchObject({ verdict: 'undecided', relative: { kind: 'not_estimable' } })
  })

  test.each([
    ['more conversions than units', { n: 10, x: 11 }],
    ['half a unit', { n: 10.5, x: 1 }],
    ['less than nobody', { n: 10, x: -1 }],
    ['not a number', { n: Number.NaN, x: 0 }],
  ])('are refused for %s', (_, count) => {
    expect(() => compareProportions(count, { n: 10, x: 5 }, fixed)).toThrow(ActivateError)
    expect(() => compareProportions({ n: 10, x: 5 }, count, fixed)).toThrow(/A8510/)
  })
})

describe('means', () => {
  test('of an empty arm, of one unit, of equal units are not estimable, each with its reason', () => {
    const some = moments([1, 2, 3])
    expect(compareMeans(some, moments([]), fixed, 0)).toEqual({ kind: 'not_estimable', reason: 'empty_arm' })
    const one = compareMeans(some, moments([5]), fixed, 0)
    expect(one).toEqual({ kind: 'not_estimable', reason: 'single_unit', estimate: -3 })
    const equal = compareMeans(moments([2, 2]), moments([1, 1]), fixed, 0)
    expect(equal).toEqual({ kind: 'not_estimable', reason: 'zero_variance', estimate: 1 })
    const nothing = compareMeans(moments([0, 0, 0]), some, fixed, 0)
    expect(nothing).toEqual({ kind: 'not_estimable', reason: 'zero_variance', estimate: -2 })
    const rounding = compareMeans(moments([0.1, 0.1, 0.1]), some, fixed, 0)
    expect(rounding).toMatchObject({ reason: 'zero_variance' })
  })

  test('are too few when hardly anybody withheld bought', () => {
    const answer = compareMeans(moments([0, 3, 4, 9]), moments([0, 0, 7, 0]), fixed)
    expect(answer).toEqual({ kind: 'too_few', arm: 'withheld', what: 'outcomes', have: 1, need: 5 })
  })

  test('have no relative lift where the withheld mean may be zero', () => {
    const answer = compareMeans(moments([1, 2, 3, 4]), moments([-1, 1, -2, 2.5]), fixed, 0)
    expect(answer).toMatchObject({ kind: 'estimated', relative: { reason: 'denominator_near_zero' } })
  })

  test('lift a negative withheld mean when they are less negative', () => {
    const answer = compareMeans(moments([-2.1, -2, -1.9, -2]), moments([-3.1, -3, -2.9, -3]), fixed, 0)
    expect(answer).toMatchObject({ verdict: 'higher', relative: { kind: 'estimated' } })
    if (answer.kind !== 'estimated' || answer.relative.kind !== 'estimated') throw new Error('not estimated')
    expect(answer.relative.estimate).toBeCloseTo(1 / 3, 12)
    expect(answer.relative.lower).toBeGreaterThan(0)
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('are refused for a sum of %s', sum => {
    const broken = { ...moments([1, 2]), sum }
    expect(() => compareMeans(broken, moments([1, 2]), fixed)).toThrow(/A8510/)
  })
})

test('a ratio over nothing is not estimable', () => {
  const ratio = (x: readonly number[], y: readonly number[]) => ({
    ...ratioMoments(withCovariate(x, y)),
    nonZero: x.filter((value, index) => value !== 0 || y[index] !== 0).length,
  })
  const some = ratio([1, 2, 1, 2, 1], [1, 2, 3, 4, 5])
  expect(compareRatios(ratio([0, 0], [1, 2]), some, fixed, 0)).toEqual({
    ...{ kind: 'not_estimable', reason: 'denominator_near_zero' },
  })
  expect(compareRatios(ratio([], []), some, fixed)).toEqual({ kind: 'not_estimable', reason: 'empty_arm' })
  expect(compareRatios(some, ratio([1, 0, 0], [2, 0, 0]), fixed)).toMatchObject({
    kind: 'too_few',
    arm: 'withheld',
    have: 1,
  })
  expect(compareRatios(ratio([1, 0, 0], [2, 0, 0]), some, fixed, 0)).toMatchObject({ reason: 'single_unit' })
  expect(compareRatios(some, some, { kind: 'sequential', alpha: 0.05, plannedUnits: 100 })).toMatchObject({
    ...{ kind: 'too_few', have: 5, need: 30 },
  })
  // Everybody pays 3 for each: nothing is known of how much people differ in it.
  const same = ratio([1, 2, 3, 4, 5], [3, 6, 9, 12, 15])
  expect(compareRatios(same, some, fixed)).toMatchObject({ reason: 'zero_variance' })
  // One person has all that is divided by, and nobody knows what the next one will have.
  const one = ratio([1e6, 1, 1, 1, 1, 1], [1e6, 2, 1, 3, 1, 2])
  expect(compareRatios(one, some, fixed)).toMatchObject({ reason: 'denominator_near_zero' })
  expect(() => compareRatios({ ...some, m3: Number.NaN }, some, fixed)).toThrow(/A8510/)
  expect(() => compareRatios({ ...some, nonZero: 9 }, some, fixed)).toThrow(/A8510/)
})

test('a level outside of (0, 1) is refused', () => {
  for (const alpha of [0, 1, -0.1, Number.NaN]) {
    expect(() => critical({ kind: 'fixed', alpha }, { units: 10, df: 5 })).toThrow(/alpha/)
  }
})

test('a price per customer won has no upper end while perhaps nobody was won, and is none when fewer came', () => {
  const perhaps = costPerIncremental({ estimate: 10, lower: -2, upper: 20 }, 100)
  expect(perhaps).toEqual({ kind: 'estimated', estimate: 10, lower: 5, upper: Number.POSITIVE_INFINITY })
  const fewer = costPerIncremental({ estimate: -1, lower: -3, upper: 1 }, 100)
  expect(fewer).toEqual({ kind: 'not_estimable', reason: 'nothing_gained' })
})

test('an effect that no share can have is out of reach', () => {
  const sizes = { treated: 20, withheld: 2 }
  const answer = detectableShare(0.9, sizes, { alpha: 0.05, power: 0.8 }, 'up')
  expect(answer).toEqual({ kind: 'not_estimable', reason: 'out_of_reach' })
})

test('units where nobody is drawn are a mismatch, few units are counted exactly, and none are no answer', () => {
  expect(sampleRatio([100, 3], [1, 0])).toMatchObject({ verdict: 'mismatch', pValue: 0, method: 'impossible' })
  expect(sampleRatio([58, 0], [0.95, 0.05])).toMatchObject({ verdict: 'plausible', method: 'exact' })
  expect(sampleRatio([3, 1, 1], [0.5, 0.25, 0.25])).toMatchObject({ method: 'exact' })
  expect(sampleRatio([0, 0], [0.95, 0.05])).toEqual({ kind: 'not_estimable', reason: 'empty_arm' })
  expect(() => sampleRatio([5, 5], [0.5, 0.4])).toThrow(/sum to 1/)
})

test('an audit names those who are not where the draw puts them', () => {
  const right = [
    { recorded: 'treated', drawn: 'treated', n: 950 },
    { recorded: 'withheld', drawn: 'withheld', n: 50 },
  ] as const
  expect(auditAssignment(right)).toEqual({ kind: 'exact', units: 1000 })
  const leak = auditAssignment([...right, { recorded: 'treated', drawn: 'withheld', n: 1 }])
  expect(leak).toEqual({ kind: 'misassigned', units: 1001, treatedThoughWithheld: 1, withheldThoughTreated: 0 })
  expect(auditAssignment([])).toEqual({ kind: 'empty' })
})

test('strata without one of the arms are not guessed', () => {
  const whole = { treated: { n: 10, x: 5 }, withheld: { n: 10, x: 4 } }
  const half = { treated: { n: 10, x: 5 }, withheld: { n: 0, x: 0 } }
  expect(postStratified([whole, half], 0.05)).toEqual({ kind: 'not_estimable', reason: 'empty_arm' })
  expect(postStratified([], 0.05)).toEqual({ kind: 'not_estimable', reason: 'empty_arm' })
})

test('a trend needs three exposures; a lift that halves each time fades', () => {
  const effects = [0.08, 0.04, 0.02].map((estimate, index) => ({ nth: index + 1, estimate, se: 0.005 }))
  expect(novelty(effects.slice(0, 2), 0.05)).toMatchObject({ kind: 'too_few', have: 2, need: 3 })
  expect(novelty(effects, 0.05)).toMatchObject({ kind: 'estimated', trend: 'fades' })
  expect(
    novelty(
      effects.map(effect => ({ ...effect, se: 1 })),
      0.05,
    ),
  ).toMatchObject({ trend: 'steady' })
})

test('nobody of nobody is no share', () => {
  expect(clopperPearson({ n: 0, x: 0 }, 0.05)).toEqual({ kind: 'not_estimable', reason: 'empty_arm' })
})
