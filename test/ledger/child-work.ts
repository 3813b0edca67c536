/** What the child processes of processes.test.ts do; each line of stdin is a command. */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { currentHolder } from '../../src/ledger/holder.ts'
import { openLedger } from '../../src/ledger/store.ts'

const [path = ''] = process.argv.slice(2)
const say = (line: string) => writeSync(1, `${line}\n`)

const commands: Readonly<Record<string, (argument: string) => Promise<string>>> = {
  async open() {
    const ledger = await openLedger({ type: 'sqlite', path })
    await ledger.close()
    return 'opened'
  },

  async acquire(scope) {
    const ledger = await openLedger({ type: 'sqlite', path })
    const answer = await ledger.acquire(scope, currentHolder(), Date.now(), 60_000, () => false)
    await ledger.close()
    return `${answer.kind} ${answer.kind === 'acquired' ? answer.lease.fence : answer.by.pid}`
  },

  /** Sends without end; says what was committed right after it was told so. */
  async send(scope) {
    const ledger = await openLedger({ type: 'sqlite', path })
    const answer = await ledger.acquire(scope, currentHolder(), Date.now(), 600_000, () => false)
    if (answer.kind !== 'acquired') return 'locked'
    const { lease } = answer
    await ledger.startRun({ runId: 'run1', sync: 'a', asOf: 1, startedAt: 1 }, lease)
    let next = 0
    const sendOn = async () => {
      for (;;) {
        const requestId = `request${++next}`
        const members = { from: next, to: next }
        const rest = { destination: 'crm', action: 'upsert', members, idempotencyKey: 'key', bodyHash: 'hash' }
        await ledger.begin([{ requestId, runId: 'run1', ...rest }], 1, lease)
        say(`begun ${requestId}`)
        await ledger.conclude({ requestId, attempt: 1, state: 'acked', at: 2, exceptions: [] }, lease)
        say(`acked ${requestId}`)
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
