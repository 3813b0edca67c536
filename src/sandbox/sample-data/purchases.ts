/**
 * What customers buy, give back and look at. Purchases follow the story that the BG/NBD model tells (Fader, Hardie and
 * Lee, Marketing Science 24(2), 2005): everyone has a rate of buying and, after each purchase, a chance to be gone; here
 * some come back after a long while, and the year has seasons.
 */
import { beta, exponential, gamma, type Random, seededRandom, weighted } from '../seeded.ts'
import { day, hour, season, startOfDay } from './calendar.ts'
import type { Person } from './people.ts'

export interface Order {
  readonly orderId: string
  readonly at: number
  readonly amount: number
  readonly items: number
  readonly channel: 'web' | 'app' | 'store'
}

export interface Refund {
  readonly orderId: string
  readonly at: number
  readonly amount: number
  readonly reason: 'damaged' | 'wrong_size' | 'late' | 'changed_mind'
}

export interface ProductEvent {
  readonly eventId: string
  readonly at: number
  readonly event: 'app_open' | 'view_item' | 'add_to_cart' | 'support_contact'
  readonly device: string
}

const week = 7 * day

/** People shop between breakfast and midnight. */
function shoppingTime(random: Random, at: number): number {
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
    orders.push({ orderId: `${person.id}-${String(orders.length + 1).padStart(3, '0')}`, at, amount, items, channel })
    at = shoppingTime(random, at + day + waitForNext(random, at, perWeek, quit))
  }
  return orders
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

/** Looking before buying. `orders` must reach `lookahead` beyond `until`, since one looks before an order that is still to come. */
export const lookahead = 3 * day

export function simulateEvents(seed: number, person: Person, orders: readonly Order[], until: number): ProductEvent[] {
  const events: Omit<ProductEvent, 'eventId'>[] = []
  for (const order of orders) {
    if (order.channel === 'store') continue
    const random = seededRandom(seed, 'events', order.orderId)
    const device = weighted(random, [
      ['ios', 4],
      ['android', 4],
      ['desktop', order.channel === 'web' ? 6 : 0],
      ['', 0.3],
    ] as const)
    const opened = order.at - Math.floor(random() * 40) * hour
    events.push({ at: opened, event: 'app_open', device })
    events.push({ at: opened + Math.floor(60 + 600 * random()) * 1_000, event: 'view_item', device })
    if (random() < 0.6)
      events.push({ at: order.at - Math.floor(60 + 300 * random()) * 1_000, event: 'add_to_cart', device })
    if (random() < 0.06)
      events.push({ at: order.at + Math.floor(24 + 100 * random()) * hour, event: 'support_contact', device })
  }
  const sorted = events.map((event, index) => ({
    ...event,
    eventId: `${person.id}-e${String(index + 1).padStart(5, '0')}`,
  }))
  return sorted.filter(event => event.at < until && event.at >= person.joinedAt).sort((a, b) => a.at - b.at)
}
