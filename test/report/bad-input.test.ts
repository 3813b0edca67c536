/** Figures that cannot be, or say nothing: a stated answer in the terminal, in the JSON and on the page, never a number that means nothing. */
import picocolors from 'picocolors'
import { expect, test } from 'vitest'
import { renderReport } from '../../src/cli/render/report.ts'
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

function reportOf(arms: readonly Row[], value: boolean) {
  const outcome = sampleOutcome(value ? { value: 'amount' } : {})
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
