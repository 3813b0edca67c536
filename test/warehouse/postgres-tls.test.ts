/** A server that takes encrypted connections alone, and asks whoever comes for a certificate. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ActivateError } from '../../src/project/problem.ts'
import { openPostgres } from '../../src/warehouse/postgres.ts'
import type { PostgresSettings } from '../../src/warehouse/postgres-connect.ts'
import { type PostgresServer, startPostgres } from '../postgres-server.ts'
import { noSecrets, settingsFor } from './postgres-state.ts'

const file = (name: string) => join(import.meta.dirname, '../certificates', name)
const client = { mode: 'verify', cert: file('client.pem'), key: file('client.key') } as const

// A server named by the environment has certificates of its own, which are not known here.
describe.skipIf(process.env.ACTIVATE_TEST_PG_URL !== undefined || process.platform === 'win32')(
  'TLS to PostgreSQL',
  () => {
    let server: PostgresServer
    beforeAll(async () => {
      server = await startPostgres({ tls: true })
    })
    afterAll(() => server.stop())

    async function answer(tls: PostgresSettings['tls'], url = server.url): Promise<unknown> {
      try {
        const warehouse = await openPostgres(
          { ...settingsFor(server, tls === undefined ? {} : { tls }), url: [url] },
          noSecrets,
        )
        const rows = await warehouse.query({
          sql: 'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
          params: [],
        })
        await warehouse.close()
        return rows[0]
      } catch (error) {
        if (error instanceof ActivateError) return `${error.problems[0].code} ${error.problems[0].message}`
        throw error
      }
    }

    test('speaks in cipher with a server whose certificate it knows, and shows its own', async () => {
      expect(await answer({ ...client, ca: file('authority.pem') })).toEqual({ ssl: true })
    })

    test('refuses a server whose certificate another authority signed', async () => {
      expect(await answer({ ...client, ca: file('stranger.pem') })).toMatch(/^A3038 .*certificate/)
      expect(await answer(client)).toMatch(/^A3038 .*certificate/)
    })

    test('refuses a certificate that is for another name, unless the name is said', async () => {
      const elsewhere = server.url.replace('127.0.0.1', 'localhost')
      expect(await answer({ ...client, ca: file('authority.pem') }, elsewhere)).toMatch(/^A3038 .*localhost/)
      expect(await answer({ ...client, ca: file('authority.pem'), servername: 'warehouse.test' }, elsewhere)).toEqual({
        ssl: true,
      })
    })

    test('encrypts without asking who answers when told so, and is refused without a certificate of its own', async () => {
      expect(await answer({ ...client, mode: 'unverified' })).toEqual({ ssl: true })
      expect(await answer({ mode: 'unverified' })).toMatch(/^A3031 /)
    })

    test('the URL may say all of it', async () => {
      const query = {
        sslmode: 'verify-full',
        sslrootcert: file('authority.pem'),
        sslcert: client.cert,
        sslkey: client.key,
      }
      expect(await answer(undefined, `${server.url}?${new URLSearchParams(query)}`)).toEqual({ ssl: true })
    })
  },
)
