import { describe, expect, test } from 'vitest'
import { compareArms, figuresOf } from '../../src/report/comparison.ts'
import { funnelOf } from '../../src/report/funnel.ts'
import { baselineOf, powerLeft, reachOf } from '../../src/report/power-left.ts'
import type { Boundary } from '../../src/report/stats/boundary.ts'
import { worthOf } from '../../src/report/worth.ts'
import { sums } from './sample-report.ts'
import { paired } from './stats/samples.ts'

const fixed: Boundary = { kind: 'fixed', alpha: 0.05 }
const sequence: Boundary = { kind: 'sequential', alpha: 0.05, plannedUnits: 10_000 }

describe('what a lift amounts to', () => {
  const [comparison] = compareArms([sums('treated', 9000, 3600), sums('withheld', 1000, 300)].map(figuresOf), fixed, {
    ...{ measure: 'share', covariate: false },
  })
  if (comparison === undefined) throw new Error('nothing to compare')
  /** As a row of `selectJoint`: who has the outcome spends 20 more. */
  const joint = (arm: string, n: number, x: number) => {
    const has = Array.from({ length: n }, (_, index) => (index < x ? 1 : 0))
    const { sumX, sumY, ...centred } = paired(
      has,
      has.map((one, index) => 20 * one + (index % 5)),
    )
    return { arm, ...centred, n, sum_x: sumX, sum_y: sumY }
  }
  const rows = [joint('treated', 9000, 3600), joint('withheld', 1000, 300)]
  const around = { compliance: [], boundary: fixed, measure: 'share' as const, joint: [{ outcome: 'spent', rows }] }

  test('in money is the effect on it, for each outcome that would not have been', () => {
    const { value_per_incremental: values } = worthOf(comparison, { ...around, cost: 45, direction: 'up' })
    expect(values).toMatchObject([{ outcome: 'spent', value: { kind: 'estimated' } }])
    const [value] = values
    if (value?.value.kind !== 'estimated') throw new Error('no figures')
    expect(value.value.estimate).toBeCloseTo(20, 6)
    expect(value.value.lower).toBeLessThan(20)
  })

  test('costs what was paid over what was gained; of what should become less, over what was prevented', () => {
    const up = worthOf(comparison, { ...around, cost: 45, direction: 'up' }).cost_per_incremental
    if (up?.kind !== 'estimated') throw new Error('no price')
    expect(up.estimate).toBeCloseTo(45 / (9000 * 0.1), 9)
    const down = worthOf(comparison, { ...around, cost: 45, direction: 'down' }).cost_per_incremental
    expect(down).toMatchObject({ kind: 'not_estimable', reason: 'nothing_gained' })
    expect(worthOf(comparison, { ...around, cost: null, direction: 'up' })).toMatchObject({
      ...{ cost: null, cost_per_incremental: null, delivered_share: null, on_reached: null },
    })
  })
})

test('a funnel adds up: what was due was withheld, skipped, is waiting or was sent', () => {
  const funnel = funnelOf(
    [
      { decision: 'send', outcome: 'acked', n: 50, first_at: '2026-03-02T00:00:00Z' },
      { decision: 'send', outcome: 'parked', n: 2, first_at: '2026-03-01T00:00:00Z' },
      { decision: 'withhold', reason: 'holdout.a', n: 5 },
      { decision: 'withhold', reason: 'holdout.b', n: 7 },
      { decision: 'skip', reason: 'duplicate.person', n: 3 },
      { decision: 'blocked', reason: 'unresolved.parked', n: 1 },
    ],
    [{ reason: 'consent.denied', n: 4 }],
  )
  const { due, withheld, skipped, waiting, sent, acked, rejected, parked, pending } = funnel
  expect(withheld + skipped + waiting + sent).toBe(due)
  expect(acked + rejected + parked + pending).toBe(sent)
  expect(funnel).toMatchObject({ since: '2026-03-01T00:00:00.000Z', ineligible: 4 })
  expect(funnel.withheld_reasons.map(({ reason }) => reason)).toEqual(['holdout.b', 'holdout.a'])
  expect(funnelOf([], [])).toMatchObject({ since: null, due: 0, sent: 0 })
})

describe('what can be seen', () => {
  const base = baselineOf(figuresOf(sums('withheld', 1000, 300)), 'up', 'share')
  if (base === null) throw new Error('no baseline')

  test('is less the more people there are, and less easily by one of many looks', () => {
    const reach = (people: number, boundary: Boundary) => reachOf(base, people, 0.1, boundary)?.absolute ?? 1
    expect(reach(40_000, fixed)).toBeLessThan(reach(10_000, fixed))
    expect(reach(10_000, sequence)).toBeGreaterThan(reach(10_000, fixed))
    // Four times the people, half the difference.
    expect(reach(40_000, fixed) / reach(10_000, fixed)).toBeCloseTo(0.5, 1)
  })

  test('is nothing while too few withheld people are expected to have the outcome, or of nobody', () => {
    expect(reachOf(base, 100, 0.1, sequence)).toBeNull()
    expect(reachOf(base, 0, 0.1, fixed)).toBeNull()
    expect(baselineOf(figuresOf(sums('withheld', 1, 1)), 'up', 'share')).toBeNull()
  })

  test('at the end of the holdout is told at the pace so far, which is not known in the first two weeks', () => {
    const day = 86_400_000
    const firstAt = Date.parse('2026-01-01T00:00:00Z')
    const at = (days: number, expires?: string) =>
      powerLeft(figuresOf(sums('withheld', 1000, 300)), {
        ...{
          direction: 'up',
          measure: 'share',
          boundary: sequence,
          share: 0.1,
          people: { exposed: 12_000, counted: 10_000 },
        },
        ...{ firstAt, asOf: firstAt + days * day, window: 7 * day, expires, ended: false },
      })
    expect(at(10, '2026-07-01')).toMatchObject({ at_end: null, people_per_week: null })
    expect(at(70, '2026-07-01')).toMatchObject({ people_per_week: 1200, at_end: { date: '2026-07-08' } })
    expect(at(70).at_end).toBeNull()
    expect(at(400, '2026-07-01').at_end).toBeNull()
  })
})
