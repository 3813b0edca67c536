/** What customers do on the site and in the app: looking before buying, and filling carts that are never paid for. */
import { exponential, pick, seededRandom, weighted } from '../seeded.ts'
import { day, hour } from './calendar.ts'
import type { Person } from './people.ts'
import { productIds } from './products.ts'
import { type Order, shoppingTime } from './purchases.ts'

export interface ProductEvent {
  readonly eventId: string
  readonly at: number
  readonly event: 'app_open' | 'view_item' | 'add_to_cart' | 'support_contact'
  readonly device: '' | 'ios' | 'android' | 'desktop'
  /** What was looked at or put into the cart; blank for other events. */
  readonly productId: string
}

/** `orders` must reach this far beyond the night, since one looks before an order that is still to come. */
export const lookahead = 3 * day

/** How long after an order somebody still drops by. */
const interest = 100 * day

/** Everything before `until`, oldest first; a later `until` only adds to the end. */
export function simulateEvents(seed: number, person: Person, orders: readonly Order[], until: number): ProductEvent[] {
  const bought = orders.flatMap(order => (order.channel === 'store' ? [] : visitBefore(seed, order)))
  const left = abandonedCarts(seed, person, orders, until).flatMap(at => visitWithoutOrder(seed, person, at))
  return [...number(person, 'e', bought), ...number(person, 'c', left)]
    .filter(event => event.at < until && event.at >= person.joinedAt)
    .sort((a, b) => a.at - b.at)
}

type Unnumbered = Omit<ProductEvent, 'eventId'>

/** Two series, so that neither's length changes the other's numbers. */
function number(person: Person, series: 'e' | 'c', events: readonly Unnumbered[]): ProductEvent[] {
  return events.map((event, index) => ({
    ...event,
    eventId: `${person.id}-${series}${String(index + 1).padStart(5, '0')}`,
  }))
}

function visitBefore(seed: number, order: Order): Unnumbered[] {
  const random = seededRandom(seed, 'events', order.orderId)
  const device = weighted(random, [
    ['ios', 4],
    ['android', 4],
    ['desktop', order.channel === 'web' ? 6 : 0],
    ['', 0.3],
  ] as const)
  const productId = pick(random, productIds)
  const opened = order.at - Math.floor(random() * 40) * hour
  const events: Unnumbered[] = [
    { at: opened, event: 'app_open', device, productId: '' },
    { at: opened + Math.floor(60 + 600 * random()) * 1_000, event: 'view_item', device, productId },
  ]
  if (random() < 0.6)
    events.push({ at: order.at - Math.floor(60 + 300 * random()) * 1_000, event: 'add_to_cart', device, productId })
  if (random() < 0.06) {
    const at = order.at + Math.floor(24 + 100 * random()) * hour
    events.push({ at, event: 'support_contact', device, productId: '' })
  }
  return events
}

/** When carts were filled and left, by people who bought something not long before. */
function abandonedCarts(seed: number, person: Person, orders: readonly Order[], until: number): number[] {
  const random = seededRandom(seed, 'carts', person.id)
  const carts: number[] = []
  let at = shoppingTime(random, person.joinedAt + day + exponential(random, 60 * day))
  while (at < until) {
    if (orders.some(order => order.at < at && at < order.at + interest)) carts.push(at)
    at = shoppingTime(random, at + day + exponential(random, 60 * day))
  }
  return carts
}

function visitWithoutOrder(seed: number, person: Person, at: number): Unnumbered[] {
  const random = seededRandom(seed, 'cart', person.id, at)
  const device = weighted(random, [
    ['ios', 5],
    ['android', 5],
    ['desktop', 3],
  ] as const)
  const productId = pick(random, productIds)
  const looked = at - Math.floor(60 + 600 * random()) * 1_000
  return [
    { at: looked - 30_000, event: 'app_open', device, productId: '' },
    { at: looked, event: 'view_item', device, productId },
    { at, event: 'add_to_cart', device, productId },
  ]
}
