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
  await benchNights(sizes, [], 'Warehouse side of a night')
}

/** The same on a PostgreSQL server, against the bare full join there. */
export async function benchPostgres(sizes: readonly number[]): Promise<void> {
  await benchNights(sizes, ['postgres'], 'The same on PostgreSQL')
}

async function benchNights(sizes: readonly number[], engine: readonly string[], title: string): Promise<void> {
  const measured: Measured[] = []
  for (const rows of sizes) {
    const nights = await measureNights(rows, engine)
    const one = middle(nights)
    measured.push(one)
    print(
      `${title}: ${rows / 1e6}M rows × 12 columns, 1.5 % churn (${one.sends} changes)`,
      figuresOf(one, nights, engine.length > 0),
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

/** A night of less than a second is measured five times: one of them alone says more of the machine than of the night. */
async function measureNights(rows: number, engine: readonly string[]): Promise<readonly Measured[]> {
  const nights: Measured[] = []
  for (let times = rows > 1_000_000 ? 1 : 5; times > 0; times--) nights.push(await measure(rows, engine))
  return nights
}

function ratioOf(night: Measured): number {
  return total(night) / median(night.bareSeconds)
}

/** The night with the median ratio. */
function middle(nights: readonly Measured[]): Measured {
  const [first, ...others] = [...nights].sort((a, b) => ratioOf(a) - ratioOf(b))
  if (first === undefined) throw new Error('no night was measured')
  return others[Math.floor(nights.length / 2) - 1] ?? first
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

function figuresOf(one: Measured, nights: readonly Measured[], server: boolean): readonly Figure[] {
  const bare = median(one.bareSeconds)
  const ratios = nights.map(ratioOf).sort((a, b) => a - b)
  const range = nights.length === 1 ? '' : `, the median of ${ratios.map(each => `${each.toFixed(2)}×`).join(', ')}`
  const detail = Object.entries(one.steps).map(([step, seconds]) => `${step} ${seconds.toFixed(2)} s`)
  return [
    { name: 'bare FULL JOIN … WHERE hash differs', value: `${bare.toFixed(2)} s` },
    atMost('night / bare', ratioOf(one), 3, `${total(one).toFixed(2)} s: ${detail.join(', ')}${range}`),
    {
      name: 'no-op night (plan only)',
      value: `${one.quietSeconds.toFixed(2)} s, ${(one.quietSeconds / bare).toFixed(2)}× bare, ${one.quietSends} sends`,
    },
    {
      name: 'peak resident memory',
      value: `${one.peakMegabytes} MB${server ? ' in this process, none of it the server’s' : ' with memory: 2GB'}`,
      ...(!server && { promise: { text: 'under 3072 MB', kept: one.peakMegabytes < 3072 } }),
    },
  ]
}
