import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keyBeside } from '../../src/ledger/key.ts'
import type { Lease, Ledger, NewRequest } from '../../src/ledger/ledger.ts'
import { openSqlite } from '../../src/ledger/sqlite.ts'
import { ledgerOver, openLedger } from '../../src/ledger/store.ts'
import { expectCode } from './expect-code.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'activate-ledger-'))
  path = join(folder, 'ledger.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = () => openLedger({ type: 'sqlite', path })

async function leaseOn(ledger: Ledger): Promise<Lease> {
  const answer = await ledger.acquire('sync:a', { host: 'h', pid: 1, token: 't' }, 0, 60_000, () => true)
  if (answer.kind !== 'acquired') throw new Error('locked')
  return answer.lease
}

const request = (id: number): NewRequest => ({
  ...{ requestId: `request${id}`, runId: 'run1', destination: 'crm', action: 'upsert', members: { from: id, to: id } },
  ...{ idempotencyKey: 'key', bodyHash: 'hash'.repeat(100) },
})

/** A ledger with one run and one request, closed again. */
async function seeded(): Promise<void> {
  const ledger = await open()
  const lease = await leaseOn(ledger)
  await ledger.startRun({ runId: 'run1', sync: 'a', asOf: 1, startedAt: 1 }, lease)
  await ledger.begin([request(1)], 1, lease)
  await ledger.close()
}

function change(statement: string): void {
  const connection = new Sqlite(path)
  connection.exec(statement)
  connection.close()
}

test('keeps what it was told when it is opened again', async () => {
  await seeded()
  const ledger = await open()
  expect(await ledger.requests('run1')).toMatchObject([{ requestId: 'request1', state: 'sending', attempt: 1 }])
  await ledger.close()
})

test('lets nobody but the owner read', async () => {
  path = join(folder, 'state', 'deep', 'ledger.db')
  const ledger = await open()
  await leaseOn(ledger)
  const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8)
  expect(modeOf(join(folder, 'state', 'deep'))).toBe('700')
  expect([path, `${path}-wal`, `${path}-shm`].map(modeOf)).toEqual(['600', '600', '600'])
  await ledger.close()
})

test('takes back the rights that others had on the file', async () => {
  writeFileSync(path, '', { mode: 0o644 })
  const ledger = await open()
  expect(statSync(path).mode & 0o777).toBe(0o600)
  await ledger.close()
})

test('commits durably and checks foreign keys on its connection', async () => {
  const database = await openSqlite(path)
  const pragma = async (name: string) => Object.values((await database.knex.raw(`pragma ${name}`))[0] ?? {})[0]
  expect(await pragma('journal_mode')).toBe('wal')
  expect(await pragma('synchronous')).toBe(2)
  expect(await pragma('foreign_keys')).toBe(1)
  expect(await pragma('busy_timeout')).toBe(5_000)
  await database.close()
})

test('has strict tables only', async () => {
  await seeded()
  const connection = new Sqlite(path)
  const loose = connection
    .prepare("select name from pragma_table_list where schema = 'main' and strict = 0 and name not like 'sqlite%'")
    .pluck()
    .all()
  connection.close()
  expect(loose.toSorted()).toEqual(['knex_migrations', 'knex_migrations_lock'])
})

test('takes back a write that fails half way', async () => {
  const database = await openSqlite(path)
  const insert = (scope: string) =>
    database.knex('leases').insert({ scope, host: 'h', pid: 1, token: 't', fence: 1, acquired_at: 1, expires_at: 1 })
  const half = database.write(async bind => {
    await bind(insert('first'))
    throw new RangeError('half way')
  })
  await expect(half).rejects.toThrow('half way')
  await database.write(bind => bind(insert('second')))
  expect(await database.knex('leases').pluck('scope')).toEqual(['second'])
  await database.close()
})

test.each([
  ['garbage', () => writeFileSync(path, 'this is not a database, '.repeat(400))],
  ['a database of something else', () => change('create table people (name text)')],
  ['a ledger whose end was cut off', () => truncateSync(path, 8_192)],
  ['a ledger whose pages were overwritten', () => writeFileSync(path, overwritten(readFileSync(path)))],
])('refuses %s and leaves it as it was', async (what, damage) => {
  if (what.startsWith('a ledger')) await seeded()
  damage()
  const before = readFileSync(path)
  await expectCode('A5001', open())
  expect(readFileSync(path).equals(before)).toBe(true)
})

function overwritten(content: Buffer): Buffer {
  return Buffer.concat([content.subarray(0, 100), Buffer.alloc(content.length - 100, 0x5a)])
}

test('refuses an empty file beside a write-ahead log, which SQLite would delete', async () => {
  await seeded()
  writeFileSync(`${path}-wal`, 'what is left of a ledger')
  truncateSync(path, 0)
  await expectCode('A5001', open())
  expect(readFileSync(`${path}-wal`, 'utf8')).toBe('what is left of a ledger')
})

test('refuses a ledger of a newer version and leaves it as it was', async () => {
  await seeded()
  change("insert into knex_migrations (name, batch, migration_time) values ('9999-future', 2, 0)")
  const before = readFileSync(path)
  await expectCode('A5002', open())
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('says so when the file cannot be there', async () => {
  path = join(folder, 'folder')
  mkdirSync(path)
  await expectCode('A5008', open())
})

test('waits for another writer no longer than it was told to', async () => {
  const ledger = ledgerOver(await openSqlite(path, 50), { key: keyBeside(path), now: Date.now, letterRetention: 1 })
  const lease = await leaseOn(ledger)
  const other = new Sqlite(path)
  other.exec('begin immediate')
  await expectCode('A5004', ledger.startRun({ runId: 'run1', sync: 'a', asOf: 1, startedAt: 1 }, lease))
  await expectCode('A5004', ledger.begin([request(1)], 1, lease))
  await expect(ledger.begin([request(1)], 1, lease)).rejects.toMatchObject({ exit: 'locked' })
  other.exec('rollback')
  other.close()
  await ledger.startRun({ runId: 'run1', sync: 'a', asOf: 1, startedAt: 1 }, lease)
  expect(await ledger.begin([request(1)], 1, lease)).toHaveLength(1)
  await ledger.close()
})

test('fails whole commits when the disk is full, and keeps all that was committed', async () => {
  const database = await openSqlite(path)
  const ledger = ledgerOver(database, { key: keyBeside(path), now: Date.now, letterRetention: 1 })
  const lease = await leaseOn(ledger)
  await ledger.startRun({ runId: 'run1', sync: 'a', asOf: 1, startedAt: 1 }, lease)
  const [{ page_count: pages }] = await database.knex.raw('pragma page_count')
  await database.knex.raw(`pragma max_page_count = ${pages + 10}`)

  const committed: string[] = []
  const failures: unknown[] = []
  for (let group = 0; failures.length === 0; group++) {
    const ids = Array.from({ length: 10 }, (_, index) => group * 10 + index)
    const results = await Promise.allSettled(ids.map(id => ledger.begin([request(id)], 1, lease)))
    for (const result of results) {
      if (result.status === 'rejected') failures.push(result.reason)
      else committed.push(...result.value.map(({ requestId }) => requestId))
    }
  }
  expect(committed.length).toBeGreaterThan(0)
  expect(failures).toHaveLength(10)
  for (const failure of failures) expect(failure).toMatchObject({ problems: [{ code: 'A5005' }] })
  expect(await database.knex.raw('pragma integrity_check')).toEqual([{ integrity_check: 'ok' }])
  expect((await ledger.requests('run1')).map(({ requestId }) => requestId)).toEqual(committed)

  await database.knex.raw('pragma max_page_count = 100000')
  expect(await ledger.begin([request(100_000)], 1, lease)).toHaveLength(1)
  await ledger.close()
})
