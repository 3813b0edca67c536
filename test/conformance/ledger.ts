/** What every ledger must do, whatever engine it is kept in. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChangeException, Conclusion, Holder, Lease, Ledger, NewRequest } from '../../src/ledger/ledger.ts'
import { eventBetween, type RequestState, requestStates } from '../../src/ledger/request.ts'
import { expectCode } from '../ledger/expect-code.ts'
import { describeGovernance } from './ledger-governance.ts'
import { describeLetters } from './ledger-letters.ts'
import { describeReports } from './ledger-reports.ts'
import { describeUsage } from './ledger-usage.ts'

const minute = 60_000
const nobodyIsGone = () => false

/** `open` opens an empty ledger. */
export function describeLedger(name: string, open: () => Promise<Ledger>): void {
  describeGovernance(name, open)
  describeUsage(name, open)
  describeLetters(name, open)
  describeReports(name, open)

  let ledger: Ledger
  let made = 0

  beforeAll(async () => {
    ledger = await open()
  })
  afterAll(() => ledger.close())

  const fresh = (what: string) => `${what}${++made}`
  const holder = (): Holder => ({ host: 'here', pid: ++made, token: `token${made}` })

  async function acquire(scope: string, now = 0, ttl = minute): Promise<Lease> {
    const answer = await ledger.acquire(scope, holder(), now, ttl, () => true)
    if (answer.kind !== 'acquired') throw new Error(`${scope} is locked`)
    return answer.lease
  }

  /** A sync of its own with a lease and a run under way. */
  async function running() {
    const sync = fresh('sync')
    const lease = await acquire(`sync:${sync}`)
    const runId = fresh('run')
    await ledger.startRun({ runId, sync, asOf: 5, startedAt: 10 }, lease)
    return { sync, lease, runId }
  }

  const request = (runId: string, change: Partial<NewRequest> = {}): NewRequest => ({
    ...{ requestId: fresh('request'), runId, destination: 'crm', action: 'upsert', members: { from: 1, to: 100 } },
    ...{ idempotencyKey: 'key', bodyHash: 'hash' },
    ...change,
  })

  const conclusion = (requestId: string, state: Conclusion['state'], change: Partial<Conclusion> = {}): Conclusion => ({
    ...{ requestId, attempt: 1, state, at: 30, exceptions: [] },
    ...change,
  })

  const exception = (seq: number, state: ChangeException['state'], message = 'no'): ChangeException => ({
    ...{ seq, key: `c${seq}`, changeId: `id${seq}`, state, code: 'refused', message },
  })

  /** Without the key, of which the ledger gives back nothing. */
  const recorded = ({ key: _, ...rest }: ChangeException, requestId: string) => ({ ...rest, requestId })

  async function stateOf(runId: string, requestId: string) {
    return (await ledger.requests(runId)).find(found => found.requestId === requestId)?.state
  }

  describe(`${name}: leases`, () => {
    test('lets one holder in, and tells the others who it is and until when', async () => {
      const scope = fresh('scope')
      const [first, second] = [holder(), holder()]
      const answer = await ledger.acquire(scope, first, 1_000, minute, nobodyIsGone)
      expect(answer).toEqual({ kind: 'acquired', lease: { scope, holder: first, fence: 1, expiresAt: 61_000 } })
      expect(await ledger.acquire(scope, second, 2_000, minute, nobodyIsGone)).toEqual({
        ...{ kind: 'locked', by: first, until: 61_000 },
      })
      expect(await ledger.leases(0)).toContainEqual({ scope, holder: first, fence: 1, expiresAt: 61_000 })
    })

    test('is free after a release, with a higher fence and nobody to take over from', async () => {
      const scope = fresh('scope')
      const lease = await acquire(scope)
      await ledger.release(lease)
      expect((await ledger.leases(0)).map(held => held.scope)).not.toContain(scope)
      const next = await ledger.acquire(scope, holder(), 1, minute, nobodyIsGone)
      expect(next).toMatchObject({ kind: 'acquired', lease: { fence: 2 } })
      expect(next).not.toHaveProperty('from')
    })

    test('is taken over once it has run out, naming who left it', async () => {
      const scope = fresh('scope')
      const lease = await acquire(scope, 0, 1_000)
      expect(await ledger.acquire(scope, holder(), 999, minute, nobodyIsGone)).toMatchObject({ kind: 'locked' })
      expect(await ledger.acquire(scope, holder(), 1_000, minute, nobodyIsGone)).toMatchObject({
        ...{ kind: 'acquired', lease: { fence: 2 }, from: lease.holder },
      })
    })

    test('is taken over at once from a holder that is gone', async () => {
      const scope = fresh('scope')
      const lease = await acquire(scope)
      const next = await ledger.acquire(scope, holder(), 1, minute, asked => asked.token === lease.holder.token)
      expect(next).toMatchObject({ kind: 'acquired', lease: { fence: 2 }, from: lease.holder })
    })

    test('is renewed by its holder, even late, until somebody takes it over', async () => {
      const scope = fresh('scope')
      const lease = await acquire(scope, 0, 1_000)
      const renewed = await ledger.renew(lease, 5_000, 1_000)
      expect(renewed).toEqual({ ...lease, expiresAt: 6_000 })
      expect(await ledger.acquire(scope, holder(), 5_500, 1_000, nobodyIsGone)).toMatchObject({ kind: 'locked' })
      const next = await acquire(scope, 6_000)
      await expectCode('A5003', ledger.renew(renewed, 6_001, 1_000))
      await ledger.release(renewed)
      expect(await ledger.leases(0)).toContainEqual(next)
    })

    test('cannot be renewed after its release', async () => {
      const lease = await acquire(fresh('scope'))
      await ledger.release(lease)
      await expectCode('A5003', ledger.renew(lease, 1, minute))
    })
  })

  describe(`${name}: runs`, () => {
    test('remembers a run as it was started and as it was changed', async () => {
      const { sync, lease, runId } = await running()
      const started = { runId, sync, asOf: 5, startedAt: 10, status: 'running', fence: lease.fence, settled: false }
      expect(await ledger.runs({ sync })).toEqual([started])
      const change = {
        ...{ finishedAt: 20, status: 'partial' as const, planHash: 'abc', plan: { rows: { model: 3 } }, requests: 4 },
        ...{
          outcomes: { acked: 1, rejected: 2, parked: 3, pending: 4 },
          retries: 1,
          settled: true,
          outbox: 'outbox__1',
          mapping: '{}',
        },
        ...{ error: { code: 'A6001', message: 'down' } },
      }
      await ledger.updateRun(runId, change, lease)
      expect(await ledger.runs({ sync })).toEqual([{ ...started, ...change }])
      await ledger.updateRun(runId, {}, lease)
      expect(await ledger.runs({ sync })).toEqual([{ ...started, ...change }])
    })

    test('lists them newest first, by sync, by number and by what is left to settle', async () => {
      const { sync, lease, runId: first } = await running()
      const [second, third] = [fresh('run'), fresh('run')]
      await ledger.startRun({ runId: third, sync, asOf: 1, nominalAt: 7, startedAt: 30 }, lease)
      await ledger.startRun({ runId: second, sync, asOf: 1, startedAt: 20 }, lease)
      await ledger.updateRun(second, { settled: true }, lease)
      const ids = async (filter: Parameters<Ledger['runs']>[0]) => (await ledger.runs(filter)).map(run => run.runId)
      expect(await ids({ sync })).toEqual([third, second, first])
      expect(await ids({ sync, limit: 2 })).toEqual([third, second])
      expect(await ids({ sync, unsettled: true })).toEqual([third, first])
      expect(await ids({})).toEqual(expect.arrayContaining([first, second, third]))
      expect((await ledger.runs({ sync, limit: 1 }))[0]?.nominalAt).toBe(7)
    })

    test('knows no other runs', async () => {
      const { lease } = await running()
      await expectCode('A5009', ledger.updateRun('nonsense', { settled: true }, lease))
    })
  })

  describe(`${name}: requests`, () => {
    test('records the intent to send before it is sent, and what came of it', async () => {
      const { lease, runId } = await running()
      const [whole, part] = [request(runId), request(runId, { members: { seqs: [101, 103] }, action: 'remove' })]
      expect(await ledger.begin([whole, part], 20, lease)).toEqual([
        { requestId: whole.requestId, attempt: 1 },
        { requestId: part.requestId, attempt: 1 },
      ])
      const sending = { state: 'sending', attempt: 1, fence: lease.fence, firstSentAt: 20 }
      expect(await ledger.requests(runId)).toEqual([
        { ...whole, ...sending },
        { ...part, ...sending },
      ])
      const error = { code: 'rate_limited', message: 'slow down' }
      const postponed = conclusion(part.requestId, 'planned', { nextAttemptAt: 99, error })
      expect(await ledger.conclude(conclusion(whole.requestId, 'acked'), lease)).toBe(true)
      expect(await ledger.conclude(postponed, lease)).toBe(true)
      expect(await ledger.requests(runId, ['planned'])).toEqual([
        { ...part, ...sending, state: 'planned', nextAttemptAt: 99, error },
      ])
      expect(await ledger.begin([part], 120, lease)).toEqual([{ requestId: part.requestId, attempt: 2 }])
      expect(await ledger.requests(runId, ['sending'])).toEqual([{ ...part, ...sending, attempt: 2 }])
      expect(await ledger.countByState(runId)).toEqual({
        ...{ planned: 0, sending: 1, acked: 1, rejected: 0, uncertain: 0, parked: 0, dead: 0, cancelled: 0 },
      })
    })

    test('lets only one conclusion of an attempt win', async () => {
      const { lease, runId } = await running()
      const sent = request(runId)
      await ledger.begin([sent], 20, lease)
      const late = conclusion(sent.requestId, 'rejected', { exceptions: [exception(1, 'rejected')] })
      const answers = await Promise.all([
        ledger.conclude(conclusion(sent.requestId, 'uncertain', { attempt: 2 }), lease),
        ledger.conclude(conclusion(sent.requestId, 'acked'), lease),
        ledger.conclude(late, lease),
        ledger.conclude(conclusion('nonsense', 'acked'), lease),
      ])
      expect(answers).toEqual([false, true, false, false])
      expect(await stateOf(runId, sent.requestId)).toBe('acked')
      expect(await ledger.exceptions(runId)).toEqual([])
    })

    test('walks every edge of the state machine and no other', async () => {
      const { lease, runId } = await running()
      for (const from of requestStates) {
        for (const to of requestStates) {
          const sent = request(runId)
          await bring(sent, from, lease)
          const step = () => walk(sent, from, to, lease)
          const pair = `${from} to ${to}`
          if (eventBetween(from, to) === undefined) {
            await expect(step(), pair).rejects.toThrow()
            expect(await stateOf(runId, sent.requestId), pair).toBe(from)
          } else {
            await step()
            expect(await stateOf(runId, sent.requestId), pair).toBe(to)
          }
        }
      }
    })

    async function walk(sent: NewRequest, from: RequestState, to: RequestState, lease: Lease): Promise<void> {
      if (to === 'sending') await ledger.begin([sent], 40, lease)
      else if (from === 'sending') await ledger.conclude(conclusion(sent.requestId, to), lease)
      else await ledger.move([sent.requestId], from, to, 40, lease)
    }

    async function bring(sent: NewRequest, state: RequestState, lease: Lease): Promise<void> {
      const paths: Record<RequestState, readonly RequestState[]> = {
        ...{ sending: [], planned: ['planned'], acked: ['acked'], rejected: ['rejected'], uncertain: ['uncertain'] },
        ...{ parked: ['uncertain', 'parked'], dead: ['rejected', 'dead'], cancelled: ['planned', 'cancelled'] },
      }
      let at: RequestState = 'sending'
      await ledger.begin([sent], 20, lease)
      for (const next of paths[state]) {
        await walk(sent, at, next, lease)
        at = next
      }
    }

    test('moves those requests that are where the caller thinks they are', async () => {
      const { lease, runId } = await running()
      const [a, b, c] = [request(runId), request(runId), request(runId)]
      await ledger.begin([a, b, c], 20, lease)
      await ledger.conclude(conclusion(a.requestId, 'uncertain'), lease)
      await ledger.conclude(conclusion(b.requestId, 'uncertain'), lease)
      const ids = [a, b, c].map(({ requestId }) => requestId)
      expect(await ledger.move(ids, 'uncertain', 'parked', 40, lease)).toBe(2)
      expect(await ledger.move(ids, 'uncertain', 'parked', 41, lease)).toBe(0)
      expect(await ledger.move([], 'parked', 'acked', 41, lease)).toBe(0)
      expect(await stateOf(runId, c.requestId)).toBe('sending')
    })

    test.each([
      ['resolve', 'acked'],
      ['retry', 'cancelled'],
      ['drop', 'dead'],
    ] as const)('moves parked requests when a person says %s, and writes it into the trail', async (event, to) => {
      const { sync, lease, runId } = await running()
      const [a, b] = [request(runId), request(runId)]
      await ledger.begin([a, b], 20, lease)
      await ledger.conclude(conclusion(a.requestId, 'uncertain'), lease)
      await ledger.move([a.requestId], 'uncertain', 'parked', 40, lease)
      const ids = [a, b].map(({ requestId }) => requestId)
      const entry = { actor: 'ada', at: 50, action: 'resolve', subject: `sync:${sync}`, detail: { rows: 1 } } as const
      expect(await ledger.resolveParked(ids, event, 50, lease, entry)).toBe(1)
      expect([await stateOf(runId, a.requestId), await stateOf(runId, b.requestId)]).toEqual([to, 'sending'])
      expect(await ledger.audit({ limit: 1 })).toMatchObject([entry])
      expect(await ledger.resolveParked(ids, event, 51, lease, entry)).toBe(0)
      await acquireAgain(lease)
      await expectCode('A5003', ledger.resolveParked([], event, 52, lease, { ...entry, actor: 'bob' }))
      expect(await ledger.audit({ limit: 1 })).toMatchObject([{ actor: 'ada' }])
    })

    test('moves thousands at once', async () => {
      const { lease, runId } = await running()
      const many = Array.from({ length: 2_500 }, () => request(runId))
      await ledger.begin(many, 20, lease)
      const next = await acquireAgain(lease)
      const ids = many.map(({ requestId }) => requestId)
      expect(await ledger.move(ids, 'sending', 'uncertain', 30, next)).toBe(2_500)
      expect(await ledger.countByState(runId)).toMatchObject({ sending: 0, uncertain: 2_500 })
    })

    test('refuses a request that is not the one it recorded, and all that came with it', async () => {
      const { lease, runId } = await running()
      const sent = request(runId)
      await ledger.begin([sent], 20, lease)
      await ledger.conclude(conclusion(sent.requestId, 'planned'), lease)
      const other = request(runId)
      await expectCode('A5007', ledger.begin([other, { ...sent, bodyHash: 'different' }], 40, lease))
      await expectCode('A5007', ledger.begin([other, { ...sent, idempotencyKey: 'different' }], 40, lease))
      await expectCode('A5006', ledger.begin([other, request(runId), other], 40, lease))
      expect((await ledger.requests(runId)).map(({ requestId }) => requestId)).toEqual([sent.requestId])
    })

    test('lets a refused call pass without touching those that share its commit', async () => {
      const { lease, runId } = await running()
      const stale = { ...lease, fence: lease.fence - 1 }
      const [good, lost, orphan] = [request(runId), request(runId), request('no such run')]
      const results = await Promise.allSettled([
        ledger.begin([lost], 20, stale),
        ledger.begin([good], 20, lease),
        ledger.begin([orphan], 20, lease),
        ledger.begin([request(runId, { members: { from: 2, to: 1 } })], 20, lease),
      ])
      expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'rejected'])
      expect((await ledger.requests(runId)).map(({ requestId }) => requestId)).toEqual([good.requestId])
    })
  })

  async function acquireAgain(lease: Lease): Promise<Lease> {
    return acquire(lease.scope)
  }

  describe(`${name}: fences`, () => {
    test('records nothing more for a runner that was taken over', async () => {
      const { sync, lease, runId } = await running()
      const [sent, postponed] = [request(runId), request(runId)]
      await ledger.begin([sent, postponed], 20, lease)
      await ledger.conclude(conclusion(postponed.requestId, 'planned'), lease)
      const next = await acquireAgain(lease)
      await expectCode('A5003', ledger.conclude(conclusion(sent.requestId, 'acked'), lease))
      await expectCode('A5003', ledger.begin([request(runId)], 30, lease))
      await expectCode('A5003', ledger.move([postponed.requestId], 'planned', 'cancelled', 30, lease))
      await expectCode('A5003', ledger.updateRun(runId, { status: 'succeeded' }, lease))
      await expectCode('A5003', ledger.startRun({ runId: fresh('run'), sync, asOf: 1, startedAt: 1 }, lease))
      expect(await ledger.countByState(runId)).toMatchObject({ sending: 1, planned: 1, acked: 0 })
      expect((await ledger.runs({ sync })).map(run => run.status)).toEqual(['running'])
      await ledger.updateRun(runId, { status: 'interrupted' }, next)
    })

    test('lets a successor call what was being sent uncertain, and nothing else', async () => {
      const { lease, runId } = await running()
      const sent = request(runId)
      await ledger.begin([sent], 20, lease)
      expect(await ledger.move([sent.requestId], 'sending', 'uncertain', 30, lease)).toBe(0)
      const next = await acquireAgain(lease)
      expect(await ledger.conclude(conclusion(sent.requestId, 'acked'), next)).toBe(false)
      for (const to of ['acked', 'planned', 'rejected', 'parked'] as const) {
        await expect(ledger.move([sent.requestId], 'sending', to, 30, next)).rejects.toThrow(TypeError)
      }
      expect(await ledger.move([sent.requestId], 'sending', 'uncertain', 30, next)).toBe(1)
      expect(await ledger.begin([sent], 40, next)).toEqual([{ requestId: sent.requestId, attempt: 2 }])
      expect(await ledger.conclude(conclusion(sent.requestId, 'acked', { attempt: 2 }), next)).toBe(true)
      expect(await ledger.requests(runId)).toMatchObject([{ state: 'acked', attempt: 2, firstSentAt: 20 }])
    })

    test('agrees with a simple model, whatever two runners do in whatever order', async () => {
      const step = fc.record({
        act: fc.constantFrom('begin', 'conclude', 'move', 'takeover'),
        to: fc.constantFrom(...requestStates),
        attempt: fc.integer({ min: 1, max: 3 }),
        newest: fc.boolean(),
      })
      await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 12 }), follow), { numRuns: 40 })
    })

    interface Step {
      readonly act: string
      readonly to: RequestState
      readonly attempt: number
      readonly newest: boolean
    }

    async function follow(steps: readonly Step[]): Promise<void> {
      const { lease: first, runId } = await running()
      const leases = [first]
      const sent = request(runId)
      let model: { state: RequestState; attempt: number; fence: number } | undefined
      for (const { act, to, attempt, newest } of steps) {
        const lease = newest ? leases.at(-1) : leases[0]
        if (lease === undefined) throw new Error('no lease')
        const isNewest = lease === leases.at(-1)
        const from = model?.state ?? 'planned'
        if (act === 'takeover') leases.push(await acquireAgain(lease))
        if (act === 'begin') {
          const ok = isNewest && (from === 'planned' || from === 'uncertain')
          const begun = ledger.begin([sent], 40, lease)
          if (ok) {
            await begun
            model = { state: 'sending', attempt: (model?.attempt ?? 0) + 1, fence: lease.fence }
          } else await expect(begun).rejects.toThrow()
        }
        if (act === 'conclude' && to !== 'sending') {
          const done = ledger.conclude(conclusion(sent.requestId, to, { attempt }), lease)
          if (!isNewest || eventBetween('sending', to) === undefined) await expect(done).rejects.toThrow()
          else {
            const wins = model?.state === 'sending' && model.attempt === attempt && model.fence === lease.fence
            expect(await done).toBe(wins)
            if (wins && model !== undefined) model = { ...model, state: to }
          }
        }
        if (act === 'move') {
          const moved = ledger.move([sent.requestId], from, to, 40, lease)
          const isEdge = to !== 'sending' && eventBetween(from, to) !== undefined
          if (!isNewest || !isEdge || (from === 'sending' && to !== 'uncertain')) await expect(moved).rejects.toThrow()
          else {
            const moves = model !== undefined && (from !== 'sending' || model.fence < lease.fence)
            expect(await moved).toBe(moves ? 1 : 0)
            if (moves && model !== undefined) model = { ...model, state: to, fence: lease.fence }
          }
        }
        const rows = await ledger.requests(runId)
        expect(rows.map(row => ({ state: row.state, attempt: row.attempt, fence: row.fence }))).toEqual(
          model ? [model] : [],
        )
      }
    }
  })

  describe(`${name}: changes`, () => {
    test('keeps the changes that did not simply succeed, by run and by person', async () => {
      const { sync, lease, runId } = await running()
      const sent = request(runId)
      await ledger.begin([sent], 20, lease)
      const exceptions = [exception(7, 'rejected'), exception(3, 'moved')]
      await ledger.conclude(conclusion(sent.requestId, 'acked', { exceptions }), lease)
      const { requestId } = sent
      const [refused, moved] = [
        recorded(exception(7, 'rejected'), requestId),
        recorded(exception(3, 'moved'), requestId),
      ]
      expect(await ledger.exceptions(runId)).toEqual([moved, refused])
      expect(await ledger.exceptions(runId, ['rejected', 'parked'])).toEqual([refused])
      expect(await ledger.exceptionsOfKey(sync, 'c7')).toEqual([{ ...refused, runId }])
      expect(await ledger.exceptionsOfKey('another sync', 'c7')).toEqual([])
    })

    test("tells a person's story newest first, over all runs", async () => {
      const { sync, lease, runId } = await running()
      const again = fresh('run')
      await ledger.startRun({ runId: again, sync, asOf: 6, startedAt: 50 }, lease)
      for (const [run, at] of [
        [runId, 30],
        [again, 60],
      ] as const) {
        const sent = request(run)
        await ledger.begin([sent], at, lease)
        const exceptions = [exception(1, 'rejected', `at ${at}`)]
        await ledger.conclude(conclusion(sent.requestId, 'acked', { at, exceptions }), lease)
      }
      const story = await ledger.exceptionsOfKey(sync, 'c1')
      expect(story.map(({ message, runId: run }) => [message, run])).toEqual([
        ['at 60', again],
        ['at 30', runId],
      ])
    })

    test('lets a later attempt replace what an earlier one said, except for what moved on', async () => {
      const { lease, runId } = await running()
      const sent = request(runId)
      await ledger.begin([sent], 20, lease)
      const before = [exception(1, 'uncertain'), exception(2, 'moved'), exception(3, 'uncertain')]
      await ledger.conclude(conclusion(sent.requestId, 'uncertain', { exceptions: before }), lease)
      await ledger.begin([sent], 40, lease)
      const after = { attempt: 2, exceptions: [exception(3, 'rejected')] }
      await ledger.conclude(conclusion(sent.requestId, 'acked', after), lease)
      const states = (await ledger.exceptions(runId)).map(({ seq, state }) => [seq, state])
      expect(states).toEqual([
        [2, 'moved'],
        [3, 'rejected'],
      ])
    })
  })

  describe(`${name}: due times`, () => {
    test('gives each due time to one claimant', async () => {
      const sync = fresh('sync')
      const claims = await Promise.all([ledger.claimDue(sync, 100, 101), ledger.claimDue(sync, 100, 102)])
      expect(claims.toSorted()).toEqual([false, true])
      await ledger.finishDue(sync, 100, undefined, 103)
      expect(await ledger.claimDue(sync, 100, 104)).toBe(false)
      expect(await ledger.claimDue(fresh('sync'), 100, 105)).toBe(true)
    })

    test('knows the newest one that was claimed', async () => {
      const sync = fresh('sync')
      expect(await ledger.lastDue(sync)).toBeUndefined()
      await ledger.claimDue(sync, 300, 301)
      await ledger.claimDue(sync, 200, 302)
      expect(await ledger.lastDue(sync)).toBe(300)
    })

    test('remembers when it first saw a schedule, and a changed one anew', async () => {
      const sync = fresh('sync')
      expect(await ledger.scheduleSeen(sync, '0 2 * * *', 100)).toBe(100)
      expect(await ledger.scheduleSeen(sync, '0 2 * * *', 200)).toBe(100)
      expect(await ledger.scheduleSeen(sync, '0 3 * * *', 300)).toBe(300)
    })
  })
}
