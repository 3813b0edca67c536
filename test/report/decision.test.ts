/** What one look has proven, over a history of looks. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { partsOf } from '../../src/report/breakdown.ts'
import { type Decision, decisionsOf } from '../../src/report/decision.ts'
import type { ExperimentRows } from '../../src/report/report.ts'
import type { Boundary } from '../../src/report/stats/boundary.ts'
import type { Row } from '../../src/warehouse/warehouse.ts'
import {
  sampleDetail,
  sampleExperiment,
  sampleOutcome,
  sampleReport,
  sampleRows,
  sampleStart,
  sums,
} from './sample-report.ts'

const day = 86_400_000
const window = 30 * day
const sequence: Boundary = { kind: 'sequential', alpha: 0.05, plannedUnits: 6000 }

/** Of each day: how many of 90 treated and of 10 withheld people have the outcome. */
type Days = readonly (readonly [treated: number, withheld: number])[]

const of = (count: number, treated: number, withheld: number): Days =>
  Array.from({ length: count }, () => [treated, withheld] as const)

function rowsOf(days: Days): readonly Row[] {
  return days.flatMap(([treated, withheld], index) => {
    const part = new Date(sampleStart + index * day).toISOString().slice(0, 10)
    return [
      { ...sums('treated', 90, treated), part },
      { ...sums('withheld', 10, withheld), part },
    ]
  })
}

/** What a report said after so many days whose window was over. */
function decisionAfter(days: Days, count: number): Decision | undefined {
  const asOf = sampleStart + count * day + window
  const parts = partsOf(rowsOf(days.slice(0, count)))
  return decisionsOf(parts, sequence, { measure: 'share', covariate: false, window, asOf }).get('treated')
}

describe('a decision', () => {
  test('once reached is that of every later report, or the effect has changed', () => {
    const dayOf = fc.tuple(fc.integer({ min: 20, max: 45 }), fc.integer({ min: 0, max: 8 }))
    fc.assert(
      fc.property(fc.array(dayOf, { minLength: 10, maxLength: 60 }), days => {
        const history = days.map((_, index) => decisionAfter(days, index + 1))
        const first = history.findIndex(decision => decision !== undefined)
        if (first < 0) return
        const changed = history.findIndex(decision => decision?.kind === 'changed')
        const until = changed < 0 ? history.length : changed
        for (const decision of history.slice(first, until)) expect(decision).toEqual(history[first])
        for (const decision of history.slice(until)) expect(decision).toEqual(history[until])
      }),
      { numRuns: 40 },
    )
  })

  test('is dated by the first look that stood clear of zero, not by one of those that are drawn', () => {
    const days = of(75, 38, 2)
    const decided = decisionAfter(days, 75)
    const looks = days.map((_, index) => decisionAfter(days, index + 1))
    const first = looks.findIndex(decision => decision !== undefined)
    expect(decided).toEqual({ kind: 'decided', side: 'higher', at: sampleStart + (first + 1) * day + window })
    // Thirty withheld people have to have it before anything is said.
    expect(first + 1).toBeGreaterThanOrEqual(15)
  })

  test('is none of nobody, of one arm, and of what chance does', () => {
    expect(decisionAfter([], 0)).toBeUndefined()
    expect(decisionAfter(of(40, 27, 3), 40)).toBeUndefined()
    const asOf = sampleStart + 100 * day
    const alone = partsOf([{ ...sums('treated', 900, 300), part: '2026-01-05' }])
    expect(decisionsOf(alone, sequence, { measure: 'share', covariate: false, window, asOf }).size).toBe(0)
  })
})

/** Proven within the first weeks, and back at "perhaps nothing" later. */
const faded: Days = [...of(20, 34, 2), ...of(40, 30, 4)]
/** As clear as can be, and then its opposite. */
const reversed: Days = [...of(30, 60, 1), ...of(70, 9, 8)]

function reportOf(days: Days, more: Partial<ExperimentRows> = {}, guarded?: Days) {
  const rows = sampleRows()
  const outcomes = [days, guarded].flatMap((each, index) => {
    if (each === undefined) return []
    const outcome = sampleOutcome(index === 0 ? {} : { name: 'complained', direction: 'down' })
    const total = (arm: string) => {
      const own = rowsOf(each).filter(row => row.arm === arm)
      const sum = (column: string) => own.reduce((whole, row) => whole + Number(row[column]), 0)
      return sums(arm, sum('n'), sum('non_zero'))
    }
    return [
      {
        measured: { outcome, role: index === 0 ? ('primary' as const) : ('guardrail' as const) },
        events: { n: 10, nobody: 0, undated: 0, unusable: 0, repeated: 0 },
        aggregates: [total('treated'), total('withheld')],
        detail: sampleDetail(rowsOf(each), { segments: [], compliance: [], matured: [] }),
      },
    ]
  })
  const units = rows.units.map(row => ({ ...row, n: days.length * (row.arm === 'withheld' ? 10 : 90) }))
  const [entry] = sampleReport([{ ...rows, units, outcomes, ...more }]).experiments
  if (entry === undefined) throw new Error('no experiment')
  return entry
}

describe('the verdict', () => {
  test('goes on keeping what was proven, says since when, and shows the range of today', () => {
    const entry = reportOf(faded)
    const [comparison] = entry.outcomes[0]?.comparisons ?? []
    expect(comparison?.lift).toMatchObject({ kind: 'estimated', side: 'undecided' })
    expect(comparison?.decided?.side).toBe('higher')
    const [verdict] = entry.verdicts
    expect(verdict?.advice).toBe('keep')
    const since = comparison?.decided?.at.slice(0, 10)
    expect(verdict?.text).toContain(`keep: it works, as was proven by ${since}. By now: "renewed" is`)
    expect(verdict?.text).toMatch(/between −/)
  })

  test('goes on after the end, when the one look that was planned decides nothing', () => {
    const entry = reportOf(faded, { experiment: sampleExperiment({ ended: true }) })
    expect(entry.outcomes[0]?.boundary).toBe('fixed')
    expect(entry.outcomes[0]?.comparisons[0]?.lift).toMatchObject({ side: 'undecided' })
    expect(entry.verdicts[0]?.advice).toBe('keep')
  })

  test('goes on stopping what has hurt a guardrail', () => {
    const entry = reportOf(of(60, 38, 2), {}, faded)
    expect(entry.outcomes[1]?.comparisons[0]).toMatchObject({
      lift: { side: 'undecided' },
      decided: { side: 'higher' },
    })
    expect(entry.verdicts[0]).toMatchObject({ advice: 'stop' })
    expect(entry.verdicts[0]?.text).toContain('it makes the guardrail "complained" worse, as was proven by')
  })

  test('relies on nothing that was proven once an alarm speaks up', () => {
    const entry = reportOf(faded, { reached: 3 })
    expect(entry.verdicts[0]).toMatchObject({ advice: 'unreliable' })
  })

  test('is that of today when the effect has changed, and a warning says so', () => {
    const entry = reportOf(reversed)
    const [comparison] = entry.outcomes[0]?.comparisons ?? []
    expect(comparison?.decided).toBeNull()
    expect(comparison?.lift).toMatchObject({ side: 'lower' })
    expect(entry.verdicts[0]).toMatchObject({ advice: 'stop' })
    expect(entry.verdicts[0]?.text).not.toContain('proven')
    expect(entry.checks.findings).toContainEqual({
      ...{ check: 'novelty', severity: 'warning' },
      text: expect.stringMatching(
        /the effect of "treated" on "renewed" has changed over time: by 2026-\d\d-\d\d its range/,
      ),
    })
    expect(entry.checks.alarms).toEqual([])
  })
})
