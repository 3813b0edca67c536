/** How long things take: usually, and on a bad night. */
export interface Spread {
  /** Seconds. */
  readonly median: number
  /** Nineteen of twenty take no longer; of few, this is the longest. */
  readonly p95: number
  readonly n: number
}

/** Of milliseconds; null of none. By nearest rank. */
export function quantiles(milliseconds: readonly number[]): Spread | null {
  const ranked = milliseconds.toSorted((left, right) => left - right)
  const at = (share: number) => ranked[Math.max(0, Math.ceil(share * ranked.length) - 1)]
  const [median, p95] = [at(0.5), at(0.95)]
  if (median === undefined || p95 === undefined) return null
  return { median: median / 1000, p95: p95 / 1000, n: ranked.length }
}
