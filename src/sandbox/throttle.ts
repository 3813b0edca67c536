/** A token bucket as plain data: what the sandbox lets through, and after how long it would let the next request through. */

export interface Bucket {
  readonly tokens: number
  readonly at: number
}

export interface BucketRate {
  /** The most that may come at once. */
  readonly size: number
  readonly perSecond: number
}

export function fullBucket(rate: BucketRate, at: number): Bucket {
  return { tokens: rate.size, at }
}

/** Takes one token; `wait` is 0 when there was one, else the milliseconds until there is. */
export function takeToken(
  bucket: Bucket,
  rate: BucketRate,
  at: number,
): { readonly bucket: Bucket; readonly wait: number } {
  const passed = Math.max(0, at - bucket.at)
  const tokens = Math.min(rate.size, bucket.tokens + (passed * rate.perSecond) / 1_000)
  if (tokens >= 1) return { bucket: { tokens: tokens - 1, at }, wait: 0 }
  return { bucket: { tokens, at }, wait: Math.ceil(((1 - tokens) * 1_000) / rate.perSecond) }
}
