/** Limits that several processes share through the ledger: real processes, real time, and a server that counts. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { build } from 'tsdown'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openLedger } from '../../src/ledger/store.ts'
import { ok, startFaultServer } from '../fault-server.ts'

let bundles: string
let folder: string
let path: string

beforeAll(async () => {
  const cache = join(import.meta.dirname, '../../node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  bundles = mkdtempSync(join(cache, 'limits-'))
  const entry = { work: join(import.meta.dirname, 'sending-process.ts') }
  await build({ config: false, entry, outDir: bundles, format: 'esm', platform: 'node', dts: false, logLevel: 'error' })
})
afterAll(() => rmSync(bundles, { recursive: true, force: true }))
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'activate-limits-'))
  path = join(folder, 'ledger.db')
  await (await openLedger({ type: 'sqlite', path })).close()
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function start(name: string, url: string, rows: number, limits: readonly object[]) {
  const args = [join(bundles, 'work.mjs'), path, url, name, String(rows), JSON.stringify(limits)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const said = text(child.stdout)
  return { child, totals: async () => JSON.parse(await said) as Readonly<Record<string, unknown>> }
}

/** Notes when each request arrived. */
async function countingServer() {
  const arrivals: number[] = []
  const server = await startFaultServer(() => {
    arrivals.push(performance.now())
    return ok()
  })
  return { server, arrivals }
}

function mostInSlidingWindow(sent: readonly number[], length: number): number {
  let [most, from] = [0, 0]
  for (let to = 0; to < sent.length; to++) {
    while ((sent[to] ?? 0) - (sent[from] ?? 0) >= length) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

test('two processes together keep below the limit, and both get their turn', async () => {
  const { server, arrivals } = await countingServer()
  const limits = [{ requests: 60, per: '2s' }]
  const [one, other] = [start('one', server.url, 100, limits), start('other', server.url, 100, limits)]
  expect(await Promise.all([one.totals(), other.totals()])).toMatchObject([
    { acked: 100, retries: 0 },
    { acked: 100, retries: 0 },
  ])
  await server.close()
  // A tenth of the window is left to what a busy machine adds between leaving and arriving; two that do not share send twice as much.
  expect(mostInSlidingWindow(arrivals, 1_800)).toBeLessThanOrEqual(60)
  expect(arrivals).toHaveLength(200)
})

test('what a killed process may have sent counts, and the rest of the day is left to the next one', async () => {
  const { server, arrivals } = await countingServer()
  const limits = [{ requests: 200, per: '1d' }]
  const { child } = start('one', server.url, 10_000, limits)
  const dead = once(child, 'exit')
  while (arrivals.length < 50) await new Promise(resolve => setTimeout(resolve, 5))
  child.kill('SIGKILL')
  await dead
  const before = arrivals.length
  const heir = await start('two', server.url, 10_000, limits).totals()
  await server.close()
  expect(heir).toMatchObject({ stopped: { kind: 'limit', code: 'A6060' } })
  expect(before).toBeLessThan(200)
  expect(arrivals.length).toBeLessThanOrEqual(200)
  expect(arrivals.length).toBeGreaterThanOrEqual(198)
})
