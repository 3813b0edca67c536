/** What holds a delivery back, and what ends it early, against a real server with the clock in our hands. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { type DeliveryInput, type DeliveryTotals, deliver } from '../../src/delivery/deliver.ts'
import { ok, type Received, reply, type Script, stall } from '../fault-server.ts'
import { chunksOf, type Far, rowsOf, Stage } from './delivery-kit.ts'

const day = 86_400_000

let stage: Stage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

async function against(script: Script): Promise<Stage> {
  stage = await Stage.open(script)
  return stage
}

/** A delivery whose totals are not compared with the ledger's account of the first run. */
function deliverRun(opened: Stage, far: Far, rows: number, options: Partial<DeliveryInput>): Promise<DeliveryTotals> {
  const { input } = opened.context(far, options)
  return deliver({ rows: chunksOf(rowsOf(rows)), total: rows, routes: () => ({ action: 'upsert' }), ...input })
}

/** The first `size` requests are answered once all of them have come, so that they are truly under way at once. */
function crowd(size: number, answer: (request: Received, underWay: number) => ReturnType<Script>): Script {
  let underWay = 0
  let release: () => void = () => {}
  const complete = new Promise<void>(resolve => {
    release = resolve
  })
  return async request => {
    underWay += 1
    const seen = underWay
    if (request.index === size - 1) release()
    if (request.index < size) await complete
    const behaviour = await answer(request, seen)
    underWay -= 1
    return behaviour
  }
}

/** So many requests in each window of a minute, told by headers; more are refused. */
function minuteServer(clock: () => number, limit: number, headersOf: (left: number, reset: number) => object) {
  let [windowStart, counted] = [0, 0]
  const refused: number[] = []
  const script: Script = ({ index }) => {
    const start = Math.floor(clock() / 60_000) * 60_000
    if (start > windowStart) [windowStart, counted] = [start, 0]
    counted += 1
    const headers = headersOf(Math.max(0, limit - counted), start + 60_000) as Record<string, string>
    if (counted <= limit) return reply(200, { ok: true }, headers)
    refused.push(index)
    return reply(429, '', headers)
  }
  return { script, refused }
}

describe('limits that only the replies tell of', () => {
  test.each([
    [
      'the draft',
      (left: number, reset: number, now: number) => ({
        ratelimit: `"m";r=${left};t=${Math.ceil((reset - now) / 1000)}`,
      }),
    ],
    [
      'epoch seconds',
      (left: number, reset: number) => ({ 'x-ratelimit-remaining': `${left}`, 'x-ratelimit-reset': `${reset / 1000}` }),
    ],
  ])('slow delivery down before there is a 429: %s', async (_name, headersOf) => {
    const now = () => stage?.clock.now() ?? 0
    const far = minuteServer(now, 20, (left, reset) => headersOf(left, reset, now()))
    const opened = await against(far.script)
    const { totals } = await opened.deliver(rowsOf(75), { concurrency: 1 })
    expect(totals).toMatchObject({ acked: 75, retries: 0 })
    expect(far.refused).toEqual([])
  })

  test("are read by the destination's own reader where it has one", async () => {
    const now = () => stage?.clock.now() ?? 0
    const far = minuteServer(now, 10, (left, reset) => ({ 'vendor-usage': `${left}/${reset}` }))
    const opened = await against(far.script)
    const { totals } = await opened.deliver(rowsOf(25), {
      concurrency: 1,
      readLimits: ({ 'vendor-usage': usage = '' }) => {
        const [remaining, until] = usage.split('/').map(Number)
        return remaining === undefined || until === undefined ? [] : [{ name: 'usage', remaining, until }]
      },
    })
    expect(totals).toMatchObject({ acked: 25, retries: 0 })
    expect(far.refused).toEqual([])
  })

  test('end the run when they are used up for hours, and say until when', async () => {
    const opened: Stage = await against(({ index }) =>
      reply(200, '', index < 4 ? {} : { 'ratelimit-remaining': '0', 'ratelimit-reset': '36000' }),
    )
    const started = opened.clock.now()
    const { totals } = await opened.deliver(rowsOf(50), { concurrency: 1, idempotency: { kind: 'none' } })
    expect(totals).toMatchObject({ acked: 5, pending: 45, stopped: { kind: 'limit', code: 'A6060' } })
    const until = totals.stopped?.until ?? 0
    expect(until - started).toBeGreaterThan(35_000_000)
    expect(totals.stopped?.message).toContain(new Date(until).toISOString().slice(0, 19))
  })
})

describe('limits of one action', () => {
  const rows = rowsOf(60)
  /** Every other row goes to the action that has limits of its own. */
  const routes = (op: string) => ({ action: op === 'leave' ? 'remove' : 'upsert' })
  const mixed = rows.map((row, index) => ({ ...row, op: index % 2 === 0 ? ('enter' as const) : ('leave' as const) }))
  const deliverMixed = (opened: Stage, far: Far, sends = mixed) => {
    const { input } = opened.context(far)
    return deliver({ rows: chunksOf(sends), total: sends.length, routes, ...input })
  }

  test('and those of the account are both kept, by the clock of the destination', async () => {
    const left: { at: number; op: string | undefined }[] = []
    const opened = await against(request => {
      left.push({ at: stage?.clock.now() ?? 0, op: request.records[0]?.op })
      return ok()
    })
    const totals = await deliverMixed(opened, {
      limits: [{ requests: 20, perMilliseconds: 60_000 }],
      removeLimits: { name: 'removals', limits: [{ requests: 5, perMilliseconds: 60_000 }] },
      concurrency: 4,
    })
    expect(totals).toMatchObject({ acked: 60, retries: 0 })
    const most = (of: readonly { at: number }[]) =>
      Math.max(...of.map(({ at }) => of.filter(other => other.at >= at && other.at < at + 60_000).length))
    expect(most(left)).toBeLessThanOrEqual(20)
    expect(most(left.filter(({ op }) => op === 'leave'))).toBeLessThanOrEqual(5)
  })

  test('that headers tell of hold nobody else back, and none is met with a 429', async () => {
    const counts = new Map<string, number[]>()
    const refused: string[] = []
    const opened = await against(request => {
      const now = stage?.clock.now() ?? 0
      const op = request.records[0]?.op === 'leave' ? 'leave' : 'other'
      const window = Math.floor(now / 60_000)
      const seen = (counts.get(op) ?? []).filter(one => one === window)
      const limit = op === 'leave' ? 10 : 1_000
      counts.set(op, [...seen, window])
      const headers = {
        'x-ratelimit-remaining': String(Math.max(0, limit - seen.length - 1)),
        'x-ratelimit-reset': String(((window + 1) * 60_000) / 1_000),
      }
      if (seen.length < limit) return reply(200, '', headers)
      refused.push(op)
      return reply(429, '', headers)
    })
    const far = { removeLimits: { name: 'removals', limits: [], toldByHeaders: true }, concurrency: 1 }
    const started = opened.clock.now()
    const leaversFirst = rows.map((row, index) => ({
      ...row,
      op: index < 10 ? ('leave' as const) : ('enter' as const),
    }))
    expect(await deliverMixed(opened, far, leaversFirst)).toMatchObject({ acked: 60, retries: 0 })
    // Removals have nothing left in this minute, and the others did not wait for the next.
    expect(opened.clock.now()).toBeLessThan(started + 60_000)
    expect(refused).toEqual([])
  })

  test('that do not renew soon end the run, which says whose they are', async () => {
    const opened = await against(ok)
    const totals = await deliverMixed(opened, {
      removeLimits: { name: 'removals', limits: [{ requests: 5, perMilliseconds: day }] },
      concurrency: 1,
    })
    expect(totals).toMatchObject({ parked: 0, rejected: 0, stopped: { kind: 'limit', code: 'A6060' } })
    expect(totals.stopped?.message).toContain('the limit of far for removals, 5 requests in 1d')
    expect(opened.server.requests.filter(({ records }) => records[0]?.op === 'leave')).toHaveLength(5)
  })
})

describe('the budget of a day', () => {
  const far = { limits: [{ requests: 30, perMilliseconds: day }], concurrency: 2 }

  test('parks the rest of the run as pending, and names the time from which it renews', async () => {
    const opened = await against(ok)
    const started = opened.clock.now()
    const { totals, requests } = await opened.deliver(rowsOf(100), far)
    expect(totals).toMatchObject({ acked: 30, parked: 0, pending: 70, stopped: { kind: 'limit', code: 'A6060' } })
    expect(totals.stopped?.message).toContain('30 requests in 1d')
    expect(totals.stopped?.until ?? 0).toBeGreaterThan(started + day)
    expect(requests.every(({ state }) => state === 'acked' || state === 'planned')).toBe(true)
    expect(opened.server.requests).toHaveLength(30)
  })

  test('is counted over runs and restarts, and renews', async () => {
    const opened = await against(ok)
    // A destination that is opened anew knows nothing by itself, so this is what a restarted process finds in the ledger.
    const nextRun = async (runId: string, rows: number) => {
      await opened.startRun(runId)
      return deliverRun(opened, far, rows, { runId })
    }
    expect(await nextRun('first', 20)).toMatchObject({ acked: 20 })
    expect(await nextRun('second', 20)).toMatchObject({ acked: 10, pending: 10, stopped: { code: 'A6060' } })
    expect(await nextRun('third', 20)).toMatchObject({ acked: 0, pending: 20, stopped: { code: 'A6060' } })
    expect(opened.server.requests).toHaveLength(30)
    opened.clock.advance(1.02 * day)
    expect(await nextRun('fourth', 20)).toMatchObject({ acked: 20 })
  })
})

describe('the number of requests under way', () => {
  test('falls when the destination throttles, and delivery still ends', async () => {
    const seen: number[] = []
    const far = crowd(16, async ({ index }, underWay) => {
      seen.push(underWay)
      await sleep(3)
      return index < 16 ? reply(429) : ok()
    })
    const opened = await against(far)
    const { totals } = await opened.deliver(rowsOf(150), { concurrency: 16 })
    expect(totals).toMatchObject({ acked: 150 })
    expect(Math.max(...seen.slice(0, 16))).toBe(16)
    expect(Math.max(...seen.slice(16, 32))).toBeLessThanOrEqual(10)
  })
})

describe('a destination that fails', () => {
  test('is left alone for a while after failures in a row, and probed by one request at a time', async () => {
    const probing: number[] = []
    // Five failures open the breaker while the sixth request is under way; all that come after it are probes.
    const far = crowd(2, async ({ index }, underWay) => {
      if (index >= 6) probing.push(underWay)
      await sleep(2)
      return index < 8 ? reply(503) : ok()
    })
    const opened = await against(far)
    const { totals } = await opened.deliver(rowsOf(40), { concurrency: 2 })
    expect(totals).toMatchObject({ acked: 40, pending: 0 })
    expect(probing.slice(0, 3)).toEqual([1, 1, 1])
  })

  test('ends the run once some probes have failed, and a later sync of the process at once', async () => {
    const opened = await against(() => reply(500))
    const destination = opened.destination({ concurrency: 4 })
    const { totals } = await opened.deliver(rowsOf(5_000), {}, { destination })
    expect(totals).toMatchObject({ acked: 0, pending: 5_000, stopped: { kind: 'unreachable', code: 'A6002' } })
    expect(opened.server.requests.length).toBeLessThanOrEqual(16)
    expect(totals.stopped?.until).toBeGreaterThan(opened.clock.now())

    const before = opened.server.requests.length
    expect(await deliverRun(opened, {}, 7, { destination })).toMatchObject({
      ...{ pending: 7, requests: 0 },
      stopped: { code: 'A6061', until: totals.stopped?.until },
    })
    expect(opened.server.requests).toHaveLength(before)
  })

  test('now and then is not repeated without end: the run has a budget of retries', async () => {
    // Every other request fails, so that no request spends its own budget and no breaker opens.
    const opened = await against(({ index }) => (index % 2 === 0 ? reply(500) : ok()))
    const { totals } = await opened.deliver(rowsOf(2_000), { concurrency: 1 })
    expect(totals.stopped).toMatchObject({ kind: 'unreachable', code: 'A6062' })
    expect(totals.acked).toBeGreaterThan(50)
    expect(totals.retries).toBeLessThanOrEqual(100 + 0.1 * totals.requests + 1)
    expect(totals.pending).toBeGreaterThan(1_000)
  })
})

describe('a batch that is refused whole', () => {
  const hundred = { batch: { maxRecords: 100 } }

  test('because it is too large is halved until its parts fit, and a record that never fits is refused', async () => {
    const opened = await against(({ records }) =>
      records.length > 8 || records.some(({ key }) => key === 'k50') ? reply(413) : ok(),
    )
    const { totals, exceptions } = await opened.deliver(rowsOf(100), { ...hundred, idempotency: { kind: 'none' } })
    expect(totals).toMatchObject({ acked: 99, rejected: 1, parked: 0, pending: 0 })
    expect(exceptions.filter(({ state }) => state === 'rejected')).toMatchObject([
      { changeId: 'c50', code: 'http_413' },
    ])
  })

  test('does not hold up the batches behind it while it is searched', async () => {
    let release: () => void = () => {}
    const others = new Promise<void>(resolve => {
      release = resolve
    })
    const isBad = ({ records }: Received) => records.some(({ key }) => key === 'k3')
    const opened = await against(async request => {
      if (request.records.some(({ key }) => key === 'k900')) release()
      // The search is not allowed to end before the last batch has come through.
      if (isBad(request) && request.records.length === 1) await others
      return isBad(request) ? reply(422) : ok()
    })
    const { totals } = await opened.deliver(rowsOf(900), { ...hundred, concurrency: 2 })
    expect(totals).toMatchObject({ acked: 899, rejected: 1, pending: 0 })
  })
})

describe('an access token', () => {
  /** An issuer and a destination that takes only the newest token, on one server. */
  function tokenServer(isTaken: (token: string, index: number) => boolean) {
    let issued = 0
    const script: Script = async ({ path, headers, index }) => {
      if (path === '/token') {
        issued += 1
        await sleep(5)
        return { ...reply(200, { access_token: `t${issued}` }), apply: false } as ReturnType<typeof reply>
      }
      await sleep(2)
      return isTaken((headers.authorization ?? '').replace('Bearer ', ''), index) ? ok() : reply(401, 'expired')
    }
    return {
      script,
      get issued() {
        return issued
      },
    }
  }

  const refreshAt = (url: string) => ({
    url: `${url}/token`,
    request: { method: 'POST', form: { grant_type: 'client_credentials' } } as const,
    read: ({ json }: { json: unknown }) => ({ token: String((json as { access_token: string }).access_token) }),
    headers: (token: string) => ({ authorization: `Bearer ${token}` }),
  })

  test('that expires in the middle is renewed once for all requests under way, which go again with the same bytes', async () => {
    let revoked = false
    const far = tokenServer((token, index) => {
      if (index >= 40) revoked = true
      return token === (revoked ? 't2' : 't1')
    })
    const opened = await against(far.script)
    const destination = opened.destination({
      ...{ concurrency: 8, idempotency: { kind: 'none' }, refresh: refreshAt(opened.server.url) },
    })
    const { totals } = await opened.deliver(rowsOf(100), {}, { destination })
    expect(totals).toMatchObject({ acked: 100, parked: 0, pending: 0 })
    expect(far.issued).toBe(2)
    expect(new Set(opened.server.applied).size).toBe(100)
    const sent = opened.server.requests.filter(({ path }) => path === '/records')
    const keys = new Set(sent.map(({ headers }) => headers['idempotency-key']))
    const bodies = new Set(sent.map(({ headers, body }) => `${headers['idempotency-key']} ${body}`))
    expect(keys.size).toBe(100)
    expect(bodies.size).toBe(100)
    expect(sent.length).toBeGreaterThan(100)
  })

  test('that is refused again right after it was renewed ends the run, with everything pending', async () => {
    const far = tokenServer((token, index) => token === 't1' && index < 20)
    const opened = await against(far.script)
    const destination = opened.destination({
      ...{ concurrency: 4, idempotency: { kind: 'none' }, refresh: refreshAt(opened.server.url) },
    })
    const { totals } = await opened.deliver(rowsOf(100), {}, { destination })
    expect(totals.stopped).toMatchObject({ kind: 'credentials', code: 'A6001' })
    expect(totals).toMatchObject({ parked: 0, rejected: 0, pending: 100 - totals.acked })
    expect(far.issued).toBe(2)
  })

  test('that is not given ends the run before anything is sent, and its issuer being down does not', async () => {
    let calls = 0
    const opened: Stage = await against(({ path }) => {
      if (path !== '/token') return ok()
      calls += 1
      if (calls === 1) return stall()
      return calls === 2 ? reply(503) : { ...reply(200, { access_token: 't' }), apply: false }
    })
    const open = () => opened.destination({ timeout: 150, refresh: refreshAt(opened.server.url) })
    expect((await opened.deliver(rowsOf(3), {}, { destination: open() })).totals).toMatchObject({ acked: 3 })

    const denied = await against(({ path }) => (path === '/token' ? reply(401) : ok()))
    const destination = denied.destination({ refresh: refreshAt(denied.server.url) })
    const { totals } = await denied.deliver(rowsOf(3), {}, { destination })
    expect(totals).toMatchObject({ pending: 3, stopped: { kind: 'credentials', code: 'A6001' } })
    expect(denied.server.applied).toEqual([])
    await opened.close()
  })
})
