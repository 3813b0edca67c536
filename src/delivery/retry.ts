export interface RetryBudget {
  /** Attempts per request, the first included; throttled ones (429, Retry-After) do not count. */
  readonly maxAttempts: number
  /** Milliseconds that one request may spend waiting because the destination throttled it. */
  readonly maxThrottleWait: number
}
