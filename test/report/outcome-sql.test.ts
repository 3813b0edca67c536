/** What the warehouse sums up, held against the same sums over rows. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { figuresOf } from '../../src/report/comparison.ts'
import { countAssignments, countDelivered, countUnits, selectUnits } from '../../src/report/experiment-sql.ts'
import {
  countEvents,
  type EventsParams,
  selectAggregates,
  selectEvents,
  selectValues,
  type ValuesParams,
} from '../../src/report/outcome-sql.ts'
import { ratioMoments } from '../../src/report/stats/ratio-metrics.ts'
import { openDuckdb } from '../../src/warehouse/duckdb.ts'
import { duckdbDialect } from '../../src/warehouse/duckdb-dialect.ts'
import { type Fragment, raw, render, sql } from '../../src/warehouse/sql.ts'
import type { Row, Warehouse } from '../../src/warehouse/warehouse.ts'
import { heavyRevenue, withCovariate } from './stats/samples.ts'

let folder: string
let warehouse: Warehouse

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'activate-'))
  const path = join(folder, 'state.duckdb')
  warehouse = await openDuckdb({ type: 'duckdb', path, state: 'activate', attach: {}, memory: '1GB', threads: 1 })
})

afterAll(async () => {
  await warehouse?.close()
  await rm(folder, { recursive: true, force: true })
})

const query = (statement: Fragment): Promise<readonly Row[]> =>
  warehouse.query(render(statement, duckdbDialect.placeholder))

/** `(values …) name(columns)` of texts and numbers, cast as the columns say. */
function rows(
  columns: Readonly<Record<string, string>>,
  values: readonly (readonly (string | number | null)[])[],
): Fragment {
  const names = Object.keys(columns)
  const written = values.map(row => `(${row.map(value => (value === null ? 'null' : `'${value}'`)).join(', ')})`)
  const cast = Object.entries(columns).map(([name, type]) => `cast(${name} as ${type}) as ${name}`)
  return raw(`(select ${cast.join(', ')} from (values ${written.join(', ')}) v(${names.join(', ')}))`)
}

const eventColumns = { id: 'VARCHAR', person: 'VARCHAR', bought: 'TIMESTAMP', amount: 'DOUBLE' }
const column = (name: string, type: 'string' | 'timestamp' | 'number', native: string) => ({ name, type, native })

function events(
  values: readonly (readonly (string | number | null)[])[],
  more: Partial<EventsParams> = {},
): EventsParams {
  return {
    stage: sql`${rows(eventColumns, values)} stage`,
    unit: column('person', 'string', 'VARCHAR'),
    at: column('bought', 'timestamp', 'TIMESTAMP'),
    value: column('amount', 'number', 'DOUBLE'),
    key: [],
    members: undefined,
    ...more,
  }
}

const day = 86_400_000
const exposed = '2026-03-01 02:00:00'

async function valuesOf(
  units: readonly (readonly [string, string, string])[],
  bought: EventsParams,
  outcome: Partial<ValuesParams['outcome']>,
  asOf = '2026-06-01T00:00:00.000Z',
): Promise<readonly Row[]> {
  const unitRows = rows({ entity: 'VARCHAR', arm: 'VARCHAR', triggered_at: 'TIMESTAMPTZ' }, units)
  const select = selectValues(duckdbDialect, {
    units: unitRows,
    events: sql`(${selectEvents(duckdbDialect, bought)})`,
    outcome: { window: 30 * day, value: 'amount', ...outcome },
    asOf,
  })
  return query(sql`select arm, y, x from (${select}) all_values order by arm, y, x`)
}

describe('an outcome', () => {
  test('counts from just after the first trigger to the end of the window', async () => {
    const bought = events([
      ['1', 'a', '2026-03-01 02:00:00', 1],
      ['2', 'a', '2026-03-01 02:00:01', 10],
      ['3', 'a', '2026-03-31 02:00:00', 100],
      ['4', 'a', '2026-03-31 02:00:01', 1000],
    ])
    expect(await valuesOf([['a', 'treated', exposed]], bought, {})).toEqual([{ arm: 'treated', y: 110, x: 0 }])
  })

  test('leaves out people whose window is still open', async () => {
    const units = [
      ['a', 'treated', exposed],
      ['b', 'treated', '2026-03-02 02:00:00'],
    ] as const
    const found = await valuesOf(units, events([['1', 'b', '2026-03-03 00:00:00', 5]]), {}, '2026-03-31T02:00:00.000Z')
    expect(found).toEqual([{ arm: 'treated', y: 0, x: 0 }])
  })

  test('is 0 for those to whom nothing happened, in both arms', async () => {
    const units = [
      ['a', 'treated', exposed],
      ['b', 'withheld', exposed],
    ] as const
    expect(await valuesOf(units, events([['1', 'c', '2026-03-03 00:00:00', 5]]), {})).toEqual([
      { arm: 'treated', y: 0, x: 0 },
      { arm: 'withheld', y: 0, x: 0 },
    ])
  })

  test('without a value asks whether there was an event, however many', async () => {
    const bought = events(
      [
        ['1', 'a', '2026-03-03 00:00:00', 5],
        ['2', 'a', '2026-03-04 00:00:00', 5],
      ],
      { value: undefined },
    )
    const units = [
      ['a', 'treated', exposed],
      ['b', 'treated', exposed],
    ] as const
    const found = await valuesOf(units, bought, { value: undefined } as never)
    expect(found.map(({ y }) => y)).toEqual([0, 1])
  })

  test('is cut off at its cap person by person, and counts what was given back', async () => {
    const bought = events([
      ['1', 'a', '2026-03-03 00:00:00', 400],
      ['2', 'a', '2026-03-04 00:00:00', 400],
      ['3', 'b', '2026-03-04 00:00:00', -30],
    ])
    const units = [
      ['a', 'treated', exposed],
      ['b', 'treated', exposed],
    ] as const
    expect((await valuesOf(units, bought, { cap: 500 })).map(({ y }) => y)).toEqual([-30, 500])
  })

  test('has what came before as its covariate, up to the trigger itself', async () => {
    const bought = events([
      ['1', 'a', '2026-02-01 00:00:00', 7],
      ['2', 'a', '2026-03-01 02:00:00', 20],
      ['3', 'a', '2026-03-02 00:00:00', 300],
      ['4', 'a', '2025-01-01 00:00:00', 4000],
    ])
    const found = await valuesOf([['a', 'treated', exposed]], bought, { covariate: 60 * day })
    expect(found).toEqual([{ arm: 'treated', y: 300, x: 27 }])
  })

  test('counts rows of one key once, by the earliest, and equal rows once where there is no key', async () => {
    const values = [
      ['1', 'a', '2026-03-03 00:00:00', 5],
      ['1', 'a', '2026-03-04 00:00:00', 7],
      ['2', 'a', '2026-03-05 00:00:00', 30],
      ['3', 'a', '2026-03-05 00:00:00', 30],
      ['2', 'a', '2026-03-01 12:00:00', 'Infinity'],
      [null, 'a', '2026-03-06 00:00:00', 100],
      [null, 'a', '2026-03-07 00:00:00', 100],
    ] as const
    const keyed = events(values, { key: [column('id', 'string', 'VARCHAR')] })
    expect((await valuesOf([['a', 'treated', exposed]], keyed, {}))[0]?.y).toBe(5 + 30 + 30 + 200)
    expect((await valuesOf([['a', 'treated', exposed]], events(values), {}))[0]?.y).toBe(5 + 7 + 30 + 200)
    const [counted] = await query(countEvents(duckdbDialect, keyed))
    expect(Object.values(counted ?? {}).map(Number)).toEqual([7, 0, 0, 1, 1])
  })

  test('leaves out rows without a person, a time or a finite value, and says how many', async () => {
    const broken = events([
      ['1', null, '2026-03-03 00:00:00', 5],
      ['2', '', '2026-03-03 00:00:00', 5],
      ['3', 'a', null, 5],
      ['4', 'a', '2026-03-03 00:00:00', 'Infinity'],
      ['5', 'a', '2026-03-03 00:00:00', '-Infinity'],
      ['6', 'a', '2026-03-03 00:00:00', 'NaN'],
      ['7', 'a', '2026-03-03 00:00:00', null],
      ['8', 'a', '2026-03-03 00:00:00', 2],
    ])
    expect((await valuesOf([['a', 'treated', exposed]], broken, {}))[0]?.y).toBe(2)
    const [counted] = await query(countEvents(duckdbDialect, broken))
    expect(counted).toMatchObject({ n: expect.anything() })
    expect(Object.values(counted ?? {}).map(Number)).toEqual([8, 2, 1, 4, 0])
  })

  test('is summed up over people who became one', async () => {
    const members = rows({ key: 'VARCHAR', entity: 'VARCHAR' }, [
      ['a2', 'a'],
      ['a', 'a'],
    ])
    const bought = events(
      [
        ['1', 'a2', '2026-03-03 00:00:00', 5],
        ['2', 'a', '2026-03-04 00:00:00', 30],
      ],
      { members },
    )
    expect(await valuesOf([['a', 'treated', exposed]], bought, {})).toEqual([{ arm: 'treated', y: 35, x: 0 }])
  })
})

describe('a quotient', () => {
  const mails = { ...eventColumns, mails: 'DOUBLE' }
  const mailed = (values: readonly (readonly (string | number | null)[])[], more: Partial<EventsParams> = {}) =>
    events([], { stage: sql`${rows(mails, values)} stage`, per: column('mails', 'number', 'DOUBLE'), ...more })

  test('divides what a person has by how many events there were, or by another sum, both within the window', async () => {
    const values = [
      ['1', 'a', '2026-03-01 02:00:00', 1, 50],
      ['2', 'a', '2026-03-02 00:00:00', 10, 3],
      ['3', 'a', '2026-03-31 02:00:00', 100, 2],
      ['4', 'a', '2026-03-31 02:00:01', 1000, 70],
      ['5', 'b', '2026-03-05 00:00:00', 0, 4],
    ] as const
    const units = [
      ['a', 'treated', exposed],
      ['b', 'withheld', exposed],
      ['c', 'withheld', exposed],
    ] as const
    expect(await valuesOf(units, mailed(values), { per: { sum: 'mails' } })).toEqual([
      { arm: 'treated', y: 110, x: 5 },
      { arm: 'withheld', y: 0, x: 0 },
      { arm: 'withheld', y: 0, x: 4 },
    ])
    expect(await valuesOf(units, mailed(values, { per: 'event' }), { per: 'event' })).toMatchObject([
      { arm: 'treated', y: 110, x: 2 },
      ...[{ x: 0 }, { x: 1 }],
    ])
  })

  test('leaves out rows whose divisor is missing, negative or no number, whole, and says how many', async () => {
    const values = [
      ['1', 'a', '2026-03-02 00:00:00', 10, 2],
      ['2', 'a', '2026-03-02 00:00:00', 1, null],
      ['3', 'a', '2026-03-02 00:00:00', 1, -1],
      ['4', 'a', '2026-03-02 00:00:00', 1, 'NaN'],
      ['5', 'a', '2026-03-02 00:00:00', 1, 'Infinity'],
      ['6', 'a', '2026-03-02 00:00:00', null, 3],
      ['7', 'a', '2026-03-02 00:00:00', 10, 2],
      ['8', 'a', '2026-03-02 00:00:00', 10, 5],
    ] as const
    const found = await valuesOf([['a', 'treated', exposed]], mailed(values), { per: { sum: 'mails' } })
    expect(found).toEqual([{ arm: 'treated', y: 20, x: 7 }])
    const [counted] = await query(countEvents(duckdbDialect, mailed(values)))
    expect(Object.values(counted ?? {}).map(Number)).toEqual([8, 0, 0, 5, 1])
  })

  test('is summed up so that its residuals have the moments of the rows', async () => {
    const x = heavyRevenue.control.map((y, index) => (y > 0 || index % 9 === 0 ? 1 + (index % 4) : 0))
    const rowsOf = heavyRevenue.control.map((y, index) => ['withheld', y, x[index] ?? 0])
    const values = rows({ arm: 'VARCHAR', y: 'DOUBLE', x: 'DOUBLE' }, rowsOf)
    const [row = {}] = await query(selectAggregates(values, 'ratio'))
    const total = (some: readonly number[]) => some.reduce((sum, value) => sum + value, 0)
    const ratio = total(heavyRevenue.control) / total(x)
    const residuals = heavyRevenue.control.map((y, index) => y - ratio * (x[index] ?? 0))
    const found = ratioMoments(figuresOf(row))
    expect(found.nonZero).toBe(x.filter(value => value > 0).length)
    expect(found.m3 / total(residuals.map(value => value ** 3))).toBeCloseTo(1, 9)
    expect(found.sumY / found.sumX).toBeCloseTo(ratio, 12)
  })
})

test('the two passes give the centred sums of the rows', async () => {
  const x = heavyRevenue.control.map((_, index) => (index * 7) % 23)
  const rowsOf = heavyRevenue.control.map((y, index) => ['withheld', y, x[index] ?? 0])
  const values = rows({ arm: 'VARCHAR', y: 'DOUBLE', x: 'DOUBLE' }, rowsOf)
  const [row = {}] = await query(selectAggregates(values, 'mean'))
  const { arm, ...figures } = figuresOf(row)
  expect(arm).toBe('withheld')
  for (const [name, expected] of Object.entries(withCovariate(x, heavyRevenue.control)))
    expect(figures[name as keyof typeof figures] / (expected as number), name).toBeCloseTo(1, 9)
})

test('sums about the mean keep their digits far from zero', async () => {
  const values = rows(
    { arm: 'VARCHAR', y: 'DOUBLE', x: 'DOUBLE' },
    [1_000_000_004, 1_000_000_007, 1_000_000_013, 1_000_000_016].map(y => ['withheld', y, 0]),
  )
  const [row = {}] = await query(selectAggregates(values, 'mean'))
  expect(figuresOf(row).m2 / 3).toBe(30)
})

test('the cap that a plan would freeze is the 99th percentile of positive values, both arms together', async () => {
  const positive = [...heavyRevenue.treated, ...heavyRevenue.control].filter(value => value > 0)
  const values = rows(
    { y: 'DOUBLE' },
    positive.map(value => [value]),
  )
  const [row] = await query(sql`select percentile_cont(0.99) within group (order by y) as cap from ${values} positives`)
  expect(Number(row?.cap)).toBeCloseTo(325.0264, 9)
})

describe('the people of an experiment', () => {
  const exposureColumns = {
    ...{ sync: 'VARCHAR', key: 'VARCHAR', person: 'VARCHAR', holdout: 'VARCHAR', epoch: 'VARCHAR', arm: 'VARCHAR' },
    ...{ triggered_at: 'TIMESTAMPTZ', draw: 'DOUBLE', share: 'DOUBLE', stratum: 'VARCHAR' },
  }
  const exposures = rows(exposureColumns, [
    ['s', 'a', null, 'h', 'e', 'treated', '2026-03-02 00:00:00', 0.5, 0.1, null],
    ['t', 'a', null, 'h', 'e', 'treated', '2026-03-01 00:00:00', 0.5, 0.1, null],
    ['s', 'b', 'b', 'h', 'e', 'withheld', '2026-03-01 00:00:00', 0.05, 0.1, null],
    ['s', 'c', 'c', 'h', 'e', 'treated', '2026-03-03 00:00:00', 0.5, 0.1, null],
    ['t', 'c', 'c', 'h', 'e', 'withheld', '2026-03-04 00:00:00', 0.05, 0.1, null],
    ['s', 'd', 'd', 'h', 'before', 'withheld', '2026-03-04 00:00:00', 0.05, 0.1, null],
    ['s', 'e', 'e', 'other', 'e', 'withheld', '2026-03-04 00:00:00', 0.05, 0.1, null],
  ])
  const scope = { exposures: sql`${exposures} exposures`, sync: undefined, holdout: 'h', epoch: 'e' }

  test('count once, by their first trigger, in the epoch and holdout that is asked for', async () => {
    const units = await query(
      sql`select entity, arm, mixed from (${selectUnits(scope, undefined)}) units order by entity`,
    )
    expect(units.map(row => [row.entity, row.arm, Number(row.mixed)])).toEqual([
      ['a', 'treated', 0],
      ['b', 'withheld', 0],
      ['c', 'treated', 1],
    ])
    const counted = await query(countUnits(sql`(${selectUnits({ ...scope, sync: 't' }, undefined)}) units`))
    expect(counted.map(row => [row.arm, Number(row.n)])).toEqual([
      ['treated', 1],
      ['withheld', 1],
    ])
  })

  test('of whom records became one are one, in the arm of the earlier trigger', async () => {
    const members = rows({ key: 'VARCHAR', entity: 'VARCHAR' }, [
      ['b', 'b'],
      ['c', 'b'],
    ])
    const units = await query(
      sql`select entity, arm, mixed from (${selectUnits(scope, members)}) units order by entity`,
    )
    expect(units.map(row => [row.entity, row.arm, Number(row.mixed)])).toEqual([
      ['a', 'treated', 0],
      ['b', 'withheld', 1],
    ])
  })

  test('were delivered to when something reached them from their trigger on', async () => {
    const deliveries = rows({ sync: 'VARCHAR', key: 'VARCHAR', person: 'VARCHAR', as_of: 'TIMESTAMPTZ' }, [
      ['s', 'a', null, '2026-03-02 00:00:00'],
      ['s', 'c', 'c', '2026-03-02 00:00:00'],
    ])
    const units = sql`(${selectUnits(scope, undefined)})`
    const counted = await query(countDelivered(units, sql`${deliveries}`, scope, undefined))
    expect(counted.map(row => [row.arm, Number(row.n), Number(row.delivered)])).toEqual([
      ['treated', 2, 1],
      ['withheld', 1, 0],
    ])
  })

  test('are drawn again, each by the share of their time; those of another tool are not', async () => {
    const audited = rows(exposureColumns, [
      ['s', 'user_8', null, 'h', 'e', 'withheld', '2026-03-01 00:00:00', 0.01, 0.05, null],
      ['s', 'user_1', null, 'h', 'e', 'treated', '2026-03-01 00:00:00', 0.9, 0.05, null],
      ['s', 'user_11', null, 'h', 'e', 'treated', '2026-03-01 00:00:00', 0.02, 0.05, null],
      ['s', 'user_3', null, 'h', 'e', 'withheld', '2026-03-01 00:00:00', 0.4, 0.5, null],
      ['s', 'user_5', null, 'h', 'e', 'treated', '2026-03-01 00:00:00', 0.02, 0.05, null],
      ['s', 'user_14', null, 'h', 'e', 'treated', '2026-03-01 00:00:00', null, 0.05, null],
    ])
    const members = rows({ key: 'VARCHAR', entity: 'VARCHAR' }, [
      ...[
        ['user_1', 'user_1'],
        ['user_5', 'user_5'],
        ['user_5b', 'user_5'],
      ],
    ])
    const draw = { salt: 'winback-v1', share: 0.05, members }
    const counted = await query(
      countAssignments(duckdbDialect, { ...scope, exposures: sql`${audited} exposures` }, draw),
    )
    expect(counted.map(row => [row.share, row.recorded, row.drawn, Number(row.n)])).toEqual([
      [0.05, 'treated', 'elsewhere', 1],
      [0.05, 'treated', 'treated', 1],
      [0.05, 'treated', 'withheld', 1],
      [0.05, 'withheld', 'withheld', 1],
      [0.5, 'withheld', 'withheld', 1],
    ])
  })
})

test('the statements are what they were', async () => {
  const golden = (fragment: Fragment) => {
    const { sql: text, params } = render(fragment, duckdbDialect.placeholder)
    return `${text}\n${params.map((value, index) => `-- $${index + 1} = ${JSON.stringify(value)}\n`).join('')}`
  }
  const params = events([], { stage: raw('stage'), key: [column('id', 'string', 'VARCHAR')], members: raw('members') })
  const scope = { exposures: raw('exposures'), sync: 'renewal_due', holdout: 'global', epoch: '2026H1' }
  const statements = [
    selectUnits(scope, raw('members')),
    countUnits(raw('units')),
    countAssignments(duckdbDialect, scope, { salt: 'acme', share: 0.05, members: raw('members') }),
    countDelivered(raw('units'), raw('deliveries'), scope, undefined),
    selectEvents(duckdbDialect, params),
    countEvents(duckdbDialect, params),
    selectValues(duckdbDialect, {
      ...{ units: raw('units'), events: raw('events'), asOf: '2026-06-01T00:00:00.000Z' },
      outcome: { window: 30 * day, value: 'amount', cap: 500, covariate: 90 * day },
    }),
    selectAggregates(raw('person_values'), 'mean'),
  ]
  await expect(statements.map(golden).join('\n')).toMatchFileSnapshot('golden/experiment.sql')
})
