/**
 * The limits of an account, and under them those of single groups of its actions: a request takes its place when both have
 * one for it, and what it waits for is whichever of them renews later. A request of no group counts in the account's alone.
 */
import type { Used } from '../ledger/usage.ts'
import type { ActionLimits, RateLimit } from './destination.ts'
import { createLimiter, type LoadableLimiter } from './limiter.ts'
import type { LimitReading } from './rate-headers.ts'

interface Tier {
  readonly limiter: LoadableLimiter
  readonly limits: RateLimit[]
}

/** A window of the account (no `of`), or of a group. */
export type TierWindow = RateLimit & { readonly of?: string }

export class TieredLimiter {
  private readonly account: Tier
  private readonly groups = new Map<string, Tier>()
  /** Places in the account whose requests are of a group and have not left, with the group and their place there. */
  private readonly places = new Map<number, { readonly of: string; readonly place: number }>()

  constructor(limits: readonly RateLimit[]) {
    this.account = open(limits)
  }

  get taken(): number {
    return this.account.limiter.taken
  }

  /** Whether there was anything new in it. */
  add(limits: readonly RateLimit[], of?: string): boolean {
    const tier = of === undefined ? this.account : (this.groups.get(of) ?? open([]))
    if (of !== undefined) this.groups.set(of, tier)
    const more = limits.filter(limit => !tier.limits.some(known => isSame(known, limit)))
    tier.limiter.add(more)
    tier.limits.push(...more)
    return more.length > 0
  }

  /** One for each length in each tier: several limits of the same length are counted alike. */
  get windows(): readonly TierWindow[] {
    const ofGroups = [...this.groups].flatMap(([of, { limits }]) => distinct(limits).map(limit => ({ ...limit, of })))
    return [...distinct(this.account.limits), ...ofGroups]
  }

  take(now: number, within?: ActionLimits): number {
    const group = this.groupOf(within)
    if (within === undefined || group === undefined) return this.account.limiter.take(now)
    const wait = this.wait(now, within)
    if (wait > 0) return wait
    this.account.limiter.take(now)
    group.limiter.take(now)
    this.places.set(this.taken, { of: within.name, place: group.limiter.taken })
    return 0
  }

  /** The request in this place has left; the group that it counts in. */
  left(place: number, now: number): string | undefined {
    this.account.limiter.left(place, now)
    const inGroup = this.places.get(place)
    if (inGroup === undefined) return undefined
    this.places.delete(place)
    this.groups.get(inGroup.of)?.limiter.left(inGroup.place, now)
    return inGroup.of
  }

  /** Places of this group whose requests have not left. */
  waitingIn(of: string): number {
    return [...this.places.values()].filter(place => place.of === of).length
  }

  room(now: number, within?: ActionLimits): number {
    const group = this.groupOf(within)?.limiter.room(now) ?? Number.POSITIVE_INFINITY
    return Math.min(this.account.limiter.room(now), group)
  }

  wait(now: number, within?: ActionLimits): number {
    return Math.max(this.account.limiter.wait(now), this.groupOf(within)?.limiter.wait(now) ?? 0)
  }

  /** The limit that is waited for longest, when it is one of those that were configured. */
  blockedBy(now: number, within?: ActionLimits): TierWindow | undefined {
    const { limiter } = this.account
    const group = this.groupOf(within)?.limiter
    if (within === undefined || group === undefined || group.wait(now) <= limiter.wait(now))
      return limiter.blockedBy(now)
    const limit = group.blockedBy(now)
    return limit && { ...limit, of: within.name }
  }

  pause(until: number): void {
    this.account.limiter.pause(until)
  }

  /** What headers said, of the group if they speak of it, else of the account. */
  heed(reading: LimitReading, underWay: number, now: number, within?: ActionLimits): void {
    const tier = within?.toldByHeaders ? (this.groupOf(within) ?? this.account) : this.account
    tier.limiter.heed(reading, underWay, now)
  }

  /** Forgets what it knows, and goes by this: all that left, in the order of time. */
  load(used: readonly Used[], now: number): void {
    this.account.limiter.load(
      used.filter(({ of }) => of === undefined),
      now,
    )
    for (const [name, { limiter }] of this.groups)
      limiter.load(
        used.filter(({ of }) => of === name),
        now,
      )
  }

  private groupOf(within: ActionLimits | undefined): Tier | undefined {
    return within && this.groups.get(within.name)
  }
}

function open(limits: readonly RateLimit[]): Tier {
  return { limiter: createLimiter(limits), limits: [...limits] }
}

function isSame(one: RateLimit, other: RateLimit): boolean {
  return one.requests === other.requests && one.perMilliseconds === other.perMilliseconds
}

function distinct(limits: readonly RateLimit[]): readonly RateLimit[] {
  const byLength = new Map<number, RateLimit>()
  for (const limit of limits) {
    const before = byLength.get(limit.perMilliseconds)
    if (before === undefined || before.requests < limit.requests) byLength.set(limit.perMilliseconds, limit)
  }
  return [...byLength.values()]
}
