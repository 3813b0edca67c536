/**
 * The limits of one account at a destination. All destinations of this process that are the same account have one; between
 * processes, whoever has the turn in the ledger sends (`ledger/usage.ts`). Being alone costs a commit a second, whatever the
 * number of requests, because the turn is simply kept; of a long window, such as a day, a hundredth is reserved at a time.
 */
import { scryptSync } from 'node:crypto'
import type { TurnAnswer, Usage, Used } from '../ledger/usage.ts'
import type { ActionLimits, RateLimit } from './destination.ts'
import type { LimitReading } from './rate-headers.ts'
import { longestRetryAfter } from './retry.ts'
import { TieredLimiter, type TierWindow } from './tiered-limiter.ts'

/** A turn ends by itself after this, if its process does not keep it. */
export const turnLength = 6_000

/** Nothing is taken so shortly before the turn ends: what is taken must have left by then. */
const turnMargin = 2_000

/** The turn is kept, and passed on to who waits, this often. */
const keepEvery = 1_000

/** Who waits for the turn asks this often. */
const askEvery = 50

/** Whoever passed the turn lets the other one go first. */
const afterYou = 4 * askEvery

/** Of windows longer than this only a part is reserved at a time, because it would be lost for long. */
const longWindow = 10_000

/** What is written down of a window has this many steps. */
const steps = 200

/** What is asked about a request `within` the limits of its action, where that has some under the account's. */
export interface AccountLimiter {
  /** Takes one request's place when there is one; otherwise the milliseconds after which to ask again (0 = go). */
  take(now: number, within?: ActionLimits): number
  /** How many places were taken so far; right after a `take`, the number of that place. */
  readonly taken: number
  /** The request in this place left only now (it waited for a connection): its windows are counted from here. */
  left(place: number, now: number): void
  /** How many requests could be taken at this instant. */
  room(now: number, within?: ActionLimits): number
  /** Milliseconds until there is room again, without taking anything. */
  wait(now: number, within?: ActionLimits): number
  /** Nothing is taken before this instant (Retry-After); a shorter pause never shortens a longer one. */
  pause(until: number): void
  /** The limit that is waited for, when it is one of those that were configured. */
  blockedBy(now: number, within?: ActionLimits): TierWindow | undefined
  /** What the destination said of its limits; `underWay` requests it may not have counted yet. */
  heed(reading: LimitReading, underWay: number, now: number, within?: ActionLimits): void
}

export interface Account {
  readonly limiter: AccountLimiter
  /** Keeps the turn while something taken is about to leave; the instant at which to be called again. */
  tend(now: number): number | undefined
  /** Another destination with this account: its limits hold as well. */
  add(limits: readonly RateLimit[]): void
  /** Shares the limits with other processes until `leave` is called; `track` answers for what fails meanwhile. */
  join(party: Party): { leave(now: number): Promise<void> }
}

export interface Party {
  readonly ledger: Usage
  /** Unique per process. */
  readonly token: string
  readonly track: (work: Promise<void>) => void
}

/** Accounts that are open in this process, by what makes them the same. */
export type Accounts = Map<string, Account>

/** What is the same account: the kind of destination, where it is, and the credentials it is spoken to with. */
export interface AccountIdentity {
  readonly type: string
  readonly address: string
  readonly credentials: unknown
}

/** The account of this process for this identity, with these limits beside those it has. */
export function accountOf(accounts: Accounts, identity: AccountIdentity, limits: readonly RateLimit[]): Account {
  const { type, address, credentials } = identity
  const key = JSON.stringify([type, address, credentials])
  const known = accounts.get(key)
  known?.add(limits)
  const account = known ?? createAccount(() => idOf(key), limits)
  accounts.set(key, account)
  return account
}

/** What the ledger knows it by: nobody may guess a credential from it, and being slow to compute keeps it so. */
function idOf(key: string): string {
  return scryptSync(key, 'activate account', 16, { N: 4096 }).toString('hex')
}

/** `id` is what the ledger knows the account by; asked when it is first needed. */
export function createAccount(id: () => string, limits: readonly RateLimit[]): Account {
  const limiter = new SharedLimiter(id, limits)
  return {
    limiter,
    tend: now => limiter.tend(now),
    add: more => limiter.add(more),
    join: party => limiter.join(party),
  }
}

/** A process may open an account more than once, one after the other or side by side: each takes turns of its own. */
let opened = 0

class SharedLimiter implements AccountLimiter {
  private readonly number = ++opened
  private readonly makeId: () => string
  private id: string | undefined
  private readonly own: TieredLimiter
  private windows: readonly TierWindow[]
  private readonly known = new WeakSet<ActionLimits>()
  private readonly parties: Party[] = []
  /** The turn is ours until then. */
  private until = Number.NEGATIVE_INFINITY
  private keepAt = Number.NEGATIVE_INFINITY
  private askAt = Number.NEGATIVE_INFINITY
  private asking: Promise<void> | undefined
  private passing = false
  /** Places taken that no call has written down yet, and those of them whose requests have not left. */
  private open = 0
  private waiting = 0
  private used = new Map<string, Used>()
  private fresh = false
  private pausedUntil = Number.NEGATIVE_INFINITY

  constructor(id: () => string, limits: readonly RateLimit[]) {
    this.makeId = id
    this.own = new TieredLimiter(limits)
    this.windows = this.own.windows
  }

  get taken(): number {
    return this.own.taken
  }

  add(limits: readonly RateLimit[], of?: string): void {
    if (!this.own.add(limits, of)) return
    this.windows = this.own.windows
    // What others used of new windows is asked for before anything more is taken.
    this.fresh = true
    this.until = Number.NEGATIVE_INFINITY
  }

  take(now: number, within?: ActionLimits): number {
    this.know(within)
    const turn = this.turnWait(now)
    if (turn > 0) return turn
    const wait = this.own.take(now, within)
    if (wait > 0) return wait
    this.open += 1
    this.waiting += 1
    return 0
  }

  left(place: number, now: number): void {
    const group = this.own.left(place, now)
    this.waiting -= 1
    if (!this.isShared) return
    for (const { perMilliseconds: span, of } of this.windows) {
      if (of !== undefined && of !== group) continue
      const step = Math.max(1, Math.ceil(span / steps))
      const at = (Math.floor(now / step) + 1) * step
      const key = `${span} ${at} ${of ?? ''}`
      this.used.set(key, { span, at, requests: (this.used.get(key)?.requests ?? 0) + 1, ...ofGroup(of) })
    }
  }

  room(now: number, within?: ActionLimits): number {
    this.know(within)
    if (this.turnWait(now) > 0) return 0
    return Math.min(
      this.own.room(now, within),
      this.isShared ? Math.max(0, this.lot - this.open) : Number.POSITIVE_INFINITY,
    )
  }

  wait(now: number, within?: ActionLimits): number {
    this.know(within)
    return Math.max(this.turnWait(now), this.own.wait(now, within))
  }

  blockedBy(now: number, within?: ActionLimits): TierWindow | undefined {
    return this.own.blockedBy(now, within)
  }

  pause(until: number): void {
    this.own.pause(until)
    if (until > this.pausedUntil) this.keepAt = Number.NEGATIVE_INFINITY
    this.pausedUntil = Math.max(this.pausedUntil, until)
  }

  heed(...given: Parameters<AccountLimiter['heed']>): void {
    this.know(given[3])
    this.own.heed(...given)
  }

  join(party: Party): { leave(now: number): Promise<void> } {
    this.parties.push(party)
    return {
      leave: async now => {
        await this.asking
        const holds = this.until > Number.NEGATIVE_INFINITY
        if (this.parties.length === 1 && this.isShared && holds) await this.ask(now, party, true)
        this.parties.splice(this.parties.indexOf(party), 1)
      },
    }
  }

  tend(now: number): number | undefined {
    if (!this.isShared || this.waiting === 0) return undefined
    this.turnWait(now)
    return Math.max(this.keepAt, now + askEvery)
  }

  /** The limits of actions are known from the first request on that falls under them. */
  private know(within: ActionLimits | undefined): void {
    if (within === undefined || this.known.has(within)) return
    this.known.add(within)
    this.add(within.limits, within.name)
  }

  private get isShared(): boolean {
    return this.parties.length > 0 && this.windows.length > 0
  }

  /** Places that may be taken before they are written down. */
  private get lot(): number {
    const long = this.windows.filter(({ perMilliseconds }) => perMilliseconds > longWindow)
    return Math.min(...long.map(({ requests }) => Math.ceil(requests / 100)), Number.POSITIVE_INFINITY)
  }

  private turnWait(now: number): number {
    const [party] = this.parties
    if (party === undefined || !this.isShared) return 0
    // A wall clock that was set back to before the turn was taken says nothing of when it ends.
    const held = now < this.until - turnMargin && now >= this.until - turnLength
    if (this.passing && this.waiting === 0) this.start(now, party, true)
    else if (
      held
        ? now >= this.keepAt || this.open - this.waiting >= this.lot / 2
        : now >= this.askAt || now < this.askAt - afterYou
    )
      this.start(now, party, false)
    return held && this.open < this.lot && !this.passing ? 0 : askEvery
  }

  private start(now: number, party: Party, pass: boolean): void {
    if (this.asking === undefined) party.track(this.ask(now, party, pass))
  }

  private ask(now: number, party: Party, pass: boolean): Promise<void> {
    this.askAt = now + askEvery
    const used = [...this.used.values()]
    const settled = this.open - this.waiting
    this.used = new Map()
    const until = now + turnLength
    this.id ??= this.makeId()
    const asking = party.ledger
      .turn({
        ...{
          account: this.id,
          token: `${party.token}/${this.number}`,
          now,
          until,
          windows: this.windows.map(({ perMilliseconds: span, requests, of }) => ({ span, requests, ...ofGroup(of) })),
          used,
          pass,
          fresh: this.fresh,
        },
        ...(Number.isFinite(this.lot) && { reserved: this.lot }),
        pausedUntil: Number.isFinite(this.pausedUntil) ? Math.ceil(this.pausedUntil) : 0,
      })
      .then(answer => this.heard(answer, now, pass, settled))
      .finally(() => {
        this.asking = undefined
      })
    this.asking = asking
    return asking
  }

  /** What left, or is about to, and the ledger does not know of. */
  private unwritten(now: number): readonly Used[] {
    const waiting = this.windows.map(({ perMilliseconds: span, of }) => ({
      span,
      at: now,
      requests: of === undefined ? this.waiting : this.own.waitingIn(of),
      ...ofGroup(of),
    }))
    return [...this.used.values(), ...waiting]
  }

  private heard(answer: TurnAnswer, now: number, pass: boolean, settled: number): void {
    this.open = Math.max(0, this.open - settled)
    if (answer.kind === 'taken' || pass) {
      this.until = Number.NEGATIVE_INFINITY
      this.passing = false
      this.askAt = now + (pass ? afterYou : askEvery)
      return
    }
    const { used } = answer
    if (used !== undefined) this.own.load([...used, ...this.unwritten(now)], now)
    this.fresh = false
    const pausedUntil = Math.min(answer.pausedUntil, now + longestRetryAfter)
    if (pausedUntil > this.pausedUntil) {
      this.pausedUntil = pausedUntil
      this.own.pause(pausedUntil)
    }
    this.until = now + turnLength
    this.keepAt = now + keepEvery
    // Whoever has only just got the turn keeps it for a while, wanted or not.
    this.passing = answer.wanted && !answer.taken
  }
}

function ofGroup(of: string | undefined): { readonly of?: string } {
  return of === undefined ? {} : { of }
}
