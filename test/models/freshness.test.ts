import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkFreshness, freshnessProblem, judgeFreshness } from '../../src/models/freshness.ts'
import { source } from './project.ts'
import { openTestWarehouse, type TestWarehouse } from './warehouse.ts'

const hour = 3_600_000
const asOf = Date.parse('2026-03-02T02:00:00Z')

describe('the verdict', () => {
  test.each([
    ['2026-03-01T00:00:00Z', 26, 'fresh'],
    ['2026-02-28T23:59:59Z', 26, 'stale'],
    ['2026-03-01', 26, 'fresh'],
    ['2026-03-01', 25, 'stale'],
    ['2026-03-02T01:30:00', 1, 'fresh'],
    ['2026-03-02 01:30:00.123456', 1, 'fresh'],
    ['2026-03-02T03:30:00+02:00', 1, 'fresh'],
    ['2026-03-02 03:30:00+02', 1, 'fresh'],
    ['2026-03-02 00:30:00-0030', 1, 'fresh'],
    ['2027-01-01', 1, 'fresh'],
  ] as const)('%s within %i h is %s', (seen, hours, kind) => {
    expect(judgeFreshness(seen, asOf, hours * hour).kind).toBe(kind)
  })

  test('no value at all is neither fresh nor stale', () => {
    expect(judgeFreshness(null, asOf, hour)).toEqual({ kind: 'empty' })
  })

  test.each(['yesterday', '01/03/2026', '2026-13-01', '', 20260301, 3n, true])('%s cannot be read', seen => {
    expect(judgeFreshness(seen, asOf, hour).kind).toBe('unreadable')
  })

  test('whatever is fresh stays fresh when more age is allowed', () => {
    const instants = fc.date({ min: new Date('1990-01-01'), max: new Date('2050-01-01'), noInvalidDate: true })
    fc.assert(
      fc.property(instants, fc.nat(), fc.nat(), (seen, age, more) => {
        const verdict = (maxAge: number) => judgeFreshness(seen.toISOString(), asOf, maxAge).kind
        return verdict(age) === 'stale' || verdict(age + more) === 'fresh'
      }),
    )
  })
})

describe('a source', () => {
  let opened: TestWarehouse
  beforeAll(async () => {
    opened = await openTestWarehouse()
    await opened.run(
      "create table memory.main.loads as select * from (values (timestamptz '2026-03-01T22:00:00Z', 'soon', 1), (null, null, 2)) t(loaded_at, note, id)",
    )
  })
  afterAll(() => opened.close())

  const verdictOf = async (column: string, maxAge: number, relation = 'memory.main.loads') => {
    const loads = source('loads', { table: ['loads'] }, { freshness: { column, maxAge } })
    const verdict = await checkFreshness(opened.warehouse, relation, loads, asOf)
    return { verdict, problem: verdict && freshnessProblem(loads, verdict) }
  }

  test('is measured by its newest value at the clock of the run', async () => {
    expect(await verdictOf('loaded_at', 4 * hour)).toEqual({
      verdict: { kind: 'fresh', maxSeen: '2026-03-01T22:00:00Z', age: 4 * hour },
      problem: undefined,
    })
  })

  test('that is stale says how old it is', async () => {
    expect((await verdictOf('loaded_at', 3.5 * hour)).problem).toMatchObject({
      code: 'A2023',
      message: 'the source "loads" is stale: its newest loaded_at is 2026-03-01T22:00:00Z, 4 h old; 3.5 h are allowed',
    })
  })

  test('without a row, or with a column that is no time, cannot be told', async () => {
    expect((await verdictOf('loaded_at', hour, '(from memory.main.loads where false)')).problem?.code).toBe('A2024')
    expect((await verdictOf('note', hour)).problem?.code).toBe('A2024')
    expect((await verdictOf('id', hour)).problem?.code).toBe('A2024')
  })

  test('that promises nothing is not asked', async () => {
    expect(await checkFreshness(opened.warehouse, 'nowhere', source('s', { table: ['s'] }), asOf)).toBeUndefined()
  })
})
