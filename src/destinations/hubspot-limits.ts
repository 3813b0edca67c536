/** How much HubSpot takes, and what its headers say of it. */
import type { RateLimit } from '../delivery/destination.ts'
import type { LimitReading } from '../delivery/rate-headers.ts'

/**
 * What the documents do not say, or what nobody has tried against the service. Read 2026-11, developers.hubspot.com.
 *
 * - `recordsPerMembership`: no maximum is given for list memberships; 100 is what batches of objects take.
 * - `longPause`: the day of the DAILY limit ends at midnight in the account's time zone, which no reply names. Whoever
 *   finds it used up asks again after this.
 * - `lockPause`: 423 is to be waited out "at least 2 seconds".
 * - accounts in the EU: said to be reached at the same host; `base_url` is there in case they are not.
 * - whether an upsert or update answers in part, as a create does when every input has its own `objectWriteTraceId`. Either
 *   is read: named refusals by record, and a 400 for the whole request by halves.
 */
export const unverified = { recordsPerMembership: 100, longPause: 3_600_000, lockPause: 2_000 } as const

/** "Usage guidelines", read 2026-11: per app in ten seconds, per account in a day. For professional 650k is given elsewhere. */
const plans = {
  starter: { burst: 100, day: 250_000 },
  professional: { burst: 190, day: 625_000 },
  enterprise: { burst: 190, day: 1_000_000 },
} as const

/** The add-on "API limit increase". */
const increase = { burst: 250, day: 1_000_000 } as const

export const tenSeconds = 10_000
const oneDay = 86_400_000

export interface PlanSettings {
  readonly plan: keyof typeof plans
  readonly limit_increase: boolean
  readonly requests_per_day?: number | undefined
}

export function limitsOf({ plan, limit_increase, requests_per_day }: PlanSettings): readonly RateLimit[] {
  const { burst, day } = plans[plan]
  const most = limit_increase ? day + increase.day : day
  return [
    { requests: limit_increase ? increase.burst : burst, perMilliseconds: tenSeconds },
    { requests: Math.min(most, requests_per_day ?? most), perMilliseconds: oneDay },
  ]
}

/** `X-HubSpot-RateLimit-*`; those of the day are missing for OAuth apps. */
export function readLimits(headers: Readonly<Record<string, string>>, now: number): readonly LimitReading[] {
  const number = (name: string) => {
    const text = headers[`x-hubspot-ratelimit-${name}`]
    return text === undefined || !/^\d{1,12}$/.test(text) ? undefined : Number(text)
  }
  const [remaining, ofDay] = [number('remaining'), number('daily-remaining')]
  const interval = number('interval-milliseconds') ?? tenSeconds
  return [
    ...(remaining === undefined ? [] : [{ name: 'interval', remaining, until: now + interval }]),
    ...(ofDay === undefined ? [] : [{ name: 'day', remaining: ofDay, until: now + unverified.longPause }]),
  ]
}
