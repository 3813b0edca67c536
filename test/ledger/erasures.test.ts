import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyBeside } from '../../src/ledger/key.ts'
import { usualLimits } from '../../src/ledger/postgres-connection.ts'
import { openSqlite } from '../../src/ledger/sqlite.ts'
import { ledgerOver } from '../../src/ledger/store.ts'
import { describeErasures } from '../conformance/ledger-erasures.ts'
import { isInTables, type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { administer, clientOf, hourAhead, openLedger, settingsFor } from './postgres-ledger.ts'

async function openFile() {
  const folder = mkdtempSync(join(tmpdir(), 'activate-erasures-'))
  const path = join(folder, 'ledger.db')
  const ledger = ledgerOver(await openSqlite(path, 50), { key: keyBeside(path), now: Date.now, letterRetention: 1 })
  return {
    ...{ path, ledger, hindered: /another process is using it/ },
    holds: async (text: string) => readdirSync(folder).some(file => readFileSync(join(folder, file)).includes(text)),
    async read() {
      const other = new Sqlite(path)
      other.exec('begin')
      other.prepare('select * from runs').all()
      return async () => void other.close()
    },
    async cleanup() {
      await ledger.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

describeErasures('SQLite', openFile)

describe.skipIf(postgresMissing !== undefined)('on a server', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  async function openSchema(limits = usualLimits) {
    const settings = settingsFor(server.url)
    const ledger = await openLedger(settings, { clock: hourAhead, limits })
    return {
      ...{ ledger, settings, hindered: /deleted rows may remain in .*runs/ },
      holds: (text: string) => isInTables(server.url, text),
      async read() {
        const other = await clientOf(server.url)
        await other.query('begin isolation level repeatable read')
        await other.query('select 1')
        return () => other.end()
      },
      cleanup: () => ledger.close(),
    }
  }

  describeErasures('Postgres', () => openSchema())

  test('a purge does not wait long for a table that somebody else has locked, and says which', async () => {
    const { ledger, settings } = await openSchema({ ...usualLimits, lock: 100 })
    const other = await clientOf(server.url)
    await other.query(`begin; lock table ${settings.schema}.runs in access share mode`)
    expect(await ledger.purge()).toBe(`${settings.schema}.runs could not be rewritten (55P03); erase again later`)
    await other.end()
    expect(await ledger.purge()).toBeUndefined()
    await ledger.close()
  })

  test('a purge by a role that does not own the tables says that they are as they were', async () => {
    const { ledger, settings } = await openSchema()
    await ledger.close()
    const role = `guest_of_${settings.schema}`
    await administer(
      server.url,
      `create role ${role} login`,
      `grant usage on schema ${settings.schema} to ${role}`,
      `grant select, insert, update, delete on all tables in schema ${settings.schema} to ${role}`,
    )
    const url = new URL(server.url)
    url.username = role
    const guest = await openLedger({ ...settings, url: url.href })
    expect(await guest.purge()).toMatch(/deleted rows may remain in .*runs.* the role does not own the tables/)
    await guest.close()
  })
})

test('every table of the ledger that knows people by key is one that erasing looks into', async () => {
  const { path, cleanup } = await openFile()
  const connection = new Sqlite(path, { readonly: true })
  const columns = connection
    .prepare<[], { at: string }>(
      `select m.name || '.' || c.name as at from sqlite_schema m join pragma_table_info(m.name) c where m.type = 'table' and m.name not like 'sqlite%' and m.name not like 'knex%' and c.type in ('TEXT', 'BLOB')`,
    )
    .all()
    .map(({ at }) => at)
  connection.close()
  await cleanup()
  // A new column that may hold a person's key, fields or an answer about them has to be removed or redacted in erasures.ts.
  const suspicious = columns.filter(column =>
    /\.(key|.*_key|plan|.*message|row|payload|fields|sealed|detail|person|address)$/.test(column),
  )
  expect(suspicious.sort()).toEqual([
    'audit.detail',
    'dead_letters.sealed',
    'request_changes.message',
    'requests.error_message',
    'requests.idempotency_key',
    'runs.error_message',
    'runs.plan',
  ])
})
