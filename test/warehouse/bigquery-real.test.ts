/**
 * The same suite on a real project, for those who have one: `ACTIVATE_TEST_BQ_PROJECT` names it, `ACTIVATE_TEST_BQ_LOCATION` says where
 * (US unless set); credentials are the application's default ones. It makes a dataset of its own, and deletes it with all in it.
 */
import { randomBytes } from 'node:crypto'
import { describe } from 'vitest'
import { openBigquery } from '../../src/warehouse/bigquery.ts'
import { connectBigquery } from '../../src/warehouse/bigquery-connect.ts'
import { noSecrets } from '../bigquery/state.ts'
import { describeWarehouse } from '../conformance/warehouse.ts'

const { ACTIVATE_TEST_BQ_PROJECT: project, ACTIVATE_TEST_BQ_LOCATION: location } = process.env

describe.skipIf(project === undefined)('BigQuery, a real project', () => {
  const open = async () => {
    const state = `activate_test_${randomBytes(5).toString('hex')}`
    const settings = { type: 'bigquery', state, maximum_bytes_billed: '1GiB' } as const
    const named = {
      ...settings,
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
  describeWarehouse('conformance', open, {
    ...{ storesNul: true, runsInParallel: true, decimal: '1.5', longStream: 100_000 },
    names: {
      table: 'odd table 日本',
      columns: ['select', 'order', 'Mixed Case', "apostrophe's", 'ünï', '日本', '1st'],
    },
    types: { timestamp: 'datetime', 'decimal(38, 19)': 'bignumeric(38, 19)' },
  })
})
