/** A report whose figures are made up, for tests of what becomes of them: seventy-five days of people, of whom more renew when reminded. */
import type { Run } from '../../src/ledger/ledger.ts'
import type { Outcome } from '../../src/project/outcomes.ts'
import type { Experiment } from '../../src/report/experiment.ts'
import { healthOf } from '../../src/report/health/health.ts'
import {
  assembleReport,
  type ExperimentRows,
  type OutcomeDetail,
  type ReportDocument,
} from '../../src/report/report.ts'
import type { Row } from '../../src/warehouse/warehouse.ts'

const day = 86_400_000
const place = { file: 'outcomes/renewed.yml', line: 1, column: 1 }
export const sampleStart = Date.parse('2026-01-05T00:00:00Z')
export const sampleAsOf = Date.parse('2026-04-20T03:00:00Z')

export function sampleOutcome(more: Partial<Outcome> = {}): Outcome {
  return {
    ...{ name: 'renewed', path: place.file, model: 'renewals', at: 'renewed_at', window: 30 * day },
    ...{ direction: 'up', plannedUnits: 6000, syncs: {}, holdouts: {}, place, places: {} },
    ...more,
  }
}

export function sampleExperiment(more: Partial<Experiment> = {}): Experiment {
  return {
    sync: 'renewal_due',
    holdout: {
      name: 'renewal_due',
      share: 0.1,
      epoch: '2026H1',
      salt: 's',
      appliesTo: 'all',
      expires: '2026-07-01',
      place,
    },
    ...{ shared: false, ended: false },
    outcomes: [{ outcome: sampleOutcome(), role: 'primary' }],
    ...more,
  }
}

/** A row of `selectAggregates` of people who have an outcome or not. */
export function sums(arm: string, n: number, x: number): Row {
  const p = n === 0 ? 0 : x / n
  const m2 = n * p * (1 - p)
  return { ...{ arm, n, non_zero: x, sum_y: x, sum_x: 0, myy: m2, myyy: m2 * (1 - 2 * p) }, ...covariate }
}

const covariate = { mxx: 0, mxy: 0, mxxx: 0, mxxy: 0, mxyy: 0 }

/** `days` of a steady stream, of 90 treated and 10 withheld people each. */
export function sampleDays(days: number): readonly Row[] {
  return Array.from({ length: days }, (_, index) => {
    const part = new Date(sampleStart + index * day).toISOString().slice(0, 10)
    return [
      { ...sums('treated', 90, 36 + (index % 3)), part },
      { ...sums('withheld', 10, 2 + (index % 3)), part },
    ]
  }).flat()
}

function total(rows: readonly Row[], arm: string): readonly [n: number, x: number] {
  const own = rows.filter(row => row.arm === arm)
  const sum = (column: string) => own.reduce((whole, row) => whole + Number(row[column]), 0)
  return [sum('n'), sum('non_zero')]
}

export function sampleDetail(days: readonly Row[], more: Partial<OutcomeDetail> = {}): OutcomeDetail {
  const [treated, x] = total(days, 'treated')
  const [withheld] = total(days, 'withheld')
  return {
    days,
    segments: ['gold', 'silver', 'bronze'].flatMap((part, index) => [
      { ...sums('treated', 1800, 600 + 150 * index), part },
      { ...sums('withheld', 200, 60 + index), part },
    ]),
    triggers: [],
    matured: [
      { share: 0.1, arm: 'treated', n: treated },
      { share: 0.1, arm: 'withheld', n: withheld },
    ],
    before: [],
    unusable: [],
    compliance: [
      { arm: 'treated', n: treated, sum_y: x, sum_z: treated * 0.9, myy: treated * 0.24, mzz: treated * 0.09, myz: 20 },
      { arm: 'withheld', n: withheld, sum_y: 180, sum_z: 0, myy: withheld * 0.2, mzz: 0, myz: 0 },
    ],
    cost: 216,
    ...more,
  }
}

export function sampleRows(more: Partial<ExperimentRows> = {}): ExperimentRows {
  const days = sampleDays(75)
  return {
    experiment: sampleExperiment(),
    units: ['treated', 'withheld'].map(arm => ({
      ...{ arm, n: total(days, arm)[0], mixed: 0 },
      ...{ first_at: '2026-01-05T00:00:00Z', last_at: '2026-03-20T00:00:00Z' },
    })),
    delivered: [{ arm: 'treated', n: 6750, delivered: 6080 }],
    assignments: [
      { share: 0.1, recorded: 'treated', drawn: 'treated', n: 6750 },
      { share: 0.1, recorded: 'withheld', drawn: 'withheld', n: 750 },
    ],
    reached: 0,
    outcomes: [
      {
        measured: { outcome: sampleOutcome(), role: 'primary' },
        events: { n: 8000, nobody: 0, undated: 3, unusable: 0, repeated: 12 },
        aggregates: ['treated', 'withheld'].map(arm => sums(arm, ...total(days, arm))),
        detail: sampleDetail(days),
      },
    ],
    detail: {
      stages: [],
      epochs: [{ epoch: '2026H1', n: 6000, first_at: '2026-01-05T00:00:00Z', last_at: '2026-03-20T00:00:00Z' }],
      earlier: [],
      addresses: { withheld: 600, shared: 3 },
      decisions: [
        { decision: 'send', reason: null, outcome: 'acked', n: 4860, first_at: '2026-01-05T02:00:00Z' },
        { decision: 'send', reason: null, outcome: 'rejected', n: 140, first_at: '2026-01-05T02:00:00Z' },
        {
          decision: 'withhold',
          reason: 'holdout.renewal_due',
          outcome: null,
          n: 600,
          first_at: '2026-01-05T02:00:00Z',
        },
        { decision: 'skip', reason: 'duplicate.address', outcome: null, n: 250, first_at: '2026-01-05T02:00:00Z' },
        { decision: 'defer', reason: 'cap.marketing', outcome: null, n: 150, first_at: '2026-03-05T02:00:00Z' },
      ],
      ineligible: [{ reason: 'consent.missing', n: 900 }],
    },
    ...more,
  }
}

export function sampleRun(more: Partial<Run> = {}): Run {
  const startedAt = sampleAsOf - 3_600_000
  return {
    ...{ runId: 'r1', sync: 'renewal_due', asOf: startedAt, nominalAt: startedAt - 12_000, startedAt },
    ...{ finishedAt: startedAt + 95_000, status: 'succeeded', fence: 1, settled: true, requests: 50, retries: 4 },
    outcomes: { acked: 480, rejected: 20, parked: 0, pending: 0 },
    plan: {
      rows: { model: 1000, quarantined: 10, ineligible: 190, population: 800, unchanged: 300 },
      reasons: { 'consent.missing': 150, 'suppression.fraud': 40, 'duplicate.address': 5 },
    },
    ...more,
  }
}

export function sampleReport(rows: readonly ExperimentRows[] = [sampleRows()]): ReportDocument {
  const health = healthOf(
    [
      {
        sync: 'renewal_due',
        runs: [sampleRun()],
        deadLetters: 2,
        kept: [{ sync: 'renewal_due', reason: 'duplicate.address', n: 250 }],
        waiting: { sync: 'renewal_due', n: 150, oldest: '2026-03-05T02:00:00Z' },
        costPerMessage: 0.045,
      },
    ],
    { asOf: sampleAsOf, matchRate: 0.93 },
  )
  return assembleReport(rows, sampleAsOf, health)
}
