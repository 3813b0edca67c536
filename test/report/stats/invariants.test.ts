/** What must hold of the statistics whatever the figures are. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Count, type Moments, merge, momentsOfCount } from '../../../src/report/stats/aggregates.ts'
import type { Answer } from '../../../src/report/stats/answer.ts'
import type { Boundary } from '../../../src/report/stats/boundary.ts'
import { adjusted } from '../../../src/report/stats/cuped.ts'
import { normalUpper, normalUpperQuantile, tUpper, tUpperQuantile } from '../../../src/report/stats/distributions.ts'
import type { Lift } from '../../../src/report/stats/lift.ts'
import { compareMeans } from '../../../src/report/stats/means.ts'
import { benjaminiHochberg, holm } from '../../../src/report/stats/multiplicity.ts'
import { detectableShare, powerOfShares, unitsForShares } from '../../../src/report/stats/power.ts'
import { compareProportions, scoreOfDifference } from '../../../src/report/stats/proportions.ts'
import { quotientOfEffects } from '../../../src/report/stats/quotient-of-effects.ts'
import { binomialPValue, sampleRatio, sequentialSampleRatio } from '../../../src/report/stats/sample-ratio.ts'
import { binomialWeight } from '../../../src/report/stats/special-functions.ts'
import { coverage } from '../../validity/sums.ts'
import { newcombe } from './comparators.ts'
import { moments, paired, withCovariate } from './samples.ts'

const boundaries = fc.oneof(
  fc.record({ kind: fc.constant('fixed' as const), alpha: fc.constantFrom(0.01, 0.05, 0.1) }),
  fc.record({
    kind: fc.constant('sequential' as const),
    alpha: fc.constantFrom(0.01, 0.05),
    plannedUnits: fc.integer({ min: 100, max: 1_000_000 }),
  }),
)

const counts = (max: number): fc.Arbitrary<Count> =>
  fc.integer({ min: 1, max }).chain(n => fc.record({ n: fc.constant(n), x: fc.integer({ min: 0, max: n }) }))

const money = (min: number, max: number) => fc.integer({ min: min * 100, max: max * 100 }).map(cents => cents / 100)

/** Revenue as it is: mostly nothing, at times much, at times given back. */
const revenue = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: money(0, 500) },
    { weight: 1, arbitrary: money(-100, 20_000) },
  ),
  { minLength: 2, maxLength: 80 },
)

/** Every number that an answer holds. */
function numbers(value: unknown): readonly number[] {
  if (typeof value === 'number') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbers) : []
}

function expectAgreement(lift: Answer<Lift>): void {
  expect(numbers(lift).filter(Number.isNaN)).toEqual([])
  if (lift.kind !== 'estimated') return
  const said = (interval: { readonly lower: number; readonly upper: number }, none: number) =>
    interval.lower > none ? 'higher' : interval.upper < none ? 'lower' : 'undecided'
  expect(said(lift.absolute, 0)).toBe(lift.verdict)
  expect(lift.absolute.lower).toBeLessThanOrEqual(lift.absolute.upper)
  const { relative } = lift
  if (relative.kind === 'estimated') {
    expect(said(relative, 0)).toBe(lift.verdict)
    expect(relative.lower).toBeLessThanOrEqual(relative.estimate)
    expect(relative.estimate).toBeLessThanOrEqual(relative.upper)
  } else if (relative.kind === 'not_estimable' && relative.interval !== undefined) {
    expect(said(relative.interval, 0)).toBe(lift.verdict)
  }
}

test('difference, ratio and p-value of shares never disagree, at any boundary, for any counts', () => {
  fc.assert(
    fc.property(counts(3000), counts(300), boundaries, (treated, withheld, boundary) => {
      const lift = compareProportions(treated, withheld, boundary, 0)
      expectAgreement(lift)
      if (lift.kind === 'estimated') expect(lift.pValue < boundary.alpha).toBe(lift.verdict !== 'undecided')
    }),
    { numRuns: 1500 },
  )
})

test('difference, ratio and p-value of means never disagree, however skewed, also when means are negative', () => {
  fc.assert(
    fc.property(revenue, revenue, boundaries, (treated, withheld, boundary) => {
      const lift = compareMeans(moments(treated), moments(withheld), boundary, 0)
      expectAgreement(lift)
      if (lift.kind === 'estimated') expect(lift.pValue < boundary.alpha).toBe(lift.verdict !== 'undecided')
    }),
    { numRuns: 3000 },
  )
})

test('an alarm of a sequence is one of a single look too', () => {
  fc.assert(
    fc.property(
      counts(5000),
      counts(500),
      fc.integer({ min: 100, max: 100_000 }),
      (treated, withheld, plannedUnits) => {
        const sequential = compareProportions(treated, withheld, { kind: 'sequential', alpha: 0.05, plannedUnits }, 0)
        const once = compareProportions(treated, withheld, { kind: 'fixed', alpha: 0.05 }, 0)
        if (sequential.kind !== 'estimated' || once.kind !== 'estimated') throw new Error('both arms have units')
        if (sequential.verdict !== 'undecided') expect(once.verdict).toBe(sequential.verdict)
        expect(sequential.absolute.lower).toBeLessThanOrEqual(once.absolute.lower)
        expect(sequential.absolute.upper).toBeGreaterThanOrEqual(once.absolute.upper)
      },
    ),
  )
})

const fixed: Boundary = { kind: 'fixed', alpha: 0.05 }

function found<Figures>(answer: Answer<Figures>): Figures {
  if (answer.kind !== 'estimated') throw new Error(`expected figures, got ${JSON.stringify(answer)}`)
  return answer
}

test('exchanging the arms turns the sign of a difference and nothing else', () => {
  fc.assert(
    fc.property(counts(2000), counts(2000), (one, other) => {
      const [forth, back] = [
        found(compareProportions(one, other, fixed, 0)),
        found(compareProportions(other, one, fixed, 0)),
      ]
      expect(back.absolute.lower).toBeCloseTo(-forth.absolute.upper, 9)
      expect(back.absolute.upper).toBeCloseTo(-forth.absolute.lower, 9)
      expect(back.pValue).toBeCloseTo(forth.pValue, 12)
    }),
  )
  fc.assert(
    fc.property(revenue, revenue, (one, other) => {
      const forth = compareMeans(moments(one), moments(other), fixed, 0)
      const back = compareMeans(moments(other), moments(one), fixed, 0)
      expect(back.kind).toBe(forth.kind)
      if (forth.kind !== 'estimated' || back.kind !== 'estimated') return
      const scale = forth.absolute.upper - forth.absolute.lower
      expect((back.absolute.lower + forth.absolute.upper) / scale).toBeCloseTo(0, 9)
      expect((back.absolute.upper + forth.absolute.lower) / scale).toBeCloseTo(0, 9)
    }),
  )
})

test('counting who did not convert turns the sign of a difference of shares', () => {
  const others = ({ n, x }: Count): Count => ({ n, x: n - x })
  fc.assert(
    fc.property(counts(2000), counts(200), (treated, withheld) => {
      const did = found(compareProportions(treated, withheld, fixed, 0))
      const didNot = found(compareProportions(others(treated), others(withheld), fixed, 0))
      expect(didNot.absolute.lower).toBeCloseTo(-did.absolute.upper, 9)
    }),
  )
})

test('values in pence give a hundred times the difference of values in pounds, and the same ratio', () => {
  fc.assert(
    fc.property(revenue, revenue, fc.constantFrom(0.01, 100, 1e6), (treated, withheld, factor) => {
      const scaled = (values: readonly number[]) => moments(values.map(value => value * factor))
      const plain = compareMeans(moments(treated), moments(withheld), fixed, 0)
      const other = compareMeans(scaled(treated), scaled(withheld), fixed, 0)
      expect(other.kind).toBe(plain.kind)
      if (plain.kind !== 'estimated' || other.kind !== 'estimated') return
      const width = plain.absolute.upper - plain.absolute.lower
      expect((other.absolute.lower / factor - plain.absolute.lower) / width).toBeCloseTo(0, 8)
      expect(other.pValue).toBeCloseTo(plain.pValue, 8)
      if (plain.relative.kind !== 'estimated' || other.relative.kind !== 'estimated') return
      const relativeWidth = plain.relative.upper - plain.relative.lower
      expect((other.relative.upper - plain.relative.upper) / relativeWidth).toBeCloseTo(0, 6)
    }),
  )
})

test('more conversions among the treated never lower the interval', () => {
  fc.assert(
    fc.property(counts(1000), counts(100), (treated, withheld) => {
      fc.pre(treated.x < treated.n)
      const before = found(compareProportions(treated, withheld, fixed, 0)).absolute
      const after = found(compareProportions({ ...treated, x: treated.x + 1 }, withheld, fixed, 0)).absolute
      expect(after.lower).toBeGreaterThanOrEqual(before.lower - 1e-12)
      expect(after.upper).toBeGreaterThanOrEqual(before.upper - 1e-12)
    }),
  )
})

test('the score falls as the supposed difference grows', () => {
  fc.assert(
    fc.property(
      counts(1000),
      counts(1000),
      fc.integer({ min: -990, max: 980 }).map(thousandths => thousandths / 1000),
      (treated, withheld, delta) => {
        const [near, far] = [
          scoreOfDifference(treated, withheld, delta),
          scoreOfDifference(treated, withheld, delta + 0.01),
        ]
        expect(far).toBeLessThanOrEqual(near + 1e-9)
      },
    ),
  )
})

test('the interval of a difference of shares is near another good one where both have data', () => {
  fc.assert(
    fc.property(fc.integer({ min: 400, max: 1600 }), fc.integer({ min: 40, max: 160 }), (x, y) => {
      const [treated, withheld] = [
        { n: 2000, x },
        { n: 200, x: y },
      ]
      const { absolute } = found(compareProportions(treated, withheld, fixed))
      const other = newcombe(treated, withheld, 0.05)
      const width = other.upper - other.lower
      expect(Math.abs(absolute.lower - other.lower) / width).toBeLessThan(0.03)
      expect(Math.abs(absolute.upper - other.upper) / width).toBeLessThan(0.03)
    }),
  )
})

test('the interval of a difference of shares covers the truth as often as it says, at 19:1 and at 1:1, counted exactly', () => {
  const settings: (readonly [number, number, number, number])[] = [
    ...[0.2, 0.5, 0.8].flatMap(p => [0, 0.05, -0.05].map(effect => [380, 20, p + effect, p] as const)),
    ...[0.1, 0.3].flatMap(p => [0, 0.1].map(effect => [60, 60, p + effect, p] as const)),
  ]
  const covered = settings.map(setting => coverage(...setting))
  expect(Math.min(...covered)).toBeGreaterThan(0.935)
  expect(covered.reduce((sum, one) => sum + one) / covered.length).toBeGreaterThan(0.945)
})

test('arms that are merged are as if they had been counted as one', () => {
  fc.assert(
    fc.property(revenue, revenue, revenue, (a, b, c) => {
      const whole = moments([...a, ...b, ...c])
      const merged = [a, b, c].map(moments).reduce(merge)
      const size = Math.max(1, ...[...a, ...b, ...c].map(Math.abs))
      expect(merged.n).toBe(whole.n)
      expect(merged.nonZero).toBe(whole.nonZero)
      for (const [name, power] of [
        ['sum', 1],
        ['m2', 2],
        ['m3', 3],
      ] as const) {
        expect((merged[name] - whole[name]) / (whole.n * size ** power)).toBeCloseTo(0, 10)
      }
    }),
  )
  expect(momentsOfCount({ n: 4, x: 1 })).toEqual(moments([0, 1, 0, 0]))
  expect(merge(moments([]), moments([3, 4]))).toEqual(moments([3, 4]))
})

test('a covariate moves no estimate that has no noise, and removes what it explains', () => {
  const x = [1, 2, 3, 4, 5, 6, 7, 8]
  const treated = withCovariate(
    x,
    x.map(value => 10 * value + 3),
  )
  const withheld = withCovariate(
    x.slice(0, 5),
    x.slice(0, 5).map(value => 10 * value),
  )
  const result = adjusted(treated, withheld)
  expect(result.theta).toBeCloseTo(10, 12)
  expect(result.treated.sum / 8 - result.withheld.sum / 5).toBeCloseTo(3, 12)
  expect(result.reduction).toBeCloseTo(1, 12)
})

test('the moments after a covariate are those of the rows after it', () => {
  fc.assert(
    fc.property(revenue, revenue, (ys, more) => {
      const xs = ys.map((y, index) => 0.3 * y + ((index * 7) % 11))
      const moreXs = more.map((y, index) => 0.3 * y + ((index * 5) % 13))
      const { theta, treated } = adjusted(withCovariate(xs, ys), withCovariate(moreXs, more))
      const centre = [...xs, ...moreXs].reduce((sum, x) => sum + x) / (xs.length + moreXs.length)
      const rows = moments(ys.map((y, index) => y - theta * ((xs[index] ?? 0) - centre)))
      const size = Math.max(1, ...ys.map(Math.abs)) * (1 + Math.abs(theta))
      expect((treated.sum - rows.sum) / (size * ys.length)).toBeCloseTo(0, 9)
      expect((treated.m2 - rows.m2) / (size ** 2 * ys.length)).toBeCloseTo(0, 9)
      expect((treated.m3 - rows.m3) / (size ** 3 * ys.length)).toBeCloseTo(0, 9)
    }),
  )
})

test('quantiles undo tails', () => {
  const tails = fc.double({ min: 1e-12, max: 1 - 1e-6, noNaN: true })
  fc.assert(
    fc.property(tails, fc.double({ min: 0.5, max: 1e7, noNaN: true }), (tail, df) => {
      expect(normalUpper(normalUpperQuantile(tail)) / tail).toBeCloseTo(1, 9)
      expect(tUpper(tUpperQuantile(tail, df), df) / tail).toBeCloseTo(1, 9)
    }),
  )
})

test('an effect that is detectable with some power is seen with that power', () => {
  const shares = fc.double({ min: 0.01, max: 0.9, noNaN: true })
  fc.assert(
    fc.property(shares, fc.integer({ min: 200, max: 1e6 }), fc.constantFrom(0.8, 0.9), (baseline, n, power) => {
      const sizes = { treated: 0.95 * n, withheld: 0.05 * n }
      const effect = detectableShare(baseline, sizes, { alpha: 0.05, power }, 'up')
      if (effect.kind !== 'estimated') return
      expect(powerOfShares(baseline + effect.absolute, baseline, sizes, 0.05)).toBeCloseTo(power, 6)
      const { units } = found(unitsForShares(baseline + effect.absolute, baseline, 0.05, { alpha: 0.05, power }))
      expect(units / n).toBeCloseTo(1, 1)
    }),
  )
})

test('exact binomial p-values are the sum of all counts that are no likelier', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0.01, max: 0.99, noNaN: true }), (n, p) => {
      const chance = (k: number) => (k === 0 ? (1 - p) ** n : k === n ? p ** n : binomialWeight(k, n - k, p, 1 - p))
      const all = Array.from({ length: n + 1 }, (_, k) => k)
      for (const k of all) {
        const sum = all
          .filter(other => chance(other) <= chance(k) * (1 + 1e-7))
          .reduce((total, one) => total + chance(one), 0)
        expect(binomialPValue(k, n, p)).toBeCloseTo(Math.min(1, sum), 9)
      }
    }),
    { numRuns: 50 },
  )
})

test('a sample ratio does not depend on the order of the arms', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 300 }), (a, b) => {
      fc.pre(a + b > 0)
      const forth = found(sampleRatio([a, b], [0.95, 0.05]))
      expect(found(sampleRatio([b, a], [0.05, 0.95])).pValue).toBeCloseTo(forth.pValue, 9)
    }),
  )
})

test('a sequence of looks at a sample ratio forgets no alarm', () => {
  const alarmed = found(sequentialSampleRatio([[90_000, 10_000]], [0.95, 0.05]))
  expect(alarmed.verdict).toBe('mismatch')
  const later = found(
    sequentialSampleRatio(
      [
        [90_000, 10_000],
        [950_000, 50_000],
      ],
      [0.95, 0.05],
    ),
  )
  expect(later.pValue).toBe(alarmed.pValue)
})

test('adjusted p-values keep the order, are not below the given ones, and Holm is the stricter', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 }), pValues => {
      const [strict, loose] = [holm(pValues), benjaminiHochberg(pValues)]
      pValues.forEach((p, index) => {
        expect(strict[index]).toBeGreaterThanOrEqual(loose[index] ?? 1)
        expect(loose[index]).toBeGreaterThanOrEqual(p)
        pValues.forEach((other, at) => {
          if (other < p) expect(strict[at]).toBeLessThanOrEqual(strict[index] ?? 0)
        })
      })
    }),
  )
})

test('the effect on those who were reached is above zero exactly when that on everybody assigned is', () => {
  const units = fc.array(fc.tuple(fc.constantFrom(0, 1, 1, 1), fc.double({ min: -5, max: 20, noNaN: true })), {
    minLength: 5,
    maxLength: 60,
  })
  fc.assert(
    fc.property(
      units,
      fc.array(fc.double({ min: -5, max: 20, noNaN: true }), { minLength: 5, maxLength: 30 }),
      (reached, not) => {
        const treated = paired(
          reached.map(([x]) => x),
          reached.map(([, y]) => y),
        )
        const withheld = paired(
          not.map(() => 0),
          not,
        )
        const quotient = quotientOfEffects(treated, withheld, 0.05)
        if (quotient.kind !== 'estimated') return
        const z =
          (treated.sumY / treated.n - withheld.sumY / withheld.n) /
          spread(treated.myy, treated.n, withheld.myy, withheld.n)
        expect(quotient.lower > 0 || quotient.upper < 0).toBe(Math.abs(z) > normalUpperQuantile(0.025))
      },
    ),
  )
})

function spread(a: number, n: number, b: number, m: number): number {
  return Math.sqrt(a / (n - 1) / n + b / (m - 1) / m)
}

/** Marsaglia's xorshift: the same sample on every machine. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

test('of experiments without an effect on skewed revenue at 19:1 few are alarms, where the usual statistic has many on one side', () => {
  const random = seeded(20_261_124)
  const normal = () => Math.sqrt(-2 * Math.log(random() + Number.MIN_VALUE)) * Math.cos(2 * Math.PI * random())
  const customer = () => (random() < 0.05 ? Math.min(10, Math.exp(normal())) : 0)
  const arm = (n: number) => moments(Array.from({ length: n }, customer))
  const experiments = Array.from({ length: 400 }, () => [arm(3800), arm(200)] as const)
  const share = (skewed: boolean, side: Lift['verdict']) =>
    experiments.filter(([treated, withheld]) => {
      const third = (of: Moments) => (skewed ? of : { ...of, m3: 0 })
      const lift = compareMeans(third(treated), third(withheld), fixed, 0)
      return lift.kind === 'estimated' && lift.verdict === side
    }).length / experiments.length
  expect(share(true, 'higher') + share(true, 'lower')).toBeLessThan(0.08)
  expect(share(true, 'higher')).toBeLessThan(0.05)
  expect(share(false, 'higher')).toBeGreaterThan(0.06)
})
