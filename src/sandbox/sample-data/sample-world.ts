/**
 * The tables of the worked example as of a night: what a warehouse would have known at that instant and nothing later.
 * Everything is drawn from the seed, stream by stream and in the order of time, so a later night only adds rows to the
 * tables that grow and moves the mutable ones on.
 */
import { seededRandom } from '../seeded.ts'
import { dateText, day, hour, instantText } from './calendar.ts'
import { makePerson, type Person } from './people.ts'
import { lookahead, simulateEvents, simulateOrders, simulateRefunds } from './purchases.ts'
import { simulateConsents, simulateFraud } from './standing.ts'
import { simulateBilling } from './subscriptions.ts'

export interface SampleOptions {
  readonly seed: number
  /** How many have joined by 2026-03-01; after that about one in 800 of them joins each day. */
  readonly customers: number
  /** Milliseconds; only what happened before it is told. */
  readonly asOf: number
}

export type Cell = string | number

/** Rows of cells in the order of `columns`. */
export interface SampleTable {
  readonly columns: readonly string[]
  readonly rows: (readonly Cell[])[]
}

export const opening = Date.UTC(2023, 2, 1)
const settled = Date.UTC(2026, 2, 1)

/** Names of the tables with their columns; `time` is the column by which a table that only grows is ordered in time. */
export const sampleTables = {
  customers: {
    columns: [
      'customer_id',
      'first_name',
      'last_name',
      'email',
      'phone',
      'country',
      'timezone',
      'joined_at',
      'updated_at',
    ],
  },
  orders: { columns: ['order_id', 'customer_id', 'ordered_at', 'amount', 'items', 'channel'], time: 'ordered_at' },
  refunds: {
    columns: ['refund_id', 'order_id', 'customer_id', 'refunded_at', 'amount', 'reason'],
    time: 'refunded_at',
  },
  subscriptions: {
    columns: [
      'subscription_id',
      'customer_id',
      'plan',
      'billing_cycle',
      'price',
      'status',
      'started_at',
      'period_start',
      'renews_on',
      'cancelled_at',
      'updated_at',
    ],
  },
  payments: {
    columns: [
      'payment_id',
      'invoice_id',
      'subscription_id',
      'customer_id',
      'attempt',
      'attempted_at',
      'amount',
      'status',
      'failure_reason',
    ],
    time: 'attempted_at',
  },
  product_events: { columns: ['event_id', 'customer_id', 'happened_at', 'event', 'device'], time: 'happened_at' },
  consents: { columns: ['customer_id', 'channel', 'purpose', 'status', 'source', 'updated_at'], time: 'updated_at' },
  fraud_cases: { columns: ['case_id', 'customer_id', 'opened_at', 'closed_at', 'outcome'] },
} as const satisfies Record<string, { columns: readonly string[]; time?: string }>

export type SampleTableName = keyof typeof sampleTables

/** The whole world as of a night. */
export function sampleWorld(options: SampleOptions): Readonly<Record<SampleTableName, SampleTable>> {
  const world = {} as Record<SampleTableName, SampleTable>
  for (const name of Object.keys(sampleTables) as SampleTableName[])
    world[name] = { columns: sampleTables[name].columns, rows: [] }
  for (const person of people(options)) addPerson(world, person, options)
  return world
}

/** Everyone who joined before the night, in the order of joining. */
function* people({ seed, customers, asOf }: SampleOptions): Generator<Person> {
  for (let index = 1; index <= customers; index++) {
    const joinedAt = Math.floor((opening + (settled - opening) * ((index - 0.5) / customers) ** 0.85) / 1_000) * 1_000
    if (joinedAt >= asOf) return
    yield makePerson(seed, index, joinedAt)
  }
  let index = customers
  for (let date = settled; date < asOf; date += day) {
    const random = seededRandom(seed, 'joiners', dateText(date))
    const count = Math.round((customers / 800) * (0.5 + random()))
    for (let nth = 0; nth < count; nth++) {
      const joinedAt = date + 7 * hour + Math.floor(((nth + random()) / count) * 16 * 3_600) * 1_000
      index += 1
      if (joinedAt < asOf) yield makePerson(seed, index, joinedAt)
    }
  }
}

function optionalInstant(at: number | undefined): string {
  return at === undefined ? '' : instantText(at)
}

function addPerson(world: Record<SampleTableName, SampleTable>, person: Person, { seed, asOf }: SampleOptions): void {
  const { id } = person
  const current = person.emails.filter(({ since }) => since < asOf).at(-1)
  world.customers.rows.push([
    id,
    person.firstName,
    person.lastName,
    current?.email ?? '',
    person.phone,
    person.country,
    person.timezone,
    instantText(person.joinedAt),
    instantText(current?.since ?? person.joinedAt),
  ])
  addPurchases(world, person, seed, asOf)
  addBilling(world, person, seed, asOf)
  for (const consent of simulateConsents(seed, person, asOf)) {
    world.consents.rows.push([
      id,
      consent.channel,
      consent.purpose,
      consent.status,
      consent.source,
      instantText(consent.at),
    ])
  }
  for (const fraud of simulateFraud(seed, person, asOf)) {
    world.fraud_cases.rows.push([
      fraud.caseId,
      id,
      instantText(fraud.openedAt),
      optionalInstant(fraud.closedAt),
      fraud.outcome ?? '',
    ])
  }
}

function addPurchases(world: Record<SampleTableName, SampleTable>, person: Person, seed: number, asOf: number): void {
  const { id } = person
  const foreseen = simulateOrders(seed, person, asOf + lookahead)
  const orders = foreseen.filter(order => order.at < asOf)
  for (const order of orders) {
    world.orders.rows.push([
      order.orderId,
      id,
      instantText(order.at),
      order.amount.toFixed(2),
      order.items,
      order.channel,
    ])
  }
  for (const refund of simulateRefunds(seed, person, orders, asOf)) {
    world.refunds.rows.push([
      `${refund.orderId}-r`,
      refund.orderId,
      id,
      instantText(refund.at),
      refund.amount.toFixed(2),
      refund.reason,
    ])
  }
  for (const event of simulateEvents(seed, person, foreseen, asOf)) {
    world.product_events.rows.push([event.eventId, id, instantText(event.at), event.event, event.device])
  }
}

function addBilling(world: Record<SampleTableName, SampleTable>, person: Person, seed: number, asOf: number): void {
  const { id } = person
  const billing = simulateBilling(seed, person, asOf)
  for (const subscription of billing.subscriptions) {
    const { renewsOn } = subscription
    world.subscriptions.rows.push([
      subscription.subscriptionId,
      id,
      subscription.plan,
      subscription.cycle,
      subscription.price.toFixed(2),
      subscription.status,
      instantText(subscription.startedAt),
      instantText(subscription.periodStart),
      renewsOn === undefined ? '' : dateText(renewsOn),
      optionalInstant(subscription.cancelledAt),
      instantText(subscription.updatedAt),
    ])
  }
  for (const payment of billing.payments) {
    world.payments.rows.push([
      payment.paymentId,
      payment.invoiceId,
      payment.subscriptionId,
      id,
      payment.attempt,
      instantText(payment.at),
      payment.amount.toFixed(2),
      payment.status,
      payment.failure,
    ])
  }
}
