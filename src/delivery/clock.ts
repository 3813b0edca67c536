/** Wall time and waiting, as arguments, so that tests decide them; the composition root's clock has this shape. */
export interface Clock {
  now(): number
  /** Resolves after the delay, or at once when the signal aborts. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>
}
