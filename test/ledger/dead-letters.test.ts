import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { NewDeadLetter } from '../../src/ledger/dead-letter.ts'
import { keyFileOf, keyOfSecret } from '../../src/ledger/key.ts'
import type { ChangeException, Lease, Ledger } from '../../src/ledger/ledger.ts'
import { type LedgerOptions, openLedger } from '../../src/ledger/store.ts'
import { expectCode } from './expect-code.ts'

const canary = 'canary-Zo3x9-ünïcödé'
const month = 30 * 86_400_000

let folder: string
let path: string
let ledger: Ledger
let lease: Lease
let made = 0

const open = (options: Partial<LedgerOptions> = {}) =>
  openLedger({ type: 'sqlite', path }, { now: () => 0, letterRetention: month, ...options })

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'activate-letters-'))
  path = join(folder, 'ledger.db')
  ledger = await open()
  lease = await acquire()
})
afterEach(async () => {
  await ledger.close()
  rmSync(folder, { recursive: true, force: true })
})

async function acquire(): Promise<Lease> {
  made += 1
  const holder = { host: 'here', pid: made, token: `t${made}` }
  const answer = await ledger.acquire('sync:s', holder, 0, 60_000, () => true)
  if (answer.kind !== 'acquired') throw new Error('locked')
  return answer.lease
}

/** A run in which these keys are refused, in one request. */
async function refuse(keys: readonly string[], { at = 10, changeId = (key: string) => `id-${key}` } = {}) {
  made += 1
  const runId = `run${made}`
  await ledger.startRun({ runId, sync: 's', asOf: at, startedAt: at }, lease)
  const letters = keys.map(
    (key): NewDeadLetter => ({
      ...{ runId, key, changeId: changeId(key), op: 'enter', class: 'refused', code: 'bad' },
      ...{ message: `not ${canary}`, fields: JSON.stringify({ email: `${key}@${canary}` }) },
    }),
  )
  const exceptions = letters.map(
    (letter, index): ChangeException => ({
      ...{ seq: index + 1, key: '', changeId: letter.changeId, state: 'rejected', code: 'bad', message: '' },
    }),
  )
  const requestId = `${runId}.1`
  const members = { from: 1, to: keys.length }
  const request = {
    requestId,
    runId,
    destination: 'crm',
    action: 'upsert',
    members,
    idempotencyKey: 'k',
    bodyHash: 'h',
  }
  await ledger.begin([request], at, lease)
  const conclusion = { requestId, attempt: 1, state: 'rejected', at, exceptions, deadLetters: letters } as const
  return { runId, conclude: () => ledger.conclude(conclusion, lease) }
}

const all = () => ledger.deadLetters({ limit: 1_000 })
const opens = () => ledger.deadLetters({ state: 'open', limit: 1_000 })
const onDisk = () => readdirSync(folder).map(name => readFileSync(join(folder, name)))
const isOnDisk = (bytes: Buffer | string) => onDisk().some(file => file.includes(bytes))

describe('a dead letter', () => {
  test('is written with its outcome, and holds what was to be sent', async () => {
    const { runId, conclude } = await refuse(['ann'])
    expect(await conclude()).toBe(true)
    const [letter, ...others] = await all()
    expect(others).toEqual([])
    expect(letter).toMatchObject({
      ...{ runId, sync: 's', destination: 'crm', action: 'upsert', op: 'enter', changeId: 'id-ann', state: 'open' },
      ...{ class: 'refused', code: 'bad', attempts: 1, at: 10, expiresAt: 10 + month },
    })
    const contents = await ledger.openLetters([letter?.letterId ?? ''])
    const fields = JSON.stringify({ email: `ann@${canary}` })
    expect([...contents.values()]).toEqual([{ key: 'ann', message: `not ${canary}`, fields }])
    expect(await ledger.countOpenLetters('sync')).toEqual(new Map([['s', 1]]))
    expect(await ledger.countOpenLetters('runId')).toEqual(new Map([[runId, 1]]))
  })

  test('is not written when its outcome is not', async () => {
    const { conclude } = await refuse(['ann'])
    await acquire()
    await expectCode('A5003', conclude())
    expect(await all()).toEqual([])
  })

  test('shows nothing of the record in any byte of the ledger or its log', async () => {
    await (await refuse(['zzyzx-ann', 'zzyzx-bob'], { changeId: key => `id${key.length}${key.at(-1)}` })).conclude()
    expect(onDisk().length).toBeGreaterThan(2)
    for (const text of [canary, 'zzyzx-ann', 'email']) expect(isOnDisk(text), text).toBe(false)
    await ledger.close()
    for (const text of [canary, 'zzyzx-ann', 'email']) expect(isOnDisk(text), text).toBe(false)
    ledger = await open()
    expect(await opens()).toHaveLength(2)
  })

  test('of a key replaces the one before, and counts how often the same change was refused', async () => {
    await (await refuse(['ann', 'bob'])).conclude()
    await (await refuse(['ann'], { at: 20 })).conclude()
    await (await refuse(['ann'], { at: 30, changeId: () => 'another' })).conclude()
    expect((await all()).map(({ changeId, state, attempts }) => [changeId, state, attempts])).toEqual([
      ['id-ann', 'superseded', 1],
      ['id-bob', 'open', 1],
      ['id-ann', 'superseded', 2],
      ['another', 'open', 1],
    ])
  })

  test('that is recorded twice by attempts of one request is one letter', async () => {
    const { runId, conclude } = await refuse(['ann'])
    await conclude()
    const deadLetters: NewDeadLetter[] = [
      { runId, key: 'ann', changeId: 'id-ann', op: 'enter', class: 'refused', code: 'worse', message: 'again' },
    ]
    const request = { requestId: `${runId}.2`, runId, destination: 'crm', action: 'upsert', members: { seqs: [1] } }
    await ledger.begin([{ ...request, idempotencyKey: 'k2', bodyHash: 'h' }], 11, lease)
    const conclusion = { requestId: `${runId}.2`, attempt: 1, state: 'rejected', at: 12, exceptions: [] } as const
    await ledger.conclude({ ...conclusion, deadLetters }, lease)
    expect((await all()).map(({ code, attempts, at }) => [code, attempts, at])).toEqual([['worse', 1, 10]])
  })

  test('keeps the fields of a huge record out', async () => {
    const { runId } = await refuse(['other'])
    const request = { requestId: 'huge', runId, destination: 'crm', action: 'upsert', members: { seqs: [1] } }
    await ledger.begin([{ ...request, idempotencyKey: 'k', bodyHash: 'h' }], 11, lease)
    const fields = JSON.stringify({ note: 'x'.repeat(100_000) })
    const letter = {
      runId,
      key: 'a',
      changeId: 'c',
      op: 'enter',
      class: 'unsendable',
      code: 'too_large',
      message: '',
    } as const
    const conclusion = { requestId: 'huge', attempt: 1, state: 'rejected', at: 12, exceptions: [] } as const
    await ledger.conclude({ ...conclusion, deadLetters: [{ ...letter, fields }] }, lease)
    const [{ letterId } = { letterId: '' }] = await opens()
    expect([...(await ledger.openLetters([letterId])).values()]).toEqual([{ key: 'a', message: '' }])
  })

  test('is found by the beginning of its id, and listed in chunks', async () => {
    await (await refuse(['a', 'b', 'c'])).conclude()
    const [first, second, third] = await all()
    expect(await ledger.deadLetters({ ids: [first?.letterId.slice(0, 10) ?? ''], limit: 2 })).toEqual([first])
    expect(await ledger.deadLetters({ ids: ['%'], limit: 2 })).toEqual([])
    expect(await ledger.deadLetters({ after: first?.letterId ?? '', limit: 5 })).toEqual([second, third])
  })

  test('that somebody moved to another row does not open', async () => {
    await (await refuse(['ann', 'bob'])).conclude()
    const [ann, bob] = await all()
    const file = new Sqlite(path)
    const sealed = file.prepare('select sealed from dead_letters where letter_id = ?').pluck().get(ann?.letterId)
    file.prepare('update dead_letters set sealed = ? where letter_id = ?').run(sealed, bob?.letterId)
    file.close()
    await expectCode('A5014', ledger.openLetters([bob?.letterId ?? '']))
  })
})

describe('what has ended', () => {
  const sealedOf = (id: string | undefined) => {
    const file = new Sqlite(path, { readonly: true })
    const sealed = file
      .prepare<[string | undefined], Buffer>('select sealed from dead_letters where letter_id = ?')
      .pluck()
      .get(id)
    file.close()
    return sealed ?? Buffer.from('none')
  }

  test('expires when the ledger is opened after its time, and is in no file any more', async () => {
    await (await refuse(Array.from({ length: 200 }, (_, index) => `key${index}`))).conclude()
    await (await refuse(['later'], { at: 20 })).conclude()
    const [first] = await all()
    const sealed = sealedOf(first?.letterId)
    // The middle of it: the head is the same for all.
    const part = sealed.subarray(24, 56)
    expect(isOnDisk(part)).toBe(true)
    await ledger.close()
    expect(isOnDisk(part)).toBe(true)

    ledger = await open({ now: () => 10 + month })
    expect((await opens()).map(({ changeId }) => changeId)).toEqual(['id-later'])
    expect((await all())[0]).toMatchObject({ state: 'expired', endedAt: 10 + month })
    expect(isOnDisk(part)).toBe(false)
    expect((await ledger.openLetters([first?.letterId ?? ''])).size).toBe(0)
    expect(await ledger.expireLetters(10 + month)).toBe(0)
  })

  test('is erased when it is dropped, which needs no key', async () => {
    await (await refuse(['ann'])).conclude()
    const [letter] = await all()
    const part = sealedOf(letter?.letterId).subarray(24, 56)
    await ledger.close()
    rmSync(keyFileOf(path))
    ledger = await open()
    lease = await acquire()
    const entry = { actor: 'ada', at: 50, action: 'drop', subject: 'sync:s', detail: {} } as const
    expect(await ledger.endLetters([letter?.letterId ?? ''], 'dropped', 50, lease, entry)).toBe(1)
    expect(await ledger.endLetters([letter?.letterId ?? ''], 'delivered', 60, lease)).toBe(0)
    expect((await all())[0]).toMatchObject({ state: 'dropped', endedAt: 50 })
    expect(isOnDisk(part)).toBe(false)
    expect(await ledger.audit({ limit: 5 })).toMatchObject([{ action: 'drop' }])
  })
})

describe('the key of the ledger', () => {
  test('that is lost is an error while something is sealed, and not made anew', async () => {
    await (await refuse(['ann'])).conclude()
    await ledger.close()
    rmSync(keyFileOf(path))
    ledger = await open()
    await expectCode('A5011', ledger.checkKey())
    expect(readdirSync(folder)).not.toContain('ledger.db.key')
    const [letter] = await opens()
    await expectCode('A5011', ledger.openLetters([letter?.letterId ?? '']))
    expect(await ledger.expireLetters(10 + month)).toBe(1)
    await ledger.checkKey()
    expect(readdirSync(folder)).toContain('ledger.db.key')
  })

  test('that is another one is an error while something is sealed, and taken afterwards', async () => {
    await (await refuse(['ann'])).conclude()
    await ledger.close()
    const known = readFileSync(keyFileOf(path), 'utf8')
    writeFileSync(keyFileOf(path), `${'0'.repeat(64)}\n`)
    ledger = await open()
    await expectCode('A5012', ledger.checkKey())
    await ledger.close()
    ledger = await open({ key: keyOfSecret(() => known) })
    await ledger.checkKey()
    expect((await ledger.openLetters((await opens()).map(({ letterId }) => letterId))).size).toBe(1)
    await ledger.expireLetters(10 + month)
    await ledger.close()
    ledger = await open()
    await ledger.checkKey()
  })
})

test('whatever is refused, ended or expires: one open letter of a key, and only open ones hold anything', async () => {
  const keys = ['a', 'b', 'c'] as const
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('refuse'),
      keys: fc.uniqueArray(fc.constantFrom(...keys), { minLength: 1 }),
      version: fc.nat(1),
    }),
    fc.record({
      kind: fc.constant('end'),
      key: fc.constantFrom(...keys),
      state: fc.constantFrom('delivered', 'settled', 'dropped'),
    }),
    fc.record({ kind: fc.constant('expire'), after: fc.nat(40) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async steps => {
      await ledger.expireLetters(Number.MAX_SAFE_INTEGER)
      const model = new Map<string, { changeId: string; attempts: number; at: number }>()
      let now = 10
      for (const each of steps) {
        now += 10
        if (each.kind === 'refuse') {
          const changeId = (key: string) => `${key}${each.version}`
          await (await refuse(each.keys, { at: now, changeId })).conclude()
          for (const key of each.keys) {
            const before = model.get(key)
            const again = before?.changeId === changeId(key)
            model.set(key, { changeId: changeId(key), attempts: again ? before.attempts + 1 : 1, at: now })
          }
        } else if (each.kind === 'end') {
          const ids = (await opens()).filter(({ changeId }) => changeId === model.get(each.key)?.changeId)
          expect(
            await ledger.endLetters(
              ids.map(({ letterId }) => letterId),
              each.state,
              now,
              lease,
            ),
          ).toBe(model.has(each.key) ? 1 : 0)
          model.delete(each.key)
        } else {
          const until = now - each.after
          const expired = [...model].filter(([, { at }]) => at <= until).map(([key]) => key)
          expect(await ledger.expireLetters(until + month)).toBe(expired.length)
          for (const key of expired) model.delete(key)
        }
      }
      const left = await opens()
      const contents = await ledger.openLetters((await all()).map(({ letterId }) => letterId))
      const seen = left.map(
        ({ letterId, changeId, attempts, at }) => [contents.get(letterId)?.key, { changeId, attempts, at }] as const,
      )
      expect(new Map(seen)).toEqual(model)
      expect([left.length, contents.size]).toEqual([model.size, model.size])
    }),
    { numRuns: 15 },
  )
})
