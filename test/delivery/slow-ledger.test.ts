/** A ledger that commits slowly: delivery slows down with it, and what a crash would leave unsaid stays bounded. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { mostUnrecorded } from '../../src/delivery/pace.ts'
import type { PlannedChange } from '../../src/plan/plan.ts'
import { ok } from '../fault-server.ts'
import { type Far, rowsOf, Stage } from './delivery-kit.ts'

let stage: Stage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

/** The most that the destination had answered, by its own record, while the ledger had not committed what became of it. */
async function mostAhead(rows: readonly PlannedChange[], far: Far): Promise<{ requests: number; records: number }> {
  const opened = await Stage.open(ok)
  stage = opened
  const { ledger, server } = opened
  const held: (() => void)[] = []
  let committed = 0
  let requests = 0
  let delivered = false
  const slow = {
    begin: ledger.begin.bind(ledger),
    move: ledger.move.bind(ledger),
    conclude: async (...given: Parameters<typeof ledger.conclude>) => {
      await new Promise<void>(resolve => held.push(resolve))
      const won = await ledger.conclude(...given)
      committed += 1
      return won
    },
  }
  /** It commits whenever nothing more has come to the destination for a while: as slowly as can be. */
  async function commitAtLast(): Promise<void> {
    while (!delivered) {
      const before = server.requests.length
      await sleep(30)
      requests = Math.max(requests, server.requests.length - committed)
      if (server.requests.length === before) for (const release of held.splice(0)) release()
    }
  }
  const [{ totals }] = await Promise.all([
    opened.deliver(rows, far, { ledger: slow }).finally(() => {
      delivered = true
    }),
    commitAtLast(),
  ])
  expect(totals).toMatchObject({ acked: rows.length, pending: 0, retries: 0 })
  expect(server.applied.length).toBe(rows.length)
  return { requests, records: requests * (far.batch?.maxRecords ?? 1) }
}

test('requests that can be repeated go on ahead of it, by a fixed number', async () => {
  const concurrency = 4
  const { requests } = await mostAhead(rowsOf(2 * mostUnrecorded), { concurrency })
  expect(requests).toBeGreaterThan(concurrency)
  expect(requests).toBeLessThanOrEqual(mostUnrecorded + concurrency)
})

test('large requests go on ahead of it by one for each connection, however many rows there are', async () => {
  const far = { concurrency: 2, batch: { maxRecords: 1_000 } }
  const { records } = await mostAhead(rowsOf(20_000), far)
  // The records that are held at any time, and a request for each connection: on its way, and being recorded.
  expect(records).toBeLessThanOrEqual(4_000 + 2 * 2 * 1_000)
})

test('of requests that cannot be repeated no more are unrecorded than may be under way', async () => {
  const { requests } = await mostAhead(rowsOf(12), { concurrency: 3, idempotency: { kind: 'none' } })
  expect(requests).toBeLessThanOrEqual(3)
})
