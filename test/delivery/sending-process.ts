/** What a child process of shared-limits.test.ts does: delivers rows under the limits of an account. */
import { deliver } from '../../src/delivery/deliver.ts'
import { openDestination } from '../../src/delivery/registry.ts'
import { destinations as definitions } from '../../src/destinations/index.ts'
import { currentHolder } from '../../src/ledger/holder.ts'
import { openLedger } from '../../src/ledger/store.ts'
import { systemClock } from '../../src/wire.ts'

const [path = '', url = '', name = '', rows = '0', limits = '[]'] = process.argv.slice(2)
const place = { file: 'activate.yml', line: 1, column: 1 }
const actions = { upsert: { method: 'POST', path: '/records', idempotency: 'natural' } }
const settings = { base_url: url, allow_private_network: true, limits: JSON.parse(limits) as unknown, actions }

const ledger = await openLedger({ type: 'sqlite', path })
const destination = await openDestination(
  { name: 'far', type: 'http', settings, places: {}, place },
  { definitions, env: {}, root: '.', readFile: () => '' },
)
const answer = await ledger.acquire(`sync:${name}`, currentHolder(), Date.now(), 600_000, () => false)
if (answer.kind !== 'acquired') throw new Error('the lease is held')
const { lease } = answer
await ledger.startRun({ runId: name, sync: name, asOf: 0, startedAt: Date.now() }, lease)
const totals = await deliver({
  ...{ runId: name, destination, ledger, lease: () => lease, clock: systemClock, random: Math.random },
  ...{ signal: new AbortController().signal, onProgress: () => undefined, log: () => undefined, onUncertain: 'park' },
  rows: (async function* () {
    yield Array.from({ length: Number(rows) }, (_, n) => {
      const seq = n + 1
      return { seq, key: `k${seq}`, op: 'enter' as const, changeId: `${name}${seq}`, fields: {} }
    })
  })(),
  total: Number(rows),
  routes: () => ({ action: 'upsert' }),
})
await destination.close()
await ledger.close()
process.stdout.write(`${JSON.stringify(totals)}\n`)
