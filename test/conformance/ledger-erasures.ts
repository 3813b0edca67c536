/** What every ledger must do to forget people and to prune what is old, whatever engine it is kept in. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LedgerTraces } from '../../src/ledger/erasure.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'

/** An empty ledger, and what can be seen of it from outside. */
export interface ErasableLedger {
  readonly ledger: Ledger
  /** Whether the bytes are in any file in which the engine keeps its tables. */
  holds(text: string): Promise<boolean>
  /** Somebody who has seen the rows as they are now and is not done with them, until the answer is called. */
  read(): Promise<() => Promise<void>>
  /** What a purge says of them. */
  readonly hindered: RegExp
  cleanup(): Promise<void>
}

const canary = 'CANARY-PERSON'
const traces: LedgerTraces = {
  keys: [canary],
  redact: text => text.replaceAll(canary, '[erased]'),
  redactPlan: text => text.replaceAll(canary, '[erased]'),
}

export function describeErasures(name: string, open: () => Promise<ErasableLedger>): void {
  let opened: ErasableLedger
  let ledger: Ledger

  beforeEach(async () => {
    opened = await open()
    ledger = opened.ledger
  })
  afterEach(() => opened.cleanup())

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

  describe(`${name}: erasures`, () => {
    test('forgets a person, and after the purge no byte of them is where it keeps its tables', async () => {
      await runOnce('r1', 1)
      await runOnce('r2', 2, 'SOMEBODY-ELSE')
      expect(await opened.holds(canary)).toBe(true)
      const counted = await ledger.countTraces(traces)
      expect(counted).toEqual({ plans: 1, 'error messages': 4, 'requests that were not accepted': 2 })
      const forgotten = await ledger.forget(traces)
      expect(forgotten['requests that were not accepted']).toBe(2)
      expect(await ledger.forget(traces)).toEqual({})
      expect(await ledger.purge()).toBeUndefined()
      expect(await opened.holds(canary)).toBe(false)
      expect(await ledger.exceptions('r2')).toHaveLength(2)
      expect(await ledger.requests('r1')).toHaveLength(3)
    })

    test('a purge that another reader keeps from finishing says so, and can be repeated', async () => {
      await runOnce('r1', 1)
      const leave = await opened.read()
      await ledger.forget(traces)
      expect(await ledger.purge()).toMatch(opened.hindered)
      await leave()
      expect(await ledger.purge()).toBeUndefined()
      expect(await opened.holds(canary)).toBe(false)
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
      expect(await opened.holds(canary)).toBe(false)
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
  })
}
