import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isPostgresLedger } from '../../src/ledger/postgres.ts'
import { unfitnessOf } from '../../src/postgres/fitness.ts'
import { openPostgres as openWarehouse } from '../../src/warehouse/postgres.ts'
import { administer, settingsFor as ledgerSettings, openLedger } from '../ledger/postgres-ledger.ts'
import { type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { noSecrets, settingsFor as warehouseSettings } from '../warehouse/postgres-state.ts'
import { type OlderProxy, startOlderProxy } from './older-proxy.ts'

test.each([
  [90_624, 'too old'],
  [130_022, 'too old'],
  [139_999, 'too old'],
  [Number.NaN, 'too old'],
  [140_000, undefined],
  [180_001, undefined],
  [1_000_000, undefined],
])('a server of version %i is %s', (version, unfitness) => {
  expect(unfitnessOf({ version, encoding: 'UTF8' })).toBe(unfitness)
})

test('a server whose text is not UTF8 will not do, however new it is', () => {
  expect(unfitnessOf({ version: 180_001, encoding: 'SQL_ASCII' })).toBe('not in UTF8')
  expect(unfitnessOf({ version: 180_001, encoding: 'LATIN1' })).toBe('not in UTF8')
})

describe.skipIf(postgresMissing !== undefined)('a server that says of itself', () => {
  let server: PostgresServer
  let version: string
  let release: string
  beforeAll(async () => {
    server = await startPostgres()
    const [row] = await administer(
      server.url,
      "select current_setting('server_version_num') as version, current_setting('server_version') as release",
    )
    version = String(row?.version)
    release = String(row?.release)
  })
  afterAll(() => server.stop())

  /** A version is replaced by one that is as long. */
  const asLong = (text: string) => text.padEnd(release.length, '0').slice(0, release.length)
  const schemas = async () => (await administer(server.url, 'select nspname from pg_namespace order by 1')).length

  async function through(number: string, said: string, work: (proxy: OlderProxy) => Promise<void>): Promise<void> {
    const proxy = await startOlderProxy(server.url, { [version]: number, [release]: said })
    try {
      await work(proxy)
    } finally {
      await proxy.close()
    }
  }

  test('that it is too old is no warehouse and holds no ledger, and nothing is made in it', async () => {
    const older = asLong('13.22')
    const before = await schemas()
    await through('130022', older, async proxy => {
      await expect(openWarehouse(warehouseSettings({ url: proxy.url }), noSecrets)).rejects.toMatchObject({
        problems: [{ code: 'A3037', message: `the server is PostgreSQL ${older}` }],
      })
      const isRefused = { problems: [{ code: 'A5024', message: expect.stringContaining(`runs PostgreSQL ${older};`) }] }
      await expect(openLedger(ledgerSettings(proxy.url))).rejects.toMatchObject(isRefused)
      await expect(isPostgresLedger(ledgerSettings(proxy.url))).rejects.toMatchObject(isRefused)
      expect(proxy.replaced).toBeGreaterThan(3)
    })
    expect(await schemas()).toBe(before)
  })

  test('that it is of the oldest version that will do is both', async () => {
    await through('140000', asLong('14.0'), async proxy => {
      const warehouse = await openWarehouse(warehouseSettings({ url: proxy.url }), noSecrets)
      expect(warehouse.state).toEqual(['activate'])
      await warehouse.close()
      const ledger = await openLedger(ledgerSettings(proxy.url))
      expect(await ledger.runs({ limit: 1 })).toEqual([])
      await ledger.close()
    })
  })
})
