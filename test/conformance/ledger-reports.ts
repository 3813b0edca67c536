/** What every ledger must do with jobs, and with what destinations report of what they took. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Conclusion, Lease, Ledger, NewRequest } from '../../src/ledger/ledger.ts'
import type { Report } from '../../src/ledger/report.ts'

export function describeReports(name: string, open: () => Promise<Ledger>): void {
  let ledger: Ledger
  let made = 0

  beforeAll(async () => {
    ledger = await open()
  })
  afterAll(() => ledger.close())

  const fresh = (what: string) => `${what}${++made}`

  /** A request that is being sent, of a run and a sync of its own. */
  async function sending(destination = 'twilio') {
    const [sync, runId, requestId] = [fresh('reported'), fresh('reported-run'), fresh('reported-request')]
    const holder = { host: 'here', pid: 1, token: fresh('token') }
    const answer = await ledger.acquire(`sync:${sync}`, holder, 0, 60_000, () => true)
    if (answer.kind !== 'acquired') throw new Error('locked')
    const { lease } = answer
    await ledger.startRun({ runId, sync, asOf: 5, startedAt: 10 }, lease)
    const request: NewRequest = {
      ...{ requestId, runId, destination, action: 'sms', members: { from: 1, to: 2 } },
      ...{ idempotencyKey: 'key', bodyHash: 'hash' },
    }
    await ledger.begin([request], 20, lease)
    return { sync, runId, request, requestId, lease }
  }

  async function conclude(requestId: string, lease: Lease, change: Partial<Conclusion>): Promise<boolean> {
    return ledger.conclude({ requestId, attempt: 1, state: 'acked', at: 30, exceptions: [], ...change }, lease)
  }

  const receiptOf = (key: string, reference: string, seq = 1) => ({ seq, key, changeId: `${key}-change`, reference })
  const reportOf = (reference: string, outcome: string, more: Partial<Report> = {}): Report => ({
    ...{ destination: 'twilio', reference, outcome, final: outcome !== 'sent', at: 40 },
    ...more,
  })

  describe(`${name}: jobs`, () => {
    test('are kept with their request while it is asked about, until it is known to be none any more', async () => {
      const { runId, request, requestId, lease } = await sending()
      const job = { reference: 'job \u{1F4E8}', acceptedAt: 25 }
      const read = async () => (await ledger.requests(runId))[0]
      expect((await read())?.job).toBeUndefined()
      await conclude(requestId, lease, { state: 'uncertain', job, nextAttemptAt: 99 })
      expect(await read()).toMatchObject({ state: 'uncertain', job, nextAttemptAt: 99 })
      // Whoever dies while asking leaves the job behind.
      await ledger.begin([request], 50, lease)
      expect(await read()).toMatchObject({ state: 'sending', job })
      await conclude(requestId, lease, { state: 'uncertain', attempt: 2, job })
      await ledger.begin([request], 60, lease)
      await conclude(requestId, lease, { state: 'planned', attempt: 3 })
      expect((await read())?.job).toBeUndefined()
    })

    test('of a conclusion that lost are not written', async () => {
      const { runId, requestId, lease } = await sending()
      expect(await conclude(requestId, lease, { attempt: 2, job: { reference: 'late', acceptedAt: 1 } })).toBe(false)
      expect((await ledger.requests(runId))[0]?.job).toBeUndefined()
    })
  })

  describe(`${name}: reports`, () => {
    test('stand with the record that they are about, oldest first, whichever came first', async () => {
      const { requestId, lease } = await sending()
      const [ada, bob] = [fresh('ada'), fresh('bob')]
      const [first, second] = [fresh('SM'), fresh('SM')]
      await ledger.report([reportOf(first, 'sent')])
      await conclude(requestId, lease, { receipts: [receiptOf(ada, first), receiptOf(bob, second, 2)] })
      await ledger.report([reportOf(first, 'undelivered', { code: '30003', at: 41 })])
      await ledger.report([reportOf(second, 'delivered')])
      expect(await ledger.reportsOfKey(ada)).toEqual([
        { ...reportOf(first, 'sent'), changeId: `${ada}-change` },
        { ...reportOf(first, 'undelivered', { code: '30003', at: 41 }), changeId: `${ada}-change` },
      ])
      expect(await ledger.reportsOfKey(bob)).toMatchObject([{ outcome: 'delivered' }])
      expect(await ledger.reportsOfKey(fresh('nobody'))).toEqual([])
    })

    test('that come twice are written once', async () => {
      const reference = fresh('SM')
      expect(await ledger.report([reportOf(reference, 'sent'), reportOf(reference, 'delivered')])).toBe(2)
      expect(await ledger.report([reportOf(reference, 'delivered', { at: 99 }), reportOf(reference, 'read')])).toBe(1)
      expect(await Promise.all([1, 2].map(() => ledger.report([reportOf(reference, 'failed')])))).toContain(1)
    })

    test('belong to their destination: the same id elsewhere is another message', async () => {
      const { requestId, lease, sync } = await sending('twilio_de')
      const [key, reference] = [fresh('ada'), fresh('SM')]
      await conclude(requestId, lease, { receipts: [receiptOf(key, reference)] })
      await ledger.report([reportOf(reference, 'delivered')])
      expect(await ledger.reportsOfKey(key)).toEqual([])
      expect(await ledger.syncOfReceipt('twilio', reference)).toBeUndefined()
      expect(await ledger.syncOfReceipt('twilio_de', reference)).toBe(sync)
    })

    test('are counted by run when they are final', async () => {
      const { requestId, lease, runId } = await sending()
      const [first, second] = [fresh('SM'), fresh('SM')]
      await conclude(requestId, lease, { receipts: [receiptOf('a', first), receiptOf('b', second, 2)] })
      await ledger.report([reportOf(first, 'sent'), reportOf(first, 'delivered'), reportOf(second, 'delivered')])
      await ledger.report([reportOf(second, 'failed')])
      expect(await ledger.countReports([runId, 'another'])).toEqual(new Map([[runId, { delivered: 2, failed: 1 }]]))
    })

    test('and their receipts go with a person who is erased, and with requests that are pruned', async () => {
      const { requestId, lease } = await sending()
      const [ada, bob] = [fresh('ada'), fresh('bob')]
      const [first, second] = [fresh('SM'), fresh('SM')]
      await conclude(requestId, lease, { receipts: [receiptOf(ada, first), receiptOf(bob, second, 2)] })
      await ledger.report([reportOf(first, 'delivered'), reportOf(second, 'delivered')])
      const traces = { keys: [ada], redact: (text: string) => text, redactPlan: (text: string) => text }
      expect(await ledger.countTraces(traces)).toMatchObject({ receipts: 1 })
      expect(await ledger.forget(traces)).toMatchObject({ receipts: 1 })
      expect(await ledger.reportsOfKey(ada)).toEqual([])
      expect(await ledger.report([reportOf(first, 'delivered')])).toBe(1)
      expect(await ledger.reportsOfKey(bob)).toHaveLength(1)

      const old = await sending()
      await conclude(old.requestId, old.lease, { receipts: [receiptOf(bob, fresh('SM'))] })
      await ledger.updateRun(old.runId, { settled: true }, old.lease)
      await ledger.prune({ requests: 11 }, 100)
      expect(await ledger.requests(old.runId)).toEqual([])
      expect(await ledger.reportsOfKey(bob)).toHaveLength(1)
    })

    test('of what nobody has a receipt for are pruned when they are old', async () => {
      const [old, young] = [fresh('SM'), fresh('SM')]
      await ledger.report([reportOf(old, 'delivered', { at: 1 }), reportOf(young, 'delivered', { at: 50 })])
      await ledger.prune({ requests: 11 }, 100)
      expect(await ledger.report([reportOf(old, 'delivered'), reportOf(young, 'delivered')])).toBe(1)
    })

    test('of a conclusion that lost leave no receipt', async () => {
      const { requestId, lease } = await sending()
      const reference = fresh('SM')
      await conclude(requestId, lease, { attempt: 7, receipts: [receiptOf('a', reference)] })
      expect(await ledger.syncOfReceipt('twilio', reference)).toBeUndefined()
    })
  })
}
