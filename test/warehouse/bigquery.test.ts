import { afterAll, beforeAll, describe } from 'vitest'
import { type BigqueryServer, startBigquery } from '../bigquery/server.ts'
import { openState } from '../bigquery/state.ts'
import { describeWarehouse } from '../conformance/warehouse.ts'
import { zetasqlMissing } from '../engines/zetasql.ts'
import { abilities } from './bigquery-abilities.ts'

describe.skipIf(zetasqlMissing !== undefined)('BigQuery, over ZetaSQL', () => {
  let server: BigqueryServer
  beforeAll(async () => {
    server = await startBigquery()
  })
  afterAll(() => server.stop())

  describeWarehouse('conformance', () => openState(server), abilities)
})
