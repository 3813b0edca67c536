/** An access token that expires: one refresh for everybody who waits, early where the end is known. */

/** The code of a verdict that a new token mends. */
export const tokenExpired = 'token_expired'

export interface Token {
  readonly token: string
  /** Instant in milliseconds; undefined when the issuer did not say. */
  readonly expiresAt?: number
}

export type TokenAnswer =
  | { readonly kind: 'token'; readonly token: Token }
  /** Asking again may help. */
  | { readonly kind: 'unavailable'; readonly message: string }
  | { readonly kind: 'denied'; readonly message: string }

export interface TokenKeeper {
  /** The token to send with; waits for the refresh that is under way, or starts one when it is needed. */
  get(now: number): Promise<TokenAnswer>
  /** The destination took this token. */
  accepted(token: string): void
  /** The destination refused this token: whether another one is worth an attempt. */
  refused(token: string): boolean
}

/** A token is renewed a tenth of its life before its end, but at most a minute: requests travel, and clocks differ. */
function margin(lifetime: number): number {
  return Math.min(60_000, lifetime / 10)
}

/** `fetch` asks the issuer once and never throws. */
export function createTokenKeeper(fetch: (now: number) => Promise<TokenAnswer>): TokenKeeper {
  let current: (Token & { readonly renewAt: number }) | undefined
  let fetching: Promise<TokenAnswer> | undefined
  /** Refreshes after a refusal without a token being accepted since. */
  let refusals = 0

  async function renew(now: number): Promise<TokenAnswer> {
    const before = current
    const answer = await fetch(now)
    if (answer.kind === 'token') {
      const { token, expiresAt } = answer.token
      const renewAt = expiresAt === undefined ? Number.POSITIVE_INFINITY : expiresAt - margin(expiresAt - now)
      current = { token, renewAt, ...(expiresAt !== undefined && { expiresAt }) }
      return answer
    }
    // The old one is good until its very end, so a failed early renewal stops nobody.
    const isGood = before !== undefined && before === current && now < (before.expiresAt ?? now)
    return isGood ? { kind: 'token', token: before } : answer
  }

  return {
    async get(now) {
      if (current !== undefined && now < current.renewAt) return { kind: 'token', token: current }
      fetching ??= renew(now).finally(() => {
        fetching = undefined
      })
      return fetching
    },
    accepted(token) {
      if (token === current?.token) refusals = 0
    },
    refused(token) {
      // Somebody else has renewed it already, or is about to.
      if (token !== current?.token) return true
      if (refusals > 0) return false
      refusals += 1
      current = undefined
      return true
    },
  }
}
