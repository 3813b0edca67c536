/** Rates in the settings of a destination: so many requests within a time. */
import { z } from 'zod'
import type { RateLimit } from '../delivery/destination.ts'
import { duration } from '../project/duration.ts'

const rate = z.strictObject({
  requests: z.int().min(1).describe('At most so many requests …'),
  per: duration().describe('… within this time, such as 1s or 1m'),
})

export type Rate = z.output<typeof rate>

export const rates = () => z.array(rate)

export function rateLimits(given: readonly Rate[]): readonly RateLimit[] {
  return given.map(({ requests, per }) => ({ requests, perMilliseconds: per }))
}
