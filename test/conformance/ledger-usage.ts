/** What every ledger must do about turns at the limits of an account. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { TurnRequest } from '../../src/ledger/usage.ts'

const span = 1_000

export function describeUsage(name: string, open: () => Promise<Ledger>): void {
  let ledger: Ledger
  let made = 0

  beforeAll(async () => {
    ledger = await open()
  })
  afterAll(() => ledger.close())

  /** An account of its own. */
  function account() {
    const id = `account${++made}`
    return (token: string, now: number, more: Partial<TurnRequest> = {}) =>
      ledger.turn({
        ...{ account: id, token, now, until: now + 5_000, windows: [{ span, requests: 10 }] },
        ...{ used: [], pausedUntil: 0, pass: false, fresh: false },
        ...more,
      })
  }

  describe(`${name}: turns`, () => {
    test('go to the first that asks, and others learn how long it lasts', async () => {
      const turn = account()
      expect(await turn('a', 0)).toEqual({ kind: 'yours', taken: true, used: [], wanted: false, pausedUntil: 0 })
      expect(await turn('b', 10)).toEqual({ kind: 'taken', until: 5_000 })
      expect(await turn('a', 20)).toEqual({ kind: 'yours', taken: false, wanted: true, pausedUntil: 0 })
    })

    test('come with all that was used, whoever used it, each count added up', async () => {
      const turn = account()
      await turn('a', 0)
      await turn('a', 100, { used: [{ span, at: 100, requests: 2 }] })
      const used = [
        { span, at: 100, requests: 1 },
        { span, at: 200, requests: 4 },
      ]
      await turn('a', 200, { used, pass: true })
      expect(await turn('b', 210)).toMatchObject({
        taken: true,
        used: [
          { span, at: 100, requests: 3 },
          { span, at: 200, requests: 4 },
        ],
      })
      expect(await turn('b', 220, { fresh: true })).toMatchObject({ taken: false, used: [{ at: 100 }, { at: 200 }] })
    })

    test('keep what was used under limits of their own apart, and count it at the end of a turn that lapses', async () => {
      const turn = account()
      const windows = [
        { span, requests: 10 },
        { span, requests: 3, of: 'mail' },
      ]
      await turn('a', 0, { windows })
      const used = [
        { span, at: 100, requests: 2 },
        { span, at: 100, requests: 1, of: 'mail' },
      ]
      await turn('a', 100, { windows, used })
      const { used: written = [] } = (await turn('a', 150, { windows, fresh: true, reserved: 2 })) as {
        used?: readonly object[]
      }
      expect(written).toHaveLength(2)
      expect(written).toEqual(expect.arrayContaining(used))
      expect(await turn('b', 4_000)).toMatchObject({ kind: 'taken' })
      const { used: known = [] } = (await turn('b', 5_200, { windows })) as { used?: readonly object[] }
      const lapsed = { span, at: 5_150, requests: 2 }
      expect(known).toHaveLength(2)
      expect(known).toEqual(expect.arrayContaining([lapsed, { ...lapsed, of: 'mail' }]))
      // Nobody who lives knows of these limits, and the next one that does learns of what left under them all the same.
      await turn('b', 5_300, { windows, reserved: 1 })
      await turn('c', 10_400)
      await turn('c', 10_450, { pass: true })
      const heard = (await turn('d', 10_500, { windows })) as { used?: readonly object[] }
      expect(heard.used).toContainEqual({ span, at: 10_300, requests: 1, of: 'mail' })
      await turn('d', 10_600, { pass: true, windows })
      const plain = (await turn('c', 10_700)) as { used?: readonly object[] }
      expect(plain.used?.filter(one => 'of' in one)).toEqual([])
    })

    test('that lapse count what they had reserved as used at their end, and nothing that is told of them later', async () => {
      const turn = account()
      await turn('dead', 0, { reserved: 4 })
      expect(await turn('heir', 5_000)).toMatchObject({ taken: true, used: [{ span, at: 5_000, requests: 4 }] })
      await turn('heir', 5_100, { pass: true })
      const late = await turn('dead', 5_200, { used: [{ span, at: 4_000, requests: 3 }] })
      expect(late).toMatchObject({ taken: true, used: [{ span, at: 5_000, requests: 4 }] })
    })

    test('that lapse without a reservation count the whole limit', async () => {
      const turn = account()
      await turn('dead', 0)
      expect(await turn('heir', 6_000)).toMatchObject({ used: [{ span, at: 5_000, requests: 10 }] })
    })

    test('end when the lease of a process that is gone is taken over; others keep theirs', async () => {
      const [lost, kept] = [account(), account()]
      const dead = { host: 'here', pid: 1, token: `dead_${made}` }
      await ledger.acquire(`scope_${made}`, dead, 0, 60_000, () => false)
      await lost(`${dead.token}/1`, 0, { reserved: 4 })
      await kept(`${dead.token}_of_another/1`, 0)
      const heir = { host: 'here', pid: 2, token: `heir_${made}` }
      await ledger.acquire(`scope_${made}`, heir, 300, 60_000, ({ token }) => token === dead.token)
      expect(await lost(`${heir.token}/1`, 300)).toMatchObject({ taken: true, used: [{ span, at: 300, requests: 4 }] })
      expect(await kept(`${heir.token}/1`, 300)).toEqual({ kind: 'taken', until: 5_000 })
    })

    test('keep what they are when nobody took them over, however late', async () => {
      const turn = account()
      await turn('a', 0)
      const answer = await turn('a', 60_000, { used: [{ span, at: 59_000, requests: 1 }], fresh: true })
      expect(answer).toMatchObject({ taken: false, used: [{ at: 59_000, requests: 1 }] })
    })

    test('forget a wish after a while, and what left long ago', async () => {
      const turn = account()
      await turn('a', 0, { until: 90_000 })
      await turn('b', 10)
      await turn('a', 20, { until: 90_000, used: [{ span, at: 20, requests: 1 }] })
      expect(await turn('a', 10_000, { until: 90_000, fresh: true })).toMatchObject({ wanted: false, used: [] })
    })

    test('hand on a pause, and a shorter one does not end a longer one', async () => {
      const turn = account()
      await turn('a', 0, { pausedUntil: 9_000 })
      await turn('a', 10, { pausedUntil: 4_000, pass: true })
      expect(await turn('b', 20)).toMatchObject({ pausedUntil: 9_000 })
    })
  })
}
