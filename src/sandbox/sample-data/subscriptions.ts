/**
 * Subscriptions and their payments: monthly, quarterly and yearly plans that renew, fail, are tried again, are given up,
 * and sometimes begin anew. A subscription is a mutable row, told as of a night; payments only ever grow.
 */
import { exponential, type Random, seededRandom, weighted } from '../seeded.ts'
import { addMonths, day, hour, startOfDay } from './calendar.ts'
import type { Person } from './people.ts'

export interface Subscription {
  readonly subscriptionId: string
  readonly plan: Plan
  readonly cycle: Cycle
  readonly price: number
  readonly startedAt: number
  readonly status: 'active' | 'past_due' | 'cancelled'
  readonly periodStart: number
  /** Undefined once cancelled. */
  readonly renewsOn: number | undefined
  readonly cancelledAt: number | undefined
  readonly updatedAt: number
}

export interface Payment {
  readonly paymentId: string
  readonly invoiceId: string
  readonly subscriptionId: string
  /** 1 on the due date, then up to three more. */
  readonly attempt: number
  readonly at: number
  readonly amount: number
  readonly status: 'succeeded' | 'failed'
  readonly failure: '' | 'card_expired' | 'insufficient_funds' | 'declined'
}

export interface Billing {
  readonly subscriptions: Subscription[]
  readonly payments: Payment[]
}

const plans = { basic: 7.99, plus: 14.99, family: 24.99 } as const
type Plan = keyof typeof plans

const cycles = {
  monthly: { months: 1, discount: 1, leaves: 0.035 },
  quarterly: { months: 3, discount: 0.95, leaves: 0.08 },
  yearly: { months: 12, discount: 0.83, leaves: 0.2 },
} as const
type Cycle = keyof typeof cycles

const firstAttemptFails = 0.08
/** Days after the due date on which a failed payment is tried again, and how often that works. */
const retries = [
  { after: 3, works: 0.45 },
  { after: 5, works: 0.35 },
  { after: 7, works: 0.3 },
] as const

/** Everything that billing knew before `until`. A later `until` adds payments and moves subscriptions on. */
export function simulateBilling(seed: number, person: Person, until: number): Billing {
  const random = seededRandom(seed, 'billing', person.id)
  const billing: Billing = { subscriptions: [], payments: [] }
  if (random() >= 0.56) return billing
  let start = person.joinedAt + exponential(random, 40 * day)
  for (let count = 1; start < until; count++) {
    const id = `${person.id}-s${count}`
    const ended = simulateSubscription(random, id, start, until, billing)
    const returns = random() < 0.3
    const pause = (20 + exponential(random, 110)) * day
    if (ended === undefined || !returns) break
    start = ended + pause
  }
  return billing
}

/** Adds one subscription with its payments; returns when it ended, or undefined while it lives. */
function simulateSubscription(
  random: Random,
  id: string,
  start: number,
  until: number,
  into: Billing,
): number | undefined {
  const startedAt = startOfDay(start) + Math.floor(6 * 3_600 + random() * 12 * 3_600) * 1_000
  const plan = weighted(random, [
    ['basic', 50],
    ['plus', 35],
    ['family', 15],
  ] as const)
  const cycle = weighted(random, [
    ['monthly', 62],
    ['quarterly', 20],
    ['yearly', 18],
  ] as const)
  const { months, discount, leaves } = cycles[cycle]
  const price = Math.round(plans[plan] * months * discount * 100) / 100
  const row = { subscriptionId: id, plan, cycle, price, startedAt }
  if (startedAt >= until) return undefined

  let last: Pick<Subscription, 'status' | 'periodStart' | 'updatedAt'> = {
    status: 'active',
    periodStart: startedAt,
    updatedAt: startedAt,
  }
  let renewsOn = addMonths(startedAt, months)
  let ended: number | undefined
  for (let period = 0; ended === undefined; period++) {
    const due = period === 0 ? startedAt : startOfDay(addMonths(startedAt, period * months)) + 5 * hour
    if (due >= until) break
    renewsOn = addMonths(startedAt, (period + 1) * months)
    const bill = collect(random, `${id}-${String(period + 1).padStart(3, '0')}`, id, due, price)
    const known = bill.filter(payment => payment.at < until)
    into.payments.push(...known)
    const newest = known.at(-1)
    last = {
      status: newest?.status === 'failed' ? 'past_due' : 'active',
      periodStart: due,
      updatedAt: newest?.at ?? due,
    }

    const final = bill.at(-1)
    const leavesNow = random() < leaves
    const leavesAt = due + 8 * day + random() * (renewsOn - due - 8 * day)
    if (final?.status === 'failed') ended = final.at + hour
    else if (leavesNow) ended = leavesAt
  }
  if (ended !== undefined && ended < until) {
    into.subscriptions.push({
      ...row,
      ...last,
      status: 'cancelled',
      renewsOn: undefined,
      cancelledAt: ended,
      updatedAt: ended,
    })
    return ended
  }
  into.subscriptions.push({ ...row, ...last, renewsOn, cancelledAt: undefined })
  return undefined
}

/** The attempts at one invoice, up to the first that works. */
function collect(random: Random, invoiceId: string, subscriptionId: string, due: number, amount: number): Payment[] {
  const attempts = [{ after: 0, works: 1 - firstAttemptFails }, ...retries]
  const failure = weighted(random, [
    ['card_expired', 3],
    ['insufficient_funds', 5],
    ['declined', 2],
  ] as const)
  const payments: Payment[] = []
  for (const [index, { after, works }] of attempts.entries()) {
    const succeeded = random() < works
    payments.push({
      paymentId: `${invoiceId}-p${index + 1}`,
      invoiceId,
      subscriptionId,
      attempt: index + 1,
      at: due + after * day + Math.floor(random() * 3_600) * 1_000,
      amount,
      status: succeeded ? 'succeeded' : 'failed',
      failure: succeeded ? '' : failure,
    })
    if (succeeded) break
  }
  return payments
}
