import { afterAll, beforeAll, describe } from 'vitest'
import { describeWarehouse } from '../conformance/warehouse.ts'
import { type PostgresServer, postgresMissing, postgresVersions, startPostgres } from '../postgres-server.ts'
import { openState } from './postgres-state.ts'

describe.skipIf(postgresMissing !== undefined).each(postgresVersions)('PostgreSQL %s', version => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ version })
  })
  afterAll(() => server.stop())

  // PostgreSQL's texts end at a NUL; its statements run in sessions of their own.
  describeWarehouse('conformance', () => openState(server), { storesNul: false, runsInParallel: true })
})
