import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Change, HttpReply, RecordOutcome } from '../../src/delivery/destination.ts'
import { interpretStatus, settleVerdict } from '../../src/delivery/interpret.ts'

function replyWith(status: number, headers: Readonly<Record<string, string>> = {}, text = ''): HttpReply {
  return { status, headers, text, json: undefined }
}

function batchOf(count: number): readonly Change[] {
  return Array.from({ length: count }, (_, i) => ({ key: `k${i}`, changeId: `c${i}`, op: 'enter', fields: {} }))
}

describe('the meaning of a status', () => {
  test.each([
    [200, 'acked'],
    [204, 'acked'],
    [304, 'denied'],
    [307, 'denied'],
    [400, 'refused'],
    [401, 'denied'],
    [403, 'denied'],
    [404, 'refused'],
    [408, 'retry'],
    [409, 'refused'],
    [413, 'refused'],
    [422, 'refused'],
    [425, 'retry'],
    [429, 'retry'],
    [500, 'uncertain'],
    [502, 'uncertain'],
    [503, 'uncertain'],
    [599, 'uncertain'],
    [600, 'uncertain'],
  ])('%i is %s', (status, kind) => {
    expect(interpretStatus(replyWith(status)).kind).toBe(kind)
  })

  test('a redirect names where it leads, and is not followed', () => {
    const verdict = interpretStatus(replyWith(302, { location: 'http://169.254.169.254/' }))
    expect(verdict).toEqual({ kind: 'denied', code: 'redirect', message: 'HTTP 302 to http://169.254.169.254/' })
  })

  test('429 carries the time that the destination names, counted from its own clock', () => {
    const headers = { 'retry-after': 'Sun, 01 Mar 2026 12:00:30 GMT', date: 'Sun, 01 Mar 2026 12:00:00 GMT' }
    expect(interpretStatus(replyWith(429, headers), [], 0)).toMatchObject({
      kind: 'retry',
      code: 'rate_limited',
      after: 30_000,
    })
  })

  test('503 with Retry-After is still uncertain, and carries the time', () => {
    expect(interpretStatus(replyWith(503, { 'retry-after': '7' }))).toMatchObject({ kind: 'uncertain', after: 7_000 })
  })

  test('a message quotes no control characters and not too much', () => {
    const verdict = interpretStatus(replyWith(400, {}, `\u001b[31mno\u0007 ${'x'.repeat(5_000)}`))
    expect(verdict).toMatchObject({ message: expect.stringMatching(/^HTTP 400: \[31mno x+…$/) })
    expect(JSON.stringify(verdict).length).toBeLessThan(500)
  })
})

describe('settling a verdict', () => {
  const outcomeOf = (changeId: string): fc.Arbitrary<RecordOutcome> =>
    fc.constantFrom<RecordOutcome>(
      { changeId, outcome: 'acked' },
      { changeId, outcome: 'rejected', code: 'bad', message: '' },
      { changeId, outcome: 'retry', code: 'later', message: '' },
    )
  const named = fc.array(
    fc.integer({ min: 0, max: 12 }).chain(i => outcomeOf(`c${i}`)),
    { maxLength: 30 },
  )

  test('gives each record exactly one outcome, and acknowledges only what the reply names as such and never otherwise', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), named, (count, outcomes) => {
        const batch = batchOf(count)
        const settled = settleVerdict({ kind: 'each', outcomes }, batch)
        expect(settled.outcomes.map(({ changeId }) => changeId)).toEqual(batch.map(({ changeId }) => changeId))
        for (const { changeId, outcome } of settled.outcomes) {
          const said = new Set(outcomes.filter(other => other.changeId === changeId).map(other => other.outcome))
          const [only] = said
          expect(outcome).toBe(said.size === 1 ? only : 'uncertain')
        }
        const known = new Set(batch.map(({ changeId }) => changeId))
        expect(new Set(settled.unknown)).toEqual(
          new Set(outcomes.map(({ changeId }) => changeId).filter(id => !known.has(id))),
        )
      }),
    )
  })

  test('says why a record is uncertain', () => {
    const outcomes: RecordOutcome[] = [
      { changeId: 'c0', outcome: 'acked' },
      { changeId: 'c0', outcome: 'rejected', code: 'x', message: '' },
    ]
    const settled = settleVerdict({ kind: 'each', outcomes }, batchOf(2))
    expect(settled.outcomes).toMatchObject([{ code: 'contradictory' }, { code: 'unnamed' }])
  })
})
