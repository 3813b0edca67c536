/** The nights that `activate demo` runs, what to point out in each, and whom to look at afterwards. Pure. */
import { type FaultPlan, noFaults } from './faults.ts'
import type { SandboxState } from './state.ts'

export interface DemoNight {
  /** The night's logical clock, in milliseconds: what `--as-of` would say. */
  readonly asOf: number
  /** `2026-03-02`, the night's date. */
  readonly date: string
  readonly title: string
  /** One sentence for the reader: what this night shows. */
  readonly remark: string
  /** What the sandbox does to requests during this night. */
  readonly faults: FaultPlan
}

const day = 24 * 3_600_000

/** The first night of the worked example: a Monday, two in the morning. */
export const demoStart = Date.UTC(2026, 2, 2, 2)

/** Faults of the hard night; small enough that the night still ends within a minute. */
const hardship: FaultPlan = { '5xx': 0.06, '429': 0.05, reset: 0.04, lost: 0.06 }

const scenes = [
  {
    title: 'first night',
    remark:
      'Everyone is new to the CRM, and whoever is a hot lead becomes a task. Messages only remember who is due (baseline).',
  },
  {
    title: 'a quiet night',
    remark: 'Only what changed since is sent: plans about to renew, carts left since yesterday, leads that warmed up.',
  },
  {
    title: 'a hard night',
    remark:
      'The sandbox fails on purpose: errors, refusals, torn connections, lost answers. Nothing is lost, nothing arrives twice.',
    hard: true,
  },
  {
    title: 'the night after',
    remark:
      'Nothing is left over from the hard night; a few mailboxes that are gone for good are remembered and not tried again.',
  },
  { title: 'an ordinary night', remark: 'New faces enter, some change, some leave.' },
] as const

/** One entry per night, a day apart. The first is the first run; the third is the hard one. `start` is in milliseconds. */
export function demoNights(start: number = demoStart, count = 5): DemoNight[] {
  return Array.from({ length: count }, (_, index) => {
    const scene = scenes[Math.min(index, scenes.length - 1)] ?? scenes[0]
    const asOf = start + index * day
    const date = new Date(asOf).toISOString().slice(0, 10)
    return { asOf, date, title: scene.title, remark: scene.remark, faults: 'hard' in scene ? hardship : noFaults }
  })
}

export interface InterestingCustomer {
  readonly key: string
  /** How often the CRM was told about them. */
  readonly writes: number
  readonly messages: number
}

/** Someone whose story is worth reading: written often and written to; undefined while the CRM is empty. */
export function interestingCustomer(
  state: Pick<SandboxState, 'contacts' | 'writes' | 'messages'>,
): InterestingCustomer | undefined {
  const messagesTo = new Map<string, number>()
  for (const { to } of state.messages) messagesTo.set(to.toLowerCase(), (messagesTo.get(to.toLowerCase()) ?? 0) + 1)
  let best: (InterestingCustomer & { readonly score: number }) | undefined
  for (const [key, { email }] of Object.entries(state.contacts)) {
    const messages = typeof email === 'string' ? (messagesTo.get(email.toLowerCase()) ?? 0) : 0
    const writes = state.writes[key] ?? 0
    const score = writes + 2 * messages
    if (best === undefined || score > best.score) best = { key, writes, messages, score }
  }
  return best === undefined ? undefined : { key: best.key, writes: best.writes, messages: best.messages }
}
