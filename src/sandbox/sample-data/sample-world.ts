/**
 * The tables of the worked example as of a night: what a warehouse would have known at that instant and nothing later.
 * Everything is drawn from the seed, stream by stream and in the order of time, so a later night only adds rows to the
 * tables that grow and moves the mutable ones on.
 */
import { seededRandom } from '../seeded.ts'
import { dateText, day, hour, instantText } from './calendar.ts'
import { makeAccounts, simulateLeadEvents, simulateLeads } from './leads.ts'
import { makePerson, type Person } from './people.ts'
import { simulateProducts } from './products.ts'
import { simulateOrders, simulateRefunds } from './purchases.ts'
import { simulateConsents, simulateDoNotContact, simulateFraud } from './standing.ts'
import { simulateBilling } from './subscriptions.ts'
import { type SampleTable, type SampleTableName, sampleTables } from './tables.ts'
import { lookahead, simulateEvents } from './visits.ts'

export interface SampleOptions {
  readonly seed: number
  /** How many have joined by 2026-03-01; after that about one in 800 of them joins each day. */
  readonly customers: number
  /** Milliseconds; only what happened before it is told. */
  readonly asOf: number
}

export const opening = Date.UTC(2023, 2, 1)
const settled = Date.UTC(2026, 2, 1)

type World = Readonly<Record<SampleTableName, SampleTable>>

/** The whole world as of a night. */
export function sampleWorld(options: SampleOptions): World {
  const world = {} as Record<SampleTableName, SampleTable>
  for (const name of Object.keys(sampleTables) as SampleTableName[])
    world[name] = { columns: sampleTables[name].columns, rows: [] }
  for (const person of people(options)) addPerson(world, person, options)
  addProducts(world, options)
  addLeads(world, options)
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

function addPerson(world: World, person: Person, { seed, asOf }: SampleOptions): void {
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
      consent.basis,
      consent.evidence,
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
  for (const { email, addedAt } of simulateDoNotContact(seed, person, asOf))
    world['lists/do_not_contact'].rows.push([email, instantText(addedAt), 'service desk'])
}

function addPurchases(world: World, person: Person, seed: number, asOf: number): void {
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
      order.email,
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
    const { eventId, at, device, productId } = event
    const deviceId = device === '' ? '' : `${device}-${person.human}`
    world.product_events.rows.push([eventId, id, instantText(at), event.event, device, deviceId, productId])
  }
}

function addProducts(world: World, { seed, asOf }: SampleOptions): void {
  for (const { productId, name, price, stock, at } of simulateProducts(seed, opening, asOf))
    world.products.rows.push([productId, name, price.toFixed(2), stock, instantText(at)])
}

function addLeads(world: World, { seed, customers, asOf }: SampleOptions): void {
  const accounts = makeAccounts(seed, customers)
  for (const { accountId, name, domain, country, industry, employees } of accounts)
    world.accounts.rows.push([accountId, name, domain, country, industry, employees])
  for (const lead of simulateLeads(seed, customers, accounts, asOf)) {
    const { leadId, accountId, firstName, lastName, email, jobTitle, source, at } = lead
    world.leads.rows.push([leadId, accountId, firstName, lastName, email, jobTitle, source, instantText(at)])
    for (const event of simulateLeadEvents(seed, lead, asOf))
      world.lead_events.rows.push([event.eventId, leadId, instantText(event.at), event.event])
  }
}

function addBilling(world: World, person: Person, seed: number, asOf: number): void {
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
