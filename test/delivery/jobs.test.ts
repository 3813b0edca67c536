/** Requests that a destination takes as a job: asked about until the job has ended, by whoever is alive then, and never sent twice meanwhile. */
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Clock } from '../../src/delivery/clock.ts'
import type { Job, JobVerdict, RecordOutcome } from '../../src/delivery/destination.ts'
import { outcomeCounts, settlementOf } from '../../src/ledger/settlement.ts'
import { type Behaviour, type Received, reply, reset, type Script } from '../fault-server.ts'
import { type Far, rowsOf, Stage } from './delivery-kit.ts'

let stage: Stage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

const path = '/jobs'
const minute = 60_000

/** The far end's word for a job is what becomes of it; `each` names records in their order. */
const job: Job<unknown> = {
  deadline: 10 * minute,
  every: 1_000,
  request: reference => ({ method: 'GET', path: `${path}?id=${reference}` }),
  interpret: (received, batch): JobVerdict => {
    if (received.status === 404) return { kind: 'gone', code: 'http_404', message: 'no such job' }
    if (received.status === 401) return { kind: 'denied', code: 'http_401', message: 'who are you' }
    if (received.status !== 200) return { kind: 'unanswered', code: `http_${received.status}`, message: 'not now' }
    const {
      state,
      records = [],
      after,
    } = z
      .object({ state: z.string(), records: z.array(z.string()).optional(), after: z.number().optional() })
      .parse(received.json)
    if (state === 'pending') return { kind: 'pending', ...(after !== undefined && { after }) }
    if (state === 'acked') return { kind: 'acked' }
    if (state === 'refused') return { kind: 'refused', code: 'some', message: 'some were not taken' }
    const outcomes = batch.flatMap(({ changeId }, index): readonly RecordOutcome[] => {
      const said = records[index]
      if (said === 'acked') return [{ changeId, outcome: 'acked' }]
      return said === 'rejected' ? [{ changeId, outcome: 'rejected', code: 'bad', message: 'bad record' }] : []
    })
    return { kind: 'each', outcomes }
  },
}

const far: Far = {
  batch: { maxRecords: 10 },
  concurrency: 1,
  job,
  interpret: received =>
    received.status === 202
      ? { kind: 'accepted', reference: z.object({ job: z.string() }).parse(received.json).job }
      : { kind: 'uncertain', code: 'odd', message: 'odd' },
}
const unrepeatable: Far = { ...far, idempotency: { kind: 'none' } }

type Answers = (question: Received) => Behaviour | undefined

/** Every request becomes the job `j<index>`. */
async function against(answers: Answers, script?: Script): Promise<Stage> {
  stage = await Stage.open(script ?? (({ index }) => reply(202, { job: `j${index}` })), {
    lookup: { path, script: answers },
  })
  return stage
}

const state = (name: string, more: object = {}) => reply(200, { state: name, ...more })
const inTurn =
  (...answers: readonly Behaviour[]): Answers =>
  ({ index }) =>
    answers[Math.min(index, answers.length - 1)]

describe('a request that was taken as a job', () => {
  test('is asked about until the job has ended, and then acknowledged', async () => {
    const opened = await against(inTurn(state('pending'), state('pending'), state('acked')))
    const { totals, requests } = await opened.deliver(rowsOf(5), far)
    expect(totals).toMatchObject({ acked: 5, requests: 1, retries: 0 })
    expect(requests).toMatchObject([{ state: 'acked', attempt: 4, job: { reference: 'j0' } }])
    expect(opened.server.requests).toHaveLength(1)
    expect(opened.server.questions.map(question => question.path)).toEqual(Array(3).fill(`${path}?id=j0`))
  })

  test('waits longer each time, and as long as the destination says where it says so', async () => {
    const opened = await against(
      inTurn(...Array(4).fill(state('pending')), state('pending', { after: 7_777 }), state('acked')),
    )
    const at: number[] = []
    const context = opened.context(far)
    const destination = {
      ...context.input.destination,
      askForJob: (...args: Parameters<typeof context.input.destination.askForJob>) => {
        at.push(opened.clock.now())
        return context.input.destination.askForJob(...args)
      },
    }
    await opened.deliver(rowsOf(1), far, { destination })
    expect(at.slice(1).map((time, index) => time - (at[index] ?? 0))).toEqual([1_500, 3_000, 6_000, 12_000, 7_777])
  })

  test('ends record by record: what the job does not name is uncertain, and may go again where that changes nothing', async () => {
    const answers: Answers = ({ path: asked }) =>
      asked.endsWith('j0') ? state('each', { records: ['acked', 'rejected', 'nothing'] }) : state('acked')
    const opened = await against(answers)
    const { totals, exceptions } = await opened.deliver(rowsOf(3), far)
    expect(totals).toMatchObject({ acked: 2, rejected: 1, parked: 0, pending: 0 })
    expect(opened.server.requests.map(({ records }) => records.map(each => each.change_id))).toEqual([
      ['c1', 'c2', 'c3'],
      ['c3'],
    ])
    expect(exceptions.map(({ changeId, state: became }) => [changeId, became])).toEqual([
      ['c2', 'rejected'],
      ['c3', 'moved'],
    ])
  })

  test('parks what the job does not name, where it could not go again', async () => {
    const opened = await against(() => state('each', { records: ['acked', 'rejected', 'nothing'] }))
    const { totals } = await opened.deliver(rowsOf(3), unrepeatable)
    expect(totals).toMatchObject({ acked: 1, rejected: 1, parked: 1, pending: 0 })
    expect(opened.server.requests).toHaveLength(1)
  })

  test('is halved down to the record at fault when the job only says that there was one', async () => {
    const opened = await against(({ path: asked }) => {
      const index = Number(asked.split('=j')[1])
      const sent = opened.server.requests[index]?.records ?? []
      return state(sent.some(({ change_id: id }) => id === 'c3') ? 'refused' : 'acked')
    })
    const { totals, exceptions } = await opened.deliver(rowsOf(4), far)
    expect(totals).toMatchObject({ acked: 3, rejected: 1, pending: 0 })
    expect(exceptions.filter(each => each.state === 'rejected').map(({ changeId }) => changeId)).toEqual(['c3'])
  })

  test('is parked, not halved, when the job took some of it and nothing may be repeated', async () => {
    const opened = await against(() => state('refused'))
    const { totals } = await opened.deliver(rowsOf(4), unrepeatable)
    expect(totals).toMatchObject({ acked: 0, rejected: 0, parked: 4 })
    expect(opened.server.requests).toHaveLength(1)
  })

  test('keeps no connection and no other request waiting', async () => {
    const opened = await against(() => state(opened.server.requests.length < 8 ? 'pending' : 'acked'))
    // Time stands still until everybody has been sent to, over the one connection that there is.
    const clock: Clock = {
      now: () => opened.clock.now(),
      sleep: async (milliseconds, signal) => {
        while (opened.server.requests.length < 8 && signal?.aborted !== true) await turn()
        await opened.clock.sleep(milliseconds, signal)
      },
    }
    const { totals } = await opened.deliver(rowsOf(80), far, { clock })
    expect(totals).toMatchObject({ acked: 80, requests: 8 })
  })

  test('survives questions that are lost or refused, however many', async () => {
    const bad = [reset(), reply(500), reply(503), reset(), reply(502), reset(), reply(500), reply(500)]
    const opened = await against(inTurn(...bad, state('acked')))
    const { totals } = await opened.deliver(rowsOf(2), unrepeatable)
    expect(totals).toMatchObject({ acked: 2, parked: 0 })
    expect(opened.server.requests).toHaveLength(1)
  })
})

describe('a job that does not end', () => {
  test('is asked about once more at its deadline, and never acknowledged: what may go again is left to the next run', async () => {
    const opened = await against(() => state('pending'))
    const start = opened.clock.now()
    const { totals, requests } = await opened.deliver(rowsOf(2), far)
    expect(totals).toMatchObject({ acked: 0, parked: 0, pending: 2 })
    expect(requests).toMatchObject([{ state: 'planned', error: { code: 'job_late' } }])
    expect(opened.clock.now() - start).toBe(job.deadline)
  })

  test('is parked where it may not go again', async () => {
    const opened = await against(() => state('pending'))
    const { totals, requests } = await opened.deliver(rowsOf(2), unrepeatable)
    expect(totals).toMatchObject({ acked: 0, parked: 2, pending: 0 })
    expect(requests).toMatchObject([{ state: 'parked' }])
  })

  test.each([
    ['is left to the next run where it may go again', far, { acked: 0, parked: 0, pending: 2 }],
    ['is parked where it may not', unrepeatable, { acked: 0, parked: 2, pending: 0 }],
  ])('while a run is told to stop is not waited for: it %s', async (_what, definition, ends) => {
    const opened = await against(() => state('pending'))
    const controller = new AbortController()
    const clock: Clock = {
      now: () => opened.clock.now(),
      sleep: async (milliseconds, signal) => {
        if (opened.server.questions.length > 0) controller.abort()
        await opened.clock.sleep(milliseconds, signal)
      },
    }
    const { totals } = await opened.deliver(rowsOf(2), definition, { clock, signal: controller.signal })
    expect(totals).toMatchObject({ ...ends, stopped: { kind: 'interrupted' } })
    expect(opened.server.questions).toHaveLength(1)
  })

  test('stops nothing else', async () => {
    const opened = await against(({ path: asked }) => state(asked.endsWith('j0') ? 'pending' : 'acked'))
    const { totals } = await opened.deliver(rowsOf(30), far)
    expect(totals).toMatchObject({ acked: 20, pending: 10 })
    expect(totals.stopped).toBeUndefined()
  })
})

describe('a job that is gone', () => {
  const once: Answers = ({ path: asked }) => (asked.endsWith('j0') ? reply(404) : state('acked'))

  test('is as good as a lost answer: what may go again goes again', async () => {
    const opened = await against(once)
    const { totals } = await opened.deliver(rowsOf(2), far)
    expect(totals).toMatchObject({ acked: 2, requests: 1, retries: 1 })
    expect(opened.server.requests[1]?.body).toBe(opened.server.requests[0]?.body)
  })

  test('and what may not is parked', async () => {
    const opened = await against(once)
    const { totals } = await opened.deliver(rowsOf(2), unrepeatable)
    expect(totals).toMatchObject({ acked: 0, parked: 2 })
    expect(opened.server.requests).toHaveLength(1)
  })
})

test('a yes that cannot be asked about is no yes', async () => {
  const { job: _none, ...mute } = far
  const opened = await against(() => state('acked'))
  const { totals } = await opened.deliver(rowsOf(1), { ...mute, idempotency: { kind: 'none' } })
  expect(totals).toMatchObject({ acked: 0, parked: 1 })
})

test('credentials that are refused while a job goes on end the run, and acknowledge nothing', async () => {
  const opened = await against(() => reply(401))
  const { totals } = await opened.deliver(rowsOf(2), unrepeatable)
  expect(totals).toMatchObject({ acked: 0, parked: 2, stopped: { kind: 'credentials' } })
})

describe('a run that died while a job went on', () => {
  /** Dies as soon as the ledger has the job: the clock never moves again. */
  async function dieWaiting(opened: Stage, definition: Far): Promise<void> {
    const controller = new AbortController()
    const ledger = {
      ...opened.ledger,
      conclude: async (...args: Parameters<typeof opened.ledger.conclude>) => {
        await opened.ledger.conclude(...args)
        throw new Error('killed')
      },
    }
    const died = opened.deliver(rowsOf(3), definition, { ledger, signal: controller.signal })
    await expect(died).rejects.toThrow('killed')
    await opened.takeOver()
  }

  test.each([
    ['that may be repeated', far],
    ['that may not', unrepeatable],
  ])('leaves its name in the ledger, and the next asks about it instead of sending again: one %s', async (_what, definition) => {
    const opened = await against(inTurn(state('pending'), state('acked')))
    await dieWaiting(opened, definition)
    expect(await opened.ledger.requests('run')).toMatchObject([
      { state: 'uncertain', attempt: 1, job: { reference: 'j0', acceptedAt: opened.clock.now() } },
    ])
    const { totals, requests } = await opened.redeliver(rowsOf(3), definition)
    expect(totals).toMatchObject({ acked: 3, parked: 0, pending: 0 })
    expect(requests).toMatchObject([{ state: 'acked' }])
    expect(opened.server.requests).toHaveLength(1)
    expect(opened.server.questions).toHaveLength(2)
  })

  test('is asked about even when its deadline is long over', async () => {
    const opened = await against(() => state('acked'))
    await dieWaiting(opened, unrepeatable)
    opened.clock.advance(24 * 60 * minute)
    const { totals } = await opened.redeliver(rowsOf(3), unrepeatable)
    expect(totals).toMatchObject({ acked: 3 })
  })

  test('and has still not ended then, is parked or left to the next run, and never acknowledged', async () => {
    const opened = await against(() => state('pending'))
    await dieWaiting(opened, unrepeatable)
    opened.clock.advance(24 * 60 * minute)
    const { totals } = await opened.redeliver(rowsOf(3), unrepeatable)
    expect(totals).toMatchObject({ acked: 0, parked: 3 })
    expect(opened.server.questions).toHaveLength(1)
  })

  test('is settled by hand where the project has no such action any more', async () => {
    const opened = await against(() => state('acked'))
    await dieWaiting(opened, unrepeatable)
    const { job: _none, ...mute } = unrepeatable
    const { totals } = await opened.redeliver(rowsOf(3), mute)
    expect(totals).toMatchObject({ acked: 0, parked: 3 })
    expect(opened.server.questions).toHaveLength(0)
  })
})

describe('a refusal of a whole request that names who is at fault', () => {
  test('refuses those, and sends the others once more without them', async () => {
    const bad = new Set(['c2', 'c4'])
    const script: Script = ({ records }) =>
      records.some(({ change_id: id }) => bad.has(id)) ? reply(400, { bad: [...bad] }) : reply(200, { ok: true })
    const interpret: Far['interpret'] = (received, batch) => {
      if (received.status === 200) return { kind: 'acked' }
      const faults = batch
        .filter(({ changeId }) => bad.has(changeId))
        .map(({ changeId }) => ({ changeId, code: 'bad', message: 'bad record' }))
      return { kind: 'refused', code: 'http_400', message: 'no', faults }
    }
    const opened = await against(() => undefined, script)
    const { totals, exceptions } = await opened.deliver(rowsOf(5), { ...unrepeatable, interpret })
    expect(totals).toMatchObject({ acked: 3, rejected: 2, parked: 0, pending: 0, requests: 2 })
    expect(opened.server.applied).toEqual(['c1', 'c3', 'c5'])
    expect(exceptions.filter(each => each.state === 'rejected')).toMatchObject([
      { changeId: 'c2', code: 'bad', message: 'bad record' },
      { changeId: 'c4', code: 'bad', message: 'bad record' },
    ])
  })
})

describe('whatever a destination says of jobs, and whenever the run dies', () => {
  const words = ['pending', 'acked', 'each', 'refused', 'gone', 'broken', 'lost'] as const
  const behaviours = {
    pending: () => state('pending'),
    acked: () => state('acked'),
    each: () => state('each', { records: ['acked', 'rejected', 'nothing'] }),
    refused: () => state('refused'),
    gone: () => reply(404),
    broken: () => reply(500),
    lost: () => reset(),
  } satisfies Record<(typeof words)[number], () => Behaviour>

  test('every record has one outcome, a yes comes from a job, and what may not go twice goes once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...words), { maxLength: 12 }),
        fc.boolean(),
        fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
        async (said, repeatable, dies) => {
          const rows = rowsOf(6)
          const taken = new Set<string>()
          const opened: Stage = await Stage.open(({ index }) => reply(202, { job: `j${index}` }), {
            lookup: {
              path,
              script: ({ index, path: asked }) => {
                const word = said[index] ?? 'acked'
                const sent = opened.server.requests[Number(asked.split('=j')[1])]?.records ?? []
                const yes = word === 'acked' ? sent : word === 'each' ? sent.slice(0, 1) : []
                for (const { change_id: id } of yes) taken.add(id)
                return behaviours[word]()
              },
            },
          })
          try {
            const definition: Far = { ...(repeatable ? far : unrepeatable), batch: { maxRecords: 3 } }
            let concluded = 0
            const ledger: Stage['ledger'] = {
              ...opened.ledger,
              conclude: async (...args) => {
                const won = await opened.ledger.conclude(...args)
                concluded += 1
                if (concluded === dies) throw new Error('killed')
                return won
              },
            }
            const died = await opened.deliver(rows, definition, { ledger }).then(
              () => false,
              (error: unknown) => {
                if (!(error instanceof Error) || error.message !== 'killed') throw error
                return true
              },
            )
            if (died) {
              await opened.takeOver()
              await opened.redeliver(rows, definition)
            }
            const settled = settlementOf(await opened.ledger.requests('run'), await opened.ledger.exceptions('run'))
            const acked = rows.filter(({ seq }) => settled.acked.some(range => range.from <= seq && seq <= range.to))
            expect(acked.filter(({ changeId }) => !taken.has(changeId))).toEqual([])
            const { acked: yes, rejected, parked, pending } = outcomeCounts(settled, rows.length)
            expect(Math.min(yes, rejected, parked, pending)).toBeGreaterThanOrEqual(0)
            expect(yes).toBe(acked.length)
            const sent = opened.server.requests.flatMap(({ records }) => records.map(each => each.change_id))
            if (!repeatable) expect(new Set(sent).size).toBe(sent.length)
            const open = (await opened.ledger.requests('run')).filter(each =>
              ['sending', 'uncertain'].includes(each.state),
            )
            expect(open).toEqual([])
          } finally {
            await opened.close()
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})
