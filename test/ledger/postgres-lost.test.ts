/** Connections that are lost: what was recorded is recorded once, whether or not its answer came back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ChangeException, Lease, Ledger, NewRequest } from '../../src/ledger/ledger.ts'
import type { PostgresOptions } from '../../src/ledger/postgres.ts'
import type { PostgresLedgerSettings } from '../../src/ledger/postgres-address.ts'
import { usualLimits } from '../../src/ledger/postgres-connection.ts'
import { type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.ts'
import { expectCode } from './expect-code.ts'
import { administer, clientOf, eventually, openLedger, settingsFor } from './postgres-ledger.ts'

const nobodyIsGone = () => false
const holder = { host: 'here', pid: 1, token: 'token' }
const hold = { scope: 'all', reason: 'look first', actor: 'ada', at: 1 }

const request = (id: number, change: Partial<NewRequest> = {}): NewRequest => ({
  ...{ requestId: `request${id}`, runId: 'run1', destination: 'crm', action: 'upsert', members: { from: id, to: id } },
  ...{ idempotencyKey: `key${id}`, bodyHash: `hash${id}` },
  ...change,
})

const exception: ChangeException = {
  ...{ seq: 1, key: 'c1', changeId: 'id1', state: 'rejected', code: 'refused', message: 'no' },
}

const insert = 'insert into requests'
const conclude = 'update requests r set state = i.state'

describe.skipIf(postgresMissing !== undefined)('a connection that is lost', () => {
  let server: PostgresServer
  let proxy: CuttingProxy
  let settings: PostgresLedgerSettings
  let ledger: Ledger
  let lease: Lease
  const opened: Ledger[] = []

  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  beforeEach(async () => {
    proxy = await startCuttingProxy(server.url)
    settings = settingsFor(proxy.url)
    ledger = await open()
    const answer = await ledger.acquire('sync:a', holder, Date.now(), 60_000, nobodyIsGone)
    if (answer.kind !== 'acquired') throw new Error('locked')
    lease = answer.lease
    await ledger.startRun({ runId: 'run1', sync: 'a', asOf: 1, startedAt: 1 }, lease)
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(each => each.close()))
    await proxy.close()
  })

  async function open(options?: PostgresOptions): Promise<Ledger> {
    const made = await openLedger(settings, options)
    opened.push(made)
    return made
  }

  const rows = () => ledger.requests('run1')

  test.each([
    'cutAnswerTo',
    'cutAfter',
    'cutBefore',
  ] as const)('leaves a write written once: %s its commit', async cut => {
    proxy[cut]('commit')
    expect(await ledger.hold(hold)).toEqual({ hold, already: false })
    expect(proxy.cuts).toBe(1)
    expect(await ledger.holds()).toEqual([hold])
    expect(await ledger.verifyAudit()).toMatchObject({ kind: 'ok', entries: 1 })
  })

  test('does not lock a runner out of the lease that it took', async () => {
    proxy.cutAnswerTo('commit')
    expect(await ledger.acquire('sync:b', holder, Date.now(), 60_000, nobodyIsGone)).toMatchObject({
      ...{ kind: 'acquired', lease: { fence: 1 } },
    })
    proxy.cutAnswerTo('commit')
    expect(await ledger.claimDue('b', 100, 101)).toBe(true)
    expect(proxy.cuts).toBe(2)
  })

  test.each([
    'cutAnswerTo',
    'cutAfter',
    'cutBefore',
    'muteAfter',
  ] as const)('begins each request once: %s', async cut => {
    ledger = await open({ limits: { ...usualLimits, silence: 500 } })
    proxy[cut](insert)
    const ids = Array.from({ length: 30 }, (_, index) => index)
    const begun = await Promise.all(ids.map(id => ledger.begin([request(id)], 20, lease)))
    expect(begun.flat()).toEqual(ids.map(id => ({ requestId: `request${id}`, attempt: 1 })))
    expect((await rows()).map(({ state, attempt }) => [state, attempt])).toEqual(ids.map(() => ['sending', 1]))
    expect(
      await ledger.conclude({ requestId: 'request0', attempt: 1, state: 'planned', at: 30, exceptions: [] }, lease),
    ).toBe(true)
    proxy[cut](insert)
    expect(await ledger.begin([request(0)], 40, lease)).toEqual([{ requestId: 'request0', attempt: 2 }])
    expect((await rows())[0]).toMatchObject({ state: 'sending', attempt: 2, firstSentAt: 20 })
  })

  test('still refuses what must not be begun, and nothing else', async () => {
    await ledger.begin([request(1)], 20, lease)
    proxy.cutAnswerTo(insert)
    const results = await Promise.allSettled([
      ledger.begin([request(2)], 21, lease),
      ledger.begin([request(1)], 21, lease),
      ledger.begin([request(3)], 21, { ...lease, fence: 0 }),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect((await rows()).map(({ requestId, attempt }) => [requestId, attempt])).toEqual([
      ['request1', 1],
      ['request2', 1],
    ])
  })

  test.each(['cutAnswerTo', 'cutAfter', 'cutBefore'] as const)('concludes each request once: %s', async cut => {
    await ledger.begin([request(1), request(2)], 20, lease)
    proxy[cut](conclude)
    const outcome = { attempt: 1, state: 'acked', at: 30 } as const
    const won = await Promise.all([
      ledger.conclude({ ...outcome, requestId: 'request1', exceptions: [exception] }, lease),
      ledger.conclude({ ...outcome, requestId: 'request2', exceptions: [] }, lease),
      ledger.conclude({ ...outcome, requestId: 'request2', state: 'rejected', exceptions: [] }, lease),
    ])
    expect(proxy.cuts).toBe(1)
    expect(won).toEqual([true, true, false])
    expect((await rows()).map(({ state }) => state)).toEqual(['acked', 'acked'])
    const { key: _, ...recorded } = exception
    expect(await ledger.exceptions('run1')).toEqual([{ ...recorded, requestId: 'request1' }])
  })

  test.each(['cutAnswerTo', 'cutAfter', 'cutBefore'] as const)('keeps each dead letter once: %s', async cut => {
    await ledger.begin([request(1)], 20, lease)
    const letter = { runId: 'run1', key: 'c1', changeId: 'id1', op: 'enter', class: 'refused', code: 'no' } as const
    const outcome = { requestId: 'request1', attempt: 1, state: 'rejected', at: 30, exceptions: [exception] } as const
    proxy[cut]('commit')
    expect(await ledger.conclude({ ...outcome, deadLetters: [{ ...letter, message: 'no' }] }, lease)).toBe(true)
    expect(proxy.cuts).toBe(1)
    expect(await ledger.deadLetters({ limit: 10 })).toMatchObject([{ state: 'open', attempts: 1, changeId: 'id1' }])
    expect((await rows()).map(({ state }) => state)).toEqual(['rejected'])
  })

  test('is ended at the server before it is asked again, so that nothing late can still happen', async () => {
    const blocker = await clientOf(server.url)
    // Not on the blocker: a transaction sees the sessions as they were when it first asked.
    const waiting = async () => {
      const found = await administer(
        server.url,
        `select pid from pg_stat_activity where wait_event_type = 'Lock' and query like '%with input as materialized%'`,
      )
      return found.map(({ pid }) => pid)
    }
    await blocker.query(`begin; lock table ${settings.schema}.requests in access exclusive mode`)
    const begun = ledger.begin([request(1)], 20, lease)
    const [first] = await eventually(waiting, pids => pids.length > 0)
    proxy.cutAll()
    const after = await eventually(waiting, pids => pids.some(pid => pid !== first))
    expect(after).not.toContain(first)
    await blocker.query('rollback')
    expect(await begun).toEqual([{ requestId: 'request1', attempt: 1 }])
    expect(await rows()).toHaveLength(1)
    await blocker.end()
  })

  // On another's server the copy would be a database of the same server.
  test.skipIf(process.env.ACTIVATE_TEST_PG_URL !== undefined)(
    'leaves unknown what was recorded, when the server that answers is a copy that was behind',
    async () => {
      const copy = await startPostgres()
      await (await openLedger({ ...settings, url: copy.url })).close()
      await administer(server.url, ...Array<string>(200).fill('select pg_current_xact_id()'))
      proxy.cutAnswerTo('commit')
      const held = ledger.hold(hold)
      proxy.divert(copy.url)
      await expectCode('A5023', held)
      await copy.stop()
    },
  )

  test('is noticed when it falls silent', async () => {
    const impatient = await open({ limits: { ...usualLimits, silence: 300 } })
    proxy.muteAfter('commit')
    expect(await impatient.hold(hold)).toEqual({ hold, already: false })
    expect(await ledger.holds()).toEqual([hold])
  })

  test('costs a reader nothing', async () => {
    await ledger.begin([request(1)], 20, lease)
    proxy.cutBefore('from "requests"')
    expect(await rows()).toHaveLength(1)
    proxy.cutAnswerTo('from "requests"')
    expect(await rows()).toHaveLength(1)
    expect(proxy.cuts).toBe(2)
  })

  test('does not matter between two commits, whoever ended it', async () => {
    await ledger.begin([request(1)], 20, lease)
    await administer(
      server.url,
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'activate ledger' and datname = current_database()`,
    )
    expect(await ledger.begin([request(2)], 21, lease)).toHaveLength(1)
    proxy.cutAll()
    expect(await ledger.begin([request(3)], 22, lease)).toHaveLength(1)
    expect(await rows()).toHaveLength(3)
  })

  test('ends a run that cannot have it back, with nothing recorded that was not said', async () => {
    const impatient = await open({ patience: 300 })
    await impatient.begin([request(1)], 20, lease)
    proxy.shut()
    const lost = impatient.begin([request(2)], 21, lease)
    await expectCode('A5020', lost)
    await expectCode(
      'A5020',
      impatient.conclude({ requestId: 'request1', attempt: 1, state: 'acked', at: 30, exceptions: [] }, lease),
    )
    await expectCode('A5020', impatient.hold(hold))
    await expectCode('A5020', impatient.holds())
    await expect(lost).rejects.toMatchObject({
      exit: 'failed',
      problems: [{ message: expect.not.stringContaining('password') }],
    })
    proxy.reopen()
    expect((await rows()).map(({ requestId, state }) => [requestId, state])).toEqual([['request1', 'sending']])
    expect(await ledger.auditLength()).toBe(0)
  })

  test('is had back when the server returns in time', async () => {
    proxy.shut()
    const begun = ledger.begin([request(1)], 20, lease)
    const held = ledger.hold(hold)
    await sleep(400)
    proxy.reopen()
    expect(await begun).toHaveLength(1)
    expect(await held).toEqual({ hold, already: false })
  })
})
