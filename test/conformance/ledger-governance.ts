/** What every ledger must do about opt-outs, holds, approvals and the audit trail. Called by `describeLedger`. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { NewAuditEntry, OptOut, Suppression } from '../../src/ledger/governance.ts'
import type { Lease, Ledger } from '../../src/ledger/ledger.ts'
import { expectCode } from '../ledger/expect-code.ts'

const deed = (at: number, actor = 'ada') => ({ actor, at })
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')
const email = (value: string, channel?: string): OptOut => ({
  kind: 'email',
  hash: hashOf(`email:${value}`),
  ...(channel === undefined ? {} : { channel }),
})

/** `open` opens an empty ledger. */
export function describeGovernance(name: string, open: () => Promise<Ledger>): void {
  let ledger: Ledger
  let made = 0
  const fresh = (what: string) => `${what}${++made}`
  const suppress = (optOuts: readonly OptOut[], reason = 'opt_out') => ledger.suppress(optOuts, { ...deed(5), reason })
  const newest = async () => (await ledger.audit({ limit: 1 }))[0]

  beforeAll(async () => {
    ledger = await open()
  })
  afterAll(() => ledger.close())

  async function inForce(after: number): Promise<readonly Suppression[]> {
    const found: Suppression[] = []
    for await (const chunk of ledger.suppressions({ after })) found.push(...chunk)
    return found
  }

  describe(`${name}: opt-outs`, () => {
    let before = 0
    beforeEach(async () => {
      before = await ledger.newestSuppression()
    })

    test('are in force once they are committed, in the order in which they were made', async () => {
      const [one, two] = [email(fresh('a')), email(fresh('b'), 'sms')]
      expect(await suppress([one])).toEqual({ added: 1, already: 0 })
      expect(await suppress([two], 'complaint')).toEqual({ added: 1, already: 0 })
      expect(await inForce(before)).toEqual([
        { ...one, ordinal: before + 1, reason: 'opt_out', actor: 'ada', at: 5 },
        { ...two, ordinal: before + 2, reason: 'complaint', actor: 'ada', at: 5 },
      ])
      expect(await ledger.newestSuppression()).toBe(before + 2)
      expect(await inForce(before + 2)).toEqual([])
    })

    test('that are in force already are not made again, by channel and by kind', async () => {
      const one = email(fresh('a'))
      await suppress([one])
      const others = [{ ...one, channel: 'sms' }, { ...one, kind: 'customer_id' }, one, one]
      expect(await suppress(others)).toEqual({ added: 2, already: 2 })
      expect(await suppress(others)).toEqual({ added: 0, already: 4 })
      expect(await inForce(before)).toHaveLength(3)
    })

    test('are lifted for exactly their channel, and count as new when they come again', async () => {
      const value = fresh('a')
      await suppress([email(value), email(value, 'sms')])
      expect(await ledger.liftSuppression([email(value)], deed(9))).toBe(1)
      expect(await ledger.liftSuppression([email(value)], deed(10))).toBe(0)
      expect((await inForce(before)).map(({ channel }) => channel)).toEqual(['sms'])
      const newestOfAll = await ledger.newestSuppression()
      expect(await suppress([email(value)])).toEqual({ added: 1, already: 0 })
      expect(await ledger.newestSuppression()).toBe(newestOfAll + 1)
    })

    test('come by the thousand, each once, in one entry of the trail', async () => {
      const many = Array.from({ length: 12_345 }, () => email(fresh('many')))
      expect(await suppress([...many, ...many.slice(0, 10)])).toEqual({ added: 12_345, already: 10 })
      const found = await inForce(before)
      expect(new Set(found.map(({ hash }) => hash))).toEqual(new Set(many.map(({ hash }) => hash)))
      expect(found.map(({ ordinal }) => ordinal)).toEqual(many.map((_, index) => before + 1 + index))
      expect(await newest()).toMatchObject({ action: 'suppress', subject: 'email', detail: { added: 12_345 } })
    })

    test('leave their hash in the trail, and nothing when nothing was done', async () => {
      const one = email(fresh('a'), 'sms')
      await suppress([one])
      const entry = await newest()
      expect(entry).toMatchObject({ action: 'suppress', subject: 'email', actor: 'ada', at: 5 })
      expect(entry?.detail).toEqual({ reason: 'opt_out', channel: 'sms', hash: one.hash, added: 1, already: 0 })
      await suppress([one])
      await ledger.liftSuppression([email(fresh('nobody'))], deed(6))
      expect(await newest()).toEqual(entry)
    })
  })

  describe(`${name}: holds`, () => {
    const hold = (scope: string, at: number, reason = 'look first') => ledger.hold({ scope, reason, ...deed(at) })
    const release = (scope: string, at: number) => ledger.releaseHold(scope, { ...deed(at, 'bob'), reason: 'looked' })
    const scopes = async () => (await ledger.holds()).map(({ scope }) => scope)

    test('are in force until they are released, the first one counting', async () => {
      const [one, two] = [fresh('sync:a'), fresh('destination:b')]
      const first = { scope: one, reason: 'look first', actor: 'ada', at: 1 }
      expect(await hold(one, 1)).toEqual({ hold: first, already: false })
      expect(await hold(one, 2, 'another reason')).toEqual({ hold: first, already: true })
      await hold(two, 3)
      expect((await scopes()).filter(scope => [one, two].includes(scope))).toEqual([one, two])
      expect(await release(one, 4)).toEqual(first)
      expect(await release(one, 5)).toBeUndefined()
      expect(await scopes()).not.toContain(one)
      expect(await hold(one, 6)).toMatchObject({ hold: { at: 6 }, already: false })
    })

    test('leave who and why in the trail', async () => {
      const scope = fresh('sync:a')
      await hold(scope, 1)
      expect(await newest()).toMatchObject({ action: 'hold', subject: scope, detail: { reason: 'look first' } })
      await release(scope, 2)
      expect(await newest()).toMatchObject({
        ...{ action: 'release', subject: scope, actor: 'bob', at: 2 },
        detail: { reason: 'looked', held_by: 'ada', held_at: '1970-01-01T00:00:00.001Z' },
      })
    })
  })

  describe(`${name}: approvals`, () => {
    test('are found by the hash of the plan, the newest first', async () => {
      const planHash = hashOf(fresh('plan'))
      expect(await ledger.approvalOf(planHash)).toBeUndefined()
      const approval = { planHash, sync: 'at_risk', reason: 'reviewed', ...deed(7) }
      await ledger.approve(approval, { send: 3 })
      await ledger.approve({ ...approval, ...deed(8, 'bob') }, { send: 3 })
      expect(await ledger.approvalOf(planHash)).toEqual({ ...approval, ...deed(8, 'bob') })
      expect(await ledger.approvalOf(planHash.slice(0, 12))).toBeUndefined()
      expect(await newest()).toMatchObject({
        ...{ action: 'approve', subject: 'sync:at_risk', actor: 'bob' },
        detail: { send: 3, reason: 'reviewed', plan_hash: planHash },
      })
    })
  })

  describe(`${name}: the audit trail`, () => {
    test('grows by one for every deed, so that its length tells whether anything has changed', async () => {
      const length = await ledger.auditLength()
      const one = email(fresh('a'))
      const scope = `sync:${fresh('held')}`
      await suppress([one])
      await ledger.liftSuppression([one], deed(6))
      await ledger.hold({ scope, reason: 'r', ...deed(7) })
      await ledger.releaseHold(scope, { ...deed(8), reason: 'r' })
      expect(await ledger.auditLength()).toBe(length + 4)
      await suppress([one])
      await suppress([one])
      expect(await ledger.auditLength()).toBe(length + 5)
    })

    const note = (at: number, detail = {}): NewAuditEntry => ({
      ...{ ...deed(at), action: 'held', subject: fresh('sync:a'), detail },
    })

    async function running(): Promise<{ readonly lease: Lease; readonly runId: string; readonly sync: string }> {
      const sync = fresh('audited')
      const holder = { host: 'here', pid: 1, token: fresh('token') }
      const answer = await ledger.acquire(`sync:${sync}`, holder, 0, 60_000, () => true)
      if (answer.kind !== 'acquired') throw new Error('locked')
      const runId = fresh('run')
      await ledger.startRun({ runId, sync, asOf: 1, startedAt: 1 }, answer.lease)
      return { sync, runId, lease: answer.lease }
    }

    test('is whole, and counts its entries without gaps from the newest down', async () => {
      await suppress([email(fresh('a'))])
      await ledger.hold({ scope: fresh('sync:a'), reason: 'Ünïcödé "quoted" \\ \u0001 🙂', ...deed(1) })
      const [last, before] = await ledger.audit({ limit: 2 })
      expect(last?.ordinal).toBe((before?.ordinal ?? 0) + 1)
      expect(last?.previousHash).toBe(before?.hash)
      expect(await ledger.verifyAudit()).toEqual({ kind: 'ok', entries: last?.ordinal, head: last?.hash })
    })

    test('takes an entry together with the change of a run, or neither', async () => {
      const { lease, runId, sync } = await running()
      const entry = note(3, { plan_hash: 'abc' })
      await ledger.updateRun(runId, { status: 'held', planHash: 'abc' }, lease, entry)
      expect(await newest()).toMatchObject(entry)
      const { ordinal } = (await newest()) ?? {}
      const old = { ...lease, fence: lease.fence - 1 }
      await expectCode('A5003', ledger.updateRun(runId, { status: 'failed' }, old, note(4)))
      await expectCode('A5009', ledger.updateRun(fresh('no such run'), { status: 'failed' }, lease, note(5)))
      expect((await newest())?.ordinal).toBe(ordinal)
      expect(await ledger.runs({ sync, status: 'held' })).toHaveLength(1)
      expect(await ledger.verifyAudit()).toMatchObject({ kind: 'ok' })
    })

    test('stays one chain when several write at once', async () => {
      const before = (await newest())?.ordinal ?? 0
      const writes = Array.from({ length: 20 }, (_, index) => suppress([email(fresh('at once'))], `r${index}`))
      await Promise.all([...writes, ...writes.map(() => ledger.hold({ scope: fresh('x'), reason: 'x', ...deed(1) }))])
      expect(await ledger.verifyAudit()).toMatchObject({ kind: 'ok', entries: before + 40 })
    })

    test('finds runs by their status and by the beginning of their plan', async () => {
      const { lease, runId, sync } = await running()
      expect(await ledger.runs({ sync, planHash: '' })).toEqual([])
      await ledger.updateRun(runId, { status: 'held', planHash: 'a_c%1' }, lease)
      const found = async (planHash: string) => (await ledger.runs({ sync, planHash })).map(run => run.runId)
      expect(await found('')).toEqual([runId])
      expect(await found('a_c%1')).toEqual([runId])
      expect(await found('a_c')).toEqual([runId])
      expect(await found('abc')).toEqual([])
      expect(await ledger.runs({ sync, status: 'succeeded' })).toEqual([])
    })
  })
}
