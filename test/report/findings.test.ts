import { describe, expect, test } from 'vitest'
import {
  contaminationFindings,
  epochFindings,
  missingFindings,
  sampleRatioFindings,
} from '../../src/report/findings.ts'
import { sampleDays, sampleDetail, sampleReport, sampleRows } from './sample-report.ts'

const arms = (treated: number, withheld: number, column: string, [x, y]: readonly [number, number]) => [
  { arm: 'treated', n: treated, [column]: x },
  { arm: 'withheld', n: withheld, [column]: y },
]

const nothing = {
  outcome: 'renewed',
  before: [],
  unusable: [],
  after: { treated: { n: 0, x: 0 }, withheld: { n: 0, x: 0 } },
}

describe('arms that are not as large as they were drawn', () => {
  const stage = (treated: number, withheld: number) => ({
    where: 'at destination crm',
    rows: [
      { share: 0.1, arm: 'treated', n: treated },
      { share: 0.1, arm: 'withheld', n: withheld },
    ],
  })

  test('are an alarm that names where people were lost', () => {
    expect(sampleRatioFindings([stage(9000, 1000), stage(9000, 700)], false)).toEqual([
      expect.objectContaining({
        check: 'sample_ratio',
        severity: 'alarm',
        text: expect.stringContaining('at destination crm'),
      }),
    ])
  })

  test('are none by a chance of one in a thousand while the report is looked at every night', () => {
    expect(sampleRatioFindings([stage(9000, 890)], false)).toEqual([])
    expect(sampleRatioFindings([stage(9000, 890)], true)).toHaveLength(1)
  })

  test('cannot be judged of nobody', () => {
    expect(sampleRatioFindings([{ where: 'at destination crm', rows: [] }], false)).toEqual([])
    expect(sampleRatioFindings([], true)).toEqual([])
  })
})

describe('an address in both arms', () => {
  test('is a warning of a few, and an alarm when the withheld are withheld no more', () => {
    expect(contaminationFindings({ withheld: 1000, shared: 0 })).toEqual([])
    expect(contaminationFindings({ withheld: 1000, shared: 3 })).toMatchObject([
      { check: 'contamination', severity: 'warning' },
    ])
    expect(contaminationFindings({ withheld: 1000, shared: 60 })).toMatchObject([{ severity: 'alarm' }])
  })
})

describe('outcomes that are missing in one arm', () => {
  test('are an alarm where rows cannot count in one arm much more often', () => {
    const uneven = missingFindings({ ...nothing, unusable: arms(9000, 1000, 'unusable', [450, 5]) })
    expect(uneven).toMatchObject([{ check: 'missing_outcomes', severity: 'alarm' }])
    expect(missingFindings({ ...nothing, unusable: arms(9000, 1000, 'unusable', [90, 12]) })).toEqual([])
  })

  test('are a warning where not one is left', () => {
    const after = { treated: { n: 9000, x: 900 }, withheld: { n: 1000, x: 0 } }
    expect(missingFindings({ ...nothing, after })).toMatchObject([{ check: 'missing_outcomes', severity: 'warning' }])
    expect(missingFindings({ ...nothing, after: { ...after, treated: { n: 9000, x: 40 } } })).toEqual([])
  })

  test('show in the time before, in which nothing had been done yet', () => {
    expect(missingFindings({ ...nothing, before: arms(9000, 1000, 'before', [3600, 200]) })).toMatchObject([
      { check: 'carry_over' },
    ])
    expect(missingFindings({ ...nothing, before: arms(9000, 1000, 'before', [3600, 390]) })).toEqual([])
  })
})

describe('an epoch', () => {
  const own = { epoch: 'b', n: 100, first_at: '2026-02-01T00:00:00Z', last_at: '2026-03-01T00:00:00Z' }
  const before = { epoch: 'a', n: 900, first_at: '2026-01-01T00:00:00Z', last_at: '2026-01-20T00:00:00Z' }
  const asked = { epoch: 'b', expires: undefined, ended: false, epochs: [before, own], earlier: [] }

  test('that follows another is nothing to speak of', () => {
    expect(epochFindings(asked)).toEqual([])
  })

  test('that has ended, was rotated before it began, or runs beside another is', () => {
    expect(epochFindings({ ...asked, expires: '2026-03-01', ended: true })[0]?.text).toContain('since 2026-03-01')
    expect(epochFindings({ ...asked, epochs: [before] })[0]?.text).toContain(
      'epoch "b" has exposed nobody yet; "a" exposed 900',
    )
    const beside = { ...before, last_at: '2026-02-10T00:00:00Z' }
    expect(epochFindings({ ...asked, epochs: [beside, own] })[0]?.text).toContain('until 2026-02-10')
  })

  test('whose salt is that of an earlier one withholds the same people for good', () => {
    const earlier = (kept: number) => [
      { arm: 'withheld', earlier: 'withheld', n: kept },
      { arm: 'withheld', earlier: 'treated', n: 100 - kept },
      { arm: 'treated', earlier: 'withheld', n: 100 - kept },
      { arm: 'treated', earlier: 'treated', n: 800 },
    ]
    expect(epochFindings({ ...asked, earlier: earlier(100) })).toMatchObject([{ check: 'carry_over' }])
    expect(epochFindings({ ...asked, earlier: earlier(12) })).toEqual([])
  })
})

test('an alarm of any check makes the verdict unreliable, and is told first', () => {
  const rows = sampleRows()
  const days = sampleDays(75)
  const outcomes = rows.outcomes.map(each => ({
    ...each,
    detail: sampleDetail(days, { unusable: arms(6750, 750, 'unusable', [400, 1]) }),
  }))
  const [entry] = sampleReport([{ ...rows, outcomes }]).experiments
  expect(entry?.verdicts[0]).toMatchObject({ advice: 'unreliable' })
  expect(entry?.checks.findings.map(({ severity }) => severity)).toEqual(['alarm', 'warning'])
  expect(entry?.checks.alarms).toHaveLength(1)
})

test('an effect that wears off with each further trigger is told', () => {
  const rows = sampleRows()
  const lifts = [0.2, 0.15, 0.1, 0.05, 0]
  const triggers = lifts.flatMap((lift, index) => {
    const row = (arm: string, n: number, p: number) => {
      const m2 = n * p * (1 - p)
      return {
        arm,
        part: String(index + 1),
        n,
        non_zero: n * p,
        sum_y: n * p,
        sum_x: 0,
        myy: m2,
        myyy: 0,
        mxx: 0,
        mxy: 0,
      }
    }
    return [row('treated', 9000, 0.3 + lift), row('withheld', 1000, 0.3)]
  })
  const outcomes = rows.outcomes.map(each => ({ ...each, detail: sampleDetail(sampleDays(75), { triggers }) }))
  const [entry] = sampleReport([{ ...rows, outcomes }]).experiments
  expect(entry?.outcomes[0]?.novelty).toMatchObject({ trend: 'fades' })
  expect(entry?.checks.findings.map(({ check }) => check)).toContain('novelty')
})
