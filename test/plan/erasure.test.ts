import { expect, test } from 'vitest'
import { erasableTables, isLeftover, namingTexts, personOfRow } from '../../src/plan/erasure.ts'
import { identityTables } from '../../src/plan/identity/identity-state.ts'
import { outboxColumns, snapshotColumns, stateTables } from '../../src/plan/state.ts'
import { bigqueryDialect } from '../../src/warehouse/bigquery-dialect.ts'
import { duckdbDialect } from '../../src/warehouse/duckdb-dialect.ts'

const state = ['warehouse', 'activate']

test('every table of the state that knows people is one that erasing looks into', () => {
  const all = { ...stateTables, ...identityTables, snapshot__a: snapshotColumns, outbox__b: outboxColumns }
  const found = erasableTables(duckdbDialect, state, Object.keys(all)).map(({ name }) => name)
  const left = Object.keys(all).filter(name => !found.includes(name))
  expect(left).toEqual(['holdouts', 'runs'])
  for (const { name, columns } of erasableTables(duckdbDialect, state, Object.keys(all)))
    expect([name, columns.some(column => ['key', 'person', 'entity'].includes(column))]).toEqual([name, true])
})

test('payloads that stand apart are looked into, and the snapshot beside them has none', () => {
  const dialect = bigqueryDialect({ state: ['activate'], token: 'night' })
  const found = erasableTables(dialect, ['activate'], ['snapshot__a', 'payloads__a'])
  expect(found.map(({ what, columns }) => [what, columns.includes('payload'), columns.includes('key')])).toEqual([
    ['snapshots', false, true],
    ['payloads', true, true],
  ])
})

test('every text in which several people may be named is redacted', () => {
  const free = Object.entries(stateTables).flatMap(([table, columns]) =>
    Object.keys(columns)
      .filter(column => ['plan', 'message'].includes(column))
      .map(column => `${table}.${column}`),
  )
  expect(free).toEqual(expect.arrayContaining(namingTexts.map(({ table, column }) => `${table}.${column}`)))
  expect(namingTexts).toHaveLength(free.length)
})

test("tables of the user's models are no leftovers of ours", () => {
  expect(['acked__r', 'exceptions__r', 'opt_outs__s', 'snapshot__s', 'model__acked__r'].filter(isLeftover)).toEqual([
    ...['acked__r', 'exceptions__r', 'opt_outs__s'],
  ])
})

test.each([
  ['{"customer_id":"C1"}', 'C1'],
  ['{"customer_id":17}', '17'],
  ['{"customer_id":null}', undefined],
  ['{"other":"C1"}', undefined],
  ['{"__proto__":"C1"}', undefined],
  ['[]', undefined],
])('the row %s is about %s', (row, person) => {
  expect(personOfRow(row, 'customer_id')).toBe(person)
})
