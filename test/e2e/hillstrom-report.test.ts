/**
 * A finished experiment of three arms, whose assignment was made elsewhere: Hillstrom's e-mails to 64,000 customers (2008). The report
 * is compared with the published visit rates and with intervals that are computed here from the rows, by other means.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ComparisonEntry, ReportDocument } from '../../src/report/report.ts'
import { command as activate } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'

const data = join(process.env.ACTIVATE_DATA_DIR ?? join(import.meta.dirname, '../../../shared/data'), 'hillstrom.csv')

/** The file has no id: its rows are numbered in their order. */
const customers = `
select 'C' || printf('%05d', nr) as customer_id, segment, visit, conversion, spend
from (select *, row_number() over () as nr from read_csv('${data}', header = true))
`

interface Customer {
  readonly segment: string
  readonly visit: number
  readonly conversion: number
  readonly spend: number
}

const outcome = (model: string, more: string) =>
  `model: ${model}\nunit: customer_id\nat: happened_at\nwindow: 14d\n${more}`

const files = {
  'activate.yml': `
name: hillstrom
warehouse: { type: duckdb, path: state.duckdb, threads: 1 }
destinations:
  mails: { type: file, path: out, format: csv }
`,
  'models/customers.sql': `/*---\nkey: customer_id\n---*/\nselect 'C00001' as customer_id`,
  'syncs/campaign.yml': `
model: customers
destination: mails
action: write
mode: trigger
trigger: { on: enter, reentry: never, first_run: send }
fields: {}
channel: email
purpose: marketing
holdout: { share: 33.333333%, epoch: "2008", salt: hillstrom, expires: "2009-01-01" }
`,
  ...Object.fromEntries(
    ['visit', 'conversion', 'spend'].map(name => [
      `models/${name}s.sql`,
      `select customer_id, timestamp '2008-03-05 12:00:00' as happened_at, cast(${name} as double) as ${name} from (${customers}) where ${name} > 0`,
    ]),
  ),
  'outcomes/visited.yml': outcome('visits', 'syncs: { campaign: primary }'),
  'outcomes/converted.yml': outcome('conversions', 'syncs: { campaign: secondary }'),
  'outcomes/spent.yml': outcome('spends', 'value: spend\nsyncs: { campaign: guardrail }'),
}

describe.skipIf(!existsSync(data))(
  'the report on Hillstrom, 64,000 customers (skipped where the data set is absent)',
  () => {
    let project: TestProject
    let report: ReportDocument
    let rows: readonly Customer[]

    beforeAll(async () => {
      rows = parse(readFileSync(data, 'utf8'), { columns: true, cast: true }) as readonly Customer[]
      project = await makeProject(files)
      const first = await activate(project.root, 'report', '--as-of', '2010-01-01')
      expect(`${first.stdout}${first.stderr}`).toContain('nobody has been exposed')
      await loadAssignment(join(project.root, 'state.duckdb'))
      const { code, stdout } = await activate(project.root, 'report', '--json', '--as-of', '2010-01-01')
      expect(code).toBe(0)
      report = JSON.parse(stdout) as ReportDocument
    })

    afterAll(async () => {
      await project?.remove()
    })

    const comparison = (name: string, arm: string): ComparisonEntry => {
      const [experiment] = report.experiments
      const found = experiment?.outcomes.find(each => each.outcome === name)?.comparisons.find(each => each.arm === arm)
      if (found === undefined) throw new Error(`the report says nothing of ${name} for ${arm}`)
      return found
    }

    test('reproduces the published visit rates', () => {
      expect(comparison('visited', 'Mens E-Mail').treated.mean).toBeCloseTo(0.183, 3)
      expect(comparison('visited', 'Womens E-Mail').treated.mean).toBeCloseTo(0.151, 3)
      expect(comparison('visited', 'Mens E-Mail').withheld.mean).toBeCloseTo(0.106, 3)
    })

    test('counts everybody once, in the arm that was drawn elsewhere', () => {
      expect(report.experiments[0]).toMatchObject({
        ...{ sync: 'campaign', status: 'ended' },
        checks: {
          assignment: { verdict: 'empty' },
          sample_ratio: { verdict: 'plausible' },
          reached: 0,
          mixed: 0,
          alarms: [],
        },
      })
      expect(report.experiments[0]?.arms.map(({ arm, people }) => [arm, people])).toEqual([
        ['Mens E-Mail', 21_307],
        ['Womens E-Mail', 21_387],
        ['withheld', 21_306],
      ])
    })

    test.each([
      ['visited', 'visit', 'Mens E-Mail'],
      ['visited', 'visit', 'Womens E-Mail'],
      ['converted', 'conversion', 'Mens E-Mail'],
      ['converted', 'conversion', 'Womens E-Mail'],
    ] as const)('agrees on %s with intervals from the rows to six digits (%s, %s)', (name, column, arm) => {
      const [treated, control] = [valuesOf(arm, column), valuesOf('No E-Mail', column)]
      const { lift } = comparison(name, arm)
      if (lift.kind !== 'estimated' || lift.relative.kind !== 'estimated') throw new Error('no figures')
      const [x, n, y, m] = [sum(treated), treated.length, sum(control), control.length]
      expect(lift.absolute.estimate).toBeCloseTo(x / n - y / m, 12)
      expectSixDigits(
        lift.absolute.lower,
        ends(delta => likelihoodScore(x, n, y, m, { delta }), -0.2, x / n - y / m),
      )
      expectSixDigits(
        lift.absolute.upper,
        ends(delta => likelihoodScore(x, n, y, m, { delta }), x / n - y / m, 0.2),
      )
      const ratio = x / n / (y / m)
      expectSixDigits(lift.relative.lower, ends(r => likelihoodScore(x, n, y, m, { ratio: r }), 0.2, ratio) - 1)
      expectSixDigits(lift.relative.upper, ends(r => likelihoodScore(x, n, y, m, { ratio: r }), ratio, 9) - 1)
    })

    test.each([
      'Mens E-Mail',
      'Womens E-Mail',
    ])('agrees on spend with intervals from the rows to six digits (%s)', arm => {
      const [treated, control] = [summaryOf(valuesOf(arm, 'spend')), summaryOf(valuesOf('No E-Mail', 'spend'))]
      const { lift } = comparison('spent', arm)
      if (lift.kind !== 'estimated' || lift.relative.kind !== 'estimated') throw new Error('no figures')
      const estimate = treated.mean - control.mean
      const test = (ratio: number) => straightenedStatistic(treated, control, ratio)
      const c = tCritical(treated, control)
      expect(lift.absolute.estimate).toBeCloseTo(estimate, 9)
      expectSixDigits(lift.statistic, test(1))
      const ratio = treated.mean / control.mean
      expectSixDigits(lift.relative.lower, bisect(r => test(r) - c, 0.2, ratio) - 1)
      expectSixDigits(lift.relative.upper, bisect(r => test(r) + c, ratio, 9) - 1)
      // A difference d is refused when the statistic of values that were moved by d is beyond the critical value.
      const moved = (d: number) => straightenedStatistic({ ...treated, mean: treated.mean - d }, control, 1)
      expectSixDigits(
        lift.absolute.lower,
        bisect(d => moved(d) - c, -3, estimate),
      )
      expectSixDigits(
        lift.absolute.upper,
        bisect(d => moved(d) + c, estimate, 5),
      )
    })

    test('says what to do, in words', async () => {
      const verdicts = report.experiments[0]?.verdicts ?? []
      expect(verdicts.map(({ arm, advice }) => [arm, advice])).toEqual([
        ['Mens E-Mail', 'keep'],
        ['Womens E-Mail', 'keep'],
      ])
      const { stdout } = await activate(project.root, 'report', '--as-of', '2010-01-01')
      expect(stdout).toContain('Mens E-Mail: keep: it works. "visited" is 18.3 % with it and 10.6 % without: +72.1 %')
    })

    const valuesOf = (segment: string, column: 'visit' | 'conversion' | 'spend') =>
      rows.filter(row => row.segment === segment).map(row => row[column])
  },
)

async function loadAssignment(path: string): Promise<void> {
  const instance = await DuckDBInstance.create(path)
  const connection = await instance.connect()
  await connection.run(`
insert into activate.exposures (sync, key, holdout, epoch, arm, triggered_at, recorded_at, run_id)
select 'campaign', customer_id, 'campaign', '2008', case segment when 'No E-Mail' then 'withheld' else segment end,
  timestamptz '2008-03-01 00:00:00+00', timestamptz '2008-03-01 00:00:00+00', 'elsewhere' from (${customers})`)
  connection.closeSync()
  instance.closeSync()
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
const mean = (values: readonly number[]) => sum(values) / values.length

function expectSixDigits(got: number | null, expected: number): void {
  expect(got).not.toBeNull()
  expect(Math.abs((got ?? 0) / expected - 1)).toBeLessThan(1e-6)
}

/** Halving, and nothing cleverer. */
function bisect(f: (x: number) => number, from: number, to: number): number {
  let [low, high] = [from, to]
  const sign = Math.sign(f(low))
  for (let step = 0; step < 70; step++) {
    const middle = (low + high) / 2
    if (Math.sign(f(middle)) === sign) low = middle
    else high = middle
  }
  return (low + high) / 2
}

const z = 1.959963984540054

/** Where |score| crosses z between two values. */
function ends(score: (value: number) => number, from: number, to: number): number {
  return bisect(value => Math.abs(score(value)) - z, from, to)
}

/** The score test, its constrained shares found by climbing the likelihood instead of by a formula. */
function likelihoodScore(
  x: number,
  n: number,
  y: number,
  m: number,
  { delta = 0, ratio = 1 }: { readonly delta?: number; readonly ratio?: number },
): number {
  const treated = (p: number) => ratio * p + delta
  const slope = (p: number) => {
    const t = treated(p)
    return (ratio * (x - n * t)) / (t * (1 - t)) + (y - m * p) / (p * (1 - p))
  }
  const p = bisect(slope, Math.max(1e-9, (1e-9 - delta) / ratio), Math.min(1 - 1e-9, (1 - 1e-9 - delta) / ratio))
  const t = treated(p)
  const variance = ((t * (1 - t)) / n + (ratio ** 2 * p * (1 - p)) / m) * ((n + m) / (n + m - 1))
  return (x / n - ratio * (y / m) - delta) / Math.sqrt(variance)
}

interface Summary {
  readonly n: number
  readonly mean: number
  /** Σ(x − x̄)², Σ(x − x̄)³. */
  readonly second: number
  readonly third: number
}

function summaryOf(values: readonly number[]): Summary {
  const centre = mean(values)
  const power = (k: number) => sum(values.map(value => (value - centre) ** k))
  return { n: values.length, mean: centre, second: power(2), third: power(3) }
}

/** Hall's transform of Welch's statistic of x̄T − R·x̄C. */
function straightenedStatistic(treated: Summary, control: Summary, ratio: number): number {
  const [n, m] = [treated.n, control.n]
  const [s2, u2] = [treated.second / (n - 1), control.second / (m - 1)]
  const t = (treated.mean - ratio * control.mean) / Math.sqrt(s2 / n + (ratio ** 2 * u2) / m)
  const pooled = (treated.second + control.second) / (n + m - 2)
  const third = (treated.third + control.third) / (n + m)
  const kappa = ((third / pooled ** 1.5) * (n ** -2 - ratio ** 3 * m ** -2)) / (1 / n + ratio ** 2 / m) ** 1.5
  return t + (kappa * t * t) / 3 + (kappa * kappa * t ** 3) / 27 + kappa / 6
}

/** Student's 97.5 % quantile by its expansion about the normal one (Abramowitz and Stegun 26.7.5), exact enough beyond 1,000 degrees. */
function tCritical(treated: Summary, control: Summary): number {
  const [v, w] = [treated.second / (treated.n - 1) / treated.n, control.second / (control.n - 1) / control.n]
  const df = (v + w) ** 2 / (v ** 2 / (treated.n - 1) + w ** 2 / (control.n - 1))
  return z + (z ** 3 + z) / (4 * df) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * df ** 2)
}
