import picocolors from 'picocolors'
import { describe, expect, test } from 'vitest'
import { renderForecasts } from '../../src/cli/render/forecast.ts'
import { type ForecastRows, forecastOf } from '../../src/report/forecast.ts'
import { sampleExperiment, sampleOutcome, sums } from './sample-report.ts'

const asOf = Date.parse('2026-03-01T00:00:00Z')
const experiment = { ...sampleExperiment(), sync: 'renewal_due' }
const { expires: _, ...endless } = experiment.holdout
const forever = { ...experiment, holdout: endless }
const rows: ForecastRows = {
  experiment: forever,
  exposed: { n: 8000, first_at: '2026-01-04T00:00:00Z' },
  decided: { n: 0, first_at: null },
  tonight: 140,
  withheld: sums('withheld', 400, 120),
  population: sums('withheld', 9000, 3000),
  problem: undefined,
}
const plain = picocolors.createColors(false)

describe('a forecast', () => {
  test('tells how many come, what they do without it, and when the least lift that matters can be told', () => {
    const entry = forecastOf(rows, asOf)
    expect(entry).toMatchObject({ people_per_week: 1000, people_from: 'exposures', warnings: [], least_lift: 0.1 })
    expect(entry.baseline).toEqual({ mean: 0.3, people: 400, from: 'withheld' })
    const reaches = entry.reach.map(({ relative }) => relative ?? 0)
    expect(reaches).toEqual(reaches.toSorted((left, right) => right - left))
    expect(entry.decided_in_weeks).toBeGreaterThan(30)
    expect(entry.decided_in_weeks).toBeLessThan(104)
    expect(renderForecasts([entry], plain)).toContain(
      'about 1,000 people a week, as in the last weeks; without it 30.0 % (400 withheld people)',
    )
  })

  test('of a larger lift is sooner', () => {
    const primary = (leastLift: number) => ({
      ...rows,
      experiment: {
        ...rows.experiment,
        outcomes: [{ outcome: sampleOutcome({ leastLift }), role: 'primary' as const }],
      },
    })
    const weeks = [0.5, 0.2, 0.1].map(
      least => forecastOf(primary(least), asOf).decided_in_weeks ?? Number.POSITIVE_INFINITY,
    )
    expect(weeks).toEqual(weeks.toSorted((left, right) => left - right))
  })

  test('warns when the holdout ends before anything can be told', () => {
    const soon = { ...rows, experiment: { ...experiment, holdout: { ...experiment.holdout, expires: '2026-04-01' } } }
    const entry = forecastOf(soon, asOf)
    expect(entry.decided_in_weeks).toBeNull()
    expect(entry.warnings[0]).toMatch(
      /^a lift of 10\.0 % can never be told from chance before the holdout ends on 2026-04-01/,
    )
  })

  test('warns when the outcome is so rare that no figure will ever be shown', () => {
    const rare = {
      ...rows,
      exposed: { n: 80, first_at: '2026-01-04T00:00:00Z' },
      withheld: undefined,
      population: sums('withheld', 9000, 9),
    }
    expect(forecastOf(rare, asOf).warnings[0]).toMatch(/^it can never be decided: within two years too few/)
  })

  test.each([
    ['no primary outcome', { experiment: { ...rows.experiment, outcomes: [] } }, /withheld for nothing/],
    ['an end that has passed', { experiment: { ...rows.experiment, ended: true } }, /nobody is withheld/],
    ['nobody to look at', { withheld: undefined, population: undefined }, /nothing is known/],
    [
      'an outcome that never happened',
      { withheld: undefined, population: sums('withheld', 9000, 0) },
      /never happened/,
    ],
    ['a first night', { exposed: {}, decided: {} }, /look again after some nights/],
    [
      'a model that fails',
      { withheld: undefined, population: undefined, problem: 'A4003, stale' },
      /cannot be looked at: A4003, stale/,
    ],
  ] as const)('says so where there is %s', (_, more, warning) => {
    const entry = forecastOf({ ...rows, ...(more as Partial<ForecastRows>) }, asOf)
    expect(entry.warnings[0]).toMatch(warning)
    expect(entry.decided_in_weeks).toBeNull()
    expect(JSON.stringify(entry)).not.toMatch(/NaN|Infinity/)
  })
})
