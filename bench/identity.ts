import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { PeopleSummary } from '../src/plan/identity/people-summary.ts'
import { atMost, type Figure, print } from './report.ts'

interface Night {
  readonly resolve: number
  readonly remember: number
  readonly summary: PeopleSummary
}

interface Measured {
  readonly links: number
  readonly first: Night
  readonly second: Night
  readonly peakMegabytes: number
}

/** Link rows to a fixpoint, in a process of its own for each size. */
export async function benchIdentity(sizes: readonly number[] = [1_000_000, 5_000_000]): Promise<void> {
  const measured: Measured[] = []
  for (const links of sizes) {
    const one = await measure(links)
    measured.push(one)
    print(`Identity: ${links / 1e6}M link rows to a fixpoint`, figuresOf(one))
  }
  const [small, large] = [measured[0], measured.at(-1)]
  if (small === undefined || large === undefined || small === large) return
  const growth = large.first.resolve / small.first.resolve / (large.links / small.links)
  const name = `${small.links / 1e6}M to ${large.links / 1e6}M, per row`
  print('Growth', [atMost(name, growth, 1.5, 'linear, but for what no longer fits into memory')])
}

async function measure(links: number): Promise<Measured> {
  const script = join(import.meta.dirname, 'identity-night.ts')
  const args = ['--import', 'tsx', script, String(links), join('out', `bench-identity-${links}`)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1e7 })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Measured
}

function figuresOf({ first, second, peakMegabytes }: Measured): readonly Figure[] {
  const night = ({ resolve, remember, summary }: Night) =>
    `${resolve.toFixed(2)} s in ${summary.rounds} rounds, ${remember.toFixed(2)} s to remember`
  const { records, people, identifiers, clusters, shared } = first.summary
  const { created, merges, splits } = second.summary
  return [
    { name: 'first night', value: night(first) },
    {
      name: 'who they are',
      value: `${records} keys are ${people} people (${clusters} of several keys), ${identifiers} identifiers, ${shared} shared`,
    },
    { name: 'a night with 1 % other links', value: night(second) },
    { name: 'what happened', value: `${created} created, ${merges} merges, ${splits} splits` },
    {
      name: 'peak resident memory',
      value: `${peakMegabytes} MB with memory: 2GB`,
      promise: { text: 'under 3072 MB', kept: peakMegabytes < 3072 },
    },
  ]
}
