/** What BigQuery has to do, with every row over the Storage Read API: the same cases and the same rows as in pages. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BigqueryServer, startBigquery } from '../bigquery/server.ts'
import { openState } from '../bigquery/state.ts'
import { type StorageServer, startStorage } from '../bigquery/storage.ts'
import { overStorage } from '../bigquery/stored.ts'
import { describeWarehouse } from '../conformance/warehouse.ts'
import { zetasqlMissing } from '../engines/zetasql.ts'
import { abilities } from './bigquery-abilities.ts'

describe.skipIf(zetasqlMissing !== undefined)('BigQuery, over ZetaSQL and the Storage Read API', () => {
  let server: BigqueryServer
  let storage: StorageServer
  beforeAll(async () => {
    server = await startBigquery()
    storage = await startStorage(server, { rowsPerMessage: 300 })
  })
  afterAll(async () => {
    await storage.stop()
    await server.stop()
  })

  const open = async () => {
    const { warehouse, cleanup } = await openState(server, {
      storage_read: 'always',
      storage_endpoint: storage.url,
    })
    return { warehouse: overStorage(warehouse), cleanup }
  }
  describeWarehouse('conformance', open, abilities)

  test('every row of it came that way', () => {
    expect(storage.sessions.length).toBeGreaterThan(100)
    expect(storage.sent()).toBeGreaterThan(20_000)
  })
})
