/** Figures are ratios measured in one run, so that they mean the same on a fast and on a slow machine. */
export interface Figure {
  readonly name: string
  readonly value: string
  /** What the project promises, and whether the figure keeps it; undefined for what is only shown. */
  readonly promise?: { readonly text: string; readonly kept: boolean }
}

export function atMost(name: string, ratio: number, limit: number, detail: string): Figure {
  return {
    name,
    value: `${ratio.toFixed(2)}× (${detail})`,
    promise: { text: `at most ${limit}×`, kept: ratio <= limit },
  }
}

export function atLeast(name: string, ratio: number, limit: number, detail: string): Figure {
  return {
    name,
    value: `${ratio.toFixed(2)}× (${detail})`,
    promise: { text: `at least ${limit}×`, kept: ratio >= limit },
  }
}

export function print(title: string, figures: readonly Figure[]): void {
  console.log(`\n${title}`)
  for (const { name, value, promise } of figures) {
    const verdict = promise === undefined ? '' : `  [${promise.kept ? 'kept' : 'MISSED'}: ${promise.text}]`
    console.log(`  ${name.padEnd(34)} ${value}${verdict}`)
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Seconds that the work took, those that processors spent on it, and what it returned. */
export async function timed<Result>(
  work: () => Promise<Result>,
): Promise<{ readonly seconds: number; readonly processorSeconds: number; readonly result: Result }> {
  const start = performance.now()
  const before = process.cpuUsage()
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  return { seconds: (performance.now() - start) / 1000, processorSeconds: (user + system) / 1e6, result }
}
