import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { openLedger } from '../../src/ledger/store.ts'

const canary = 'zzyzx-ann@acme.example'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'activate-ledger-'))
  path = join(folder, 'ledger.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const isOnDisk = (text: string) =>
  readdirSync(folder).some(file => readFileSync(join(folder, file)).includes(Buffer.from(text)))

async function parkOne(ledger: Ledger, key: string): Promise<void> {
  const answer = await ledger.acquire('sync:s', { host: 'h', pid: 1, token: 't' }, 0, 60_000, () => true)
  if (answer.kind !== 'acquired') throw new Error('locked')
  await ledger.startRun({ runId: 'r', sync: 's', asOf: 0, startedAt: 0 }, answer.lease)
  const request = { requestId: 'r.1', runId: 'r', destination: 'd', action: 'a', members: { from: 1, to: 1 } }
  await ledger.begin([{ ...request, idempotencyKey: 'k', bodyHash: 'h' }], 1, answer.lease)
  const exceptions = [{ seq: 1, key, changeId: 'c', state: 'parked', code: 'timeout', message: 'no answer' }] as const
  await ledger.conclude({ requestId: 'r.1', attempt: 1, state: 'uncertain', at: 2, exceptions }, answer.lease)
}

const found = async (ledger: Ledger, key: string) => (await ledger.exceptionsOfKey('s', key)).map(({ code }) => code)

test('whom a request failed for is found by their key, and their key is in no byte of the ledger or its log', async () => {
  const ledger = await openLedger({ type: 'sqlite', path })
  await parkOne(ledger, canary)
  expect(isOnDisk(canary)).toBe(false)
  expect(isOnDisk('no answer')).toBe(true)
  expect(await found(ledger, canary)).toEqual(['timeout'])
  expect(await found(ledger, 'somebody else')).toEqual([])
  await ledger.close()
  expect(isOnDisk(canary)).toBe(false)
})

test('what an earlier version wrote as it was is hashed when the key is first needed, and found as before', async () => {
  const ledger = await openLedger({ type: 'sqlite', path })
  await parkOne(ledger, 'somebody else')
  await ledger.close()
  makeOld(canary)
  expect(isOnDisk(canary)).toBe(true)

  const renewed = await openLedger({ type: 'sqlite', path })
  await renewed.checkKey()
  expect(await found(renewed, canary)).toEqual(['timeout'])
  await renewed.purge()
  expect(isOnDisk(canary)).toBe(false)
  await renewed.close()
  const again = await openLedger({ type: 'sqlite', path })
  expect(await found(again, canary)).toEqual(['timeout'])
  await again.close()
})

test('a ledger that has nothing to find makes no key for it', async () => {
  const ledger = await openLedger({ type: 'sqlite', path })
  expect(await found(ledger, canary)).toEqual([])
  await ledger.close()
  expect(readdirSync(folder).filter(file => file.endsWith('.key'))).toEqual([])
})

/** The ledger as it was before migration 0006, with this key in plain text. */
function makeOld(key: string): void {
  const connection = new Sqlite(path)
  connection.exec('alter table request_changes rename column key_hash to key')
  connection.prepare('update request_changes set key = ?').run(key)
  connection.exec("delete from housekeeping where task like 'keys of requests%'")
  connection.exec("delete from knex_migrations where name = '0006-key-hashes'")
  connection.close()
}
