/** Figures that cannot be, or say nothing: a stated answer in the terminal, in the JSON and on the page, never a number that means nothing. */
import picocolors from 'picocolors'
import { expect, test } from 'vitest'
import { renderReport } from '../../src/cli/render/report.ts'
import type { Outcome } from '../../src/project/outcomes.ts'
import { renderReportPage } from '../../src/report/page/page.ts'
import { assembleReport } from '../../src/report/report.ts'
import { resultRows } from '../../src/report/results.ts'
import type { Row } from '../../src/warehouse/warehouse.ts'
import {
  sampleAsOf,
  sampleDetail,
  sampleExperiment,
  sampleOutcome,
  sampleReport,
  sampleRows,
  sums,
} from './sample-report.ts'

const plain = picocolors.createColors(false)

function reportOf(arms: readonly Row[], value: boolean | 'per event', more: Partial<Outcome> = {}) {
  const per = value === 'per event' ? { per: 'event' as const } : {}
  const outcome = sampleOutcome(value === false ? {} : { value: 'amount', ...per, ...more })
  const part = '2026-01-05'
  const days = arms.map(arm => ({ ...arm, part }))
  const rows = sampleRows()
  const compliance = arms.map(arm => ({ ...arm, sum_z: 0, myy: 0, mzz: 0, myz: 0 }))
  return sampleReport([
    {
      ...rows,
      experiment: sampleExperiment({ outcomes: [{ outcome, role: 'primary' }] }),
      outcomes: [
        {
          measured: { outcome, role: 'primary' },
          events: { n: 10, nobody: 1, undated: 2, unusable: 3, repeated: 4 },
          aggregates: arms,
          detail: sampleDetail(days, { segments: days, compliance, matured: [] }),
        },
      ],
    },
  ])
}

/** Everybody gave the same back. */
const negative = (arm: string, n: number, each: number) => ({ ...sums(arm, n, n), sum_y: n * each, myy: 0, myyy: 0 })

/** With so many events, of those who have any: as many as the outcome has people, or none. */
const over = (row: Row, events: number): Row => ({
  ...row,
  ...(events === 0 ? {} : { sum_x: events, mxx: row.myy ?? 0, mxy: row.myy ?? 0, mxxx: row.myyy ?? 0 }),
  ...(events === 0 ? {} : { mxxy: row.myyy ?? 0, mxyy: row.myyy ?? 0 }),
})

test.each([
  ['nobody at all', [], false, /nobody is counted in one arm yet/],
  ['an empty arm', [sums('treated', 900, 300)], false, /nobody is counted in one arm yet/],
  ['one person in an arm', [sums('treated', 900, 300), sums('withheld', 1, 1)], false, /too few/],
  ['an outcome that everybody has', [sums('treated', 900, 900), sums('withheld', 100, 100)], false, /too few/],
  ['an outcome that nobody has', [sums('treated', 900, 0), sums('withheld', 100, 0)], false, /too few/],
  ['values of one person', [sums('treated', 900, 300), sums('withheld', 1, 1)], true, /too few/],
  ['values of nobody', [sums('treated', 900, 0), sums('withheld', 100, 0)], true, /too few/],
  [
    'values that are all alike',
    [sums('treated', 900, 900), sums('withheld', 100, 100)],
    true,
    /people of an arm do not differ/,
  ],
  [
    'values that are all negative',
    [negative('treated', 900, -5), negative('withheld', 100, -5)],
    true,
    /people of an arm do not differ/,
  ],
  ['a quotient of nobody', [], 'per event', /nobody is counted in one arm yet/],
  [
    'a quotient over nothing',
    [over(sums('treated', 900, 300), 900), over(sums('withheld', 100, 40), 0)],
    'per event',
    /too near zero to divide by/,
  ],
  [
    'a quotient in which hardly anybody has a part',
    [over(sums('treated', 900, 300), 300), over(sums('withheld', 100, 3), 3)],
    'per event',
    /too few/,
  ],
  [
    'a quotient that is the same for everybody',
    [over(sums('treated', 900, 300), 300), over(sums('withheld', 100, 40), 40)],
    'per event',
    /people of an arm do not differ/,
  ],
] as const)('%s: the same answer in all outputs', (_, arms, value, said) => {
  const report = reportOf(arms, value)
  const json = JSON.stringify(report)
  const outputs = { terminal: renderReport(report, plain), page: renderReportPage(report, 'acme') }
  const lift = report.experiments[0]?.outcomes[0]?.comparisons[0]?.lift
  expect(lift?.kind).not.toBe('estimated')
  expect(report.experiments[0]?.verdicts[0]?.advice).toBe('wait')
  for (const [name, text] of Object.entries(outputs)) {
    expect(text, name).toMatch(said)
    expect(text, name).not.toMatch(/NaN|Infinity|undefined|\bnull\b/)
  }
  expect(json).not.toMatch(/NaN|Infinity/)
  for (const result of resultRows(report, 0))
    expect([result.difference, result.lift, result.p_value]).toEqual([null, null, null])
})

test('negative values that differ are values like others', () => {
  const spread = (arm: string, n: number, each: number) => ({
    ...sums(arm, n, n),
    sum_y: n * each,
    myy: n * 4,
    myyy: 0,
  })
  const report = reportOf([spread('treated', 9000, -5), spread('withheld', 1000, -4)], true)
  const lift = report.experiments[0]?.outcomes[0]?.comparisons[0]?.lift
  expect(lift).toMatchObject({ kind: 'estimated', side: 'lower' })
  expect(renderReportPage(report, 'acme')).toContain('−1.00')
})

test('values of which a few decide everything ask for a cap, unless there is one', () => {
  const skewed = (arm: string, n: number, x: number) => ({
    ...sums(arm, n, x),
    sum_y: 30 * x,
    myy: 5000 * x,
    myyy: 6e6 * x,
  })
  const arms = [skewed('treated', 9000, 900), skewed('withheld', 1000, 100)]
  const report = reportOf(arms, true)
  const said = /a few large values of "renewed" weigh much \(skewness 5\d\.\d\).*with a cap/
  expect(report.experiments[0]?.outcomes[0]?.hints).toEqual([expect.stringMatching(said)])
  expect(renderReport(report, plain)).toMatch(said)
  expect(renderReportPage(report, 'acme').replaceAll('&quot;', '"')).toMatch(/A few large values of "renewed"/)
  expect(reportOf(arms, true, { cap: 500 }).experiments[0]?.outcomes[0]?.hints).toEqual([])
})

test('rows that do not count are told in all outputs', () => {
  const report = reportOf([sums('treated', 900, 300), sums('withheld', 100, 30)], false)
  const said = /1 nobody, 2 undated, 3 unusable, 4 repeated/
  expect(renderReport(report, plain)).toMatch(said)
  expect(renderReportPage(report, 'acme')).toMatch(said)
  expect(report.experiments[0]?.outcomes[0]?.rows).toEqual({
    total: 10,
    nobody: 1,
    undated: 2,
    unusable: 3,
    repeated: 4,
  })
})

test('sums that cannot be are refused rather than shown', () => {
  const broken = { ...sums('treated', 900, 300), sum_y: Number.POSITIVE_INFINITY }
  expect(() => reportOf([broken, sums('withheld', 100, 40)], true)).toThrow(/A8510/)
})

test('a project without experiments says how to begin, on the page too', () => {
  expect(renderReportPage(assembleReport([], sampleAsOf), 'acme')).toContain('Nothing is withheld')
})
