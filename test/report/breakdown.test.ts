import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cohortsOf, partsOf, segmentsOf, seriesOf } from '../../src/report/breakdown.ts'
import { compareArms, figuresOf } from '../../src/report/comparison.ts'
import type { Boundary } from '../../src/report/stats/boundary.ts'
import { mergeMoments, noMoments } from '../../src/report/stats/joint-moments.ts'
import { sampleDays, sums } from './sample-report.ts'
import { withCovariate } from './stats/samples.ts'

const day = 86_400_000
const sequence: Boundary = { kind: 'sequential', alpha: 0.05, plannedUnits: 6000 }
const shares = { measure: 'share', covariate: false } as const
const later = Date.parse('2027-01-01T00:00:00Z')

test('groups that are merged have the moments of all their people', () => {
  const values = fc.array(fc.tuple(fc.float({ min: -50, max: 500, noNaN: true }), fc.integer({ min: -20, max: 90 })), {
    minLength: 1,
    maxLength: 40,
  })
  fc.assert(
    fc.property(fc.array(values, { minLength: 1, maxLength: 6 }), groups => {
      const of = (pairs: readonly (readonly [number, number])[]) =>
        withCovariate(
          pairs.map(([x]) => x),
          pairs.map(([, y]) => y),
        )
      const merged = groups.map(of).reduce(mergeMoments, noMoments)
      const whole = of(groups.flat())
      for (const [name, value] of Object.entries(whole)) {
        const scale = Math.max(1, Math.abs(value), whole.n * 500 ** 3 * 1e-3)
        expect(Math.abs((merged[name as keyof typeof whole] - value) / scale), name).toBeLessThan(1e-9)
      }
    }),
  )
})

describe('a lift over time', () => {
  const days = partsOf(sampleDays(75))

  test('ends with everybody who is counted', () => {
    const [series] = seriesOf(days, sequence, { ...shares, window: 30 * day, asOf: later })
    const last = series?.points.at(-1)
    expect(last).toMatchObject({ at: '2026-04-20T00:00:00.000Z', treated: 6750, withheld: 750 })
    const totals = [sums('treated', 6750, 2775), sums('withheld', 750, 225)].map(figuresOf)
    const [whole] = compareArms(totals, sequence, shares)
    if (last?.lift.kind !== 'estimated' || whole?.lift.kind !== 'estimated') throw new Error('no figures')
    expect(last.lift.statistic).toBeCloseTo(whole.lift.statistic, 9)
    expect(last.lift.absolute.lower).toBeCloseTo(whole.lift.absolute.lower, 9)
  })

  test('has at most forty looks, a whole step apart, and says where there is too little to say', () => {
    const [series] = seriesOf(days, sequence, { ...shares, window: 30 * day, asOf: later })
    const points = series?.points ?? []
    expect(points.length).toBeLessThanOrEqual(40)
    const steps = points.slice(1).map(({ at }, index) => Date.parse(at) - Date.parse(points[index]?.at ?? ''))
    expect(new Set(steps)).toEqual(new Set([7 * day]))
    expect(points[0]?.lift).toMatchObject({ kind: 'too_few', need: 30 })
    expect(points.map(({ treated }) => treated)).toEqual(points.map(({ treated }) => treated).toSorted((a, b) => a - b))
  })

  test('is dated no later than the report', () => {
    const asOf = Date.parse('2026-04-19T12:00:00Z')
    const [series] = seriesOf(days, sequence, { ...shares, window: 30 * day, asOf })
    expect(series?.points.at(-1)?.at).toBe('2026-04-19T12:00:00.000Z')
  })

  test('is empty of nobody, and of people of one arm not estimable', () => {
    expect(seriesOf([], sequence, { ...shares, window: 0, asOf: 0 })).toEqual([])
    const [series] = seriesOf(partsOf([{ ...sums('withheld', 100, 40), part: '2026-01-05' }]), sequence, {
      ...{ ...shares, window: 0, asOf: later },
    })
    expect(series?.points[0]?.lift).toMatchObject({ kind: 'not_estimable', reason: 'empty_arm' })
  })
})

describe('parts of the people', () => {
  test('are weeks while there are few, and months afterwards; all of them are everybody', () => {
    const weeks = cohortsOf(partsOf(sampleDays(30)), sequence, shares)
    expect(weeks[0]?.part).toBe('week of 2026-01-05')
    const months = cohortsOf(partsOf(sampleDays(75)), sequence, shares)
    expect(months.map(({ part }) => part)).toEqual(['2026-01', '2026-02', '2026-03'])
    expect(months.reduce((sum, { treated, withheld }) => sum + treated.people + withheld.people, 0)).toBe(7500)
    expect(cohortsOf(partsOf(sampleDays(5)), sequence, shares)).toEqual([])
  })

  test('have wider intervals the more of them there are', () => {
    const rows = (part: string) => [
      { ...sums('treated', 900, 360), part },
      { ...sums('withheld', 100, 35), part },
    ]
    const width = (parts: readonly string[]) => {
      const [first] = segmentsOf(partsOf(parts.flatMap(rows)), sequence, shares)
      if (first?.lift.kind !== 'estimated') throw new Error('no figures')
      return (first.lift.absolute.upper ?? 0) - (first.lift.absolute.lower ?? 0)
    }
    expect(width(['a', 'b', 'c'])).toBeGreaterThan(width(['a']))
  })

  test('that are many are shown as the largest and the rest; without a withheld person they say so', () => {
    const rows = Array.from({ length: 30 }, (_, index) => ({ ...sums('treated', 100 + index, 40), part: `s${index}` }))
    const segments = segmentsOf(partsOf(rows), sequence, shares)
    expect(segments).toHaveLength(13)
    expect(segments[0]).toMatchObject({ part: 's29', lift: { kind: 'not_estimable', reason: 'empty_arm' } })
    expect(segments.at(-1)?.part).toBe('all others')
    expect(segmentsOf(partsOf([{ ...sums('treated', 10, 4), part: '' }]), sequence, shares)).toEqual([])
  })
})
