/** An outcome that is a quotient, through the tool, held against the same arithmetic over the rows. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readReport } from '../../src/cli/measure.ts'
import type { ExperimentEntry } from '../../src/report/report.ts'
import { runSyncs } from '../../src/run.ts'
import { command as activate } from './command-line.ts'
import { makeProject, runOptions, type TestProject, withProject } from './project.ts'

const people = Array.from({ length: 1500 }, (_, index) => `C${String(index).padStart(4, '0')}`)

const eachOrder = `
model: orders
unit: customer_id
at: ordered_at
value: amount
per: event
window: 20d
planned_units: 1500
syncs: { offer: primary }
`

const files = {
  'activate.yml': `
name: programme
warehouse: { type: duckdb, path: state.duckdb, threads: 1 }
sources:
  people: { csv: people.csv, columns: { customer_id: { type: string }, tier: { type: string } } }
  orders: { csv: orders.csv, columns: { order_id: { type: string }, customer_id: { type: string }, ordered_at: { type: timestamp }, amount: { type: number }, pieces: { type: number } } }
destinations:
  mails: { type: file, path: out, format: csv }
`,
  'people.csv': `customer_id,tier\n${people.map((key, index) => `${key},${index % 3 === 0 ? 'gold' : 'silver'}`).join('\n')}\n`,
  'orders.csv': 'order_id,customer_id,ordered_at,amount,pieces\n',
  'models/people.sql': '/*---\nkey: customer_id\n---*/\nselect customer_id, tier from {{source "people"}}',
  'models/orders.sql':
    '/*---\nkey: order_id\n---*/\nselect order_id, customer_id, ordered_at, amount, pieces from {{source "orders"}}',
  'syncs/offer.yml': `
model: people
destination: mails
action: write
mode: trigger
trigger: { on: enter, reentry: never, first_run: send }
fields: { to: customer_id }
channel: email
purpose: offers
cost_per_message: 0.1
holdout: { share: 30%, epoch: "1", salt: offer-1, stratify: tier }
`,
  'outcomes/each_order.yml': eachOrder,
  'outcomes/per_piece.yml': eachOrder.replace('per: event', 'per: { sum: pieces }').replace('primary', 'guardrail'),
  'outcomes/ordered.yml':
    'model: orders\nunit: customer_id\nat: ordered_at\nwindow: 20d\nplanned_units: 1500\nsyncs: { offer: secondary }\n',
}

let project: TestProject
let entry: ExperimentEntry
const arms = new Map<string, 'treated' | 'withheld'>()
const orders: { readonly key: string; readonly amount: number; readonly pieces: number }[] = []

/** Every fourth person orders up to four times; those who got the offer spend a quarter more on each. */
async function plant(): Promise<void> {
  const lines = [...arms].flatMap(([key, arm], index) => {
    if (index % 4 !== 0) return []
    return Array.from({ length: 1 + (index % 3) + (index % 2) }, (_, nth) => {
      const amount = (20 + ((index * 7 + nth * 13) % 31)) * (arm === 'treated' ? 1.25 : 1)
      const pieces = 1 + ((index + nth) % 4)
      orders.push({ key, amount, pieces })
      return `${key}-${nth},${key},2026-03-1${nth} 12:00:00,${amount},${pieces}`
    })
  })
  const late = `late,${people[0] ?? ''},2026-04-10 00:00:00,999,1`
  await project.write({
    'orders.csv': `order_id,customer_id,ordered_at,amount,pieces\n${[...lines, late, lines[0]].join('\n')}\n`,
  })
}

beforeAll(async () => {
  project = await makeProject(files)
  const { runs } = await withProject(project, wired =>
    runSyncs(wired, wired.project.syncs, runOptions('2026-03-01T02:00:00Z', { yes: true })),
  )
  expect(runs.map(({ status }) => status)).toEqual(['succeeded'])
  const instance = await DuckDBInstance.create(join(project.root, 'state.duckdb'))
  const connection = await instance.connect()
  const read = await connection.runAndReadAll('select key, arm from activate.exposures order by key')
  for (const [key, arm] of read.getRows()) arms.set(String(key), arm === 'withheld' ? 'withheld' : 'treated')
  connection.closeSync()
  instance.closeSync()
  await plant()
  const [only] = await withProject(project, async wired => {
    return (await readReport(wired, Date.parse('2026-05-01'), undefined)).experiments
  })
  if (only === undefined) throw new Error('no experiment')
  entry = only
})

afterAll(() => project?.remove())

/** Over rows: a quotient of sums, and the variance that the delta method gives it. */
function byHand(arm: 'treated' | 'withheld', divisor: (order: (typeof orders)[number]) => number) {
  const keys = [...arms].flatMap(([key, own]) => (own === arm ? [key] : []))
  const persons = keys.map(key => orders.filter(order => order.key === key))
  const y = persons.map(own => own.reduce((sum, { amount }) => sum + amount, 0))
  const x = persons.map(own => own.reduce((sum, order) => sum + divisor(order), 0))
  const [sumX, sumY, n] = [x, y, keys].map(each =>
    each === keys ? keys.length : (each as number[]).reduce((sum, value) => sum + value, 0),
  ) as [number, number, number]
  const ratio = sumY / sumX
  const squares = y.reduce((sum, value, index) => sum + (value - ratio * (x[index] ?? 0)) ** 2, 0)
  return { n, ratio, variance: squares / (n - 1) / n / (sumX / n) ** 2, buyers: x.filter(value => value > 0).length }
}

describe('revenue per order', () => {
  test.each([
    ['each_order', () => 1],
    ['per_piece', (order: (typeof orders)[number]) => order.pieces],
  ] as const)('is what the rows say (%s)', (name, divisor) => {
    const outcome = entry.outcomes.find(each => each.outcome === name)
    const [comparison] = outcome?.comparisons ?? []
    const [treated, withheld] = [byHand('treated', divisor), byHand('withheld', divisor)]
    expect(outcome).toMatchObject({ measure: 'ratio', problems: [], rows: { repeated: 1 } })
    expect(comparison?.treated).toMatchObject({ people: treated.n, with_outcome: treated.buyers })
    expect(comparison?.treated.mean).toBeCloseTo(treated.ratio, 9)
    expect(comparison?.withheld.mean).toBeCloseTo(withheld.ratio, 9)
    const lift = comparison?.lift
    if (lift?.kind !== 'estimated' || lift.relative.kind !== 'estimated') throw new Error('no figures')
    expect(lift.absolute.estimate).toBeCloseTo(treated.ratio - withheld.ratio, 9)
    expect(lift.relative.estimate).toBeCloseTo(treated.ratio / withheld.ratio - 1, 9)
    // The interval is straightened for skew, of which there is little here: its width is that of the delta method.
    const se = Math.sqrt(treated.variance + withheld.variance)
    const width = (lift.absolute.upper ?? 0) - (lift.absolute.lower ?? 0)
    expect(width / (2 * lift.critical * se)).toBeCloseTo(1, 2)
    expect(lift.incremental).toBeNull()
  })

  test('is found, kept, and shown in every output without a total that it has not', async () => {
    expect(entry.verdicts).toMatchObject([{ advice: 'keep' }])
    expect(entry.verdicts[0]?.text).toMatch(/"each_order" is 4\d\.\d\d with it and 3\d\.\d\d without: \+2\d\.\d %/)
    const [primary] = entry.outcomes
    expect(primary?.comparisons[0]?.worth).toMatchObject({
      ...{ delivered_share: 1, on_reached: null, cost_per_incremental: null, value_per_incremental: [] },
    })
    expect(primary?.segments.map(({ part }) => part)).toEqual(['silver', 'gold'])
    expect(primary?.segments[0]?.treated.mean).toBeGreaterThan(40)
    expect(primary?.power?.now?.relative).toBeGreaterThan(0.01)
    const page = join(project.root, 'report.html')
    const shown = await activate(project.root, 'report', '--as-of', '2026-05-01', '--html', page, '--write-back')
    expect(shown.code, shown.stderr).toBe(0)
    expect(shown.stdout).toMatch(/each_order \(primary\) .* 4\d\.\d\d\s+3\d\.\d\d/)
    const html = await readFile(page, 'utf8')
    expect(html).toContain('each_order with it')
    expect(html).not.toContain('more each_order in total')
    expect(html).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('that cannot be is refused with its place', async () => {
    const refused = async (more: string, without = '') => {
      await project.write({ 'outcomes/each_order.yml': `${eachOrder.replace(without, '')}${more}` })
      return activate(project.root, 'report', '--as-of', '2026-05-01')
    }
    const noValue = await refused('', 'value: amount\n')
    expect(noValue).toMatchObject({ code: 7 })
    expect(noValue.stderr).toMatch(/A1198[\s\S]*"per" has no meaning without "value"[\s\S]*each_order\.yml:5/)
    expect((await refused('cap: 500\n')).stderr).toMatch(/A1198[\s\S]*least\(amount, 500\)/)
    expect((await refused('covariate: { before: 30d }\n')).stderr).toMatch(/A1198[\s\S]*"covariate" cannot be used/)
    expect((await refused('per: order\n', 'per: event\n')).stderr).toMatch(
      /unknown per "order"[\s\S]*each_order\.yml:9[\s\S]*allowed: event/,
    )
    const missing = await refused('per: { sum: peices }\n', 'per: event\n')
    expect(missing.code).toBe(7)
    expect(missing.stderr).toMatch(/A8512[\s\S]*did you mean "pieces"/)
    const text = await refused('per: { sum: order_id }\n', 'per: event\n')
    expect(text.stderr).toMatch(/A8513[\s\S]*per must be of type integer or number/)
  })
})
