import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Clock } from '../../src/delivery/clock.ts'
import type { PlannedChange } from '../../src/plan/plan.ts'
import { applied, type FaultServerOptions, ok, reply, reset, type Script, stall, truncated } from '../fault-server.ts'
import { chunksOf, eachRecord, type Far, interpretResults, rowsOf, Stage } from './delivery-kit.ts'

let stage: Stage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

async function against(script: Script, options?: FaultServerOptions): Promise<Stage> {
  stage = await Stage.open(script, options)
  return stage
}

const ids = (rows: readonly PlannedChange[]) => rows.map(({ changeId }) => changeId)
const sorted = (list: readonly string[]) => [...list].sort()
const keyed = { kind: 'keyed', window: 24 * 3_600_000 } as const
const hundred: Far = { batch: { maxRecords: 100 } }

describe('delivery', () => {
  test('delivers every row once, in requests of consecutive rows', async () => {
    const { server, deliver } = bound(await against(ok))
    const rows = rowsOf(250)
    const { totals, requests } = await deliver(rows, hundred)
    expect(totals).toEqual({
      acked: 250,
      rejected: 0,
      parked: 0,
      pending: 0,
      withdrawn: 0,
      open: 0,
      requests: 3,
      retries: 0,
    })
    expect(sorted(server.applied)).toEqual(sorted(ids(rows)))
    expect(requests.map(({ members, state }) => ({ members, state }))).toEqual([
      { members: { from: 1, to: 100 }, state: 'acked' },
      { members: { from: 101, to: 200 }, state: 'acked' },
      { members: { from: 201, to: 250 }, state: 'acked' },
    ])
  })

  test('sends single records when the action takes no batch', async () => {
    const { server, deliver } = bound(await against(ok))
    const { totals } = await deliver(rowsOf(5))
    expect(totals).toMatchObject({ acked: 5, requests: 5 })
    expect(server.requests.map(({ records }) => records.length)).toEqual([1, 1, 1, 1, 1])
  })

  test('has nothing to do when there are no rows', async () => {
    const { server, deliver } = bound(await against(ok))
    expect((await deliver([])).totals).toMatchObject({ acked: 0, pending: 0, requests: 0 })
    expect(server.requests).toEqual([])
  })

  test('keeps no more requests under way than the destination takes', async () => {
    const { server, deliver } = bound(
      await against(async () => {
        await new Promise(resolve => setTimeout(resolve, 2))
        return ok()
      }),
    )
    await deliver(rowsOf(60), { concurrency: 3 })
    expect(server.busiest).toBeLessThanOrEqual(3)
    expect(server.busiest).toBeGreaterThan(1)
  })

  test('commits the intent before the first byte leaves', async () => {
    let checked = 0
    const opened: Stage = await against(async ({ records }) => {
      const sending = await opened.ledger.requests('run', ['sending'])
      expect(sending.some(({ idempotencyKey }) => idempotencyKey === records[0]?.change_id)).toBe(true)
      checked += 1
      return ok()
    })
    const { totals } = await opened.deliver(rowsOf(10))
    expect(totals.acked).toBe(10)
    expect(checked).toBe(10)
  })

  test('records what was answered while another request is still waiting for its reply', async () => {
    let release: () => void = () => {}
    const othersRecorded = new Promise<void>(resolve => {
      release = resolve
    })
    const opened = await against(async ({ index }) => {
      if (index === 0) await othersRecorded
      return ok()
    })
    const onProgress = ({ sent }: { readonly sent: number }) => {
      if (sent === 2) release()
    }
    const { totals } = await opened.deliver(rowsOf(3), { concurrency: 3 }, { onProgress })
    expect(totals).toMatchObject({ acked: 3, retries: 0 })
  })

  test('routes leavers to their own action, and cuts where the action changes', async () => {
    const opened = await against(ok)
    const rows = rowsOf(6).map((row): PlannedChange => (row.seq > 3 ? { ...row, op: 'leave' } : row))
    const { requests } = await opened.deliver(rows, hundred, {
      routes: op => ({ action: op === 'leave' ? 'remove' : 'upsert' }),
    })
    expect(requests.map(({ action, members }) => ({ action, members }))).toEqual([
      { action: 'upsert', members: { from: 1, to: 3 } },
      { action: 'remove', members: { from: 4, to: 6 } },
    ])
  })

  test('does not read ahead of what it can send', async () => {
    let read = 0
    let release: () => void = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    let busy: () => void = () => {}
    const started = new Promise<void>(resolve => {
      busy = resolve
    })
    const opened = await against(async () => {
      busy()
      await held
      return ok()
    })
    async function* endless() {
      for await (const chunk of chunksOf(rowsOf(100_000), 100)) {
        read += chunk.length
        yield chunk
      }
    }
    const controller = new AbortController()
    const delivering = opened.deliver(
      [],
      { batch: { maxRecords: 100 } },
      { rows: endless(), total: 100_000, signal: controller.signal },
    )
    await started
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(read).toBeLessThan(10_000)
    controller.abort()
    release()
    await delivering
  })
})

describe('a reply that says no', () => {
  test('stops at once on 401 and leaves the rest pending', async () => {
    const { server, deliver } = bound(await against(({ index }) => (index < 2 ? ok() : reply(401, 'expired'))))
    const { totals, requests } = await deliver(rowsOf(100), { concurrency: 1 })
    expect(totals).toMatchObject({ acked: 2, pending: 98, stopped: { kind: 'credentials', code: 'A6001' } })
    expect(server.requests).toHaveLength(3)
    expect(requests.filter(({ state }) => state === 'planned').length).toBeGreaterThan(0)
  })

  test('does not follow a redirect, and stops', async () => {
    const { server, deliver } = bound(await against(() => reply(302, '', { location: 'http://169.254.169.254/' })))
    const { totals } = await deliver(rowsOf(10), { concurrency: 1 })
    expect(totals).toMatchObject({ pending: 10, stopped: { kind: 'configuration', code: 'A6006' } })
    expect(server.requests).toHaveLength(1)
  })

  test('finds the poison record by halves', async () => {
    const { server, deliver } = bound(
      await against(({ records }) => (records.some(({ key }) => key === 'k77') ? reply(422, 'bad email') : ok())),
    )
    const rows = rowsOf(100)
    const { totals, exceptions } = await deliver(rows, { ...hundred, idempotency: { kind: 'none' } })
    expect(totals).toMatchObject({ acked: 99, rejected: 1, pending: 0 })
    expect(sorted(server.applied)).toEqual(sorted(ids(rows.filter(({ key }) => key !== 'k77'))))
    expect(exceptions.filter(({ state }) => state === 'rejected')).toMatchObject([
      { seq: 77, code: 'http_422', message: 'HTTP 422: bad email' },
    ])
    expect(server.requests.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(100)) + 1)
  })

  test('rejects every record of a batch in which all are bad, in bounded memory', async () => {
    const { deliver } = bound(await against(() => reply(400)))
    expect((await deliver(rowsOf(64), hundred)).totals).toMatchObject({ rejected: 64, requests: 127 })
  })

  test('stops when the share of refused records is too high, once enough were answered for', async () => {
    const { deliver } = bound(await against(({ index }) => (index % 2 === 0 ? reply(400) : ok())))
    const { totals } = await deliver(rowsOf(1_000), { concurrency: 1 }, { maxErrorRate: 0.05 })
    expect(totals.stopped).toMatchObject({ kind: 'errors', code: 'A6003' })
    expect(totals.acked + totals.rejected).toBe(100)
    expect(totals.pending).toBe(900)
  })

  test('takes the word of each record, and nothing else', async () => {
    const statuses = ['acked', 'rejected', 'acked']
    const opened = await against(request => eachRecord(request, id => statuses[Number(id.slice(1)) - 1] ?? ''))
    const { totals, exceptions } = await opened.deliver(rowsOf(3), { ...hundred, interpret: interpretResults })
    expect(totals).toMatchObject({ acked: 2, rejected: 1 })
    expect(exceptions).toMatchObject([{ seq: 2, state: 'rejected' }])
  })

  test('never acknowledges a record that the reply does not name', async () => {
    const script: Script = request =>
      reply(200, { results: request.records.slice(1).map(({ change_id }) => ({ id: change_id, status: 'acked' })) })
    const opened = await against(script)
    const { totals, exceptions } = await opened.deliver(rowsOf(4), {
      ...hundred,
      interpret: interpretResults,
      idempotency: { kind: 'none' },
    })
    expect(totals).toMatchObject({ acked: 3, parked: 1 })
    expect(exceptions).toMatchObject([{ seq: 1, state: 'parked', code: 'unnamed' }])
  })

  test('matches records by id, whatever the order, and ignores ids that are not ours', async () => {
    const script: Script = ({ records }) =>
      reply(200, {
        results: [
          { id: 'stranger', status: 'rejected' },
          ...[...records]
            .reverse()
            .map(({ change_id }) => ({ id: change_id, status: change_id === 'c2' ? 'rejected' : 'acked' })),
        ],
      })
    const opened = await against(script)
    const { totals, notes } = await opened.deliver(rowsOf(3), { ...hundred, interpret: interpretResults })
    expect(totals).toMatchObject({ acked: 2, rejected: 1 })
    expect(notes).toContainEqual(expect.objectContaining({ kind: 'reply', code: 'unknown_record' }))
  })

  test('sends records that were not processed again, in a request of their own', async () => {
    const opened = await against(request =>
      eachRecord(request, id => (request.index === 0 && (id === 'c2' || id === 'c4') ? 'retry' : 'acked')),
    )
    const { totals, requests } = await opened.deliver(rowsOf(5), {
      ...hundred,
      interpret: interpretResults,
      idempotency: { kind: 'none' },
    })
    expect(totals).toMatchObject({ acked: 5, requests: 2 })
    expect(requests[1]?.members).toEqual({ seqs: [2, 4] })
    expect(requests[1]?.idempotencyKey).not.toBe(requests[0]?.idempotencyKey)
  })
})

describe('records that are refused before sending', () => {
  test('are those whose fields the action does not take; the rest of the batch goes', async () => {
    const { server, deliver } = bound(await against(ok))
    const rows = rowsOf(4, seq => ({ email: seq === 2 ? 'nonsense' : `p${seq}@x.example` }))
    const { totals, exceptions } = await deliver(rows, { ...hundred, fields: z.object({ email: z.email() }) })
    expect(totals).toMatchObject({ acked: 3, rejected: 1, requests: 1 })
    expect(exceptions).toMatchObject([
      { seq: 2, state: 'rejected', code: 'invalid_field', message: expect.stringContaining('email') },
    ])
    expect(server.applied).toEqual(['c1', 'c3', 'c4'])
  })

  test('are those that are too large alone', async () => {
    const { server, deliver } = bound(await against(ok))
    const rows = rowsOf(3, seq => ({ text: 'x'.repeat(seq === 2 ? 5_000 : 10) }))
    const { totals, exceptions } = await deliver(rows, { batch: { maxRecords: 100, maxBytes: 2_000 } })
    expect(totals).toMatchObject({ acked: 2, rejected: 1 })
    expect(exceptions).toMatchObject([{ seq: 2, code: 'too_large' }])
    expect(server.applied).toEqual(expect.arrayContaining(['c1', 'c3']))
    expect(server.requests).toHaveLength(2)
  })

  test('are those from which no request can be formed', async () => {
    const { server, deliver } = bound(await against(ok))
    const request: NonNullable<Far['request']> = batch => {
      if (batch.some(({ key }) => key === 'k3')) throw new RangeError('k3 cannot stand in a path')
      return {
        method: 'POST',
        path: '/records',
        json: { records: batch.map(({ key, changeId, op, fields }) => ({ key, change_id: changeId, op, fields })) },
      }
    }
    const { totals, exceptions } = await deliver(rowsOf(4), { ...hundred, request })
    expect(totals).toMatchObject({ acked: 3, rejected: 1 })
    expect(exceptions).toMatchObject([{ seq: 3, code: 'unbuildable', message: 'k3 cannot stand in a path' }])
    expect(sorted(server.applied)).toEqual(['c1', 'c2', 'c4'])
  })
})

describe('being throttled', () => {
  test('pauses every request of the destination for as long as it asks', async () => {
    const times: number[] = []
    const opened: Stage = await against(({ index }) => {
      times.push(opened.clock.now())
      return index === 0 ? reply(429, '', { 'retry-after': '120' }) : ok()
    })
    const { totals, notes } = await opened.deliver(rowsOf(5), { concurrency: 1 })
    expect(totals).toMatchObject({ acked: 5, requests: 5, retries: 1 })
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(120_000)
    expect(notes).toContainEqual(expect.objectContaining({ kind: 'pause' }))
  })

  test('does not use up the attempts of a request', async () => {
    const { server, deliver } = bound(
      await against(({ index }) => (index < 15 ? reply(429, '', { 'retry-after': '10' }) : ok())),
    )
    expect((await deliver(rowsOf(1), { idempotency: { kind: 'none' } })).totals).toMatchObject({
      acked: 1,
      retries: 15,
    })
    expect(server.applied).toEqual(['c1'])
  })

  test('ends after half an hour of it, and leaves the rest to the next run', async () => {
    const { deliver } = bound(await against(() => reply(429, '', { 'retry-after': '600' })))
    expect((await deliver(rowsOf(2), { concurrency: 1 })).totals).toMatchObject({
      pending: 2,
      stopped: { kind: 'throttled', code: 'A6063' },
    })
  })

  test('is waited out with jitter when no time is named', async () => {
    const { deliver, clock } = bound(await against(({ index }) => (index === 0 ? reply(429) : ok())))
    expect((await deliver(rowsOf(1))).totals).toMatchObject({ acked: 1, retries: 1 })
    expect(clock.slept).toContain(250)
  })

  test('is reported as waiting', async () => {
    const { deliver } = bound(await against(ok))
    const { progress } = await deliver(rowsOf(4), { limits: [{ requests: 1, perMilliseconds: 1_000 }], concurrency: 1 })
    expect(progress.some(({ waiting }) => waiting > 900)).toBe(true)
    expect(progress.at(-1)).toEqual({ sent: 4, total: 4, waiting: 0 })
  })

  test('never sends more than the limit in any window', async () => {
    const opened = await against(ok)
    const real = opened.destination({ limits: [{ requests: 10, perMilliseconds: 1_000 }], concurrency: 1 })
    const times: number[] = []
    const destination: typeof real = {
      ...real,
      attempt: (prepared, at, hooks) =>
        real.attempt(prepared, at, {
          ...hooks,
          onLeaving: () => {
            times.push(opened.clock.now())
            return hooks?.onLeaving?.() ?? true
          },
        }),
    }
    expect((await opened.deliver(rowsOf(60), {}, { destination })).totals.acked).toBe(60)
    expect(times).toHaveLength(60)
    times.forEach((time, index) => {
      if (index >= 10) expect(time - (times[index - 10] ?? 0)).toBeGreaterThanOrEqual(1_000)
    })
  })
})

describe('a reply that never comes', () => {
  const losses: readonly (readonly [string, Script])[] = [
    ['a stall', () => applied(stall())],
    ['a reset', () => applied(reset())],
    ['a truncated reply', () => applied(truncated())],
    ['a 500', () => applied(reply(500))],
    ['a 503 with Retry-After', () => applied(reply(503, '', { 'retry-after': '1' }))],
  ]

  test.each(losses)('after %s: parks a send that cannot be repeated', async (_name, lose) => {
    const { server, deliver } = bound(await against(request => (request.index === 0 ? lose(request) : ok())))
    const { totals, requests, exceptions } = await deliver(rowsOf(3), {
      idempotency: { kind: 'none' },
      concurrency: 1,
      timeout: 200,
    })
    expect(totals).toMatchObject({ acked: 2, parked: 1, pending: 0 })
    expect(requests[0]).toMatchObject({ state: 'parked', attempt: 1 })
    expect(exceptions).toMatchObject([{ seq: 1, state: 'parked' }])
    expect(sorted(server.applied)).toEqual(['c1', 'c2', 'c3'])
  })

  test.each(losses)('after %s: resends a keyed request with the same key and the same bytes', async (_name, lose) => {
    const opened = await against(request => (request.index === 0 ? lose(request) : ok()), {
      keyHeader: 'idempotency-key',
    })
    const { totals } = await opened.deliver(rowsOf(20), { ...hundred, idempotency: keyed, timeout: 200 })
    const { requests, applied: effects } = opened.server
    expect(totals).toMatchObject({ acked: 20, requests: 1, retries: 1 })
    expect(requests[1]?.body).toBe(requests[0]?.body)
    expect(requests[1]?.headers['idempotency-key']).toBe(requests[0]?.headers['idempotency-key'])
    expect(effects).toEqual(ids(rowsOf(20)))
  })

  test('resends when the project says that duplicates do no harm', async () => {
    const { server, deliver } = bound(await against(({ index }) => (index === 0 ? applied(reset()) : ok())))
    expect(
      (await deliver(rowsOf(1), { idempotency: { kind: 'none' } }, { onUncertain: 'resend' })).totals,
    ).toMatchObject({ acked: 1 })
    expect(server.applied).toEqual(['c1', 'c1'])
  })

  test('parks a keyed request once its window is over', async () => {
    const opened: Stage = await against(() => {
      opened.clock.advance(20 * 60_000)
      return reply(500)
    })
    const { totals } = await opened.deliver(rowsOf(2), {
      ...hundred,
      idempotency: { kind: 'keyed', window: 30 * 60_000 },
    })
    expect(totals).toMatchObject({ parked: 2, retries: 1 })
  })

  test('an unreadable 2xx acknowledges nothing', async () => {
    const { deliver } = bound(await against(() => applied(reply(200, '<html>hello</html>'))))
    const { totals, exceptions } = await deliver(rowsOf(1), {
      interpret: interpretResults,
      idempotency: { kind: 'none' },
    })
    expect(totals).toMatchObject({ acked: 0, parked: 1 })
    expect(exceptions).toMatchObject([{ code: 'unreadable_reply' }])
  })

  test('leaves a natural request pending when all its attempts failed', async () => {
    const { server, deliver } = bound(await against(() => reply(500)))
    const { totals, requests } = await deliver(rowsOf(1))
    expect(totals).toMatchObject({ pending: 1, retries: 5, stopped: { kind: 'unreachable' } })
    expect(requests).toMatchObject([{ state: 'planned', attempt: 6 }])
    expect(server.requests).toHaveLength(6)
  })
})

describe('a destination that is down', () => {
  test('ends delivery after a few requests, with everything pending', async () => {
    const opened = await against(ok)
    await opened.server.close()
    const { totals } = await opened.deliver(rowsOf(1_000), { idempotency: { kind: 'none' } })
    expect(totals).toMatchObject({
      acked: 0,
      parked: 0,
      pending: 1_000,
      stopped: { kind: 'unreachable', code: 'A6002' },
    })
    expect(totals.requests).toBeLessThan(20)
  })

  test('does not park more than a handful of what cannot be repeated', async () => {
    const { deliver } = bound(await against(() => reply(500)))
    const { totals } = await deliver(rowsOf(1_000), { idempotency: { kind: 'none' }, concurrency: 4 })
    expect(totals.stopped).toMatchObject({ kind: 'unreachable' })
    expect(totals.parked).toBeGreaterThanOrEqual(5)
    expect(totals.parked).toBeLessThanOrEqual(9)
  })

  test('that comes back is delivered to', async () => {
    const { server, deliver } = bound(await against(({ index }) => (index < 7 ? reset() : ok())))
    const rows = rowsOf(30)
    expect((await deliver(rows)).totals).toMatchObject({ acked: 30, pending: 0 })
    expect(sorted(server.applied)).toEqual(sorted(ids(rows)))
  })
})

describe('being stopped', () => {
  test('after Ctrl-C what was in flight is concluded and nothing else starts', async () => {
    const controller = new AbortController()
    const { server, deliver } = bound(
      await against(({ index }) => {
        if (index === 4) controller.abort()
        return ok()
      }),
    )
    const { totals, requests } = await deliver(
      rowsOf(500),
      { concurrency: 2, idempotency: { kind: 'none' } },
      { signal: controller.signal },
    )
    expect(totals.stopped).toMatchObject({ kind: 'interrupted', code: 'A6005' })
    expect(totals.acked).toBe(server.applied.length)
    expect(totals.acked).toBeLessThanOrEqual(7)
    expect(requests.filter(({ state }) => state === 'sending' || state === 'uncertain')).toEqual([])
  })

  test('before the start sends nothing', async () => {
    const { server, deliver } = bound(await against(ok))
    const { totals } = await deliver(rowsOf(5), {}, { signal: AbortSignal.abort() })
    expect(totals).toMatchObject({ pending: 5, stopped: { kind: 'interrupted' } })
    expect(server.requests).toEqual([])
  })

  test('while a keyed request waits leaves it in doubt, and who takes over repeats it under its key', async () => {
    const controller = new AbortController()
    const opened = await against(() => {
      if (controller.signal.aborted) return ok()
      controller.abort()
      return applied(reply(500))
    })
    const far = { ...hundred, idempotency: keyed }
    const { totals, requests } = await opened.deliver(rowsOf(3), far, { signal: controller.signal })
    expect(totals).toMatchObject({ parked: 0, pending: 3, open: 3, stopped: { kind: 'interrupted' } })
    expect(requests).toMatchObject([{ state: 'uncertain' }])
    expect((await opened.redeliver(rowsOf(3), far)).totals).toMatchObject({ acked: 3, open: 0 })
  })

  test('while a request waits that somebody must decide about parks it', async () => {
    const controller = new AbortController()
    const opened = await against(() => {
      controller.abort()
      return applied(reply(500))
    })
    const { totals, requests } = await opened.deliver(
      rowsOf(1),
      { idempotency: { kind: 'none' } },
      { signal: controller.signal },
    )
    expect(totals).toMatchObject({ parked: 1, open: 0, stopped: { kind: 'interrupted' } })
    expect(requests).toMatchObject([{ state: 'parked' }])
  })

  test('sends nothing when the lease is about to end', async () => {
    const opened = await against(ok)
    const { input } = opened.context({})
    const lease = () => ({ ...input.lease(), expiresAt: opened.clock.now() + 100 })
    const { totals } = await opened.deliver(rowsOf(5), {}, { lease })
    expect(totals).toMatchObject({ pending: 5, stopped: { kind: 'lease', code: 'A6004' } })
    expect(opened.server.requests).toEqual([])
  })

  test('stops when another runner has taken over, and records nothing under the old fence', async () => {
    const opened: Stage = await against(async ({ index }) => {
      if (index === 3) await opened.takeOver()
      return ok()
    })
    const { input } = opened.context({})
    const old = input.lease()
    const { totals } = await opened.deliver(
      rowsOf(50),
      { concurrency: 1 },
      { lease: () => ({ ...old, expiresAt: opened.clock.now() + 60_000 }) },
    )
    expect(totals.stopped).toMatchObject({ kind: 'lease' })
    expect(totals.acked).toBeLessThanOrEqual(4)
  })

  test('throws when the rows cannot be read, after what was in flight has ended', async () => {
    const opened = await against(ok)
    async function* broken() {
      yield rowsOf(2)
      throw new Error('the warehouse is gone')
    }
    await expect(opened.deliver([], {}, { rows: broken(), total: 2 })).rejects.toThrow('the warehouse is gone')
    const requests = await opened.ledger.requests('run')
    expect(requests.filter(({ state }) => state === 'sending')).toEqual([])
  })

  test('throws when the ledger cannot record, and sends nothing more', async () => {
    const opened = await against(ok)
    let begun = 0
    const { input } = opened.context({})
    const ledger: typeof input.ledger = {
      conclude: (...given) => opened.ledger.conclude(...given),
      move: (...given) => opened.ledger.move(...given),
      begin: async (...given) => {
        begun += 1
        if (begun > 3) throw new Error('the disk is full')
        return opened.ledger.begin(...given)
      },
    }
    await expect(
      opened.deliver(rowsOf(50), { concurrency: 1, idempotency: { kind: 'none' } }, { ledger }),
    ).rejects.toThrow('the disk is full')
    expect(opened.server.requests.length).toBeLessThanOrEqual(3)
  })
})

describe('outcomes that are committed together', () => {
  test('end delivery also when one of them cannot be recorded and the others can, later', async () => {
    const opened = await against(ok)
    let failing = true
    const { ledger } = opened
    const partly = {
      begin: ledger.begin.bind(ledger),
      move: ledger.move.bind(ledger),
      conclude: async (...given: Parameters<typeof ledger.conclude>) => {
        if (failing) {
          failing = false
          throw new Error('refused')
        }
        await new Promise(resolve => setTimeout(resolve, 20))
        return ledger.conclude(...given)
      },
    }
    // No alarm rings, so both wait for each other.
    const clock: Clock = {
      now: () => opened.clock.now(),
      sleep: (_milliseconds, signal) => new Promise(resolve => signal?.addEventListener('abort', () => resolve())),
    }
    await expect(opened.deliver(rowsOf(2), {}, { ledger: partly, clock })).rejects.toThrow('refused')
    expect(await ledger.requests('run')).toMatchObject([{ state: 'sending' }, { state: 'acked' }])
  })
})

describe('recovery', () => {
  /** A run whose process died at a certain point: its lease is gone, its rows are still there. */
  async function dieWhile(opened: Stage, rows: readonly PlannedChange[], far: Far): Promise<void> {
    const { input } = opened.context(far)
    const dead: typeof input.ledger = {
      ...input.ledger,
      begin: (...given) => opened.ledger.begin(...given),
      move: async () => 0,
      conclude: () => Promise.reject(new Error('killed')),
    }
    await expect(opened.deliver(rows, far, { ledger: dead })).rejects.toThrow('killed')
    await opened.takeOver()
  }

  test('resends what may have arrived, with the same key and the same bytes', async () => {
    const opened = await against(ok, { keyHeader: 'idempotency-key' })
    const far: Far = { ...hundred, idempotency: keyed, concurrency: 1 }
    const rows = rowsOf(20)
    await dieWhile(opened, rows, far)
    const { totals, requests } = await opened.redeliver(rows, far)
    expect(totals).toMatchObject({ acked: 20, parked: 0, pending: 0, retries: 1 })
    expect(requests).toMatchObject([{ state: 'acked', attempt: 2 }])
    expect(opened.server.requests[1]?.body).toBe(opened.server.requests[0]?.body)
    expect(opened.server.applied).toEqual(ids(rows))
  })

  test('parks what cannot be repeated', async () => {
    const opened = await against(ok)
    const far: Far = { idempotency: { kind: 'none' }, concurrency: 1 }
    await dieWhile(opened, rowsOf(1), far)
    const { totals, requests } = await opened.redeliver(rowsOf(1), far)
    expect(totals).toMatchObject({ acked: 0, parked: 1, pending: 0 })
    expect(requests).toMatchObject([{ state: 'parked' }])
    expect(opened.server.requests).toHaveLength(1)
  })

  test('parks a keyed request whose bytes would differ', async () => {
    const opened = await against(ok)
    const far: Far = { ...hundred, idempotency: keyed }
    await dieWhile(opened, rowsOf(3), far)
    const { totals, requests } = await opened.redeliver(
      rowsOf(3, () => ({ n: 'other' })),
      far,
    )
    expect(totals).toMatchObject({ parked: 3 })
    expect(requests).toMatchObject([{ state: 'parked' }])
    expect(opened.server.requests).toHaveLength(1)
  })

  test('leaves a natural request whose bytes would differ to the next plan', async () => {
    const opened = await against(ok)
    await dieWhile(opened, rowsOf(3), hundred)
    const { totals, requests } = await opened.redeliver([], hundred)
    expect(totals).toMatchObject({ parked: 0, pending: 3 })
    expect(requests).toMatchObject([{ state: 'cancelled' }])
  })

  test('parks a keyed request whose window is over', async () => {
    const opened = await against(ok)
    const far: Far = { ...hundred, idempotency: keyed }
    await dieWhile(opened, rowsOf(3), far)
    opened.clock.advance(25 * 3_600_000)
    expect((await opened.redeliver(rowsOf(3), far)).totals).toMatchObject({ parked: 3 })
  })

  test('cancels what never left', async () => {
    const opened = await against(() => reply(401))
    await opened.deliver(rowsOf(2), { concurrency: 1, idempotency: { kind: 'none' } })
    await opened.takeOver()
    const { totals, requests } = await opened.redeliver(rowsOf(2), { idempotency: { kind: 'none' } })
    expect(totals).toMatchObject({ acked: 0, parked: 0, pending: 1 })
    expect(requests).toMatchObject([{ state: 'cancelled' }])
  })

  describe('that the destination ends early', () => {
    const far: Far = { batch: { maxRecords: 2 }, idempotency: keyed, concurrency: 1 }
    const down = (status: number) => () => reply(status)

    test.each([
      ['refuses the credentials', 401, 'credentials'],
      ['is down', 503, 'unreachable'],
      ['says that it is too much for too long', 429, 'throttled'],
    ])('leaves what is under a key to the next one when the destination %s', async (_what, status, kind) => {
      let answer: () => ReturnType<typeof ok> = ok
      const opened = await against(() => answer())
      await dieWhile(opened, rowsOf(16), far)
      answer = down(status)
      const stopped = await opened.redeliver(rowsOf(16), far)
      const { totals, requests } = stopped
      expect(totals).toMatchObject({ acked: 0, parked: 0, stopped: { kind } })
      expect(totals.open).toBe(requests.length * 2)
      expect(requests.every(({ state }) => state === 'uncertain')).toBe(true)
      answer = ok
      await opened.takeOver()
      const next = await opened.redeliver(rowsOf(16), { ...far })
      expect(next.totals).toMatchObject({ acked: requests.length * 2, parked: 0, open: 0 })
    })

    test('parks it once the key protects no more', async () => {
      let answer: () => ReturnType<typeof ok> = ok
      const opened = await against(() => answer())
      await dieWhile(opened, rowsOf(4), far)
      answer = down(401)
      opened.clock.advance(23 * 3_600_000)
      expect((await opened.redeliver(rowsOf(4), far)).totals).toMatchObject({
        parked: 0,
        stopped: { kind: 'credentials' },
      })
      opened.clock.advance(2 * 3_600_000)
      await opened.takeOver()
      const { totals, requests } = await opened.redeliver(rowsOf(4), far)
      expect(totals).toMatchObject({ open: 0 })
      expect(totals.parked).toBe(requests.length * 2)
    })

    test('parks a request that alone gets no answer, for that is nothing that waiting mends', async () => {
      let fails = false
      const opened = await against(({ records }) =>
        fails && records.some(({ change_id }) => change_id === 'c1') ? reply(503) : ok(),
      )
      await dieWhile(opened, rowsOf(4), { ...far, concurrency: 2 })
      fails = true
      const { totals, requests } = await opened.redeliver(rowsOf(4), far)
      expect(totals).toMatchObject({ acked: 2, parked: 2, open: 0 })
      expect(requests.map(({ state }) => state).sort()).toEqual(['acked', 'parked'])
    })

    test('of a run of its own is no recovery, and parks at once', async () => {
      const opened = await against(({ index }) => (index === 0 ? reset() : reply(401)))
      const { totals } = await opened.deliver(rowsOf(2), far)
      expect(totals).toMatchObject({ parked: 2, open: 0, stopped: { kind: 'credentials' } })
    })
  })
})

/** The stage's methods, free of `this`. */
function bound(opened: Stage) {
  return { server: opened.server, clock: opened.clock, deliver: opened.deliver.bind(opened) as Stage['deliver'] }
}
