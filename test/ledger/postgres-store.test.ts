import { afterAll, beforeAll, describe } from 'vitest'
import { describeLedger } from '../conformance/ledger.ts'
import { type PostgresServer, postgresMissing, postgresVersions, startPostgres } from '../postgres-server.ts'
import { hourAhead, openLedger, settingsFor } from './postgres-ledger.ts'

describe.skipIf(postgresMissing !== undefined).each(postgresVersions)('PostgreSQL %s', version => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ version })
  })
  afterAll(() => server.stop())

  describeLedger(`Postgres ${version}`, () => openLedger(settingsFor(server.url), { clock: hourAhead }))
})
