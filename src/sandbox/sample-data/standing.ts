/** What decides whether a customer may be written to: consents given and withdrawn, cases of fraud, and people who asked to be left alone. */
import { exponential, seededRandom, weighted } from '../seeded.ts'
import { day } from './calendar.ts'
import { emailAt, type Person } from './people.ts'

export interface Consent {
  readonly channel: 'email' | 'sms'
  readonly purpose: 'marketing' | 'renewals' | 'service'
  readonly status: 'granted' | 'denied'
  readonly at: number
  readonly source: 'signup' | 'preference_centre' | 'unsubscribe_link'
  /** What the law rests it on: an agreement that can be withdrawn, or the contract itself. */
  readonly basis: 'consent' | 'contract'
  /** Where the proof is. */
  readonly evidence: string
}

export interface FraudCase {
  readonly caseId: string
  readonly openedAt: number
  /** Both undefined while the case is open. */
  readonly closedAt: number | undefined
  readonly outcome: 'confirmed' | 'cleared' | undefined
}

/** How often people say yes when they join, and after how many days, on average, they change their mind. */
const questions = [
  { channel: 'email', purpose: 'marketing', yes: 0.68, keeps: 900, stays: 1_500 },
  { channel: 'email', purpose: 'renewals', yes: 0.93, keeps: 3_000, stays: 2_000 },
  { channel: 'sms', purpose: 'marketing', yes: 0.31, keeps: 700, stays: 2_500 },
  { channel: 'sms', purpose: 'renewals', yes: 0.44, keeps: 2_000, stays: 2_500 },
] as const

/**
 * Every answer before `until`, oldest first within a channel and purpose. A few people were never asked. Messages about the
 * contract itself, such as a failed payment, come with the terms.
 */
export function simulateConsents(seed: number, person: Person, until: number): Consent[] {
  const terms = { status: 'granted', at: person.joinedAt, source: 'signup', basis: 'contract' } as const
  const service = (['email', 'sms'] as const).map((channel): Consent => {
    return { channel, purpose: 'service', ...terms, evidence: `terms accepted by ${person.id}` }
  })
  return [...service, ...simulateAnswers(seed, person, until)]
}

function simulateAnswers(seed: number, person: Person, until: number): Consent[] {
  return questions.flatMap(({ channel, purpose, yes, keeps, stays }) => {
    const random = seededRandom(seed, 'consent', person.id, channel, purpose)
    if (random() < 0.04) return []
    const answers: Consent[] = []
    let granted = random() < yes
    let at = person.joinedAt
    while (at < until) {
      const source = answers.length === 0 ? 'signup' : granted ? 'preference_centre' : 'unsubscribe_link'
      const evidence = `${source}, answer ${answers.length + 1} of ${person.id}`
      answers.push({ channel, purpose, status: granted ? 'granted' : 'denied', at, source, basis: 'consent', evidence })
      at += 60_000 + exponential(random, (granted ? keeps : stays) * day)
      granted = !granted
    }
    return answers
  })
}

export function simulateFraud(seed: number, person: Person, until: number): FraudCase[] {
  const random = seededRandom(seed, 'fraud', person.id)
  if (random() >= 0.03) return []
  const openedAt = person.joinedAt + exponential(random, 260 * day)
  const closedAt = openedAt + (3 + 30 * random()) * day
  const outcome = weighted(random, [
    ['confirmed', 4],
    ['cleared', 6],
  ] as const)
  if (openedAt >= until) return []
  const closed = closedAt < until
  return [
    {
      caseId: `${person.id}-f1`,
      openedAt,
      closedAt: closed ? closedAt : undefined,
      outcome: closed ? outcome : undefined,
    },
  ]
}

export interface DoNotContact {
  readonly email: string
  readonly addedAt: number
}

/** Who asked the service desk to be left alone, at the address they had then. */
export function simulateDoNotContact(seed: number, person: Person, until: number): DoNotContact[] {
  const random = seededRandom(seed, 'do not contact', person.id)
  if (random() >= 0.02) return []
  const addedAt = person.joinedAt + exponential(random, 300 * day)
  const email = emailAt(person, addedAt)
  return addedAt < until && email !== '' ? [{ email, addedAt }] : []
}
