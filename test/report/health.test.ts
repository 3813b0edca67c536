import picocolors from 'picocolors'
import { describe, expect, test } from 'vitest'
import { renderHealth } from '../../src/cli/render/health.ts'
import { healthOf, type SyncHealthRows, unknownFigures } from '../../src/report/health/health.ts'
import { quantiles } from '../../src/report/health/spread.ts'
import { renderReportPage } from '../../src/report/page/page.ts'
import { sampleAsOf, sampleReport, sampleRun } from './sample-report.ts'

const known: SyncHealthRows = {
  sync: 'renewal_due',
  runs: [
    sampleRun(),
    sampleRun({ runId: 'r0', status: 'failed', outcomes: { acked: 0, rejected: 0, parked: 0, pending: 9 } }),
  ],
  deadLetters: 2,
  kept: [
    { reason: 'duplicate.address', n: 7 },
    { reason: 'unresolved.duplicate', n: 1 },
    { reason: 'cap.marketing', n: 40 },
  ],
  waiting: { n: 40, oldest: '2026-04-01T02:00:00Z' },
  costPerMessage: 0.05,
}
const nothing: SyncHealthRows = {
  ...{
    sync: 'win_back',
    runs: [],
    deadLetters: undefined,
    kept: undefined,
    waiting: undefined,
    costPerMessage: undefined,
  },
}
const around = { asOf: sampleAsOf, matchRate: 0.93 }

describe('health', () => {
  test('counts what ran, what was sent, and what was kept back', () => {
    const { syncs } = healthOf([known], around)
    expect(syncs[0]).toMatchObject({
      runs: { total: 2, succeeded: 1, held: 0, failed: 1 },
      ...{ model_rows: 1000, eligible: 800, eligible_share: 0.8, suppressed: 190, suppressed_share: 0.19 },
      ...{ contract_compliance: 0.99, duplicates_prevented: 8, waiting: 40, dead_letters: 2 },
      sends: { planned: 509, acked: 480, rejected: 20, parked: 0, pending: 9 },
      ...{ error_rate: 0.04, retry_rate: 0.08, cost: 24 },
      queue_lag: { median: 12, p95: 12, n: 2 },
      latency: { median: 95, p95: 95, n: 2 },
      unknown: {},
    })
  })

  test('never says 0 or divides by it where nothing is known, but why', () => {
    const { all, syncs } = healthOf([nothing], { ...around, matchRate: 'the project has no identity' })
    const figures = Object.entries(syncs[0] ?? {}).filter(([, value]) => value === null)
    expect(figures.map(([name]) => name).sort()).toEqual(
      ['waiting_since', ...Object.keys(syncs[0]?.unknown ?? {})].sort(),
    )
    expect(JSON.stringify(all)).not.toMatch(/NaN|Infinity/)
    expect(unknownFigures(all)[0]).toMatch(/^no run in this time: model rows, eligible,/)
  })

  test('of all syncs is the sum of what is known', () => {
    const { all } = healthOf([known, nothing], around)
    expect(all).toMatchObject({ runs: { total: 2 }, waiting: 40, dead_letters: 2, cost: 24, eligible: 800 })
  })

  test('of a run that found an empty model has no shares', () => {
    const plan = { rows: { model: 0, quarantined: 0, ineligible: 0, population: 0, unchanged: 0 }, reasons: {} }
    const { syncs } = healthOf([{ ...known, runs: [sampleRun({ plan })] }], around)
    expect(syncs[0]).toMatchObject({ model_rows: 0, eligible_share: null, contract_compliance: null })
    expect(syncs[0]?.unknown.eligible_share).toBe('the model is empty')
  })
})

test('how long it takes is told by the usual night and the bad one', () => {
  expect(quantiles([])).toBeNull()
  expect(quantiles([5000])).toEqual({ median: 5, p95: 5, n: 1 })
  const nights = Array.from({ length: 100 }, (_, index) => (index + 1) * 1000)
  expect(quantiles(nights)).toEqual({ median: 50, p95: 95, n: 100 })
})

test('all three outputs show the same health', () => {
  const report = sampleReport()
  if (report.health === null) throw new Error('no health')
  const terminal = renderHealth(report.health, picocolors.createColors(false))
  const page = renderReportPage(report, 'acme')
  for (const figure of ['80.0 %', '19.0 %', '99.0 %', '21.60']) {
    expect(terminal).toContain(figure)
    expect(page.replaceAll('\u00a0', ' ')).toContain(figure)
  }
  expect(JSON.parse(JSON.stringify(report)).health.all.eligible_share).toBe(0.8)
})
