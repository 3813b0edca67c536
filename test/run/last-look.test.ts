import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { openLedger } from '../../src/ledger/store.ts'
import type { PlannedChange } from '../../src/plan/plan.ts'
import { freshFor, lastLook } from '../../src/run/last-look.ts'

const place = { file: 'syncs/news.yml', line: 1, column: 1 }
const sync = { name: 'news', destination: 'crm', mode: 'trigger', channel: 'email', place } as const
const deed = { actor: 'ada', at: 1, reason: 'opt_out' }
const row: PlannedChange = { seq: 7, key: 'c7', op: 'enter', changeId: 'id7', fields: {}, subjects: ['email:ab'] }

let folder: string
let ledger: Ledger

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'activate-last-look-'))
  ledger = await openLedger({ type: 'sqlite', path: join(folder, 'ledger.db') })
})
afterEach(async () => {
  await ledger.close()
  rmSync(folder, { recursive: true, force: true })
})

const optOut = (channel?: string) =>
  ledger.suppress([{ kind: 'email', hash: 'email:ab', ...(channel === undefined ? {} : { channel }) }], deed)

describe('the last look', () => {
  test('sees an opt-out that came in since the look before, once that is fifty milliseconds old', async () => {
    const look = lastLook(ledger, sync, 0)
    expect((await look([row], 1_000)).withdrawn.size).toBe(0)
    await optOut()
    expect((await look([row], 1_000 + freshFor)).withdrawn.get(7)?.code).toBe('suppression.opt_out')
  })

  test('relies for less than fifty milliseconds on what it read, counted from the read and not from the look', async () => {
    let reads = 0
    const counting = {
      auditLength: () => {
        reads += 1
        return ledger.auditLength()
      },
      suppressions: ledger.suppressions.bind(ledger),
      holds: ledger.holds.bind(ledger),
    }
    const look = lastLook(counting, sync, 0)
    for (let now = 1_000; now <= 1_000 + 2 * freshFor; now += 10) await look([row], now)
    expect(reads).toBe(3)
  })

  test('does not take an old look for a fresh one when the clock was set back', async () => {
    const look = lastLook(ledger, sync, 0)
    await look([row], 10_000)
    await optOut()
    expect((await look([row], 9_999)).withdrawn.has(7)).toBe(true)
  })

  test('leaves alone who opted out of another channel only, or before the plan was made', async () => {
    await optOut('sms')
    expect((await lastLook(ledger, sync, 0)([row], 1_000)).withdrawn.size).toBe(0)
    await optOut()
    const known = await ledger.newestSuppression()
    expect((await lastLook(ledger, sync, known)([row], 1_000)).withdrawn.size).toBe(0)
    expect((await lastLook(ledger, sync, 0)([row], 1_000)).withdrawn.size).toBe(1)
  })

  test('lets what may have arrived of a record be repeated, and of a message never', async () => {
    await optOut()
    const answerFor = async (mode: 'mirror' | 'trigger') =>
      (await lastLook(ledger, { ...sync, mode }, 0)([row], 1_000)).withdrawn.get(7)
    expect(await answerFor('mirror')).toMatchObject({ code: 'suppression.opt_out', repeatsDoubt: true })
    expect(await answerFor('trigger')).toMatchObject({ code: 'suppression.opt_out', repeatsDoubt: false })
  })

  test('stops for a hold over its destination, and for none over another', async () => {
    const look = lastLook(ledger, sync, 0)
    await ledger.hold({ scope: 'destination:billing', reason: 'audit', actor: 'ada', at: 1 })
    expect((await look([row], 1_000)).stop).toBeUndefined()
    await ledger.hold({ scope: 'destination:crm', reason: 'migration', actor: 'ada', at: 2 })
    expect((await look([row], 2_000)).stop?.code).toBe('A4013')
  })
})
