/** What every ledger must do about dead letters. Called by `describeLedger`. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NewDeadLetter } from '../../src/ledger/dead-letter.ts'
import type { ChangeException, Lease, Ledger } from '../../src/ledger/ledger.ts'

/** `open` opens an empty ledger. */
export function describeLetters(name: string, open: () => Promise<Ledger>): void {
  let ledger: Ledger
  let made = 0
  const fresh = (what: string) => `${what}${++made}`

  beforeAll(async () => {
    ledger = await open()
  })
  afterAll(() => ledger.close())

  async function acquire(sync: string): Promise<Lease> {
    const holder = { host: 'here', pid: 1, token: fresh('letter token') }
    const answer = await ledger.acquire(`sync:${sync}`, holder, 0, 60_000, () => true)
    if (answer.kind !== 'acquired') throw new Error('locked')
    return answer.lease
  }

  interface Refusal {
    readonly sync: string
    readonly lease: Lease
    readonly keys: readonly string[]
    readonly at: number
    readonly version: number
  }

  const changeIdOf = (key: string, version: number) => `change ${version} of ${key}`

  /** A run in which these keys are refused, in one request. */
  async function refuse({ sync, lease, keys, at, version }: Refusal) {
    const runId = fresh('lettered run')
    await ledger.startRun({ runId, sync, asOf: at, startedAt: at }, lease)
    const letters = keys.map(
      (key): NewDeadLetter => ({
        ...{ runId, key, changeId: changeIdOf(key, version), op: 'enter', class: 'refused', code: 'bad' },
        ...{ message: `not ${key}`, fields: JSON.stringify({ name: `Ünïcödé "${key}" \\ 🙂` }) },
      }),
    )
    const exceptions = letters.map(
      (letter, index): ChangeException => ({
        ...{ seq: index + 1, key: '', changeId: letter.changeId, state: 'rejected', code: 'bad', message: '' },
      }),
    )
    const requestId = fresh('lettered request')
    const members = { from: 1, to: keys.length }
    const rest = { destination: 'crm', action: 'upsert', members, idempotencyKey: 'k', bodyHash: 'h' }
    await ledger.begin([{ requestId, runId, ...rest }], at, lease)
    const conclusion = { requestId, attempt: 1, state: 'rejected', at, exceptions, deadLetters: letters } as const
    return { runId, conclude: () => ledger.conclude(conclusion, lease) }
  }

  async function openOf(sync: string) {
    const letters = (await ledger.deadLetters({ state: 'open', limit: 1_000 })).filter(letter => letter.sync === sync)
    const contents = await ledger.openLetters(letters.map(({ letterId }) => letterId))
    return letters.map(letter => ({ ...letter, ...contents.get(letter.letterId) }))
  }

  describe(`${name}: dead letters`, () => {
    test('are kept with the outcome that they come with, and can be read', async () => {
      const sync = fresh('lettered')
      const lease = await acquire(sync)
      const { runId, conclude } = await refuse({ sync, lease, keys: ['ann', 'bob'], at: 10, version: 1 })
      expect(await openOf(sync)).toEqual([])
      expect(await conclude()).toBe(true)
      expect(await conclude()).toBe(false)
      const found = await openOf(sync)
      expect(new Set(found.map(({ key }) => key))).toEqual(new Set(['ann', 'bob']))
      expect(found.find(({ key }) => key === 'ann')).toMatchObject({
        ...{ runId, sync, destination: 'crm', action: 'upsert', op: 'enter', class: 'refused', code: 'bad', at: 10 },
        ...{ attempts: 1, changeId: changeIdOf('ann', 1), message: 'not ann' },
        fields: JSON.stringify({ name: 'Ünïcödé "ann" \\ 🙂' }),
      })
    })

    test('are not kept when the outcome is refused', async () => {
      const sync = fresh('lettered')
      const lease = await acquire(sync)
      const { conclude } = await refuse({ sync, lease, keys: ['ann'], at: 10, version: 1 })
      await acquire(sync)
      await expect(conclude()).rejects.toMatchObject({ problems: [{ code: 'A5003' }] })
      expect(await openOf(sync)).toEqual([])
    })

    test('of one key leave the newest open, whoever concludes beside whom', async () => {
      const sync = fresh('lettered')
      const lease = await acquire(sync)
      const others = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          refuse({ sync, lease, keys: [`k${index}`, `l${index}`, 'shared'], at: 10 + index, version: 1 }),
        ),
      )
      expect(await Promise.all(others.map(({ conclude }) => conclude()))).toEqual(others.map(() => true))
      const found = await openOf(sync)
      expect(found).toHaveLength(21)
      expect(found.filter(({ key }) => key === 'shared')).toMatchObject([{ attempts: 10 }])
    })

    test('agree with a simple model, whatever is refused, ended or expires', async () => {
      const keys = ['a', 'b', 'c'] as const
      const step = fc.oneof(
        fc.record({
          kind: fc.constant('refuse'),
          keys: fc.uniqueArray(fc.constantFrom(...keys), { minLength: 1 }),
          version: fc.nat(1),
        }),
        fc.record({ kind: fc.constant('end'), key: fc.constantFrom(...keys) }),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 8 }), async steps => {
          const sync = fresh('lettered')
          const lease = await acquire(sync)
          const model = new Map<string, { changeId: string; attempts: number; at: number }>()
          let now = 10
          for (const each of steps) {
            now += 10
            if (each.kind === 'refuse') {
              await (await refuse({ sync, lease, keys: each.keys, at: now, version: each.version })).conclude()
              for (const key of each.keys) {
                const changeId = changeIdOf(key, each.version)
                const before = model.get(key)
                const attempts = before?.changeId === changeId ? before.attempts + 1 : 1
                model.set(key, { changeId, attempts, at: now })
              }
            } else {
              const ids = (await openOf(sync)).filter(({ key }) => key === each.key).map(({ letterId }) => letterId)
              expect(await ledger.endLetters(ids, 'dropped', now, lease)).toBe(model.has(each.key) ? 1 : 0)
              model.delete(each.key)
            }
          }
          const left = await openOf(sync)
          expect(left).toHaveLength(model.size)
          expect(new Map(left.map(({ key, changeId, attempts, at }) => [key, { changeId, attempts, at }]))).toEqual(
            model,
          )
        }),
        { numRuns: 15 },
      )
    })

    test('hold nothing any more once their time is up', async () => {
      const sync = fresh('lettered')
      const lease = await acquire(sync)
      const { conclude } = await refuse({ sync, lease, keys: ['ann'], at: 10, version: 1 })
      await conclude()
      const [letter] = await openOf(sync)
      if (letter === undefined) throw new Error('no letter')
      expect(await ledger.expireLetters(letter.expiresAt)).toBeGreaterThan(0)
      expect(await openOf(sync)).toEqual([])
      expect((await ledger.openLetters([letter.letterId])).size).toBe(0)
    })
  })
}
