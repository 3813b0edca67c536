import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { openLedger } from '../../src/ledger/store.ts'
import type { Cap } from '../../src/project/policies.ts'
import { inTurn } from '../../src/run/turn.ts'
import { systemClock, type Wired } from '../../src/wire.ts'
import { syncOf } from '../plan/plan-nights.ts'

let folder: string
let ledger: Ledger
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'activate-turn-'))
  ledger = await openLedger({ type: 'sqlite', path: join(folder, 'ledger.db') })
})
afterEach(async () => {
  await ledger.close()
  await rm(folder, { recursive: true, force: true })
})

const place = { file: 'activate.yml', line: 1, column: 1 }
const cap: Cap = { name: 'mail', channel: 'email', max: 1, per: 1000, place }
const mails = syncOf({
  mode: 'trigger',
  trigger: { on: 'enter', reentry: 'never', firstRun: 'send' },
  channel: 'email',
  purpose: 'marketing',
})

/** As much of a wiring as a turn needs; each runner is another process. */
function runner(pid: number): Wired {
  const holder = { host: 'h', pid, token: String(pid) }
  return {
    clock: systemClock,
    leaseLength: 60_000,
    identity: { holder, isGone: () => false },
    ledger: async () => ledger,
    project: { policies: { suppression: [], caps: [cap], holdouts: [] } },
  } as unknown as Wired
}

async function race(sync: typeof mails): Promise<readonly string[]> {
  const said: string[] = []
  let finish = () => {}
  const first = inTurn(runner(1), sync, new AbortController().signal, async () => {
    said.push('first begins')
    await new Promise<void>(resolve => {
      finish = resolve
    })
    said.push('first ends')
  })
  while (said.length === 0) await systemClock.sleep(1)
  const second = inTurn(runner(2), sync, new AbortController().signal, async () => {
    said.push('second')
  })
  await Promise.race([second, systemClock.sleep(100)])
  finish()
  await Promise.all([first, second])
  return said
}

test('under a cap the second runner decides when the first has written down what it sends', async () => {
  expect(await race(mails)).toEqual(['first begins', 'first ends', 'second'])
})

test('a sync under no cap waits for nobody', async () => {
  expect(await race({ ...mails, channel: 'sms' })).toEqual(['first begins', 'second', 'first ends'])
})

test('a runner that is told to stop does not wait for its turn', async () => {
  const stop = new AbortController()
  let finish = () => {}
  const first = inTurn(
    runner(1),
    mails,
    new AbortController().signal,
    () =>
      new Promise<void>(resolve => {
        finish = resolve
      }),
  )
  while ((await ledger.leases(systemClock.now())).length === 0) await systemClock.sleep(1)
  stop.abort()
  await expect(inTurn(runner(2), mails, stop.signal, async () => undefined)).rejects.toThrow(/A9004.*process 1/)
  finish()
  await first
})
