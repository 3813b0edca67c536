/**
 * How processes share the limits of a destination's account: they take turns. Whoever has the turn sends alone, counts by
 * itself, and writes down now and then what has left; the next one begins from that. Part of the port in `ledger.ts`.
 */

/** `requests` left at `at` or somewhat before; they count in the window of `span` milliseconds until `at + span`. */
export interface Used {
  readonly span: number
  readonly at: number
  readonly requests: number
  /** The limits of some of the account's actions that they count in; undefined: the account's own. */
  readonly of?: string
}

export interface TurnRequest {
  /** What the limits belong to; never a credential. */
  readonly account: string
  /** Unique per process: the token of the holder of its leases, and after a slash what the process likes. */
  readonly token: string
  readonly now: number
  /** The turn ends by itself then. */
  readonly until: number
  /** Requests that may leave before the next call; undefined: as many as the windows allow. */
  readonly reserved?: number
  readonly windows: readonly { readonly span: number; readonly requests: number; readonly of?: string }[]
  /** What has left since the last call. */
  readonly used: readonly Used[]
  /** Nobody sends before this instant, because the destination said so. */
  readonly pausedUntil: number
  /** Writes down and ends the turn. */
  readonly pass: boolean
  /** Asks for all that counts, even if the turn was held before. */
  readonly fresh: boolean
}

export type TurnAnswer =
  | {
      readonly kind: 'yours'
      /** Whether it was somebody else's, or nobody's, before this call. */
      readonly taken: boolean
      /** All that counts still, whoever sent it, in the order of time; undefined when the turn was merely kept. */
      readonly used?: readonly Used[]
      /** Whether another process waits for the turn. */
      readonly wanted: boolean
      readonly pausedUntil: number
    }
  | { readonly kind: 'taken'; readonly until: number }

export interface Usage {
  /**
   * Takes, keeps or passes the turn. One whose time is over is taken over, and what it had reserved counts as having left
   * at its very end: a process that died gives its share back by time, and no limit is exceeded meanwhile. Whoever takes the
   * lease of a process that is gone ends its turns as well. What a process
   * reports of a turn that was taken over is left out, since it was counted then.
   */
  turn(request: TurnRequest): Promise<TurnAnswer>
}
