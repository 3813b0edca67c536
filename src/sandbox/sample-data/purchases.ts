/**
 * What customers buy and give back. Purchases follow the story that the BG/NBD model tells (Fader, Hardie and
 * Lee, Marketing Science 24(2), 2005): everyone has a rate of buying and, after each purchase, a chance to be gone; here
 * some come back after a long while, and the year has seasons.
 */
import { beta, exponential, gamma, type Random, seededRandom, weighted } from '../seeded.ts'
import { day, season, startOfDay } from './calendar.ts'
import { emailAt, type Person } from './people.ts'

export interface Order {
  readonly orderId: string
  readonly at: number
  readonly amount: number
  readonly items: number
  readonly channel: 'web' | 'app' | 'store'
  /** As typed at the checkout: mostly the account's, sometimes another of the same human; blank at a till. */
  readonly email: string
}

export interface Refund {
  readonly orderId: string
  readonly at: number
  readonly amount: number
  readonly reason: 'damaged' | 'wrong_size' | 'late' | 'changed_mind'
}

const week = 7 * day

/** People shop between breakfast and midnight. */
export function shoppingTime(random: Random, at: number): number {
  return startOfDay(at) + Math.floor((7 + 16 * random()) * 3_600) * 1_000
}

/** All orders before `until`, oldest first. A later `until` only adds to the end. */
export function simulateOrders(seed: number, person: Person, until: number): Order[] {
  const random = seededRandom(seed, 'orders', person.id)
  const perWeek = Math.max(gamma(random, 0.9, 5.2), 0.004)
  const quit = beta(random, 0.793, 2.426)
  const basket = 22 + gamma(random, 2.2, 0.06)
  const orders: Order[] = []
  let at = shoppingTime(random, person.joinedAt + exponential(random, 4 * day))
  while (at < until) {
    const items = 1 + Math.floor(exponential(random, 1.4))
    const amount = Math.round(basket * (0.5 + random()) * (0.7 + 0.3 * items) * 100) / 100
    const channel = weighted(random, [
      ['web', 55],
      ['app', 33],
      ['store', 12],
    ] as const)
    const orderId = `${person.id}-${String(orders.length + 1).padStart(3, '0')}`
    const email = channel === 'store' ? '' : typedEmail(seed, person, orderId, at)
    orders.push({ orderId, at, amount, items, channel, email })
    at = shoppingTime(random, at + day + waitForNext(random, at, perWeek, quit))
  }
  return orders
}

function typedEmail(seed: number, person: Person, orderId: string, at: number): string {
  if (seededRandom(seed, 'typed email', orderId)() < 0.03) return `work.${Number(person.human)}@office.example.com`
  return emailAt(person, at)
}

/** Milliseconds to the next purchase: ordinary, or after a long absence, or never. */
function waitForNext(random: Random, at: number, perWeek: number, quit: number): number {
  const wait = exponential(random, week / perWeek) / season(at)
  if (random() >= quit) return wait
  const returns = random() < 0.22
  const absence = (120 + exponential(random, 150)) * day
  return returns ? absence : Number.POSITIVE_INFINITY
}

export function simulateRefunds(seed: number, person: Person, orders: readonly Order[], until: number): Refund[] {
  return orders.flatMap(order => {
    const random = seededRandom(seed, 'refund', order.orderId)
    if (random() >= 0.055) return []
    const at = shoppingTime(random, order.at + (2 + 20 * random()) * day)
    const share = random() < 0.7 ? 1 : 0.5
    const reason = weighted(random, [
      ['damaged', 3],
      ['wrong_size', 4],
      ['late', 2],
      ['changed_mind', 3],
    ] as const)
    const refund: Refund = { orderId: order.orderId, at, amount: Math.round(order.amount * share * 100) / 100, reason }
    return at < until && person.joinedAt < at ? [refund] : []
  })
}
