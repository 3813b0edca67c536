/**
 * The trade counter: companies that might buy for their offices, people there who left their name, and what they did after
 * that. Companies are a fixed list; leads and events only grow. Domains end in `.example` (RFC 2606).
 */
import { exponential, pick, type Random, seededRandom, weighted } from '../seeded.ts'
import { dateText, day, hour } from './calendar.ts'
import { mailbox, makePerson } from './people.ts'

export interface Account {
  readonly accountId: string
  readonly name: string
  readonly domain: string
  readonly country: string
  readonly industry: string
  readonly employees: number
}

export interface Lead {
  readonly leadId: string
  /** Blank when the company is not known. */
  readonly accountId: string
  readonly firstName: string
  readonly lastName: string
  readonly email: string
  readonly jobTitle: string
  readonly source: string
  readonly at: number
}

export interface LeadEvent {
  readonly eventId: string
  readonly leadId: string
  readonly at: number
  readonly event: (typeof kinds)[number]
}

/** `opted_in` and `unsubscribed` are answers about e-mail. */
export const kinds = [
  'form_submitted',
  'opted_in',
  'unsubscribed',
  'content_download',
  'webinar_attended',
  'pricing_view',
  'demo_request',
] as const

/** The trade counter opened half a year before the worked example's first night. */
const tradeOpening = Date.UTC(2025, 8, 1)

const first = 'Harbour Northgate Juniper Copper Meridian Lantern Alder Quayside Foxglove Granite'.split(' ')
const second = 'Foods Studios Legal Logistics Dental Software Interiors Partners Print Hotels'.split(' ')

export function makeAccounts(seed: number, customers: number): Account[] {
  return Array.from({ length: Math.max(3, Math.round(customers / 10)) }, (_, index) => {
    const random = seededRandom(seed, 'account', index)
    const name = `${pick(random, first)} ${pick(random, second)}`
    const country = weighted(random, [
      ['GB', 55],
      ['IE', 10],
      ['DE', 14],
      ['FR', 12],
      ['SE', 5],
      ['SG', 4],
    ] as const)
    return {
      accountId: `A${String(index + 1).padStart(4, '0')}`,
      name,
      domain: `${name.toLowerCase().replace(' ', '-')}-${index + 1}.example`,
      country,
      industry: name.slice(name.indexOf(' ') + 1).toLowerCase(),
      employees: 3 + Math.floor(exponential(random, 60)),
    }
  })
}

/** Everyone who left their name before `until`, in that order: about one in 400 customers' number each working day. */
export function* simulateLeads(
  seed: number,
  customers: number,
  accounts: readonly Account[],
  until: number,
): Generator<Lead> {
  let index = 0
  for (let date = tradeOpening; date < until; date += day) {
    const weekday = new Date(date).getUTCDay()
    if (weekday === 0 || weekday === 6) continue
    const random = seededRandom(seed, 'leads', dateText(date))
    const count = Math.floor((customers / 400) * (0.5 + random()) + random())
    for (let nth = 0; nth < count; nth++) {
      const at = date + 8 * hour + Math.floor(((nth + random()) / count) * 10 * 3_600) * 1_000
      index += 1
      if (at < until) yield makeLead(seed, index, accounts, at)
    }
  }
}

function makeLead(seed: number, index: number, accounts: readonly Account[], at: number): Lead {
  const random = seededRandom(seed, 'lead', index)
  const account = random() < 0.92 ? pick(random, accounts) : undefined
  const { firstName, lastName } = makePerson(seed, 900_000 + index, at)
  const leadId = `L${String(index).padStart(6, '0')}`
  return {
    ...{ leadId, accountId: account?.accountId ?? '', firstName, lastName, at },
    email: `${mailbox(firstName, lastName, String(index))}@${account?.domain ?? 'mail.example.com'}`,
    jobTitle: pick(random, ['Office manager', 'Head of operations', 'Owner', 'Assistant', 'Buyer', 'Facilities lead']),
    source: pick(random, ['website', 'trade fair', 'referral', 'newsletter']),
  }
}

/** How much a lead does in the weeks after the first contact. */
const tempers = {
  cold: { steps: 2, every: 9 * day, likes: [6, 2, 1, 0] },
  warm: { steps: 6, every: 5 * day, likes: [5, 3, 4, 0.4] },
  hot: { steps: 9, every: 3 * day, likes: [3, 3, 6, 3] },
} as const

/** What a lead did before `until`, oldest first. */
export function simulateLeadEvents(seed: number, lead: Lead, until: number): LeadEvent[] {
  const random = seededRandom(seed, 'lead events', lead.leadId)
  const temper = weighted(random, [
    ['cold', 50],
    ['warm', 30],
    ['hot', 20],
  ] as const)
  const { steps, every, likes } = tempers[temper]
  const events: Omit<LeadEvent, 'eventId' | 'leadId'>[] = [{ at: lead.at, event: 'form_submitted' }]
  if (random() < 0.8) events.push({ at: lead.at + 20_000, event: 'opted_in' })
  let at = lead.at
  for (let step = 0; step < steps; step++) {
    at += hour + exponential(random, every)
    events.push({ at, event: likedEvent(random, likes) })
  }
  if (random() < 0.1) events.push({ at: at + 2 * hour, event: 'unsubscribed' })
  return events
    .map((event, index) => ({ ...event, leadId: lead.leadId, eventId: `${lead.leadId}-${index + 1}` }))
    .filter(event => event.at < until)
}

function likedEvent(random: Random, [download, webinar, pricing, demo]: readonly [number, number, number, number]) {
  return weighted(random, [
    ['content_download', download],
    ['webinar_attended', webinar],
    ['pricing_view', pricing],
    ['demo_request', demo],
  ] as const)
}
