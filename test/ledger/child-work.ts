/** What the child processes of the process tests do; each line of stdin is a command. */
import { createInterface } from 'node:readline'
import { currentHolder } from '../../src/ledger/holder.ts'
import type { Lease, Ledger } from '../../src/ledger/ledger.ts'
import { openLedger, openSharedLedger } from '../../src/ledger/store.ts'
import { ActivateError } from '../../src/project/problem.ts'
import { sealing } from './postgres-ledger.ts'

const [place = ''] = process.argv.slice(2)
/** Pipes are written synchronously, and a full one is waited for (nodejs.org/api/process.html, "A note on process I/O"). */
const say = (line: string) => process.stdout.write(`${line}\n`)

function open(): Promise<Ledger> {
  if (!place.startsWith('postgres:')) return openLedger({ type: 'sqlite', path: place })
  return openSharedLedger({ url: place, schema: 'activate_ledger', connections: 4, source: 'the test' }, sealing)
}

async function acquire(ledger: Ledger, scope: string, ttl: number): Promise<Lease | undefined> {
  const answer = await ledger.acquire(scope, currentHolder(), Date.now(), ttl, () => false)
  return answer.kind === 'acquired' ? answer.lease : undefined
}

const request = (sync: string, number: number) => ({
  ...{ requestId: `${sync}#${number};`, runId: `run of ${sync}`, destination: 'crm', action: 'upsert' },
  ...{ members: { from: number, to: number }, idempotencyKey: 'key', bodyHash: 'hash' },
})

/** What `hold` left open for `try`. */
let held: { readonly ledger: Ledger; readonly lease: Lease } | undefined
let tries = 0

const commands: Readonly<Record<string, (argument: string) => Promise<string>>> = {
  async open() {
    const ledger = await open()
    await ledger.close()
    return 'opened'
  },

  async acquire(scope) {
    const ledger = await open()
    const answer = await ledger.acquire(scope, currentHolder(), Date.now(), 60_000, () => false)
    await ledger.close()
    return `${answer.kind} ${answer.kind === 'acquired' ? answer.lease.fence : answer.by.pid}`
  },

  /** Takes the lease of a sync for half a second, and keeps the ledger open. */
  async hold(sync) {
    const ledger = await open()
    const lease = await acquire(ledger, `sync:${sync}`, 500)
    if (lease === undefined) return 'locked'
    await ledger.startRun({ runId: `run of ${sync}`, sync, asOf: 1, startedAt: 1 }, lease)
    held = { ledger, lease }
    return 'held'
  },

  /** Begins a request under the lease that is held. */
  async try(sync) {
    if (held === undefined) return 'nothing is held'
    try {
      await held.ledger.begin([request(sync, ++tries)], 1, held.lease)
      return 'begun'
    } catch (error) {
      return error instanceof ActivateError ? error.problems[0].code : String(error)
    }
  },

  /** Sends without end; says what was committed right after it was told so. */
  async send(sync) {
    const ledger = await open()
    const lease = await acquire(ledger, `sync:${sync}`, 600_000)
    if (lease === undefined) return 'locked'
    await ledger.startRun({ runId: `run of ${sync}`, sync, asOf: 1, startedAt: 1 }, lease)
    let next = 0
    const sendOn = async () => {
      for (;;) {
        const sent = request(sync, ++next)
        await ledger.begin([sent], 1, lease)
        say(`begun ${sent.requestId}`)
        await ledger.conclude({ requestId: sent.requestId, attempt: 1, state: 'acked', at: 2, exceptions: [] }, lease)
        say(`acked ${sent.requestId}`)
      }
    }
    await Promise.all(Array.from({ length: 20 }, sendOn))
    return 'never'
  },
}

say('ready')
for await (const line of createInterface({ input: process.stdin })) {
  const [command = '', argument = ''] = line.split(' ')
  say((await commands[command]?.(argument)) ?? `what is ${command}?`)
}
