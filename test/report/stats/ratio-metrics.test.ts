/** Quotients of two sums, held against means whose answer is known, and against experiments without an effect. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Boundary } from '../../../src/report/stats/boundary.ts'
import { compareMeans } from '../../../src/report/stats/means.ts'
import { compareRatios, type RatioMoments, ratioMoments, ratioOf } from '../../../src/report/stats/ratio-metrics.ts'
import { liftOfMeans } from '../../../src/report/stats/skew-fieller.ts'
import { normal, seeded } from '../../validity/chance.ts'
import { moments, withCovariate } from './samples.ts'

const fixed: Boundary = { kind: 'fixed', alpha: 0.05 }
const boundaries = fc.constantFrom<Boundary>(fixed, { kind: 'sequential', alpha: 0.05, plannedUnits: 500 })

interface Unit {
  readonly x: number
  readonly y: number
}

function ratioFrom(units: readonly Unit[]): RatioMoments {
  const [x, y] = [units.map(unit => unit.x), units.map(unit => unit.y)]
  const nonZero = units.filter(unit => unit.x !== 0 || unit.y !== 0).length
  return ratioMoments({ ...withCovariate(x, y), nonZero })
}

const amounts = fc.integer({ min: 0, max: 50_000 }).map(cents => cents / 100)
const buyers = fc.array(fc.record({ x: fc.integer({ min: 1, max: 9 }), y: amounts }), { minLength: 8, maxLength: 60 })
const people = fc.array(
  fc.oneof(fc.constant({ x: 0, y: 0 }), fc.record({ x: fc.integer({ min: 1, max: 9 }), y: amounts })),
  { minLength: 8, maxLength: 60 },
)

/** Each unit's value, were its residual all that it differs by: a mean that is the quotient. */
function linearised(units: readonly Unit[]): readonly number[] {
  const sum = (of: (unit: Unit) => number) => units.reduce((whole, unit) => whole + of(unit), 0)
  const ratio = sum(({ y }) => y) / sum(({ x }) => x)
  return units.map(({ x, y }) => ratio + (y - ratio * x) / (sum(unit => unit.x) / units.length))
}

/** Of values of which none is nothing. */
const whole = (values: readonly number[]) => ({ ...moments(values), nonZero: values.length })

describe('a quotient', () => {
  test('has the lift of the mean of its residuals, in the difference and in the relative lift', () => {
    fc.assert(
      fc.property(buyers, buyers, boundaries, (treated, withheld, boundary) => {
        const found = compareRatios(ratioFrom(treated), ratioFrom(withheld), boundary, 0)
        const means = compareMeans(whole(linearised(treated)), whole(linearised(withheld)), boundary, 0)
        fc.pre(found.kind === 'estimated' && means.kind === 'estimated')
        if (found.kind !== 'estimated' || means.kind !== 'estimated') return
        expect(found.verdict).toBe(means.verdict)
        const near = (left: number, right: number) =>
          expect(Math.abs(left - right)).toBeLessThanOrEqual(1e-6 * (1 + Math.abs(right)))
        near(found.statistic, means.statistic)
        for (const end of ['estimate', 'lower', 'upper'] as const) near(found.absolute[end], means.absolute[end])
        if (found.relative.kind === 'estimated' && means.relative.kind === 'estimated')
          near(found.relative.estimate, means.relative.estimate)
      }),
      { numRuns: 150 },
    )
  })

  test('over one for each unit is the mean', () => {
    fc.assert(
      fc.property(fc.array(amounts, { minLength: 8, maxLength: 50 }), fc.array(amounts, { minLength: 8 }), (a, b) => {
        const [treated, withheld] = [a, b].map(values => ratioFrom(values.map(y => ({ x: 1, y }))))
        fc.pre(treated !== undefined && withheld !== undefined)
        if (treated === undefined || withheld === undefined) return
        const found = compareRatios(treated, withheld, fixed, 0)
        const means = compareMeans(whole(a), whole(b), fixed, 0)
        fc.pre(found.kind === 'estimated' && means.kind === 'estimated')
        if (found.kind !== 'estimated' || means.kind !== 'estimated') return
        expect(found.absolute.estimate).toBeCloseTo(means.absolute.estimate, 9)
        expect(found.absolute.lower / means.absolute.lower).toBeCloseTo(1, 6)
      }),
      { numRuns: 100 },
    )
  })

  test('never disagrees with itself, is never NaN, and does not care for the currency', () => {
    fc.assert(
      fc.property(people, people, boundaries, (treated, withheld, boundary) => {
        const found = compareRatios(ratioFrom(treated), ratioFrom(withheld), boundary, 0)
        expect(JSON.stringify(found)).not.toMatch(/NaN/)
        if (found.kind !== 'estimated') return
        const side = found.absolute.lower > 0 ? 'higher' : found.absolute.upper < 0 ? 'lower' : 'undecided'
        expect(side).toBe(found.verdict)
        if (found.relative.kind === 'estimated') {
          const { lower, upper } = found.relative
          expect(lower > 0 ? 'higher' : upper < 0 ? 'lower' : 'undecided').toBe(found.verdict)
        }
        const inPence = (units: readonly Unit[]) => ratioFrom(units.map(({ x, y }) => ({ x, y: 100 * y })))
        const pence = compareRatios(inPence(treated), inPence(withheld), boundary, 0)
        expect(pence.kind === 'estimated' && pence.statistic).toBeCloseTo(found.statistic, 5)
      }),
      { numRuns: 200 },
    )
  })

  test('people with nothing in it change no estimate', () => {
    const units = Array.from({ length: 40 }, (_, index) => ({ x: 1 + (index % 3), y: (index * 37) % 11 }))
    const others = Array.from({ length: 40 }, (_, index) => ({ x: 1 + (index % 2), y: (index * 13) % 7 }))
    const idle = Array.from({ length: 400 }, () => ({ x: 0, y: 0 }))
    const [few, many] = [[] as readonly Unit[], idle].map(more =>
      compareRatios(ratioFrom([...units, ...more]), ratioFrom([...others, ...more]), fixed),
    )
    if (few?.kind !== 'estimated' || many?.kind !== 'estimated') throw new Error('no figures')
    expect(many.absolute.estimate).toBeCloseTo(few.absolute.estimate, 12)
    expect(many.statistic / few.statistic).toBeCloseTo(1, 1)
  })

  test('of nothing is found better by chance no more often than it says, where the usual interval errs', () => {
    const random = seeded(5)
    const customer = (): Unit => {
      if (random() >= 0.08) return { x: 0, y: 0 }
      const orders = 1 + Math.floor(random() * 3)
      const spent = Array.from({ length: orders }, () => Math.min(10, Math.exp(normal(random))))
      return { x: orders, y: spent.reduce((sum, each) => sum + each, 0) }
    }
    const arm = (n: number) => ratioFrom(Array.from({ length: n }, customer))
    const counts = { told: 0, higher: 0, lower: 0, usual: 0 }
    for (let repetition = 0; repetition < 300; repetition++) {
      const [treated, withheld] = [arm(3800), arm(200)]
      const found = compareRatios(treated, withheld, fixed)
      if (found.kind !== 'estimated') continue
      counts.told += 1
      if (found.verdict !== 'undecided') counts[found.verdict] += 1
      const usual = { treated: ratioOf(treated), withheld: ratioOf(withheld), skewness: () => 0 }
      const information = { units: 4000, df: Number.POSITIVE_INFINITY }
      if (liftOfMeans({ ...usual, information }, fixed).verdict === 'higher') counts.usual += 1
    }
    expect(counts.told).toBeGreaterThan(290)
    expect((counts.higher + counts.lower) / counts.told).toBeLessThan(0.08)
    expect(counts.usual / counts.told).toBeGreaterThan(0.06)
  })
})
