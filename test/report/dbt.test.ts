import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { stateTables } from '../../src/plan/state.ts'
import type { Sync } from '../../src/project/project.ts'
import { biTables } from '../../src/report/bi-tables.ts'
import { dbtDocument } from '../../src/report/dbt.ts'
import { resultColumns, resultRows } from '../../src/report/results.ts'
import { sampleReport, sampleRows, sums } from './sample-report.ts'

const sync = {
  ...{ name: 'renewal-due', model: 'renewals', destination: 'crm', action: 'send', mode: 'trigger', enabled: true },
  owners: ['retention@acme.example'],
} as unknown as Sync

test('the state is a dbt source and a sync a dbt exposure that depends on it', () => {
  const document = parse(dbtDocument('acme', ['activate'], [sync]))
  expect(document.version).toBe(2)
  const [source] = document.sources
  expect(source).toMatchObject({ name: 'activate', schema: 'activate' })
  expect(source.tables.map(({ name }: { name: string }) => name)).toEqual(Object.keys(biTables))
  expect(document.exposures).toEqual([
    expect.objectContaining({
      ...{ name: 'activate_renewal_due', type: 'application', owner: { email: 'retention@acme.example' } },
      depends_on: expect.arrayContaining(["source('activate', 'results')"]),
    }),
  ])
})

test('every column that is told of is there', () => {
  const known = { ...stateTables, results: resultColumns }
  for (const [table, { columns }] of Object.entries(biTables))
    expect(Object.keys(columns).sort()).toEqual(Object.keys(known[table as keyof typeof biTables]).sort())
})

test('a result without figures says why, and has no number in their place', () => {
  const rows = sampleRows()
  const outcomes = rows.outcomes.map(({ detail: _, ...each }) => ({
    ...each,
    aggregates: [sums('treated', 5, 0), sums('withheld', 1, 0)],
  }))
  const [result] = resultRows(sampleReport([{ ...rows, outcomes }]), 0)
  expect(result).toMatchObject({ answer: 'too_few', difference: null, lift: null, p_value: null, withheld_people: 1 })
  expect(Object.keys(result ?? {}).sort()).toEqual(Object.keys(resultColumns).sort())
})
