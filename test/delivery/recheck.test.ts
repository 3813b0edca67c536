import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Clock } from '../../src/delivery/clock.ts'
import type { Recheck, RecheckAnswer } from '../../src/delivery/deliver.ts'
import type { NewRequest } from '../../src/ledger/ledger.ts'
import type { PlannedChange } from '../../src/plan/plan.ts'
import { ActivateError } from '../../src/project/problem.ts'
import { applied, ok, type Received, reply, reset, type Script } from '../fault-server.ts'
import { eachRecord, type Far, interpretResults, rowsOf, Stage } from './delivery-kit.ts'

let stage: Stage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

async function against(script: Script): Promise<Stage> {
  stage = await Stage.open(script)
  return stage
}

const optOut = { code: 'suppression.opt_out', message: 'opted out' }

/** A list of opt-outs as it is at this moment, and how often it was asked. */
function optOuts(...keys: readonly string[]) {
  const out = new Set(keys)
  const asked: number[] = []
  const recheck: Recheck = async changes => {
    asked.push(changes.length)
    return { withdrawn: new Map(changes.filter(({ key }) => out.has(key)).map(({ seq }) => [seq, optOut])) }
  }
  return { out, asked, recheck }
}

/** The same where records are kept, and a repetition does no harm. */
function optOutsOfRecords(...keys: readonly string[]) {
  const list = optOuts(...keys)
  const recheck: Recheck = async (changes, now) => {
    const { withdrawn: found } = await list.recheck(changes, now)
    return { withdrawn: new Map([...found].map(([seq, answer]) => [seq, { ...answer, repeatsDoubt: true }])) }
  }
  return { ...list, recheck }
}

const keysIn = ({ records }: Pick<Received, 'records'>) => records.map(({ key }) => key)
const hundred: Far = { batch: { maxRecords: 100 }, concurrency: 1 }
const keyed = { kind: 'keyed', window: 24 * 3_600_000 } as const
const withdrawn = (seq: number) => ({ seq, changeId: `c${seq}`, state: 'withdrawn', ...optOut })

describe('an opt-out between plan and send', () => {
  test('takes the row out of the middle of its batch, and the rest goes on', async () => {
    const opened = await against(ok)
    const { recheck, asked } = optOuts('k3')
    const { totals, requests, exceptions, notes } = await opened.deliver(rowsOf(5), hundred, { recheck })
    expect(opened.server.requests.map(keysIn)).toEqual([['k1', 'k2', 'k4', 'k5']])
    expect(totals).toEqual({
      acked: 4,
      rejected: 0,
      parked: 0,
      pending: 1,
      withdrawn: 1,
      open: 0,
      requests: 1,
      retries: 0,
    })
    expect(requests).toMatchObject([{ state: 'acked', members: { seqs: [1, 2, 4, 5] } }])
    expect(exceptions).toMatchObject([withdrawn(3)])
    expect(notes).toMatchObject([{ kind: 'withdrawn', code: 'suppression.opt_out' }])
    expect(asked).toEqual([5])
  })

  test('at the edge of a batch leaves a range', async () => {
    const opened = await against(ok)
    const { requests } = await opened.deliver(rowsOf(5), hundred, { recheck: optOuts('k1', 'k5').recheck })
    expect(requests).toMatchObject([{ members: { from: 2, to: 4 } }])
  })

  test('of everyone sends nothing, and says so of each', async () => {
    const opened = await against(ok)
    const { recheck } = optOuts('k1', 'k2', 'k3')
    const { totals, exceptions } = await opened.deliver(rowsOf(3), { idempotency: { kind: 'none' } }, { recheck })
    expect(totals).toMatchObject({ acked: 0, pending: 3, withdrawn: 3 })
    expect(exceptions).toMatchObject([withdrawn(1), withdrawn(2), withdrawn(3)])
    expect(opened.server.requests).toEqual([])
  })

  test('is told beside what was refused before sending', async () => {
    const opened = await against(ok)
    const request: NonNullable<Far['request']> = batch => {
      if (batch.some(({ key }) => key === 'k2')) throw new RangeError('k2 cannot stand in a path')
      return {
        method: 'POST',
        path: '/records',
        json: { records: batch.map(({ changeId }) => ({ change_id: changeId })) },
      }
    }
    const { recheck } = optOuts('k3')
    const { totals, exceptions } = await opened.deliver(rowsOf(4), { ...hundred, request }, { recheck })
    expect(totals).toMatchObject({ acked: 2, rejected: 1, pending: 1, withdrawn: 1 })
    expect(exceptions.map(({ seq, state }) => ({ seq, state }))).toEqual(
      expect.arrayContaining([
        { seq: 2, state: 'rejected' },
        { seq: 3, state: 'withdrawn' },
      ]),
    )
  })

  test('changes no byte for those who stay: subjects and ends are no part of a record', async () => {
    const bare = await against(ok)
    await bare.deliver(rowsOf(3), hundred)
    const [before] = bare.server.requests
    await bare.close()
    const opened = await against(ok)
    const rows = rowsOf(3).map(row => ({ ...row, subjects: ['email:00'], notAfter: opened.clock.now() + 60_000 }))
    await opened.deliver(rows, hundred, { recheck: optOuts().recheck })
    expect(opened.server.requests[0]?.body).toBe(before?.body)
    expect(opened.server.requests[0]?.headers['idempotency-key']).toBe(before?.headers['idempotency-key'])
  })
})

describe('an opt-out after the first attempt', () => {
  /** Opts out during the first request, which is answered so. */
  async function afterFirst(answer: () => ReturnType<Script>, far: Far, more = {}) {
    const list = optOuts()
    const opened = await against(({ index }) => {
      if (index > 0) return ok()
      list.out.add('k3')
      return answer()
    })
    const delivered = await opened.deliver(rowsOf(5), { ...hundred, ...far }, { recheck: list.recheck, ...more })
    return { ...delivered, sent: opened.server.requests, applied: opened.server.applied, asked: list.asked }
  }

  test('leaves the retry without the row, in a request of its own', async () => {
    const { sent, totals, requests, exceptions, asked } = await afterFirst(() => reply(429), {
      idempotency: { kind: 'none' },
    })
    expect(sent.map(keysIn)).toEqual([
      ['k1', 'k2', 'k3', 'k4', 'k5'],
      ['k1', 'k2', 'k4', 'k5'],
    ])
    expect(totals).toMatchObject({ acked: 4, pending: 1, withdrawn: 1 })
    expect(requests.map(({ members }) => members)).toEqual([{ from: 1, to: 5 }, { seqs: [1, 2, 4, 5] }])
    expect(exceptions.filter(({ state }) => state === 'withdrawn')).toMatchObject([withdrawn(3)])
    expect(exceptions.filter(({ state }) => state === 'moved').map(({ seq }) => seq)).toEqual([1, 2, 4, 5])
    expect(asked).toEqual([5, 5, 4])
  })

  test('of the only row ends its request', async () => {
    const list = optOuts()
    const opened = await against(() => {
      list.out.add('k1')
      return reply(429)
    })
    const { totals, exceptions } = await opened.deliver(rowsOf(1), {}, { recheck: list.recheck })
    expect(totals).toMatchObject({ pending: 1, withdrawn: 1 })
    expect(totals.stopped).toBeUndefined()
    expect(exceptions).toMatchObject([withdrawn(1)])
    expect(opened.server.requests).toHaveLength(1)
  })

  test('in doubt: leaves it out where a repetition does no harm', async () => {
    const { sent, totals, exceptions } = await afterFirst(() => applied(reset()), {})
    expect(sent.map(keysIn).slice(1)).toEqual([['k1', 'k2', 'k4', 'k5']])
    expect(totals).toMatchObject({ acked: 4, parked: 0, pending: 1, withdrawn: 1 })
    expect(exceptions.filter(({ state }) => state === 'withdrawn')).toMatchObject([withdrawn(3)])
  })

  test('in doubt: parks a keyed request whole, because its bytes are bound to its key', async () => {
    const { sent, totals, requests, exceptions } = await afterFirst(() => applied(reset()), { idempotency: keyed })
    expect(sent).toHaveLength(1)
    expect(totals).toMatchObject({ acked: 0, parked: 5, pending: 0, withdrawn: 0 })
    expect(requests).toMatchObject([{ state: 'parked' }])
    expect(exceptions.map(({ state, code }) => ({ state, code }))).toEqual(
      Array(5).fill({ state: 'parked', code: 'withdrawn' }),
    )
  })

  test('in doubt: has nothing to add where what may have arrived is parked anyway', async () => {
    const { sent, totals } = await afterFirst(() => applied(reset()), { idempotency: { kind: 'none' } })
    expect(sent).toHaveLength(1)
    expect(totals).toMatchObject({ parked: 5, pending: 0, withdrawn: 0 })
  })

  test('in doubt: leaves it out where the project says that duplicates do no harm', async () => {
    const { sent, totals } = await afterFirst(
      () => applied(reset()),
      { idempotency: { kind: 'none' } },
      { onUncertain: 'resend' },
    )
    expect(sent.map(keysIn).slice(1)).toEqual([['k1', 'k2', 'k4', 'k5']])
    expect(totals).toMatchObject({ acked: 4, pending: 1, withdrawn: 1 })
  })

  test('keeps what the destination said of others in the same request', async () => {
    const results = ['rejected', 'acked', 'retry', 'retry', 'retry'].map((status, i) => ({ id: `c${i + 1}`, status }))
    const { sent, totals } = await afterFirst(() => reply(200, { results }), {
      interpret: (received, batch) =>
        received.text.includes('results') ? interpretResults(received, batch) : { kind: 'acked' },
    })
    expect(sent.map(keysIn).slice(1)).toEqual([['k4', 'k5']])
    expect(totals).toMatchObject({ acked: 3, rejected: 1, pending: 1, withdrawn: 1 })
  })
})

describe('a row whose time is over', () => {
  const until = (rows: readonly PlannedChange[], notAfter: number, ...seqs: readonly number[]) =>
    rows.map(row => (seqs.includes(row.seq) ? { ...row, notAfter } : row))

  test('does not leave, also when there is nobody to ask', async () => {
    const opened = await against(ok)
    const { totals, exceptions } = await opened.deliver(until(rowsOf(4), opened.clock.now(), 2), hundred)
    expect(opened.server.requests.map(keysIn)).toEqual([['k1', 'k3', 'k4']])
    expect(totals).toMatchObject({ acked: 3, pending: 1, withdrawn: 1 })
    expect(exceptions).toMatchObject([{ seq: 2, state: 'withdrawn', code: 'quiet_hours.window' }])
  })

  test('does not leave after a pause that reaches into the night', async () => {
    const opened = await against(({ index }) => (index === 0 ? reply(429, '', { 'retry-after': '600' }) : ok()))
    const rows = until(rowsOf(6), opened.clock.now() + 300_000, 1, 4)
    const { totals } = await opened.deliver(rows, { concurrency: 1 })
    expect(totals).toMatchObject({ acked: 4, pending: 2, withdrawn: 2 })
    expect(opened.server.requests.slice(1).flatMap(keysIn).toSorted()).toEqual(['k2', 'k3', 'k5', 'k6'])
  })
})

describe('a look that is out of date', () => {
  test('is repeated for intents that had to wait, before they are sent', async () => {
    const list = optOuts()
    const opened = await against(({ index }) => {
      if (index > 0) return ok()
      list.out.add('k2').add('k3').add('k4')
      return reply(429, '', { 'retry-after': '60' })
    })
    const { totals } = await opened.deliver(rowsOf(6), { concurrency: 1 }, { recheck: list.recheck })
    expect(totals).toMatchObject({ acked: 3, pending: 3, withdrawn: 3 })
    expect(opened.server.applied.toSorted()).toEqual(['c1', 'c5', 'c6'])
  })
})

describe('an opt-out after a record may have arrived', () => {
  test('is known by repeating it, so that the next plan can take it away; one that never left is not sent', async () => {
    const list = optOutsOfRecords('k2')
    const opened = await against(({ index }) => {
      if (index > 0) return ok()
      list.out.add('k1')
      return applied(reset())
    })
    const { totals, exceptions } = await opened.deliver(rowsOf(2), { concurrency: 1 }, { recheck: list.recheck })
    expect(totals).toMatchObject({ acked: 1, withdrawn: 1, pending: 1 })
    expect(opened.server.requests.map(keysIn)).toEqual([['k1'], ['k1']])
    expect(exceptions).toMatchObject([withdrawn(2)])
  })
})

describe('a look that does not let anything pass', () => {
  test('because somebody pressed hold, leaves the rest pending', async () => {
    const opened = await against(ok)
    const hold = { code: 'A9999', message: 'held by somebody' }
    let asked = 0
    const recheck = async (): Promise<RecheckAnswer> => {
      asked += 1
      return { withdrawn: new Map(), ...(asked > 2 && { stop: hold }) }
    }
    const { totals } = await opened.deliver(rowsOf(50), { concurrency: 1, idempotency: { kind: 'none' } }, { recheck })
    expect(totals).toMatchObject({ acked: 2, pending: 48, withdrawn: 0, stopped: { kind: 'held', ...hold } })
    expect(opened.server.requests).toHaveLength(2)
  })

  test('pressed in the middle of doubt leaves no doubt undecided', async () => {
    const opened = await against(() => applied(reset()))
    let asked = 0
    const recheck = async (): Promise<RecheckAnswer> => {
      asked += 1
      return { withdrawn: new Map(), ...(asked > 1 && { stop: { code: 'A9999', message: 'held' } }) }
    }
    const { totals, requests } = await opened.deliver(rowsOf(3), { ...hundred, idempotency: keyed }, { recheck })
    expect(totals).toMatchObject({ parked: 3, stopped: { kind: 'held' } })
    expect(requests).toMatchObject([{ state: 'parked' }])
  })

  test('because it cannot be had, is thrown, and nothing leaves', async () => {
    const opened = await against(ok)
    const recheck = () => Promise.reject(new ActivateError('failed', { code: 'A5005', message: 'unreadable' }))
    await expect(opened.deliver(rowsOf(5), hundred, { recheck })).rejects.toThrow('unreadable')
    expect(opened.server.requests).toEqual([])
    expect(await opened.ledger.requests('run')).toEqual([])
  })
})

describe('a look is asked for', () => {
  test('shortly before the bytes leave, not far ahead of a free connection', async () => {
    const list = optOuts()
    const opened = await against(() => {
      list.out.add('k10')
      return ok()
    })
    const { totals } = await opened.deliver(rowsOf(20), { concurrency: 2 }, { recheck: list.recheck })
    expect(totals).toMatchObject({ acked: 19, withdrawn: 1 })
    expect(opened.server.applied).not.toContain('c10')
  })

  /** Time moves only as the destination says, not while delivery waits. */
  const stillClock = ({ clock }: Stage): Clock => ({ now: () => clock.now(), sleep: () => turn() })

  test('for many requests at once where the destination is fast, so that their intents share commits', async () => {
    const opened = await against(ok)
    const { recheck, asked } = optOuts()
    const clock = stillClock(opened)
    await opened.deliver(rowsOf(600), { concurrency: 2 }, { recheck, clock })
    expect(asked.reduce((sum, rows) => sum + rows, 0)).toBe(600)
    // Without being known as fast, no more than six are ahead.
    expect(asked.length).toBeLessThan(600 / 6)
  })

  test('for few requests at once where the destination is slow, also when it was fast before', async () => {
    const lookedAt = new Map<string, number>()
    const ages: number[] = []
    const opened = await against(request => {
      if (request.index >= 300) opened.clock.advance(300)
      for (const key of keysIn(request)) ages.push(opened.clock.now() - (lookedAt.get(key) ?? 0))
      return ok()
    })
    const recheck: Recheck = async (changes, now) => {
      for (const { key } of changes) lookedAt.set(key, now)
      return { withdrawn: new Map() }
    }
    await opened.deliver(rowsOf(600), { concurrency: 2 }, { recheck, clock: stillClock(opened) })
    expect(Math.max(...ages.slice(-100))).toBeLessThanOrEqual(7 * 300)
  })

  test('once for all requests that are begun together', async () => {
    const opened = await against(ok)
    const { recheck, asked } = optOuts()
    await opened.deliver(rowsOf(1_000), { batch: { maxRecords: 10 }, concurrency: 8 }, { recheck })
    expect(asked.reduce((sum, rows) => sum + rows, 0)).toBe(1_000)
    expect(asked.length).toBeLessThan(100)
  })
})

describe('recovery', () => {
  /** A run whose process dies when it wants to record an outcome, after so many that it did record. */
  async function dieWhile(
    opened: Stage,
    rows: readonly PlannedChange[],
    far: Far,
    more = {},
    after = 0,
  ): Promise<void> {
    const { input } = opened.context(far)
    let concluded = 0
    const dead: typeof input.ledger = {
      begin: (...given) => opened.ledger.begin(...given),
      move: async () => 0,
      conclude: (...given) => {
        concluded += 1
        return concluded > after ? Promise.reject(new Error('killed')) : opened.ledger.conclude(...given)
      },
    }
    await expect(opened.deliver(rows, far, { ledger: dead, ...more })).rejects.toThrow('killed')
    await opened.takeOver()
  }

  test('repeats a request of an upsert without who has opted out meanwhile', async () => {
    const opened = await against(ok)
    await dieWhile(opened, rowsOf(5), hundred)
    const { totals, requests, exceptions } = await opened.redeliver(rowsOf(5), hundred, optOuts('k3'))
    expect(opened.server.requests.map(keysIn)[1]).toEqual(['k1', 'k2', 'k4', 'k5'])
    expect(totals).toMatchObject({ acked: 4, parked: 0, pending: 1, withdrawn: 1 })
    expect(requests.every(({ state }) => state === 'acked')).toBe(true)
    expect(exceptions.filter(({ state }) => state === 'withdrawn')).toMatchObject([withdrawn(3)])
  })

  test('parks a keyed request with somebody in it who has opted out', async () => {
    const opened = await against(ok)
    const far: Far = { ...hundred, idempotency: keyed }
    await dieWhile(opened, rowsOf(5), far)
    const { totals, requests } = await opened.redeliver(rowsOf(5), far, optOuts('k3'))
    expect(totals).toMatchObject({ acked: 0, parked: 5, pending: 0, withdrawn: 0 })
    expect(requests).toMatchObject([{ state: 'parked' }])
    expect(opened.server.requests).toHaveLength(1)
  })

  test('rebuilds a request that was sent without somebody, byte for byte', async () => {
    const opened = await against(ok)
    const far: Far = { ...hundred, idempotency: keyed }
    await dieWhile(opened, rowsOf(5), far, optOuts('k3'))
    const { totals } = await opened.redeliver(rowsOf(5), far, optOuts('k3'))
    expect(totals).toMatchObject({ acked: 4, parked: 0, pending: 0 })
    expect(opened.server.requests[1]?.body).toBe(opened.server.requests[0]?.body)
  })

  test('knows nothing of a request from which everybody was taken out: there were no bytes', async () => {
    const opened = await against(ok)
    const far: Far = { idempotency: keyed, batch: { maxRecords: 1, maxBytes: 10_000 } }
    await dieWhile(opened, rowsOf(1), far, optOuts('k1'))
    const { totals, requests } = await opened.redeliver(rowsOf(1), far, optOuts('k1'))
    expect(totals).toMatchObject({ acked: 0, rejected: 0, parked: 0, pending: 1 })
    expect(requests).toMatchObject([{ state: 'cancelled' }])
    expect(opened.server.requests).toEqual([])
  })

  test('remembers who was taken out of a request before its run died', async () => {
    const opened = await against(({ index }) => (index === 0 ? reply(500) : ok()))
    await dieWhile(opened, rowsOf(5), hundred, optOuts('k3'), 1)
    const { totals, exceptions } = await opened.redeliver(rowsOf(5), hundred, optOuts('k3'))
    expect(totals).toMatchObject({ acked: 4, pending: 0 })
    expect(exceptions).toMatchObject([withdrawn(3)])
  })
})

test('whoever opted out before a request was begun is not in it, and everyone has one outcome', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        count: fc.integer({ min: 1, max: 30 }),
        maxRecords: fc.integer({ min: 1, max: 8 }),
        concurrency: fc.integer({ min: 1, max: 4 }),
        idempotency: fc.constantFrom<NonNullable<Far['idempotency']>>({ kind: 'natural' }, keyed, { kind: 'none' }),
        onUncertain: fc.constantFrom('park' as const, 'resend' as const),
        early: fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 4 }),
        /** What happens at the n-th request: who opts out during it, and how it ends. */
        events: fc.array(
          fc.record({
            out: fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 3 }),
            end: fc.constantFrom('ok', 'each', 'busy', 'lost', 'refused', 'failed'),
          }),
          { maxLength: 25 },
        ),
      }),
      async ({ count, maxRecords, concurrency, idempotency, onUncertain, early, events }) => {
        const { out, recheck } = optOuts(...early.map(n => `k${n}`))
        const outAtBegin = new Map<string, ReadonlySet<string>>()
        const wrong: string[] = []
        const opened = await Stage.open(request => {
          const known = outAtBegin.get(request.headers['idempotency-key'] ?? '')
          wrong.push(...keysIn(request).filter(key => known === undefined || known.has(key)))
          const event = events[request.index] ?? { out: [], end: 'ok' }
          for (const n of event.out) out.add(`k${n}`)
          return endOf(event.end, request)
        })
        try {
          const { input } = opened.context({})
          const ledger: typeof input.ledger = {
            conclude: (...given) => opened.ledger.conclude(...given),
            move: (...given) => opened.ledger.move(...given),
            begin: (requests: readonly NewRequest[], at, lease) => {
              for (const { idempotencyKey } of requests) outAtBegin.set(idempotencyKey, new Set(out))
              return opened.ledger.begin(requests, at, lease)
            },
          }
          const far: Far = { batch: { maxRecords }, concurrency, idempotency, interpret: interpretAny }
          const { totals, exceptions } = await opened.deliver(rowsOf(count), far, { recheck, ledger, onUncertain })
          expect(wrong).toEqual([])
          const taken = exceptions.filter(({ state }) => state === 'withdrawn').map(({ seq }) => seq)
          expect(new Set(taken).size).toBe(taken.length)
          expect(taken.length).toBe(totals.withdrawn)
          expect(totals.withdrawn).toBeLessThanOrEqual(totals.pending)
          for (const { seq, state } of exceptions)
            if (state === 'rejected' || state === 'parked') expect(taken).not.toContain(seq)
        } finally {
          await opened.close()
        }
      },
    ),
    { numRuns: 60 },
  )
}, 60_000)

const interpretAny: NonNullable<Far['interpret']> = (received, batch) => {
  if (received.status === 200) return interpretResults(received, batch)
  if (received.status === 429) return { kind: 'retry', code: 'rate_limited', message: '' }
  if (received.status === 422) return { kind: 'refused', code: 'http_422', message: '' }
  return { kind: 'uncertain', code: `http_${received.status}`, message: '' }
}

function endOf(end: string, request: Received): ReturnType<Script> {
  if (end === 'busy') return reply(429)
  if (end === 'lost') return applied(reset())
  if (end === 'failed') return applied(reply(500))
  if (end === 'refused') return reply(422)
  const statuses = ['acked', 'rejected', 'retry', 'uncertain']
  return eachRecord(request, id => (end === 'each' ? (statuses[Number(id.slice(1)) % 4] ?? '') : 'acked'))
}
