import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { LedgerTraces } from '../../src/ledger/erasure.ts'
import { keyBeside } from '../../src/ledger/key.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { openSqlite } from '../../src/ledger/sqlite.ts'
import { ledgerOver } from '../../src/ledger/store.ts'

let folder: string
let path: string
let ledger: Ledger

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'activate-erasures-'))
  path = join(folder, 'ledger.db')
  ledger = ledgerOver(await openSqlite(path, 50), { key: keyBeside(path), now: Date.now, letterRetention: 1 })
})
afterEach(async () => {
  await ledger.close()
  rmSync(folder, { recursive: true, force: true })
})

const canary = 'CANARY-PERSON'
const traces: LedgerTraces = {
  keys: [canary],
  redact: text => text.replaceAll(canary, '[erased]'),
  redactPlan: text => text.replaceAll(canary, '[erased]'),
}

/** A run with one accepted record, one that was refused and one that is parked, each naming the person. */
async function runOnce(runId: string, startedAt: number, key = canary): Promise<void> {
  const holder = { host: 'h', pid: 1, token: 't' }
  const answer = await ledger.acquire('sync:s', holder, startedAt, 60_000, () => true)
  if (answer.kind !== 'acquired') throw new Error('locked')
  const { lease } = answer
  const error = { code: 'E', message: `about ${key}` }
  const run = { runId, sync: 's', asOf: 0, startedAt }
  await ledger.startRun(run, lease)
  await ledger.updateRun(runId, { plan: { samples: [{ key }], warnings: [`of ${key}`] }, error }, lease)
  for (const [index, state] of (['acked', 'rejected', 'parked'] as const).entries()) {
    const requestId = `${runId}.${state}`
    const request = { requestId, runId, destination: 'd', action: 'a', members: { from: index + 1, to: index + 1 } }
    await ledger.begin([{ ...request, idempotencyKey: requestId, bodyHash: 'h' }], startedAt, lease)
    const exception = {
      seq: index + 1,
      key,
      changeId: requestId,
      state: state === 'parked' ? state : 'rejected',
      ...error,
    } as const
    const exceptions = state === 'acked' ? [] : [exception]
    const ended = state === 'parked' ? 'uncertain' : state
    await ledger.conclude({ requestId, attempt: 1, state: ended, at: startedAt, error, exceptions }, lease)
    if (state === 'parked') await ledger.move([requestId], 'uncertain', 'parked', startedAt, lease)
  }
  await ledger.updateRun(runId, { status: 'partial', finishedAt: startedAt, settled: true }, lease)
  await ledger.release(lease)
}

const bytes = () => Buffer.concat(readdirSync(folder).map(file => readFileSync(join(folder, file))))

test('forgets a person, and after the purge no byte of them is in the file or its log', async () => {
  await runOnce('r1', 1)
  await runOnce('r2', 2, 'SOMEBODY-ELSE')
  expect(bytes().includes(canary)).toBe(true)
  const counted = await ledger.countTraces(traces)
  expect(counted).toEqual({ plans: 1, 'error messages': 4, 'requests that were not accepted': 2 })
  const forgotten = await ledger.forget(traces)
  expect(forgotten['requests that were not accepted']).toBe(2)
  expect(await ledger.forget(traces)).toEqual({})
  expect(await ledger.purge()).toBe(true)
  expect(bytes().includes(canary)).toBe(false)
  expect(await ledger.exceptions('r2')).toHaveLength(2)
  expect(await ledger.requests('r1')).toHaveLength(3)
})

test('a purge that another reader keeps from finishing says so, and can be repeated', async () => {
  await runOnce('r1', 1)
  const other = new Sqlite(path)
  other.exec('begin')
  other.prepare('select * from runs').all()
  await ledger.forget(traces)
  expect(await ledger.purge()).toBe(false)
  other.exec('commit')
  other.close()
  expect(await ledger.purge()).toBe(true)
  expect(bytes().includes(canary)).toBe(false)
})

test('a tombstone is a keyed hash that is renewed and runs out', async () => {
  const made = await ledger.tombstoneMaker()
  const entry = { actor: 'dpo', at: 1, action: 'erase', subject: 'person', detail: {} } as const
  const tombstone = { ...made.of(canary), state: 'removing', erasedAt: 1, expiresAt: 10 } as const
  expect(tombstone.hash).not.toBe(made.of('CANARY').hash)
  await ledger.bury([tombstone], entry)
  await ledger.bury([{ ...tombstone, state: 'erased', expiresAt: 20 }], entry)
  expect(await ledger.tombstones(15)).toEqual([{ ...tombstone, state: 'erased', expiresAt: 20 }])
  expect(await ledger.tombstones(20)).toEqual([])
  expect(await ledger.prune({}, 20)).toEqual({ tombstones: 1 })
  expect(bytes().includes(canary)).toBe(false)
  expect(await ledger.verifyAudit()).toMatchObject({ kind: 'ok', entries: 2 })
})

test('prunes settled runs by age, and leaves what waits for a person', async () => {
  await runOnce('old', 1_000)
  await runOnce('new', 9_000)
  const cutoffs = { samples: 5_000, requests: 5_000 }
  const counted = await ledger.countOld(cutoffs)
  expect(counted).toEqual({ 'plans with samples': 1, requests: 2, 'requests that were not accepted': 1 })
  expect(await ledger.prune(cutoffs, 10_000)).toEqual(counted)
  expect(await ledger.countOld(cutoffs)).toEqual({})
  expect((await ledger.requests('old')).map(({ state }) => state)).toEqual(['parked'])
  expect(await ledger.exceptions('old')).toMatchObject([{ state: 'parked' }])
  expect(await ledger.requests('new')).toHaveLength(3)
  const [newer, older] = await ledger.runs({})
  expect(newer?.plan).toMatchObject({ samples: [{ key: canary }] })
  expect(older?.plan).toEqual({ samples: [], ineligible: [], warnings: [`of ${canary}`] })
})

test('knows when a task was last done', async () => {
  expect(await ledger.lastDone('prune')).toBeUndefined()
  await ledger.recordDone('prune', 5)
  await ledger.recordDone('prune', 7, {
    actor: 'ada',
    at: 7,
    action: 'prune',
    subject: 'retention',
    detail: { requests: 1 },
  })
  expect(await ledger.lastDone('prune')).toBe(7)
  expect(await ledger.audit({ limit: 5 })).toMatchObject([{ action: 'prune', detail: { requests: 1 } }])
})

test('every table of the ledger that knows people by key is one that erasing looks into', () => {
  const connection = new Sqlite(path, { readonly: true })
  const columns = connection
    .prepare<[], { at: string }>(
      `select m.name || '.' || c.name as at from sqlite_schema m join pragma_table_info(m.name) c where m.type = 'table' and m.name not like 'sqlite%' and m.name not like 'knex%' and c.type in ('TEXT', 'BLOB')`,
    )
    .all()
    .map(({ at }) => at)
  connection.close()
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
