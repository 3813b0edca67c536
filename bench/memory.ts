import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { atMost, median, print } from './report.ts'
import { startSink } from './start-sink.ts'

const heap = 256
const batch = 1000

/**
 * A whole first run, every row of it a change, as a process whose JavaScript heap is capped: it ends well only when nothing in
 * it grows with the rows. DuckDB and SQLite keep their memory outside of that heap, so resident memory is watched as well.
 */
export async function benchMemory(changes: number): Promise<void> {
  const sink = await startSink()
  const folder = await mkdtemp(join(tmpdir(), 'activate-bench-memory-'))
  try {
    await writeProject(folder, sink.url, changes)
    show(changes, await run(folder, async () => (await sink.counts()).received / (changes / batch)))
  } finally {
    sink.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function writeProject(folder: string, url: string, changes: number): Promise<void> {
  await mkdir(join(folder, 'models'))
  await mkdir(join(folder, 'syncs'))
  const action = `method: POST, path: /customers, idempotency: natural, batch: { max_records: ${batch}, wrap: records }`
  await writeFile(
    join(folder, 'activate.yml'),
    `name: memory
timezone: UTC
warehouse: { type: duckdb, path: .activate/warehouse.duckdb, memory: 1GB }
ledger: { type: sqlite, path: .activate/ledger.db }
destinations:
  sink: { type: http, base_url: "${url}", allow_private_network: true, concurrency: 8, actions: { upsert: { ${action} } } }
`,
  )
  await writeFile(
    join(folder, 'models', 'people.sql'),
    `/*---
key: customer_id
---*/
select 'c' || lpad(i::varchar, 8, '0') as customer_id, 'user' || i || '@example.com' as email, 'First' || (i % 1000) as first_name,
  ((i % 10000) / 100.0)::decimal(12, 2) as ltv from range(${changes}) r(i)
`,
  )
  const fields = 'fields: { email: email, first_name: first_name, ltv: ltv }'
  await writeFile(
    join(folder, 'syncs', 'people.yml'),
    `model: people\ndestination: sink\naction: upsert\nmode: upsert\n${fields}\n`,
  )
}

interface Sample {
  /** Of the requests that the whole run makes. */
  readonly share: number
  readonly kilobytes: number
}

interface Run {
  readonly seconds: number
  readonly document: {
    readonly runs: readonly { readonly status: string; readonly outcomes: { readonly acked: number } }[]
  }
  readonly samples: readonly Sample[]
}

async function run(folder: string, progress: () => Promise<number>): Promise<Run> {
  const bin = join(import.meta.dirname, '..', 'bin', 'activate')
  const args = [`--max-old-space-size=${heap}`, bin, '-C', folder, 'run', '--json']
  const start = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  const samples: Sample[] = []
  while (child.exitCode === null && child.signalCode === null) {
    const kilobytes = await residentOf(child.pid)
    if (kilobytes !== undefined) samples.push({ kilobytes, share: await progress() })
    await delay(200)
  }
  const code = await ended
  if (code !== 0) throw new Error(`the run ended with ${code}: ${stdout}`)
  return { seconds: (performance.now() - start) / 1000, document: JSON.parse(stdout), samples }
}

/** Nothing once the process is gone. */
async function residentOf(pid: number | undefined): Promise<number | undefined> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]).catch(() => ({ stdout: '' }))
  return stdout.trim() === '' ? undefined : Number(stdout)
}

/** What planning leaves behind is given back by the time a quarter has been sent; settling comes after the last request. */
function show(changes: number, { seconds, document, samples }: Run): void {
  const during = (from: number, to: number) =>
    median(samples.filter(({ share }) => share >= from && share <= to).map(({ kilobytes }) => kilobytes))
  const [early, late] = [during(0.25, 0.45), during(0.8, 0.99)]
  const acked = document.runs[0]?.outcomes.acked ?? 0
  print(`Memory: a run with ${changes / 1e6}M changes, --max-old-space-size=${heap}, memory: 1GB`, [
    {
      name: 'completes',
      value: `${acked} acknowledged in ${seconds.toFixed(1)} s`,
      promise: { text: 'every change acknowledged', kept: acked === changes },
    },
    atMost('resident, late / early in delivery', late / early, 1.25, `${megabytes(late)} against ${megabytes(early)}`),
    { name: 'resident at most', value: megabytes(Math.max(...samples.map(({ kilobytes }) => kilobytes))) },
  ])
}

function megabytes(kilobytes: number): string {
  return `${Math.round(kilobytes / 1024)} MB`
}
