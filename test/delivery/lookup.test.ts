/** Idempotency `lookup`: what may have arrived is asked about, and only what is surely absent is sent again. */
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Clock } from '../../src/delivery/clock.ts'
import { defineDestination, type LookupVerdict } from '../../src/delivery/destination.ts'
import type { AttemptHooks } from '../../src/delivery/http-attempt.ts'
import { openHttpDestination } from '../../src/delivery/open-destination.ts'
import type { PlannedChange } from '../../src/plan/plan.ts'
import {
  applied,
  type Behaviour,
  drip,
  type FaultServerOptions,
  fin,
  ok,
  type Received,
  reply,
  reset,
  type Script,
  stall,
  truncated,
} from '../fault-server.ts'
import { askFar, type Far, lookupPath, rowsOf, Stage } from './delivery-kit.ts'
import { allYes, interpretEach } from './faults.ts'

let stage: Stage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

const settle = 60_000
const single: Far = { idempotency: { kind: 'lookup', settle }, concurrency: 1 }
const hundred: Far = { ...single, batch: { maxRecords: 100 } }

async function against(
  script: Script,
  more: Omit<FaultServerOptions, 'lookup' | 'now'> & LookupOptions = {},
): Promise<Stage> {
  const { answerBadly, ...options } = more
  let clock = () => 0
  const opened = await Stage.open(script, {
    ...options,
    now: () => clock(),
    lookup: { path: lookupPath, ...(answerBadly && { script: answerBadly }) },
  })
  clock = () => opened.clock.now()
  stage = opened
  return opened
}

interface LookupOptions {
  readonly answerBadly?: (question: Received) => Behaviour | undefined
}

const lost = (which: boolean | ((id: string) => boolean)): Behaviour =>
  applied(reset(), typeof which === 'boolean' ? which : ({ change_id }) => which(change_id))
const once =
  (behaviour: Behaviour): Script =>
  ({ index }) =>
    index === 0 ? behaviour : ok()
const asked = (opened: Stage) =>
  opened.server.questions.map(({ path }) => path.replace(`${lookupPath}?ids=`, '').split(','))
const sorted = (ids: readonly string[]) => [...ids].sort()
const ids = (rows: readonly PlannedChange[]) => rows.map(({ changeId }) => changeId)

describe('an answer that was lost', () => {
  test('is asked for once the settle time is over, and what is found is acknowledged', async () => {
    const opened = await against(once(lost(true)))
    const start = opened.clock.now()
    const { totals, requests } = await opened.deliver(rowsOf(1), single)
    expect(opened.clock.now() - start).toBeGreaterThanOrEqual(settle)
    expect(totals).toMatchObject({ acked: 1, parked: 0, requests: 1, retries: 0 })
    expect(requests).toMatchObject([{ state: 'acked' }])
    expect(opened.server.applied).toEqual(['c1'])
    expect(asked(opened)).toEqual([['c1']])
  })

  test('and is absent: the same request is sent again, with the same key and the same bytes', async () => {
    const opened = await against(once(lost(false)))
    const { totals, requests } = await opened.deliver(rowsOf(3), hundred)
    expect(totals).toMatchObject({ acked: 3, requests: 1, retries: 1 })
    expect(requests).toMatchObject([{ state: 'acked', members: { from: 1, to: 3 } }])
    const [first, second] = opened.server.requests
    expect(second?.body).toBe(first?.body)
    expect(second?.headers['idempotency-key']).toBe(first?.headers['idempotency-key'])
    expect(opened.server.applied).toEqual(['c1', 'c2', 'c3'])
  })

  test('and is there in part: only the rest is sent, in a request of its own', async () => {
    const opened = await against(once(lost(id => id !== 'c2')))
    const { totals, requests } = await opened.deliver(rowsOf(4), hundred)
    expect(totals).toMatchObject({ acked: 4, parked: 0, requests: 2 })
    expect(opened.server.requests[1]?.records.map(({ change_id }) => change_id)).toEqual(['c2'])
    expect(requests[1]?.members).toEqual({ from: 2, to: 2 })
    expect(sorted(opened.server.applied)).toEqual(['c1', 'c2', 'c3', 'c4'])
  })

  test('keeps no connection and no other row waiting', async () => {
    const opened = await against(once(lost(true)))
    // Time stands still until everybody else has been sent to.
    const clock: Clock = {
      now: () => opened.clock.now(),
      sleep: async (milliseconds, signal) => {
        while (opened.server.applied.length < 20 && signal?.aborted !== true) await turn()
        await opened.clock.sleep(milliseconds, signal)
      },
    }
    const { totals } = await opened.deliver(rowsOf(20), single, { clock })
    expect(totals).toMatchObject({ acked: 20, requests: 20 })
    expect(opened.server.applied).toEqual(ids(rowsOf(20)))
    expect(asked(opened)).toEqual([['c1']])
  })

  test('waits in any number beside those that are still to be sent', async () => {
    const rows = rowsOf(300)
    const opened = await against(({ index }) => (index % 4 === 0 ? lost(true) : ok()))
    const clock: Clock = {
      now: () => opened.clock.now(),
      sleep: async (milliseconds, signal) => {
        while (opened.server.applied.length < rows.length && signal?.aborted !== true) await turn()
        await opened.clock.sleep(milliseconds, signal)
      },
    }
    const { totals } = await opened.deliver(rows, single, { clock })
    expect(totals).toMatchObject({ acked: 300, parked: 0, retries: 0 })
    expect(opened.server.questions).toHaveLength(75)
    expect(opened.server.applied).toEqual(ids(rows))
  })

  test('is written down with the instant at which it is to be asked about', async () => {
    const opened = await against(once(lost(true)))
    let seen: unknown
    const destination = opened.destination(single)
    await opened.deliver(rowsOf(2), single, {
      destination: {
        ...destination,
        attempt: async (...given) => {
          const [left] = await opened.ledger.requests('run', ['uncertain'])
          seen ??= left?.nextAttemptAt
          return destination.attempt(...given)
        },
      },
    })
    expect(seen).toBeGreaterThanOrEqual(Date.UTC(2026, 2, 1) + settle)
  })

  test('of many records is asked for in questions that are short enough', async () => {
    const opened = await against(once(lost(id => Number(id.slice(1)) % 2 === 0)))
    const far: Far = { ...hundred, lookup: { ...askFar, maxRecords: 3 } }
    const { totals } = await opened.deliver(rowsOf(8), far)
    expect(asked(opened)).toEqual([
      ['c1', 'c2', 'c3'],
      ['c4', 'c5', 'c6'],
      ['c7', 'c8'],
    ])
    expect(totals).toMatchObject({ acked: 8 })
    expect(sorted(opened.server.applied)).toEqual(ids(rowsOf(8)))
  })

  test('counts as a send no more than it is one: six sends that are surely absent leave the row to the next run', async () => {
    const opened = await against(() => lost(false))
    const { totals, requests } = await opened.deliver(rowsOf(1), single)
    expect(totals).toMatchObject({ pending: 1, parked: 0, retries: 5 })
    expect(requests).toMatchObject([{ state: 'planned' }])
    expect(opened.server.requests).toHaveLength(6)
    expect(opened.server.questions).toHaveLength(6)
  })

  test('is asked for while the rate limit is kept', async () => {
    const opened = await against(once(lost(false)))
    const times: number[] = []
    const real = opened.destination({ ...single, limits: [{ requests: 1, perMilliseconds: 300_000 }] })
    const noting = (hooks: AttemptHooks | undefined): AttemptHooks => ({
      ...hooks,
      onLeaving: () => {
        times.push(opened.clock.now())
        return hooks?.onLeaving?.() ?? true
      },
    })
    const destination: typeof real = {
      ...real,
      attempt: (prepared, at, hooks) => real.attempt(prepared, at, noting(hooks)),
      ask: (action, changes, at, hooks) => real.ask(action, changes, at, noting(hooks)),
    }
    expect((await opened.deliver(rowsOf(1), single, { destination })).totals).toMatchObject({ acked: 1 })
    expect(times).toHaveLength(3)
    times.slice(1).forEach((time, index) => {
      expect(time - (times[index] ?? 0)).toBeGreaterThanOrEqual(300_000)
    })
  })
})

describe('single records of which the reply does not speak', () => {
  test('are asked about, and the others are done', async () => {
    const words = ['acked', 'uncertain', 'rejected', 'retry']
    const opened = await against(request =>
      request.index > 0
        ? allYes(request)
        : applied(
            reply(207, { results: request.records.map(({ change_id }, i) => ({ id: change_id, status: words[i] })) }),
            ({ change_id }) => change_id === 'c1' || change_id === 'c2',
          ),
    )
    const { totals } = await opened.deliver(rowsOf(4), { ...hundred, interpret: interpretEach })
    expect(asked(opened)).toEqual([['c2']])
    expect(totals).toMatchObject({ acked: 3, rejected: 1 })
    expect(sorted(opened.server.applied)).toEqual(['c1', 'c2', 'c4'])
  })
})

/** What may go wrong with a question. */
const badAnswers: readonly (readonly [string, () => Behaviour])[] = [
  ['a stall', stall],
  ['a slow drip', () => drip()],
  ['a reset', () => reset()],
  ['an end', () => fin()],
  ['a truncated body', truncated],
  ['a page', () => reply(200, '<html>')],
  ['nothing', () => reply(200)],
  ['another shape', () => reply(200, { found: 'c1' })],
  ['a 404', () => reply(404)],
  ['a 429', () => reply(429, '', { 'retry-after': '2' })],
  ['a 500', () => reply(500)],
  ['a 503 with Retry-After', () => reply(503, '', { 'retry-after': '2' })],
]

describe('a question that is answered by', () => {
  test.each(badAnswers)('%s is asked again', async (_name, bad) => {
    const opened = await against(once(lost(true)), { answerBadly: ({ index }) => (index === 0 ? bad() : undefined) })
    const { totals } = await opened.deliver(rowsOf(2), { ...single, timeout: 400 })
    expect(totals).toMatchObject({ acked: 2, parked: 0 })
    expect(opened.server.questions).toHaveLength(2)
    expect(opened.server.applied).toEqual(['c1', 'c2'])
  })

  test.each(badAnswers)('%s each time leaves the row to a person', async (name, bad) => {
    const opened = await against(once(lost(true)), { answerBadly: bad })
    const budget = { maxAttempts: 2, maxThrottleWait: 5_000 }
    const { totals, exceptions } = await opened.deliver(rowsOf(3), { ...single, timeout: 400 }, { retry: budget })
    expect({ name, ...totals }).toMatchObject({ name, acked: 2, parked: 1, pending: 0 })
    expect(exceptions).toMatchObject([{ seq: 1, state: 'parked' }])
    expect(sorted(opened.server.applied)).toEqual(['c1', 'c2', 'c3'])
  })

  test('a refusal of the credentials ends delivery, and nothing is sent by guess', async () => {
    const opened = await against(once(lost(true)), { answerBadly: () => reply(403) })
    const { totals } = await opened.deliver(rowsOf(1), single)
    expect(totals).toMatchObject({ parked: 1, stopped: { kind: 'credentials', code: 'A6001' } })
    expect(opened.server.applied).toEqual(['c1'])
  })

  test('something unclear about some keeps what is clear about the others', async () => {
    const findings: Readonly<Record<string, 'found' | 'absent'>> = { c1: 'found', c2: 'absent' }
    const interpret = (_reply: unknown, batch: readonly { readonly changeId: string }[]): LookupVerdict => ({
      kind: 'each',
      findings: batch.map(({ changeId }) => ({ changeId, finding: findings[changeId] ?? 'unknown' })),
    })
    const opened = await against(once(lost(id => id === 'c1' || id === 'c3')))
    const far: Far = { ...hundred, lookup: { ...askFar, interpret } }
    const { totals, exceptions } = await opened.deliver(rowsOf(3), far)
    expect(totals).toMatchObject({ acked: 2, parked: 1 })
    expect(exceptions).toContainEqual(expect.objectContaining({ seq: 3, state: 'parked', code: 'lookup_unclear' }))
    expect(sorted(opened.server.applied)).toEqual(['c1', 'c2', 'c3'])
    // Six rounds, each after another settle time, about the one that is unclear.
    expect(asked(opened)).toEqual([['c1', 'c2', 'c3'], ...Array(5).fill(['c3'])])
  })

  test('silence, where the project says that duplicates do no harm: it is sent again', async () => {
    const opened = await against(once(lost(true)), { answerBadly: () => reply(500) })
    const { totals } = await opened.deliver(rowsOf(1), single, { onUncertain: 'resend' })
    expect(totals).toMatchObject({ acked: 1, parked: 0 })
    expect(opened.server.applied).toEqual(['c1', 'c1'])
  })
})

describe('what a look-up cannot promise', () => {
  test('a destination that shows what it has later than it says: asked too early, it is told twice', async () => {
    const opened = await against(once(lost(true)), { lag: 2 * settle })
    await opened.deliver(rowsOf(1), single)
    expect(opened.server.applied).toEqual(['c1', 'c1'])
  })
})

describe('somebody who opted out meanwhile', () => {
  const optOut = { code: 'suppression.opt_out', message: 'opted out' }
  const optedOut = (opened: Stage) => async (changes: readonly PlannedChange[]) => ({
    withdrawn: new Map(
      opened.server.requests.length === 0
        ? []
        : changes.filter(({ key }) => key === 'k2').map(({ seq }) => [seq, optOut]),
    ),
  })

  test('is still asked about, because a question touches nobody', async () => {
    const opened = await against(once(lost(true)))
    const { totals } = await opened.deliver(rowsOf(3), hundred, { recheck: optedOut(opened) })
    expect(totals).toMatchObject({ acked: 3, withdrawn: 0 })
  })

  test('is not sent to again', async () => {
    const opened = await against(once(lost(false)))
    const { totals } = await opened.deliver(rowsOf(3), hundred, { recheck: optedOut(opened) })
    expect(totals).toMatchObject({ acked: 2, pending: 1, withdrawn: 1 })
    expect(sorted(opened.server.applied)).toEqual(['c1', 'c3'])
  })
})

describe('after a crash', () => {
  async function dieWhile(opened: Stage, rows: readonly PlannedChange[], far: Far): Promise<void> {
    const ledger = {
      begin: opened.ledger.begin.bind(opened.ledger),
      move: async () => 0,
      conclude: () => Promise.reject(new Error('killed')),
    }
    await expect(opened.deliver(rows, far, { ledger })).rejects.toThrow('killed')
    await opened.takeOver()
  }

  test.each([
    ['all of it is there', () => true, ['c1', 'c2', 'c3']],
    ['nothing is there', () => false, ['c1', 'c2', 'c3']],
    ['some of it is there', (id: string) => id !== 'c3', ['c1', 'c2', 'c3']],
  ] as const)('asks before it sends anything: %s', async (_name, which, expected) => {
    const opened = await against(once(lost(which)), { lag: settle - 1 })
    await dieWhile(opened, rowsOf(3), hundred)
    const { totals, requests } = await opened.redeliver(rowsOf(3), hundred)
    expect(totals).toMatchObject({ acked: 3, parked: 0, pending: 0 })
    expect(sorted(opened.server.applied)).toEqual(expected)
    expect(requests.every(({ state }) => state === 'acked')).toBe(true)
  })

  test('waits no longer than it was written down', async () => {
    const opened = await against(once(lost(true)))
    const controller = new AbortController()
    const { ledger } = opened
    // Dies while the request is settling, with that written down.
    const dying = {
      begin: ledger.begin.bind(ledger),
      move: ledger.move.bind(ledger),
      conclude: async (...given: Parameters<typeof ledger.conclude>) => {
        await ledger.conclude(...given)
        throw new Error('killed')
      },
    }
    await expect(opened.deliver(rowsOf(1), single, { ledger: dying, signal: controller.signal })).rejects.toThrow(
      'killed',
    )
    const [left] = await ledger.requests('run')
    expect(left).toMatchObject({ state: 'uncertain' })
    opened.clock.advance(settle - 10_000)
    await opened.takeOver()
    const start = opened.clock.now()
    expect((await opened.redeliver(rowsOf(1), single)).totals).toMatchObject({ acked: 1 })
    expect(opened.clock.now()).toBeGreaterThanOrEqual(left?.nextAttemptAt ?? Number.POSITIVE_INFINITY)
    expect(opened.clock.now() - start).toBeLessThan(settle)
  })

  test('in the middle of a question, asks once more', async () => {
    const opened = await against(once(lost(true)))
    const { ledger } = opened
    let concluded = 0
    const dying = {
      begin: ledger.begin.bind(ledger),
      move: ledger.move.bind(ledger),
      conclude: async (...given: Parameters<typeof ledger.conclude>) => {
        concluded += 1
        if (concluded > 1) throw new Error('killed')
        return ledger.conclude(...given)
      },
    }
    await expect(opened.deliver(rowsOf(1), single, { ledger: dying })).rejects.toThrow('killed')
    await opened.takeOver()
    expect((await opened.redeliver(rowsOf(1), single)).totals).toMatchObject({ acked: 1 })
    expect(opened.server.questions).toHaveLength(2)
    expect(opened.server.applied).toEqual(['c1'])
  })

  describe.each([
    [500, 'unreachable'],
    [403, 'credentials'],
  ] as const)('when the question is answered with %d', (status, kind) => {
    test('asks again in the next recovery, and nothing is parked', async () => {
      let bad = true
      const opened = await against(once(lost(true)), { answerBadly: () => (bad ? reply(status) : undefined) })
      await dieWhile(opened, rowsOf(2), hundred)
      const { totals, requests } = await opened.redeliver(rowsOf(2), hundred)
      expect(totals).toMatchObject({ parked: 0, open: 2, stopped: { kind } })
      expect(requests).toMatchObject([{ state: 'uncertain' }])
      bad = false
      await opened.takeOver()
      expect((await opened.redeliver(rowsOf(2), hundred)).totals).toMatchObject({ acked: 2, open: 0 })
      expect(opened.server.requests).toHaveLength(1)
    })

    test('leaves it to a person after three days', async () => {
      const opened = await against(once(lost(true)), { answerBadly: () => reply(status) })
      await dieWhile(opened, rowsOf(2), hundred)
      opened.clock.advance(3 * 86_400_000)
      const { totals, requests } = await opened.redeliver(rowsOf(2), hundred)
      expect(totals).toMatchObject({ parked: 2, open: 0 })
      expect(requests).toMatchObject([{ state: 'parked' }])
      expect(opened.server.requests).toHaveLength(1)
    })
  })
})

describe('Ctrl-C while a request settles', () => {
  test('leaves it in doubt with the instant at which it is to be asked about, and who takes over asks', async () => {
    const controller = new AbortController()
    const opened = await against(() => {
      controller.abort()
      return lost(true)
    })
    const { totals, requests } = await opened.deliver(rowsOf(2), hundred, { signal: controller.signal })
    expect(totals).toMatchObject({ parked: 0, pending: 2, open: 2, stopped: { kind: 'interrupted' } })
    expect(requests).toMatchObject([{ state: 'uncertain', nextAttemptAt: expect.any(Number) }])
    expect(opened.server.questions).toEqual([])
    expect((await opened.redeliver(rowsOf(2), hundred)).totals).toMatchObject({ acked: 2, open: 0 })
    expect(opened.server.questions).toHaveLength(1)
  })
})

describe('a destination that does not say how it is asked', () => {
  test('is refused when it is opened', () => {
    const definition = defineDestination({
      name: 'mute',
      summary: '',
      settings: z.object({}),
      baseUrl: () => 'http://127.0.0.1:1',
      allowPrivateNetwork: () => true,
      limits: () => [],
      concurrency: () => 1,
      actions: () => ({ send: { summary: '', modes: ['append'], idempotency: { kind: 'lookup', settle } } }),
    })
    expect(() => openHttpDestination(definition, {}, { name: 'mute' })).toThrow(/A6011/)
  })
})
