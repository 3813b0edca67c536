import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ChangeException, Members } from '../../src/ledger/ledger.ts'
import { requestStates } from '../../src/ledger/request.ts'
import { outcomeCounts, type RequestException, settlementOf } from '../../src/ledger/settlement.ts'

type SettledRequest = Parameters<typeof settlementOf>[0][number]

const request = (requestId: string, state: SettledRequest['state'], members: Members): SettledRequest => ({
  ...{ requestId, state, members },
})

const exception = (requestId: string, seq: number, state: ChangeException['state']): RequestException => ({
  ...{ requestId, seq, key: `c${seq}`, changeId: `id${seq}`, state, code: 'code', message: 'message' },
})

const nothing = { acked: [], rejected: [], rejectedWhole: [], parked: [], parkedWhole: [] }

test('takes in acknowledged ranges as one, without the changes that were refused', () => {
  const requests = [
    request('b', 'acked', { from: 101, to: 200 }),
    request('a', 'acked', { from: 1, to: 100 }),
    request('c', 'acked', { from: 301, to: 400 }),
  ]
  const refused = [exception('c', 301, 'rejected'), exception('a', 50, 'rejected')]
  const settlement = settlementOf(requests, refused)
  expect(settlement).toEqual({
    ...nothing,
    acked: [
      { from: 1, to: 49 },
      { from: 51, to: 200 },
      { from: 302, to: 400 },
    ],
    rejected: refused.toReversed(),
  })
  expect(outcomeCounts(settlement, 400)).toEqual({ acked: 298, rejected: 2, parked: 0, pending: 100 })
})

test('judges a moved change by the request that it moved to', () => {
  const requests = [
    request('a', 'acked', { from: 1, to: 4 }),
    request('b', 'acked', { seqs: [2] }),
    request('c', 'uncertain', { seqs: [3, 4] }),
  ]
  const moved = [2, 3, 4].map(seq => exception('a', seq, 'moved'))
  expect(settlementOf(requests, moved)).toEqual({ ...nothing, acked: [{ from: 1, to: 2 }] })
})

test('follows a refused batch through its halves to the one at fault', () => {
  const requests = [
    request('whole', 'rejected', { from: 1, to: 4 }),
    request('left', 'acked', { seqs: [1, 2] }),
    request('right', 'rejected', { seqs: [3, 4] }),
    request('three', 'rejected', { seqs: [3] }),
    request('four', 'acked', { seqs: [4] }),
  ]
  const exceptions = [
    ...[1, 2, 3, 4].map(seq => exception('whole', seq, 'moved')),
    ...[3, 4].map(seq => exception('right', seq, 'moved')),
    exception('three', 3, 'rejected'),
  ]
  expect(settlementOf(requests, exceptions)).toEqual({
    ...nothing,
    acked: [
      { from: 1, to: 2 },
      { from: 4, to: 4 },
    ],
    rejected: [expect.objectContaining({ seq: 3 })],
  })
})

test('leaves out what nobody knows or nobody sent', () => {
  const requests = (['planned', 'sending', 'uncertain', 'cancelled'] as const).map((state, index) =>
    request(state, state, { from: index * 10 + 1, to: index * 10 + 10 }),
  )
  const settlement = settlementOf(requests, [exception('uncertain', 21, 'uncertain')])
  expect(settlement).toEqual(nothing)
  expect(outcomeCounts(settlement, 40)).toEqual({ acked: 0, rejected: 0, parked: 0, pending: 40 })
})

test('leaves out who was withdrawn, a member of the request or not', () => {
  const requests = [request('a', 'acked', { seqs: [1, 2, 4] }), request('b', 'acked', { from: 5, to: 7 })]
  const settlement = settlementOf(requests, [exception('a', 3, 'withdrawn'), exception('b', 6, 'withdrawn')])
  expect(settlement).toEqual({
    ...nothing,
    acked: [
      { from: 1, to: 2 },
      { from: 4, to: 5 },
      { from: 7, to: 7 },
    ],
  })
  expect(outcomeCounts(settlement, 7)).toEqual({ acked: 5, rejected: 0, parked: 0, pending: 2 })
})

test('names the reason of requests that ended as a whole', () => {
  const error = { code: 'http_400', message: 'bad' }
  const requests = [
    { ...request('a', 'rejected', { from: 1, to: 10 }), error },
    request('b', 'parked', { from: 11, to: 20 }),
    request('c', 'dead', { seqs: [22, 24] }),
  ]
  const settlement = settlementOf(requests, [exception('a', 5, 'rejected'), exception('b', 15, 'parked')])
  expect(settlement).toEqual({
    acked: [],
    rejected: [expect.objectContaining({ seq: 5 })],
    rejectedWhole: [
      { from: 1, to: 4, ...error },
      { from: 6, to: 10, ...error },
      { from: 22, to: 22, code: 'dead', message: '' },
      { from: 24, to: 24, code: 'dead', message: '' },
    ],
    parked: [expect.objectContaining({ seq: 15 })],
    parkedWhole: [
      { from: 11, to: 14, code: 'parked', message: '' },
      { from: 16, to: 20, code: 'parked', message: '' },
    ],
  })
  expect(outcomeCounts(settlement, 24)).toEqual({ acked: 0, rejected: 12, parked: 10, pending: 2 })
})

/** One change at a time: the strongest word that any request has about it. */
function naive(requests: readonly SettledRequest[], exceptions: readonly RequestException[], sends: number) {
  const verdicts: ('acked' | 'rejected' | 'parked' | 'pending')[] = []
  for (let seq = 1; seq <= sends; seq++) {
    const words = requests.flatMap(({ requestId, members, state }) => {
      const named = exceptions.find(found => found.requestId === requestId && found.seq === seq)
      if (named) return [named.state]
      const isMember = 'seqs' in members ? members.seqs.includes(seq) : members.from <= seq && seq <= members.to
      return isMember ? [state] : []
    })
    if (words.includes('acked')) verdicts.push('acked')
    else if (words.includes('rejected') || words.includes('dead')) verdicts.push('rejected')
    else if (words.includes('parked')) verdicts.push('parked')
    else verdicts.push('pending')
  }
  return verdicts
}

const sends = 30
const seq = fc.integer({ min: 1, max: sends })
const members: fc.Arbitrary<Members> = fc.oneof(
  fc.tuple(seq, seq).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })),
  fc.uniqueArray(seq, { minLength: 1, maxLength: 6 }).map(seqs => ({ seqs })),
)
const exceptionStates = ['rejected', 'uncertain', 'parked', 'moved', 'withdrawn', 'dead'] as const

/** Requests with exceptions among their own changes. */
const history = fc
  .array(
    fc.record({
      ...{ members, state: fc.constantFrom(...requestStates) },
      excepted: fc.array(fc.record({ pick: fc.nat(), state: fc.constantFrom(...exceptionStates) }), { maxLength: 5 }),
    }),
    { maxLength: 8 },
  )
  .map(drawn => {
    const requests = drawn.map(({ members, state }, index) => request(`r${index}`, state, members))
    const exceptions = drawn.flatMap(({ members, excepted }, index) => {
      const own =
        'seqs' in members
          ? members.seqs
          : Array.from({ length: members.to - members.from + 1 }, (_, i) => members.from + i)
      const states = new Map(excepted.map(({ pick, state }) => [own[pick % own.length] ?? 0, state]))
      return [...states].map(([at, state]) => exception(`r${index}`, at, state))
    })
    return { requests, exceptions }
  })

test('agrees with judging every change by itself', () => {
  fc.assert(
    fc.property(history, ({ requests, exceptions }) => {
      const settlement = settlementOf(requests, exceptions)
      const verdicts = Array<string>(sends).fill('pending')
      const mark = (from: number, to: number, verdict: string) => {
        for (let at = from; at <= to; at++) {
          expect(verdicts[at - 1]).toBe('pending')
          verdicts[at - 1] = verdict
        }
      }
      for (const { from, to } of settlement.acked) mark(from, to, 'acked')
      for (const { seq } of settlement.rejected) mark(seq, seq, 'rejected')
      for (const { from, to } of settlement.rejectedWhole) mark(from, to, 'rejected')
      for (const { seq } of settlement.parked) mark(seq, seq, 'parked')
      for (const { from, to } of settlement.parkedWhole) mark(from, to, 'parked')
      const expected = naive(requests, exceptions, sends)
      expect(verdicts).toEqual(expected)
      const countOf = (verdict: string) => expected.filter(found => found === verdict).length
      expect(outcomeCounts(settlement, sends)).toEqual({
        ...{ acked: countOf('acked'), rejected: countOf('rejected') },
        ...{ parked: countOf('parked'), pending: countOf('pending') },
      })
    }),
    { numRuns: 500 },
  )
})

test('stays small for ten million changes', () => {
  const requests = Array.from({ length: 10_000 }, (_, index) =>
    request(`r${index}`, 'acked', { from: index * 1_000 + 1, to: (index + 1) * 1_000 }),
  )
  const exceptions = Array.from({ length: 10_000 }, (_, index) =>
    exception(`r${index}`, index * 1_000 + 500, 'rejected'),
  )
  const settlement = settlementOf(requests.toReversed(), exceptions)
  expect(settlement.acked).toHaveLength(10_001)
  expect(outcomeCounts(settlement, 10_000_000)).toEqual({ acked: 9_990_000, rejected: 10_000, parked: 0, pending: 0 })
})
