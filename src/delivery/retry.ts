/** When, and whether, to try again. */
import type { Idempotency } from './destination.ts'

export interface RetryBudget {
  /** Attempts per request that the destination answered with a fault of its own, the first included. */
  readonly maxAttempts: number
  /** Attempts per request that no reply came to: not connected, reset, timed out. */
  readonly maxConnections: number
  /** Milliseconds that one request may spend waiting because the destination throttled it. */
  readonly maxThrottleWait: number
}

/** Six attempts take about eight seconds on average; half an hour lets two of the longest Retry-After pass. */
export const defaultBudget: RetryBudget = { maxAttempts: 6, maxConnections: 6, maxThrottleWait: 30 * 60_000 }

/** Why a request is repeated; each has a budget of its own. A token that has expired costs nothing: it is renewed once. */
export type RetryClass = 'throttle' | 'server' | 'connection' | 'token'

export const backoff = { base: 500, cap: 30_000 } as const

/** Longer pauses than this are not waited out in one piece: the destination is asked again. */
export const longestRetryAfter = 15 * 60_000

/**
 * Milliseconds before the next attempt, where `attempt` counts from 1: what the destination asked for, else full jitter
 * (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015). `Retry-After: 0` names no time and gets the jitter.
 */
export function nextDelay(attempt: number, random: () => number, after?: number): number {
  if (after !== undefined && after > 0) return Math.min(after, longestRetryAfter)
  const ceiling = Math.min(backoff.cap, backoff.base * 2 ** Math.min(attempt - 1, 30))
  return Math.floor(random() * ceiling)
}

const httpDate = /^(?:[A-Z][a-z]{2,8}), \d{2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d{2}:\d{2}:\d{2} GMT$/
const asctime = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/

/** An HTTP date (RFC 9110, 5.6.7) in milliseconds, or undefined. */
export function parseHttpDate(text: string): number | undefined {
  const trimmed = text.trim()
  const parsed = httpDate.test(trimmed)
    ? Date.parse(trimmed)
    : asctime.test(trimmed)
      ? Date.parse(`${trimmed} GMT`)
      : Number.NaN
  return Number.isNaN(parsed) ? undefined : parsed
}

/**
 * The value of a Retry-After header (RFC 9110, 10.2.3) in milliseconds from `now`: seconds, fractions too, or an HTTP date.
 * What lies in the past is 0, what is absurd is clamped, what cannot be read is undefined. Without `now` a date is
 * unreadable.
 */
export function parseRetryAfter(text: string | undefined, now: number | undefined): number | undefined {
  if (text === undefined) return undefined
  const trimmed = text.trim()
  if (/^[+-]?\d+(?:\.\d+)?$/.test(trimmed)) return clampWait(Number(trimmed) * 1000)
  const date = parseHttpDate(trimmed)
  return date === undefined || now === undefined ? undefined : clampWait(date - now)
}

function clampWait(milliseconds: number): number {
  return Math.max(0, Math.min(milliseconds, longestRetryAfter))
}

/** A request's doings so far, as the budget counts them. */
export interface Spent {
  /** Attempts that count, this one included. */
  readonly attempts: number
  /** Attempts before that no reply came to. */
  readonly connections: number
  /** Milliseconds of throttled waiting. */
  readonly throttled: number
}

export type NextAttempt =
  | { readonly kind: 'again'; readonly delay: number; readonly spent: Spent }
  | { readonly kind: 'spent' }

/**
 * Whether the budget allows another attempt, and when. Being throttled says nothing about the request, so waiting time is
 * what is counted.
 */
export function nextAttempt(
  spent: Spent,
  budget: RetryBudget,
  random: () => number,
  reason: { readonly retryClass: RetryClass; readonly after?: number | undefined; readonly attempt: number },
): NextAttempt {
  const delay = nextDelay(reason.attempt, random, reason.after)
  switch (reason.retryClass) {
    case 'server':
      return spent.attempts >= budget.maxAttempts ? { kind: 'spent' } : { kind: 'again', delay, spent }
    case 'connection': {
      const connections = spent.connections + 1
      if (connections >= budget.maxConnections) return { kind: 'spent' }
      return { kind: 'again', delay, spent: { ...spent, attempts: spent.attempts - 1, connections } }
    }
    case 'throttle': {
      const throttled = spent.throttled + delay
      if (throttled > budget.maxThrottleWait) return { kind: 'spent' }
      return { kind: 'again', delay, spent: { ...spent, attempts: spent.attempts - 1, throttled } }
    }
    case 'token':
      return { kind: 'again', delay: 0, spent: { ...spent, attempts: spent.attempts - 1 } }
  }
}

export interface UncertainContext {
  readonly firstSentAt: number
  readonly now: number
  readonly onUncertain: 'park' | 'resend'
}

/** A key is trusted until a tenth of its window, but at most a minute, before its end: clocks differ and requests travel. */
export function keyMargin(window: number): number {
  return Math.min(60_000, window / 10)
}

/**
 * What to do about a request that may have arrived. `lookup` means that only the destination knows, and is asked. A key whose window is over protects no more, and a clock that was set back proves nothing.
 */
export function onUncertain(idempotency: Idempotency, context: UncertainContext): 'resend' | 'park' | 'lookup' {
  const { firstSentAt, now } = context
  switch (idempotency.kind) {
    case 'natural':
      return 'resend'
    case 'keyed': {
      const { window } = idempotency
      return now >= firstSentAt && now < firstSentAt + window - keyMargin(window) ? 'resend' : context.onUncertain
    }
    case 'lookup':
      return 'lookup'
    case 'none':
      return context.onUncertain
  }
}
