/** Several runners on one ledger: clocks that differ, takeovers, writers in turn. Each has connections of its own. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Lease, Ledger, NewRequest } from '../../src/ledger/ledger.ts'
import { openPostgres, type PostgresOptions } from '../../src/ledger/postgres.ts'
import type { PostgresLedgerSettings } from '../../src/ledger/postgres-address.ts'
import { usualLimits } from '../../src/ledger/postgres-connection.ts'
import { type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { expectCode } from './expect-code.ts'
import { administer, clientOf, openLedger, settingsFor } from './postgres-ledger.ts'

const minute = 60_000
const hour = 60 * minute
const nobodyIsGone = () => false
const holderOn = (host: string) => ({ host, pid: 1, token: `token of ${host}` })

const request = (requestId: string, runId = 'run1', change: Partial<NewRequest> = {}): NewRequest => ({
  ...{ requestId, runId, destination: 'crm', action: 'upsert', members: { from: 1, to: 1 } },
  ...{ idempotencyKey: 'key', bodyHash: 'hash' },
  ...change,
})

describe.skipIf(postgresMissing !== undefined)('several runners', () => {
  let server: PostgresServer
  let settings: PostgresLedgerSettings
  const opened: Ledger[] = []

  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())
  beforeEach(() => {
    settings = settingsFor(server.url)
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(ledger => ledger.close()))
  })

  async function open(options?: PostgresOptions): Promise<Ledger> {
    const ledger = await openLedger(settings, options)
    opened.push(ledger)
    return ledger
  }

  const openAll = (count: number) => Promise.all(Array.from({ length: count }, () => open()))

  async function running(ledger: Ledger, sync: string): Promise<{ readonly lease: Lease; readonly runId: string }> {
    const answer = await ledger.acquire(`sync:${sync}`, holderOn(sync), Date.now(), minute, () => true)
    if (answer.kind !== 'acquired') throw new Error('locked')
    const runId = `run of ${sync}, ${answer.lease.fence}`
    await ledger.startRun({ runId, sync, asOf: 1, startedAt: 1 }, answer.lease)
    return { lease: answer.lease, runId }
  }

  describe('whose clocks differ by hours', () => {
    test.each([
      ['fast', hour],
      ['slow', -hour],
    ])('agree on a lease that the one with the %s clock holds', async (_what, skew) => {
      const [theirs, ours] = [await open(), await open()]
      const now = () => Date.now() + skew
      const asked = now()
      const answer = await theirs.acquire('sync:a', holderOn('skewed'), asked, minute, nobodyIsGone)
      // On its own clock, so that it knows when to stop sending.
      expect(answer).toMatchObject({ kind: 'acquired', lease: { expiresAt: asked + minute } })
      for (const clock of [Date.now(), Date.now() - skew, Date.now() + 2 * skew]) {
        const locked = await ours.acquire('sync:a', holderOn('other'), clock, minute, nobodyIsGone)
        expect(locked).toMatchObject({ kind: 'locked', by: { host: 'skewed' } })
        if (locked.kind === 'locked') expect(Math.abs(locked.until - clock - minute)).toBeLessThan(20_000)
      }
      const [seen] = await ours.leases(Date.now())
      expect(Math.abs((seen?.expiresAt ?? 0) - Date.now() - minute)).toBeLessThan(20_000)
      expect(Math.abs((await theirs.clockAhead(now())) + skew)).toBeLessThan(20_000)
    })

    test.each([
      ['fast', hour],
      ['slow', -hour],
    ])('take a lease over when its time is up, and not before, though the %s clock says otherwise', async (_what, skew) => {
      const [theirs, ours] = [await open(), await open()]
      const answer = await ours.acquire('sync:a', holderOn('right'), Date.now(), minute, nobodyIsGone)
      if (answer.kind !== 'acquired') throw new Error('locked')
      const take = () => theirs.acquire('sync:a', holderOn('skewed'), Date.now() + skew, minute, nobodyIsGone)
      expect(await take()).toMatchObject({ kind: 'locked' })
      const renewed = await ours.renew(answer.lease, Date.now(), 1)
      await sleep(2)
      expect(await take()).toMatchObject({ kind: 'acquired', lease: { fence: 2 }, from: { host: 'right' } })
      await expectCode('A5003', ours.renew(renewed, Date.now(), minute))
    })
  })

  describe('that race', () => {
    test('for a lease: one has it, and the others know who', async () => {
      const ledgers = await openAll(6)
      for (const scope of ['a', 'b', 'c', 'd']) {
        const answers = await Promise.all(
          ledgers.map((ledger, index) =>
            ledger.acquire(scope, holderOn(`host${index}`), Date.now(), minute, nobodyIsGone),
          ),
        )
        const winner = answers.findIndex(({ kind }) => kind === 'acquired')
        expect(answers.filter(({ kind }) => kind === 'acquired')).toHaveLength(1)
        for (const answer of answers) if (answer.kind === 'locked') expect(answer.by.host).toBe(`host${winner}`)
      }
    })

    test('for due times: each is claimed once', async () => {
      const ledgers = await openAll(4)
      const times = Array.from({ length: 20 }, (_, index) => index)
      const claims = await Promise.all(
        ledgers.map(ledger => Promise.all(times.map(time => ledger.claimDue('a', time, 1)))),
      )
      for (const time of times) expect(claims.filter(claimed => claimed[time])).toHaveLength(1)
      const seen = await Promise.all(ledgers.map((ledger, index) => ledger.scheduleSeen('a', '0 2 * * *', index)))
      expect(new Set(seen).size).toBe(1)
    })

    test('for the audit trail: it stays one chain, and opt-outs appear in the order of their ordinals', async () => {
      const ledgers = await openAll(4)
      const watcher = await open()
      const seen: number[] = []
      let isOver = false
      const watching = (async () => {
        while (!isOver) {
          for await (const chunk of watcher.suppressions({ after: seen.at(-1) ?? 0 }))
            seen.push(...chunk.map(({ ordinal }) => ordinal))
          await sleep(1)
        }
      })()
      await Promise.all(
        ledgers.map(async (ledger, machine) => {
          for (let index = 0; index < 6; index++) {
            const hash = `${machine} ${index}`.padStart(64, '0')
            await ledger.suppress([{ kind: 'email', hash }], { actor: 'ada', at: index, reason: 'opt_out' })
            await ledger.hold({ scope: `sync:${machine}_${index}`, reason: 'why', actor: 'ada', at: index })
          }
        }),
      )
      isOver = true
      await watching
      for await (const chunk of watcher.suppressions({ after: seen.at(-1) ?? 0 }))
        seen.push(...chunk.map(({ ordinal }) => ordinal))
      expect(seen).toHaveLength(24)
      expect(await watcher.verifyAudit()).toMatchObject({ kind: 'ok', entries: 48 })
    })

    test('with sends of their own syncs: nobody waits for or disturbs another', async () => {
      const ledgers = await openAll(3)
      const runs = await Promise.all(
        ledgers.map(async (ledger, index) => ({ ledger, ...(await running(ledger, `sync${index}`)) })),
      )
      await Promise.all(
        runs.map(({ ledger, lease, runId }) =>
          Promise.all(
            Array.from({ length: 200 }, async (_, index) => {
              const requestId = `${runId} ${index}`
              await ledger.begin([request(requestId, runId)], 1, lease)
              await ledger.conclude({ requestId, attempt: 1, state: 'acked', at: 2, exceptions: [] }, lease)
            }),
          ),
        ),
      )
      for (const { ledger, runId } of runs)
        expect(await ledger.countByState(runId)).toMatchObject({ acked: 200, sending: 0 })
    })
  })

  describe('of which one takes over', () => {
    test('while the other begins: either it sees the intent, or the intent is refused', async () => {
      const [theirs, ours] = [await open(), await open()]
      for (let round = 0; round < 40; round++) {
        const { lease, runId } = await running(theirs, `r${round}`)
        const requestId = `request ${round}`
        const beginning = theirs.begin([request(requestId, runId)], 1, lease).then(
          () => true,
          () => false,
        )
        const taken = ours.acquire(lease.scope, holderOn('ours'), Date.now(), minute, () => true)
        const answer = await taken
        if (answer.kind !== 'acquired') throw new Error('locked')
        const seen = (await ours.requests(runId)).length
        expect(await beginning, `round ${round}`).toBe(seen === 1)
      }
    })

    test('a takeover that is under way is waited for, and then counts', async () => {
      const ledger = await open()
      const { lease, runId } = await running(ledger, 'a')
      await ledger.begin([request('before', runId)], 1, lease)
      const raw = await clientOf(server.url)
      await raw.query(`begin; update ${settings.schema}.leases set fence = fence + 1`)
      const sends = Promise.allSettled([
        ledger.begin([request('late', runId)], 2, lease),
        ledger.conclude({ requestId: 'before', attempt: 1, state: 'acked', at: 3, exceptions: [] }, lease),
      ])
      await sleep(100)
      await raw.query('commit')
      await raw.end()
      for (const sent of await sends) {
        expect(sent).toMatchObject({ status: 'rejected', reason: { problems: [{ code: 'A5003' }] } })
      }
      expect((await ledger.requests(runId)).map(({ requestId, state }) => [requestId, state])).toEqual([
        ['before', 'sending'],
      ])
    })
  })

  describe('of which one is frozen', () => {
    test('in the middle of a write: its turn passes, and what it was doing is done when it thaws', async () => {
      const frozen = await openPostgres(settings, { limits: { ...usualLimits, idle: 300 } })
      const other = await open()
      let attempts = 0
      const order: string[] = []
      let thaw: () => void = () => undefined
      const thawed = new Promise<void>(resolve => {
        thaw = resolve
      })
      const write = frozen.write(async bind => {
        attempts += 1
        await bind(
          frozen.knex('leases').insert({ scope: 'frozen', ...holderOn('f'), fence: 1, acquired_at: 1, expires_at: 1 }),
        )
        if (attempts === 1) await thawed
        order.push('frozen')
      })
      await sleep(100)
      await other.hold({ scope: 'all', reason: 'why', actor: 'ada', at: 1 })
      order.push('other')
      thaw()
      await write
      expect([attempts, order]).toEqual([2, ['other', 'frozen', 'frozen']])
      expect((await other.leases(0)).map(({ scope }) => scope)).toEqual(['frozen'])
      await frozen.close()
    })

    test('and whoever waits longer than the tool does is told that the ledger is locked', async () => {
      const ledger = await open({ limits: { ...usualLimits, lock: 200 } })
      const raw = await clientOf(server.url)
      const [key] = await administer(
        server.url,
        `select (('x' || substr(encode(sha256('activate ledger ${settings.schema}'), 'hex'), 1, 16))::bit(64)::bigint)::text as key`,
      )
      await raw.query(`select pg_advisory_lock(${key?.key})`)
      const hold = { scope: 'all', reason: 'why', actor: 'ada', at: 1 }
      await expectCode('A5004', ledger.hold(hold))
      await expect(ledger.hold(hold)).rejects.toMatchObject({ exit: 'locked' })
      await raw.end()
      expect(await ledger.hold(hold)).toEqual({ hold, already: false })
    })
  })

  test('open no more connections than they may, however much they are asked', async () => {
    settings = { ...settings, connections: 2 }
    const ledger = await openLedger(settings)
    opened.push(ledger)
    const before = await ledger.auditLength()
    const asked = Array.from({ length: 30 }, (_, at) => [
      ledger.hold({ scope: `sync:${at}`, reason: 'why', actor: 'ada', at }),
      ledger.holds(),
    ])
    const [counted] = await administer(
      server.url,
      `select count(*)::int as n from pg_stat_activity where application_name = 'activate ledger' and datname = current_database()`,
    )
    await Promise.all(asked.flat())
    expect(counted?.n).toBeLessThanOrEqual(2)
    expect(await ledger.auditLength()).toBe(before + 30)
  })
})
