/** Replies that look like a yes: cut at each byte, or meant for another request. */
import { afterEach, describe, expect, test } from 'vitest'
import type { Idempotency } from '../../src/delivery/destination.ts'
import { applied, type Behaviour, fin, type Received, reply, replyBytes, reset, twice } from '../fault-server.ts'
import { type Far, lookupPath, rowsOf, Stage } from './delivery-kit.ts'
import { allYes, interpretEach } from './faults.ts'

let stage: Stage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

const classes: readonly (readonly [string, Idempotency])[] = [
  ['natural', { kind: 'natural' }],
  ['keyed', { kind: 'keyed', window: 3_600_000 }],
  ['lookup', { kind: 'lookup', settle: 60_000 }],
  ['none', { kind: 'none' }],
]

async function against(idempotency: Idempotency, script: (request: Received) => Behaviour): Promise<Stage> {
  let clock = () => 0
  const opened = await Stage.open(script, {
    lookup: { path: lookupPath },
    now: () => clock(),
    ...(idempotency.kind === 'keyed' && { keyHeader: 'idempotency-key' }),
  })
  clock = () => opened.clock.now()
  stage = opened
  return opened
}

const yesTo = ({ records }: Received) => ({
  results: records.map(({ change_id }) => ({ id: change_id, status: 'acked' })),
})
const wholeReply = (request: Received) => replyBytes(200, yesTo(request))

describe('a reply that is cut', () => {
  const bytes = replyBytes(200, { results: [{ id: 'c000', status: 'acked' }] }).length

  // Each second row is answered in full, so that the destination does not seem to be down.
  test.each(classes)('acknowledges nothing, at whichever byte (%s)', async (kind, idempotency) => {
    const rows = rowsOf(2 * bytes).map(row => ({ ...row, changeId: `c${String(row.seq).padStart(3, '0')}` }))
    const cutAt = new Map(rows.filter(({ seq }) => seq % 2 === 0).map(({ changeId, seq }) => [changeId, seq / 2 - 1]))
    const opened = await against(idempotency, request => {
      const id = request.records[0]?.change_id ?? ''
      const cut = cutAt.get(id)
      cutAt.delete(id)
      return cut === undefined ? allYes(request) : applied(fin(wholeReply(request).slice(0, cut)))
    })
    const far: Far = { idempotency, interpret: interpretEach, concurrency: 1 }
    const { totals } = await opened.deliver(rows, far)
    expect(totals).toMatchObject(kind === 'none' ? { acked: bytes, parked: bytes } : { acked: 2 * bytes, parked: 0 })
    expect(opened.server.applied.length).toBe(kind === 'natural' ? 3 * bytes : 2 * bytes)
  })

  test('and still has a whole body proves nothing once the connection breaks before its end', async () => {
    const idempotency: Idempotency = { kind: 'none' }
    const longer = (request: Received) =>
      wholeReply(request).replace(/content-length: (\d+)/, (_, n) => `content-length: ${Number(n) + 1}`)
    const opened = await against(idempotency, request => applied(reset(longer(request))))
    expect((await opened.deliver(rowsOf(1), { idempotency, interpret: interpretEach })).totals).toMatchObject({
      parked: 1,
    })
  })
})

describe('a second reply that comes when the next request waits for its own', () => {
  test.each(classes)('is not taken for an answer to it, and spoils no other (%s)', async (kind, idempotency) => {
    const opened = await against(idempotency, request =>
      request.index === 1 ? twice(yesTo(request), yesTo(request), true) : allYes(request),
    )
    const far: Far = { idempotency, interpret: interpretEach, concurrency: 1 }
    const { totals, exceptions } = await opened.deliver(rowsOf(8), far)
    expect(totals).toMatchObject(kind === 'none' ? { acked: 7, parked: 1 } : { acked: 8, parked: 0 })
    if (kind === 'none') expect(exceptions).toMatchObject([{ seq: 3, state: 'parked', code: 'unnamed' }])
    if (kind !== 'natural') expect(new Set(opened.server.applied).size).toBe(opened.server.applied.length)
  })
})

describe('a destination that answers a repetition as it did the first time', () => {
  test('and left a record out: it is asked again under the same key while the budget lasts, then a person decides', async () => {
    const idempotency: Idempotency = { kind: 'keyed', window: 3_600_000 }
    const opened = await against(idempotency, request =>
      applied(reply(207, { results: yesTo(request).results.filter(({ id }) => id !== 'c2') })),
    )
    const far: Far = { idempotency, interpret: interpretEach, batch: { maxRecords: 3 } }
    const { totals, exceptions } = await opened.deliver(rowsOf(3), far)
    expect(totals).toMatchObject({ acked: 2, parked: 1, requests: 1, retries: 5 })
    expect(exceptions).toMatchObject([{ seq: 2, state: 'parked', code: 'unnamed' }])
    expect(opened.server.applied).toEqual(['c1', 'c2', 'c3'])
  })
})

describe('a late answer of an attempt that was given up', () => {
  test('arrives on a connection that is gone, and decides nothing', async () => {
    const idempotency: Idempotency = { kind: 'keyed', window: 3_600_000 }
    let release: () => void = () => {}
    const given = new Promise<void>(resolve => {
      release = resolve
    })
    let clock = () => 0
    const opened = await Stage.open(
      async request => {
        if (request.index === 0) await given
        else release()
        return allYes(request)
      },
      { keyHeader: 'idempotency-key', now: () => clock() },
    )
    clock = () => opened.clock.now()
    stage = opened
    const { totals } = await opened.deliver(rowsOf(1), { idempotency, interpret: interpretEach, timeout: 300 })
    expect(totals).toMatchObject({ acked: 1, requests: 1, retries: 1 })
    expect(opened.server.applied).toEqual(['c1'])
    expect(opened.server.connections).toBe(2)
  })
})
