/**
 * A destination ready for use: settings checked, secrets in place, connection open. Delivery knows destinations only in
 * this form; the registry makes it with `openHttpDestination` or `openSessionDestination`.
 */
import type { Action, Change, RateLimit, Verdict } from './destination.ts'
import type { Limiter } from './limiter.ts'

/** What delivery needs to know of an action; how it speaks stays inside. */
export type OpenAction = Pick<
  Action<never>,
  'summary' | 'modes' | 'fields' | 'batch' | 'idempotency' | 'leavers' | 'takesLeavers'
>

/** A request whose bytes are frozen: every attempt sends exactly these. */
export interface PreparedRequest {
  readonly action: string
  readonly changes: readonly Change[]
  readonly idempotencyKey: string
  /** SHA-256 (hex) over method, path, the action's own headers and the body; credentials are not part of it. */
  readonly bodyHash: string
  readonly http?: {
    readonly method: string
    /** Joined to the base URL's path; starts with a slash. */
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body: string | undefined
  }
}

export interface OpenDestination {
  /** The name under `destinations` in the project. */
  readonly name: string
  readonly limits: readonly RateLimit[]
  /** Requests in flight at most. */
  readonly concurrency: number
  /** One per open destination, so that every sync that uses it shares the limit and a pause. */
  readonly limiter: Limiter
  /** Throws A6010 for an action that the destination does not have. */
  action(name: string): OpenAction
  /** Pure and deterministic: the same changes and key give the same bytes. */
  prepare(action: string, changes: readonly Change[], idempotencyKey: string): PreparedRequest
  /**
   * Sends once, never repeats, never throws for what a destination or a network does. What never left is `retry` (or
   * `denied` when repeating cannot help); what may have arrived without an answer is `uncertain`. `at` in milliseconds.
   */
  attempt(prepared: PreparedRequest, at: number): Promise<Verdict>
  /** The definition's harmless request, for `doctor`; undefined when it has none. */
  probe(at: number): Promise<Verdict | undefined>
  close(): Promise<void>
}
