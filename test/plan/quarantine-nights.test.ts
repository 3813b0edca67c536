import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Plan } from '../../src/plan/plan.ts'
import type { ColumnTest } from '../../src/project/project.ts'
import { isBigquery, isPostgres } from './engine.ts'
import { columnOf, fieldsOf, openNights, type PlanNights } from './plan-nights.ts'

interface Person {
  readonly id: string | null
  readonly v: number | null
  readonly w: string | null
}

/** Each declared test, and by plain comparison who breaks it. */
const contracts: readonly {
  readonly column: 'v' | 'w'
  readonly test: ColumnTest
  readonly breaks: (row: Person, all: readonly Person[]) => boolean
}[] = [
  { column: 'v', test: { test: 'not_null' }, breaks: ({ v }) => v === null },
  { column: 'v', test: { test: 'between', min: 0, max: 9 }, breaks: ({ v }) => v !== null && (v < 0 || v > 9) },
  {
    column: 'v',
    test: { test: 'unique' },
    breaks: ({ v }, all) => v !== null && all.filter(other => other.v === v).length > 1,
  },
  {
    column: 'v',
    test: { test: 'relationships', to: 'activate.known', column: 'n' },
    breaks: ({ v }) => v !== null && v > 11,
  },
  { column: 'w', test: { test: 'not_null' }, breaks: ({ w }) => w === null },
  { column: 'w', test: { test: 'accepted_values', values: ['x', "y'"] }, breaks: ({ w }) => w === 'z' },
]

const people = fc.array(
  fc.record({
    id: fc.constantFrom(null, '', 'a', 'b', 'c', 'd', 'e', 'f', 'g'),
    v: fc.option(fc.integer({ min: -2, max: 13 }), { freq: 8 }),
    w: fc.constantFrom('x', 'x', "y'", 'z', null),
  }),
  { maxLength: 9 },
)

const literal = (value: string | number | null) =>
  typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value)

function modelOf(rows: readonly Person[]): string {
  const values = rows.map(({ id, v, w }) => `(${literal(id)}, ${literal(v)}, ${literal(w)})`)
  const typed = 'select id::varchar as id, v::bigint as v, w::varchar as w'
  return `${typed} from (values ${[...values, '(null, null, null)'].join(', ')}) t(id, v, w) limit ${rows.length}`
}

function expectSums({ rows, changes, decisions, reasons }: Plan) {
  const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0)
  expect(rows.model).toBe(rows.quarantined + rows.ineligible + rows.population)
  expect(rows.population).toBe(rows.unchanged + changes.enter + changes.change)
  expect(sum(changes)).toBe(sum(decisions))
  expect(sum(reasons)).toBe(sum(changes) - decisions.send + rows.ineligible + rows.quarantined)
}

async function expectNight(nights: PlanNights, rows: readonly Person[], chosen: readonly number[], day: number) {
  const declared = contracts.filter((_, index) => chosen.includes(index))
  const testsOf = (name: 'v' | 'w') => declared.filter(({ column }) => column === name).map(each => each.test)
  const isBroken = (row: Person) =>
    row.id === null ||
    row.id === '' ||
    rows.filter(({ id }) => id === row.id).length > 1 ||
    declared.some(({ breaks }) => breaks(row, rows))
  const bad = rows.filter(isBroken)
  const badKeys = new Set(bad.flatMap(({ id }) => (id === null || id === '' ? [] : [id])))

  const before = new Map((day === 1 ? [] : await nights.snapshot()).map(row => [row.key, row]))
  const plan = await nights.night(modelOf(rows), {
    columns: [columnOf('v', 'integer', testsOf('v')), columnOf('w', 'string', testsOf('w'))],
    onViolation: 'quarantine',
    asOf: new Date(Date.UTC(2026, 2, day)).toISOString(),
    sync: {
      onBadKey: 'quarantine',
      fields: fieldsOf({ v: 'v', w: 'w' }),
      guard: { minRows: 0, mappingChange: 'pass' },
    },
  })
  expectSums(plan)
  expect([plan.rows.model, plan.rows.quarantined]).toEqual([rows.length, bad.length])
  expect((await nights.outbox()).filter(row => badKeys.has(String(row.key)))).toEqual([])

  const after = await nights.snapshot()
  for (const row of after) if (badKeys.has(String(row.key))) expect(row).toEqual(before.get(row.key))
  const members = after.filter(row => row.standing === 'member').map(row => row.key)
  const present = new Set(rows.map(({ id }) => id))
  expect(members.filter(key => !present.has(String(key)))).toEqual([])

  const open = (await nights.rows('quarantine')).filter(row => row.until === null)
  expect(new Set(open.flatMap(row => (row.key === null ? [] : [row.key])))).toEqual(badKeys)
}

test('whatever rows, tests and nights: the sums hold, and who is in quarantine is neither sent nor removed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(people, { minLength: 1, maxLength: 4 }),
      fc.subarray([...contracts.keys()]),
      async (populations, chosen) => {
        const nights = await openNights()
        try {
          const known =
            'create table activate.known as select n from generate_series(-2, 11) known(n) union all select null'
          await nights.warehouse.execute({ sql: known, params: [] })
          for (const [index, rows] of populations.entries()) await expectNight(nights, rows, chosen, index + 1)
        } finally {
          await nights.close()
        }
      },
    ),
    { numRuns: isBigquery() ? 1 : isPostgres() ? 3 : 25 },
  )
}, 120_000)
