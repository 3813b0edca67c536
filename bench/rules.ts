import { execFile } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { atMost, type Figure, median, print } from './report.ts'

interface Measured {
  readonly steps: Readonly<Record<string, number>>
  readonly processor: Readonly<Record<string, number>>
  readonly bareSeconds: readonly number[]
  readonly counts: { readonly ineligible: number }
  readonly changes: Readonly<Record<string, number>>
  readonly decisions: Readonly<Record<string, number>>
  readonly peakMegabytes: number
}

const churn = '0.015'

/** A night of a trigger with every policy against the same night without any, each in a process of its own. */
export async function benchRules(sizes: readonly number[]): Promise<void> {
  for (const rows of sizes) {
    const folder = join('out', `bench-rules-${rows}`)
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    try {
      await run(rows, folder, 'make')
      const without = await night(rows, folder, 'none')
      show(rows, without, await night(rows, folder, 'all'))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}

async function night(rows: number, folder: string, variant: 'none' | 'all'): Promise<Measured> {
  await run(rows, folder, variant, 'before')
  return JSON.parse((await run(rows, folder, variant)).trim().split('\n').at(-1) ?? '') as Measured
}

async function run(rows: number, folder: string, ...what: readonly string[]): Promise<string> {
  const script = join(import.meta.dirname, 'rules-night.ts')
  const args = ['--import', 'tsx', script, String(rows), churn, folder, ...what]
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1e7 })
  return stdout
}

function show(rows: number, without: Measured, ruled: Measured): void {
  const changes = Object.values(ruled.changes).reduce((sum, count) => sum + count, 0)
  const { send = 0, withhold = 0, defer = 0 } = ruled.decisions
  const bare = median(without.bareSeconds)
  print(`Night of a trigger with all rules: ${rows / 1e6}M rows × 12 columns, 1.5 % churn (${changes} changes)`, [
    { name: 'bare FULL JOIN … WHERE hash differs', value: `${bare.toFixed(2)} s` },
    {
      name: 'without rules',
      value: `${(total(without.steps) / bare).toFixed(2)}× (${total(without.steps).toFixed(2)} s: ${stepsOf(without)})`,
    },
    againstBare(rows, total(ruled.steps) / bare, `${total(ruled.steps).toFixed(2)} s: ${stepsOf(ruled)}`),
    {
      name: 'with all rules / without',
      value: `${(total(ruled.steps) / total(without.steps)).toFixed(2)}×`,
    },
    {
      name: 'the same in processor time',
      value: `${(total(ruled.processor) / total(without.processor)).toFixed(2)}× (${total(ruled.processor).toFixed(2)} s against ${total(without.processor).toFixed(2)} s)`,
    },
    {
      name: 'decided',
      value: `${ruled.counts.ineligible} ineligible, ${send} sent, ${withhold} withheld, ${defer} deferred`,
    },
    {
      name: 'peak resident memory',
      value: `${ruled.peakMegabytes} MB with memory: 2GB (${without.peakMegabytes} MB without rules)`,
      promise: { text: 'under 3072 MB', kept: ruled.peakMegabytes < 3072 },
    },
  ])
}

/** A night may take 3× the bare join, and rules 1.5× of that; promised for ten million rows (docs/decisions/0028). */
function againstBare(rows: number, ratio: number, detail: string): Figure {
  const figure = atMost('with all rules / bare', ratio, 4.5, detail)
  return rows >= 10_000_000 ? figure : { name: figure.name, value: figure.value }
}

function total(steps: Readonly<Record<string, number>>): number {
  return Object.values(steps).reduce((sum, seconds) => sum + seconds, 0)
}

/** What takes less than a fiftieth of a second is left out. */
function stepsOf({ steps }: Measured): string {
  const shown = Object.entries(steps).filter(([, seconds]) => seconds >= 0.02)
  return shown.map(([step, seconds]) => `${step} ${seconds.toFixed(2)} s`).join(', ')
}
