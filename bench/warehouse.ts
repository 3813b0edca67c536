import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { atMost, type Figure, median, print } from './report.ts'

interface Measured {
  readonly rows: number
  readonly sends: number
  readonly quietSends: number
  readonly bareSeconds: readonly number[]
  readonly steps: Readonly<Record<string, number>>
  readonly quietSeconds: number
  readonly peakMegabytes: number
}

/** The warehouse side of a night against the bare full join of the same tables, each size in a process of its own. */
export async function benchWarehouse(sizes: readonly number[]): Promise<void> {
  const measured: Measured[] = []
  for (const rows of sizes) {
    const one = await measure(rows, [])
    measured.push(one)
    print(
      `Warehouse side of a night: ${rows / 1e6}M rows × 12 columns, 1.5 % churn (${one.sends} changes)`,
      figuresOf(one),
    )
  }
  const [small, large] = [measured[0], measured.at(-1)]
  if (small !== undefined && large !== undefined && small !== large) {
    const growth = total(large) / total(small) / (large.rows / small.rows)
    print('Growth', [
      atMost(
        `${small.rows / 1e6}M to ${large.rows / 1e6}M, per row`,
        growth,
        1.15,
        'no worse than linear, 15 % for noise',
      ),
    ])
  }
}

/** The same on a PostgreSQL server, against the bare full join there. */
export async function benchPostgres(rows: number): Promise<void> {
  const one = await measure(rows, ['postgres'])
  print(`The same on PostgreSQL: ${rows / 1e6}M rows × 12 columns, 1.5 % churn (${one.sends} changes)`, figuresOf(one))
}

async function measure(rows: number, engine: readonly string[]): Promise<Measured> {
  const script = join(import.meta.dirname, 'warehouse-night.ts')
  const args = ['--import', 'tsx', script, String(rows), '0.015', join('out', `bench-${rows}`), ...engine]
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1e7 })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Measured
}

function total({ steps }: Measured): number {
  return Object.values(steps).reduce((sum, seconds) => sum + seconds, 0)
}

function figuresOf(one: Measured): readonly Figure[] {
  const bare = median(one.bareSeconds)
  const detail = Object.entries(one.steps).map(([step, seconds]) => `${step} ${seconds.toFixed(2)} s`)
  return [
    { name: 'bare FULL JOIN … WHERE hash differs', value: `${bare.toFixed(2)} s` },
    atMost('night / bare', total(one) / bare, 3, `${total(one).toFixed(2)} s: ${detail.join(', ')}`),
    {
      name: 'no-op night (plan only)',
      value: `${one.quietSeconds.toFixed(2)} s, ${(one.quietSeconds / bare).toFixed(2)}× bare, ${one.quietSends} sends`,
    },
    {
      name: 'peak resident memory',
      value: `${one.peakMegabytes} MB with memory: 2GB`,
      promise: { text: 'under 3072 MB', kept: one.peakMegabytes < 3072 },
    },
  ]
}
