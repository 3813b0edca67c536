import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent } from 'undici'
import { type DeliveryTotals, deliver, type Recheck } from '../src/delivery/deliver.ts'
import { openDestination } from '../src/delivery/registry.ts'
import { destinations as definitions } from '../src/destinations/index.ts'
import { currentHolder } from '../src/ledger/holder.ts'
import type { Ledger } from '../src/ledger/ledger.ts'
import { hashOfOptOut } from '../src/ledger/opt-out-hash.ts'
import { openLedger } from '../src/ledger/store.ts'
import type { PlannedChange } from '../src/plan/plan.ts'
import type { Sync } from '../src/project/project.ts'
import { lastLook } from '../src/run/last-look.ts'
import { systemClock } from '../src/wire.ts'
import { atLeast, median, print, timed } from './report.ts'
import { startSink } from './start-sink.ts'

const concurrency = 10

const place = { file: 'activate.yml', line: 1, column: 1 }

const sync: Sync = {
  ...{ name: 'bench', path: 'syncs/bench.yml', place, model: 'customers', destination: 'sink', action: 'upsert' },
  ...{
    mode: 'upsert',
    fields: [],
    channel: 'email',
    purpose: 'marketing',
    priority: 0,
    enabled: true,
    owners: [],
    tags: [],
  },
  guard: { minRows: 1, mappingChange: 'pass' },
  ...{ onMappingChange: 'resend', onBadKey: 'fail', onUncertain: 'park', requireApproval: 'never' },
}

interface Case {
  readonly name: string
  readonly rows: number
  readonly batch: number
  readonly promise: number
  /** Pairs of which the median counts: many of those that are over within a second or two. */
  readonly runs: number
}

const cases: readonly Case[] = [
  { name: '500k rows in batches of 100', rows: 500_000, batch: 100, promise: 0.2, runs: 3 },
  { name: '20k single-record requests', rows: 20_000, batch: 1, promise: 0.55, runs: 9 },
]

/**
 * Delivery with a durable ledger, and every row looked at once more as in a run, against a bare undici loop that posts the same
 * bodies, to a server in another process.
 */
export async function benchDelivery(): Promise<void> {
  const sink = await startSink()
  for (const one of cases) {
    const pairs: { readonly bare: number; readonly ours: number }[] = []
    for (let run = 0; run < one.runs; run++) {
      pairs.push({ bare: await bareLoop(sink.url, one), ours: await ourDelivery(sink.url, one) })
    }
    const [bare, ours] = [median(pairs.map(pair => pair.bare)), median(pairs.map(pair => pair.ours))]
    const detail = `${ours.toFixed(2)} s against ${bare.toFixed(2)} s, median of ${one.runs} pairs`
    print(`Delivery: ${one.name}, ${concurrency} connections`, [
      atLeast('bare loop / delivery', bare / ours, one.promise, detail),
    ])
  }
  sink.stop()
}

async function* rowsOf({ rows }: Pick<Case, 'rows'>): AsyncGenerator<readonly PlannedChange[]> {
  for (let start = 0; start < rows; start += 10_000) {
    yield Array.from({ length: Math.min(10_000, rows - start) }, (_, index) => planned(start + index + 1))
  }
}

function planned(seq: number): PlannedChange {
  const key = `c${String(seq).padStart(8, '0')}`
  const changeId = seq.toString(16).padStart(32, '0')
  return {
    seq,
    key,
    op: 'change',
    changeId,
    fields: { email: `user${seq}@example.com`, first_name: 'Ada', tier: 'gold', ltv: seq / 7, vip: seq % 3 === 0 },
  }
}

/** Hashes of a key and of an address, ready made: they come with the rows, and making them is not delivery's work. */
const hashes = Array.from({ length: 20_000 }, (_, n) => hashOfOptOut('customer_id', `c${n}`))

/** As a run reads them, for the look. */
async function* checkedRowsOf(rows: number): AsyncGenerator<readonly PlannedChange[]> {
  for await (const chunk of rowsOf({ rows }))
    yield chunk.map((row, index) => ({ ...row, subjects: hashes.slice(2 * index, 2 * index + 2) }))
}

/** The look as every run has it; somebody has opted out since the plan, so that there is something to look for. */
async function lookOver(ledger: Ledger): Promise<Recheck> {
  const optOuts = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, n) => ({
      kind: 'email',
      hash: hashOfOptOut('email', `${from + n}@example.com`),
    }))
  const deed = { actor: 'bench', at: Date.now(), reason: 'opt_out' }
  await ledger.suppress(optOuts(0, 1_000), deed)
  const since = await ledger.newestSuppression()
  await ledger.suppress(optOuts(1_000, 1_010), deed)
  return lastLook(ledger, sync, since)
}

async function bareLoop(url: string, one: Case): Promise<number> {
  const agent = new Agent({ connections: concurrency, pipelining: 1 })
  const { seconds } = await timed(async () => {
    const bodies = bodiesOf(one)
    const worker = async () => {
      for (;;) {
        const { done, value } = await bodies.next()
        if (done === true) return
        const { body } = await agent.request({
          origin: url,
          path: '/customers',
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: value,
        })
        await body.text()
      }
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
  })
  await agent.close()
  return seconds
}

async function* bodiesOf(one: Case): AsyncGenerator<string> {
  for await (const chunk of rowsOf(one)) {
    for (let start = 0; start < chunk.length; start += one.batch) {
      const records = chunk
        .slice(start, start + one.batch)
        .map(({ key, changeId, op, fields }) => ({ key, change_id: changeId, op, fields }))
      yield JSON.stringify(one.batch === 1 ? records[0] : { records })
    }
  }
}

async function ourDelivery(url: string, one: Case): Promise<number> {
  const { seconds, totals } = await deliverTo(
    url,
    one.rows,
    one.batch === 1 ? {} : { batch: { max_records: one.batch, wrap: 'records' } },
    [],
  )
  if (totals.acked !== one.rows) throw new Error(`acknowledged ${totals.acked} of ${one.rows}`)
  return seconds
}

async function deliverTo(
  url: string,
  rows: number,
  action: object,
  limits: readonly object[],
): Promise<{ readonly seconds: number; readonly totals: DeliveryTotals }> {
  const folder = await mkdtemp(join(tmpdir(), 'activate-bench-'))
  const ledger = await openLedger({ type: 'sqlite', path: join(folder, 'ledger.db') })
  const actions = { upsert: { method: 'POST', path: '/customers', idempotency: 'natural', ...action } }
  const settings = { base_url: url, allow_private_network: true, concurrency, limits, actions }
  const destination = await openDestination(
    { name: 'sink', type: 'http', settings, places: {}, place },
    { definitions, env: {}, root: folder, readFile: () => '' },
  )
  const answer = await ledger.acquire('sync:bench', currentHolder(), Date.now(), 3_600_000, () => false)
  if (answer.kind !== 'acquired') throw new Error('the bench has its ledger for itself')
  const { lease } = answer
  await ledger.startRun({ runId: 'bench', sync: 'bench', asOf: 0, startedAt: Date.now() }, lease)
  const recheck = await lookOver(ledger)
  const { seconds, result: totals } = await timed(() =>
    deliver({
      runId: 'bench',
      destination,
      ledger,
      lease: () => lease,
      clock: systemClock,
      random: Math.random,
      signal: new AbortController().signal,
      onProgress: () => undefined,
      onUncertain: 'park',
      log: () => undefined,
      recheck,
      rows: checkedRowsOf(rows),
      total: rows,
      routes: () => ({ action: 'upsert' }),
    }),
  )
  await destination.close()
  await ledger.close()
  await rm(folder, { recursive: true, force: true })
  return { seconds, totals }
}

/** Against a server in another process that counts every sliding window itself. */
export async function benchLimiter(): Promise<void> {
  const limit = { requests: 100, per: 1000 }
  const requests = 1000
  const sink = await startSink([String(limit.requests), String(limit.per)])
  const { totals } = await deliverTo(sink.url, requests, {}, [
    { requests: limit.requests, per: `${limit.per / 1000}s` },
  ])
  const { refused, span } = await sink.counts()
  sink.stop()
  // The first window's requests may leave at once; the rest fills the time between the first and the last.
  const allowed = limit.requests + (span * limit.requests) / limit.per
  const share = totals.acked / allowed
  print(
    `Limiter: ${requests} requests at ${limit.requests} per second, counted by the server in every sliding window`,
    [
      {
        name: 'share of the allowed rate used',
        value: `${(100 * share).toFixed(1)} %`,
        promise: { text: 'at least 98 %', kept: share >= 0.98 },
      },
      { name: '429 replies', value: String(refused), promise: { text: 'none', kept: refused === 0 } },
    ],
  )
}
