/**
 * The same suite on a real project, for those who have one: `ACTIVATE_TEST_BQ_PROJECT` names it, `ACTIVATE_TEST_BQ_LOCATION` says where
 * (US unless set); credentials are the application's default ones. It makes a dataset of its own, and deletes it with all in it.
 */
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { prepareState } from '../../src/plan/state-tables.ts'
import { openBigquery } from '../../src/warehouse/bigquery.ts'
import { type BigquerySettings, connectBigquery } from '../../src/warehouse/bigquery-connect.ts'
import { noSecrets } from '../bigquery/state.ts'
import { once } from '../conformance/warehouse/trial.ts'
import { describeWarehouse } from '../conformance/warehouse.ts'

const { ACTIVATE_TEST_BQ_PROJECT: project, ACTIVATE_TEST_BQ_LOCATION: location } = process.env

describe.skipIf(project === undefined)('BigQuery, a real project', () => {
  const open = async (more: Partial<BigquerySettings> = {}) => {
    const state = `activate_test_${randomBytes(5).toString('hex')}`
    const settings = { type: 'bigquery', state, maximum_bytes_billed: '1GiB' } as const
    const named = {
      ...{ ...settings, ...more },
      ...(project === undefined ? {} : { project }),
      ...(location === undefined ? {} : { location }),
    }
    const warehouse = await openBigquery(named, noSecrets)
    return {
      warehouse,
      async cleanup() {
        await warehouse.close()
        const { client } = await connectBigquery(named, noSecrets)
        await client.dataset(state).delete({ force: true })
      },
    }
  }
  test('metadata tells what a select reads and when that changed, and a copy stays as it was', async () => {
    const { warehouse, cleanup } = await open()
    try {
      const { dialect, state, metadata } = warehouse
      const name = [...state, 'marked']
      await warehouse.load(name, [{ name: 'n', type: 'integer' }], once([['1']]))
      const [table, copy] = [dialect.relation(name), dialect.relation([...state, 'undo__marked'])]
      const execute = (sql: string) => warehouse.execute({ sql, params: [] })
      const full = metadata?.nameOf(name) ?? ''
      expect(await metadata?.tablesOf(`select n from ${table}`)).toEqual([full])
      const before = await metadata?.marksOf([full])
      expect(before).toEqual({ [full]: expect.any(String) })
      expect(await metadata?.marksOf([full])).toEqual(before)
      await execute(dialect.copies?.keep(table, copy) ?? '')
      await execute(`insert into ${table} (n) values (2)`)
      expect(await metadata?.marksOf([full])).not.toEqual(before)
      expect(await warehouse.query({ sql: `select n from ${copy}`, params: [] })).toEqual([{ n: 1 }])
      await execute(dialect.copies?.drop(copy) ?? '')
      await prepareState(warehouse, 'crm')
    } finally {
      await cleanup()
    }
  })

  test('a large result comes over the Storage Read API whole and in its order', async () => {
    const { warehouse, cleanup } = await open({ storage_read: 'always' })
    try {
      const numbers =
        'select a * 1000 + b + 1 as seq from unnest(generate_array(0, 299)) a, unnest(generate_array(0, 999)) b'
      const sql = `select seq, to_hex(sha256(cast(seq as string))) as text from (${numbers}) order by seq`
      let count = 0
      // With `always`, a row that is not the next is an error.
      for await (const rows of warehouse.stream({ sql, params: [] }, { numbered: 'seq' })) count += rows.length
      expect(count).toBe(300_000)
    } finally {
      await cleanup()
    }
  })

  describeWarehouse('conformance', open, {
    ...{ storesNul: true, runsInParallel: true, decimal: '1.5', longStream: 100_000 },
    names: {
      table: 'odd table 日本',
      columns: ['select', 'order', 'Mixed Case', "apostrophe's", 'ünï', '日本', '1st'],
    },
    types: { timestamp: 'datetime', 'decimal(38, 19)': 'bignumeric(38, 19)' },
  })
})
