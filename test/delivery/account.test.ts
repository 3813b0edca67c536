import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Account, accountOf, createAccount, turnLength } from '../../src/delivery/account.ts'
import type { ActionLimits, RateLimit } from '../../src/delivery/destination.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { openLedger } from '../../src/ledger/store.ts'

const folder = mkdtempSync(join(tmpdir(), 'activate-account-'))
let ledger: Ledger
beforeAll(async () => {
  ledger = await openLedger({ type: 'sqlite', path: join(folder, 'ledger.db') })
})
afterAll(async () => {
  await ledger.close()
  rmSync(folder, { recursive: true, force: true })
})

let made = 0
const step = 20

interface Runner {
  readonly account: Account
  readonly leave: (now: number) => Promise<void>
  readonly idle: () => Promise<void>
}

/** A process of its own, as far as the ledger can tell. */
function startRunner(id: string, limits: readonly RateLimit[]): Runner {
  const account = createAccount(() => id, limits)
  const open = new Set<Promise<void>>()
  const track = (work: Promise<void>) => {
    const known = work.finally(() => open.delete(known))
    open.add(known)
  }
  made += 1
  const { leave } = account.join({ ledger, token: `token${made}`, track })
  return { account, leave, idle: async () => void (await Promise.all(open)) }
}

/** Takes all that it can, at most `most`, and lets it leave at once. */
function sendAll(
  { account: { limiter } }: Runner,
  now: number,
  most = Number.POSITIVE_INFINITY,
  within?: ActionLimits,
): number {
  let sent = 0
  while (sent < most && limiter.take(now, within) === 0) {
    limiter.left(limiter.taken, now)
    sent += 1
  }
  return sent
}

function mostInSlidingWindow(sent: readonly number[], length: number): number {
  let [most, from] = [0, 0]
  for (let to = 0; to < sent.length; to++) {
    while ((sent[to] ?? 0) - (sent[from] ?? 0) >= length) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

interface Life {
  readonly from: number
  readonly to: number
  readonly dies: boolean
  readonly greed: number
  /** The limits of their own under which its requests fall, in turns; none: the account's alone. */
  readonly groups?: readonly ActionLimits[]
}

/** Processes that come, send as much as they may, and go or die. */
async function live(limits: readonly RateLimit[], lives: readonly Life[], until: number): Promise<readonly number[][]> {
  const id = `account${++made}`
  const runners: (Runner | undefined)[] = lives.map(() => undefined)
  const sent: number[][] = lives.map(() => [])
  const start = made * 1e9
  for (let now = 0; now < until; now += step) {
    for (const [index, { from, to, dies, greed, groups = [] }] of lives.entries()) {
      if (now >= from && now < to) runners[index] ??= startRunner(id, limits)
      const runner = runners[index]
      if (runner === undefined) continue
      if (now >= to) {
        if (!dies) await runner.leave(start + now)
        runners[index] = undefined
        continue
      }
      const within = groups[(now / step) % Math.max(1, groups.length)]
      for (let n = sendAll(runner, start + now, greed, within); n > 0; n--) sent[index]?.push(now)
      await runner.idle()
    }
  }
  return sent
}

const sortedAll = (sent: readonly number[][]) => sent.flat().sort((a, b) => a - b)

describe('the limits of an account', () => {
  test('are never exceeded by several processes together, however they come, go and die', async () => {
    const life = fc.record({
      from: fc.integer({ min: 0, max: 4_000 }),
      to: fc.integer({ min: 500, max: 9_000 }),
      dies: fc.boolean(),
      greed: fc.integer({ min: 1, max: 30 }),
    })
    const limit = fc.record({
      requests: fc.integer({ min: 1, max: 60 }),
      perMilliseconds: fc.constantFrom(300, 1_000, 5_000, 60_000),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(limit, { minLength: 1, maxLength: 2 }),
        fc.array(life, { minLength: 2, maxLength: 3 }),
        async (limits, lives) => {
          const all = sortedAll(await live(limits, lives, 9_000))
          for (const { requests, perMilliseconds } of limits)
            expect(mostInSlidingWindow(all, perMilliseconds)).toBeLessThanOrEqual(requests)
        },
      ),
      { numRuns: 8 },
    )
  })

  test('and those of some of its actions hold together, whoever sends and whoever dies', async () => {
    const limit = fc.record({
      requests: fc.integer({ min: 1, max: 40 }),
      perMilliseconds: fc.constantFrom(300, 1_000, 5_000, 60_000),
    })
    const life = fc.record({
      from: fc.integer({ min: 0, max: 4_000 }),
      to: fc.integer({ min: 500, max: 9_000 }),
      dies: fc.boolean(),
      greed: fc.integer({ min: 1, max: 30 }),
    })
    await fc.assert(
      fc.asyncProperty(limit, limit, fc.array(life, { minLength: 2, maxLength: 3 }), async (whole, part, lives) => {
        const groups = [{ name: 'part', limits: [part] }]
        // The first knows nothing of the group, and sends beside the others.
        const sent = await live(
          [whole],
          lives.map((one, index) => (index === 0 ? one : { ...one, groups })),
          9_000,
        )
        expect(mostInSlidingWindow(sortedAll(sent), whole.perMilliseconds)).toBeLessThanOrEqual(whole.requests)
        const inPart = sortedAll(sent.slice(1))
        expect(mostInSlidingWindow(inPart, part.perMilliseconds)).toBeLessThanOrEqual(part.requests)
      }),
      { numRuns: 8 },
    )
  })

  test('are left to other actions when those of one are used up', () => {
    const { limiter } = createAccount(() => 'alone', [{ requests: 10, perMilliseconds: 1_000 }])
    const part = { name: 'part', limits: [{ requests: 3, perMilliseconds: 60_000 }] }
    const other = { name: 'other', limits: [] }
    const runner = { account: { limiter } } as Runner
    expect(sendAll(runner, 0, 100, part)).toBe(3)
    expect(limiter.room(0, part)).toBe(0)
    expect(limiter.room(0, other)).toBe(7)
    expect(limiter.blockedBy(0, part)).toMatchObject({ requests: 3, of: 'part' })
    expect(sendAll(runner, 0, 100, other)).toBe(7)
    expect(limiter.blockedBy(2_000, other)).toBeUndefined()
    expect(limiter.wait(2_000, part)).toBeGreaterThan(57_000)
  })

  test('that headers tell of some actions keep others from nothing', () => {
    const { limiter } = createAccount(() => 'alone', [])
    const told = (name: string) => ({ name, limits: [], toldByHeaders: true })
    limiter.heed({ name: 'x', remaining: 0, until: 5_000 }, 0, 1_000, told('mail'))
    expect(limiter.take(1_000, told('mail'))).toBe(4_000)
    expect(limiter.take(1_000, told('contacts'))).toBe(0)
    expect(limiter.take(1_000)).toBe(0)
    limiter.heed({ name: 'x', remaining: 0, until: 5_000 }, 0, 1_000, { name: 'mail', limits: [] })
    expect(limiter.take(1_000, told('contacts'))).toBe(4_000)
  })

  test('are used by both of two that always have something to send, and nearly in full', async () => {
    const lives = [0, 500].map(from => ({ from, to: 15_000, dies: false, greed: 5 }))
    const sent = await live([{ requests: 50, perMilliseconds: 1_000 }], lives, 15_000)
    const [one = 0, other = 0] = sent.map(({ length }) => length)
    expect(Math.min(one, other)).toBeGreaterThan(200)
    expect(one + other).toBeGreaterThan(0.75 * 50 * 15)
  })

  test('are given back by time when a process dies, and are whole again after a window', async () => {
    const lives = [
      { from: 0, to: 1_000, dies: true, greed: 50 },
      { from: 1_000, to: 20_000, dies: false, greed: 50 },
    ]
    const [, heir = []] = await live([{ requests: 10, perMilliseconds: 2_000 }], lives, 20_000)
    expect(heir[0]).toBeGreaterThanOrEqual(turnLength)
    expect(heir.filter(at => at > 12_000 && at < 18_000).length).toBeGreaterThanOrEqual(25)
  })

  test('of a day outlast the process that used them, to the request', async () => {
    const day = [{ requests: 500, perMilliseconds: 86_400_000 }]
    const first = { from: 0, to: 2_000, dies: false, greed: 7 }
    const second = { from: 3_000, to: 60_000, dies: false, greed: 40 }
    const sent = await live(day, [first, second], 14_000)
    expect(sortedAll(sent)).toHaveLength(500)
    expect(sent[0]?.length).toBeGreaterThan(0)
  })

  test('of a day lose no more than a hundredth to a process that dies', async () => {
    const day = [{ requests: 500, perMilliseconds: 86_400_000 }]
    const first = { from: 0, to: 2_000, dies: true, greed: 7 }
    const second = { from: 3_000, to: 60_000, dies: false, greed: 40 }
    const total = sortedAll(await live(day, [first, second], 14_000)).length
    expect(total).toBeLessThanOrEqual(500)
    expect(total).toBeGreaterThanOrEqual(495)
  })

  test('hold a pause that one process was told for the others as well', async () => {
    const id = `account${++made}`
    const limits = [{ requests: 100, perMilliseconds: 1_000 }]
    const one = startRunner(id, limits)
    sendAll(one, 0)
    await one.idle()
    one.account.limiter.pause(60_000)
    await one.leave(10)
    const other = startRunner(id, limits)
    other.account.limiter.take(5_000)
    await other.idle()
    expect(other.account.limiter.take(5_000)).toBe(55_000)
  })

  test('do not wait for a clock that was set back an hour, neither for one that lives nor for one that died', async () => {
    const id = `account${++made}`
    const limits = [{ requests: 10, perMilliseconds: 1_000 }]
    const [before, after] = [made * 1e9 + 3_600_000, made * 1e9]
    const [living, other] = [startRunner(id, limits), startRunner(id, limits)]
    const both = [living, other]
    const sent: number[] = []
    for (let at = 0; at < 20_000; at += step) {
      const now = at < 5_000 ? before + at : after + at
      for (const runner of both) {
        for (let n = sendAll(runner, now); n > 0; n--) sent.push(at)
        await runner.idle()
      }
    }
    expect(mostInSlidingWindow(sent, 1_000)).toBeLessThanOrEqual(10)
    expect(sent.filter(at => at > 15_000).length).toBeGreaterThan(25)
    // Both are gone without a word; the clock is set back once more.
    const heir = startRunner(id, limits)
    const late: number[] = []
    for (let at = 0; at < 10_000; at += step) {
      for (let n = sendAll(heir, after - 7_200_000 + at); n > 0; n--) late.push(at)
      await heir.idle()
    }
    expect(late.length).toBeGreaterThan(25)
  })

  test('cost about a commit a second while nobody else wants them', async () => {
    let commits = 0
    const account = createAccount(() => `account${++made}`, [{ requests: 100, perMilliseconds: 1_000 }])
    const open: Promise<void>[] = []
    const counting = {
      turn: (request: Parameters<Ledger['turn']>[0]) => {
        commits += 1
        return ledger.turn(request)
      },
    }
    account.join({ ledger: counting, token: 'alone', track: work => open.push(work) })
    let sent = 0
    for (let now = 0; now < 10_000; now += step) {
      sent += sendAll({ account, leave: async () => {}, idle: async () => {} }, now)
      await Promise.all(open.splice(0))
    }
    expect(sent).toBeGreaterThan(950)
    expect(commits).toBeLessThanOrEqual(12)
  })
})

test('an account that a process opens twice takes turns with itself', async () => {
  const id = `account${++made}`
  const limits = [{ requests: 10, perMilliseconds: 10_000 }]
  const open: Promise<void>[] = []
  const party = { ledger, token: 'same', track: (work: Promise<void>) => open.push(work) }
  const accounts = [0, 1].map(() => createAccount(() => id, limits))
  for (const account of accounts) account.join(party)
  let sent = 0
  for (let now = 0; now < 5_000; now += step) {
    for (const account of accounts) {
      sent += sendAll({ account, leave: async () => {}, idle: async () => {} }, now)
      await Promise.all(open.splice(0))
    }
  }
  expect(sent).toBe(10)
})

describe('an account in one process', () => {
  const identity = { type: 'http', address: 'https://a.example/', credentials: { authorization: 'Bearer t' } }
  const limits = [{ requests: 5, perMilliseconds: 1_000 }]

  test('is one for all destinations that are the same, and holds the limits of all of them', () => {
    const accounts = new Map<string, Account>()
    const one = accountOf(accounts, identity, limits)
    const same = accountOf(accounts, { ...identity }, [...limits, { requests: 6, perMilliseconds: 10_000 }])
    expect(same).toBe(one)
    const sent: number[] = []
    for (let now = 0; now < 20_000; now += step) {
      while (one.limiter.take(now) === 0) sent.push(now)
    }
    expect(mostInSlidingWindow(sent, 1_000)).toBe(5)
    expect(mostInSlidingWindow(sent, 10_000)).toBe(6)
  })

  test.each([
    ['type', { type: 'crm' }],
    ['address', { address: 'https://b.example/' }],
    ['credentials', { credentials: { authorization: 'Bearer u' } }],
  ])('is another one when the %s differs', (_what, change) => {
    const accounts = new Map<string, Account>()
    expect(accountOf(accounts, { ...identity, ...change }, limits)).not.toBe(accountOf(accounts, identity, limits))
  })
})
