/** A request's key and bytes are the same on each attempt, in the same run and after a crash; and how long a key is trusted. */
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Idempotency } from '../../src/delivery/destination.ts'
import { keyMargin } from '../../src/delivery/retry.ts'
import type { PlannedChange } from '../../src/plan/plan.ts'
import { applied, type Behaviour, fin, type Received, reply, reset } from '../fault-server.ts'
import { type Far, lookupPath, Stage } from './delivery-kit.ts'
import { allYes, interpretEach } from './faults.ts'

let stage: Stage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

const hour = 3_600_000

/** What the far end does to one request; some of each kind are applied without a word. */
const fate = fc.constantFrom('yes', 'lost', 'lost all the same', 'half', '429', '500', '422', 'mixed')
type Fate = typeof fate extends fc.Arbitrary<infer Value> ? Value : never

function suffer(request: Received, given: Fate): Behaviour {
  const half = (id: string) => Number(id.replace(/\D/g, '')) % 2 === 0
  switch (given) {
    case 'yes':
      return allYes(request)
    case 'lost':
      return reset()
    case 'lost all the same':
      return applied(reset())
    case 'half':
      return applied(fin(), ({ change_id }) => half(change_id))
    case '429':
      return reply(429, '', { 'retry-after': '1' })
    case '500':
      return applied(reply(500), request.index % 2 === 0)
    case '422':
      return reply(422)
    case 'mixed': {
      const status = (id: string) => (half(id) ? 'acked' : request.index % 2 === 0 ? 'retry' : 'uncertain')
      const results = request.records.map(({ change_id }) => ({ id: change_id, status: status(change_id) }))
      return applied(reply(207, { results }), ({ change_id }) => half(change_id))
    }
  }
}

const texts = fc.string({ unit: 'grapheme', maxLength: 12 })
const nights = fc.record({
  idempotency: fc.constantFrom<Idempotency>(
    { kind: 'natural' },
    { kind: 'keyed', window: 24 * hour },
    { kind: 'lookup', settle: 60_000 },
    { kind: 'none' },
  ),
  size: fc.constantFrom(1, 2, 5),
  fields: fc.array(
    fc.dictionary(texts, fc.oneof(texts, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null))),
    {
      minLength: 1,
      maxLength: 8,
    },
  ),
  fates: fc.array(fate, { maxLength: 12 }),
  /** How many conclusions are written down before the process dies; undefined: it lives. */
  diesAfter: fc.option(fc.nat({ max: 4 }), { nil: undefined }),
})
type Case = typeof nights extends fc.Arbitrary<infer Value> ? Value : never

/** A night of these misfortunes; if the process dies, a successor picks it up. */
async function live({ idempotency, size, fields, fates, diesAfter }: Case): Promise<Stage> {
  let clock = () => 0
  const opened = await Stage.open(request => suffer(request, fates[request.index] ?? 'yes'), {
    lookup: { path: lookupPath },
    now: () => clock(),
    ...(idempotency.kind === 'keyed' && { keyHeader: 'idempotency-key', keyWindow: idempotency.window }),
  })
  clock = () => opened.clock.now()
  stage = opened
  const far: Far = { idempotency, interpret: interpretEach, ...(size > 1 && { batch: { maxRecords: size } }) }
  const rows = fields.map(
    (one, i): PlannedChange => ({ seq: i + 1, key: `k${i}`, op: 'enter', changeId: `c${i}`, fields: one }),
  )
  if (diesAfter === undefined) {
    await opened.deliver(rows, far)
    return opened
  }
  const { ledger } = opened
  let left = diesAfter
  const dying = {
    begin: ledger.begin.bind(ledger),
    move: ledger.move.bind(ledger),
    conclude: (...given: Parameters<typeof ledger.conclude>) =>
      left-- > 0 ? ledger.conclude(...given) : Promise.reject(new Error('killed')),
  }
  const killed = await opened.deliver(rows, far, { ledger: dying }).then(
    () => false,
    (error: unknown) => error instanceof Error && error.message === 'killed',
  )
  if (killed) {
    await opened.takeOver()
    await opened.redeliver(rows, far)
  }
  return opened
}

describe('a request', () => {
  test('is the same to the byte under its key, whatever befalls it and whoever sends it', async () => {
    await fc.assert(
      fc
        .asyncProperty(nights, async given => {
          const { server, ledger } = await live(given)
          const bodies = new Map<string, Set<string>>()
          for (const { headers, body } of server.requests) {
            const key = headers['idempotency-key'] ?? ''
            bodies.set(key, (bodies.get(key) ?? new Set()).add(body))
          }
          for (const [key, seen] of bodies)
            expect({ key, bodies: [...seen] }).toEqual({ key, bodies: [...seen].slice(0, 1) })
          expect(server.mismatches).toEqual([])

          // And it is the key that was written down before the first byte left.
          const recorded = new Set((await ledger.requests('run')).map(({ idempotencyKey }) => idempotencyKey))
          expect([...bodies.keys()].filter(key => !recorded.has(key))).toEqual([])
        })
        .afterEach(async () => {
          await stage?.close()
          stage = undefined
        }),
      { numRuns: 60 },
    )
  })

  test('whose answer was lost never comes back under another key, where the key is what protects it', async () => {
    await fc.assert(
      fc
        .asyncProperty(nights, async given => {
          fc.pre(given.idempotency.kind === 'keyed')
          const { server } = await live(given)
          const doubtful = new Map<string, string>()
          for (const { index, headers, records } of server.requests) {
            const key = headers['idempotency-key'] ?? ''
            const told = given.fates[index] ?? 'yes'
            for (const { change_id } of records) {
              const before = doubtful.get(change_id)
              if (before !== undefined) expect({ change_id, key }).toEqual({ change_id, key: before })
              if (told.startsWith('lost') || told === 'half' || told === '500') doubtful.set(change_id, key)
            }
          }
          expect(new Set(server.applied).size).toBe(server.applied.length)
        })
        .afterEach(async () => {
          await stage?.close()
          stage = undefined
        }),
      { numRuns: 60 },
    )
  })
})

describe('an answer that leaves somebody out', () => {
  /** What was answered first is what is answered again, as a good API does with a key. */
  const replayed = (leftOut: (changeId: string) => boolean) => (request: Received) => {
    const named = request.records.filter(({ change_id }) => !leftOut(change_id))
    return reply(200, { results: named.map(({ change_id }) => ({ id: change_id, status: 'acked' })) })
  }
  const rows = [1, 2, 3].map(
    (seq): PlannedChange => ({ seq, key: `k${seq}`, op: 'enter', changeId: `c${seq}`, fields: {} }),
  )
  const far: Far = {
    idempotency: { kind: 'keyed', window: 24 * hour },
    batch: { maxRecords: 10 },
    interpret: interpretEach,
  }

  test('and is replayed under the key changes nothing: who is named is done, who never is is parked, and nothing goes under another key', async () => {
    stage = await Stage.open(
      replayed(id => id === 'c2'),
      { keyHeader: 'idempotency-key' },
    )
    const { totals, requests, exceptions } = await stage.deliver(rows, far)
    expect(totals).toMatchObject({ acked: 2, parked: 1, rejected: 0, pending: 0 })
    expect(exceptions).toMatchObject([{ changeId: 'c2', state: 'parked' }])
    expect(requests).toMatchObject([{ state: 'acked' }])
    expect(stage.server.requests.length).toBeGreaterThan(1)
    expect(new Set(stage.server.requests.map(({ body }) => body)).size).toBe(1)
    expect(stage.server.applied).toEqual(['c1', 'c2', 'c3'])
  })

  test('and names nobody at all is never taken for a yes', async () => {
    stage = await Stage.open(
      replayed(() => true),
      { keyHeader: 'idempotency-key' },
    )
    const { totals } = await stage.deliver(rows, far)
    expect(totals).toMatchObject({ acked: 0, parked: 3 })
    expect(new Set(stage.server.requests.map(({ body }) => body)).size).toBe(1)
  })
})

describe('a key', () => {
  const window = 60 * 60_000

  /** The answer is lost, and so much time passes until the next attempt. */
  async function lateBy(wait: number, options: { readonly onUncertain?: 'park' | 'resend' } = {}) {
    let clock = () => 0
    const opened = await Stage.open(
      request => {
        if (request.index > 0) return allYes(request)
        opened.clock.advance(wait)
        return applied(reset())
      },
      { keyHeader: 'idempotency-key', keyWindow: window, now: () => clock() },
    )
    clock = () => opened.clock.now()
    stage = opened
    const row: PlannedChange = { seq: 1, key: 'k', op: 'enter', changeId: 'c', fields: {} }
    const { totals } = await opened.deliver(
      [row],
      { idempotency: { kind: 'keyed', window }, interpret: interpretEach },
      options,
    )
    return { totals, effects: opened.server.applied.length, requests: opened.server.requests.length }
  }

  test('protects until shortly before the end of its window', async () => {
    expect(await lateBy(window - keyMargin(window) - 1_000)).toMatchObject({
      totals: { acked: 1 },
      effects: 1,
      requests: 2,
    })
  })

  test('is not trusted in the last minute of it', async () => {
    expect(await lateBy(window - keyMargin(window))).toMatchObject({ totals: { parked: 1 }, effects: 1, requests: 1 })
  })

  test('is not trusted after its window', async () => {
    expect(await lateBy(2 * window)).toMatchObject({ totals: { parked: 1 }, effects: 1, requests: 1 })
  })

  test('is not trusted when the clock was set back, because nobody knows how old it is', async () => {
    expect(await lateBy(-window)).toMatchObject({ totals: { parked: 1 }, effects: 1, requests: 1 })
  })

  test('past its window is sent again only where the project says that duplicates do no harm', async () => {
    expect(await lateBy(2 * window, { onUncertain: 'resend' })).toMatchObject({ totals: { acked: 1 }, requests: 2 })
  })
})
