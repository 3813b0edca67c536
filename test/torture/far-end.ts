/**
 * A destination for torture: it misbehaves by chance, remembers keys as a good API does, and keeps its own record of what took effect,
 * which is the truth that everything else is compared with.
 */
import { type Random, weighted } from '../../src/sandbox/seeded.ts'
import {
  applied,
  type Behaviour,
  type Received,
  type ReceivedRecord,
  reply,
  reset,
  startFaultServer,
  truncated,
} from '../fault-server.ts'

export interface Effect {
  /** `/put`, `/remove`, or any other, which keeps no record. */
  readonly path: string
  readonly key: string
  readonly changeId: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface FarEnd {
  readonly url: string
  /** What it holds now, by key. */
  readonly records: ReadonlyMap<string, Readonly<Record<string, unknown>>>
  /** Everything that took effect, in order; what took effect twice is here twice. */
  readonly effects: readonly Effect[]
  /** How often each change came in, whether or not it took effect; what was answered with a definite no is not counted. */
  readonly arrivals: ReadonlyMap<string, number>
  /** Keys of which it ever refused a record. */
  readonly refused: ReadonlySet<string>
  /** Requests under a known key whose bytes were others. */
  readonly conflicts: readonly string[]
  /** Share of the requests that go wrong; 0 is a quiet night. */
  faultRate: number
  /** Awaited before anything is applied or answered. */
  gate: () => Promise<void>
  close(): Promise<void>
}

type Fault = 'throttled' | 'unavailable' | 'failed_late' | 'lost_before' | 'lost_after' | 'truncated'

const faults: readonly (readonly [Fault, number])[] = [
  ['throttled', 3],
  ['unavailable', 3],
  ['failed_late', 3],
  ['lost_before', 1],
  ['lost_after', 2],
  ['truncated', 1],
]

/** A fraction of a second, so that torture does not wait. */
const soon = { 'retry-after': '0.02' }

/** Whether the destination refuses a record for good. */
export function isBad(fields: Readonly<Record<string, unknown>>): boolean {
  return String(fields.name).startsWith('bad')
}

interface Answer {
  readonly body: string
  readonly status: number
  readonly results: readonly { readonly key: string; readonly status: string; readonly error?: string }[]
}

export async function startFarEnd(random: Random): Promise<FarEnd> {
  const records = new Map<string, Readonly<Record<string, unknown>>>()
  const effects: Effect[] = []
  const arrivals = new Map<string, number>()
  const refused = new Set<string>()
  const conflicts: string[] = []
  const answers = new Map<string, Answer>()

  function applyRecord(path: string, record: ReceivedRecord): Answer['results'][number] {
    const { key, change_id: changeId, fields } = record
    if (isBad(fields) && path !== '/remove') {
      refused.add(key)
      return { key, status: 'error', error: 'unwanted' }
    }
    effects.push({ path, key, changeId, fields })
    if (path === '/remove') records.delete(key)
    if (path === '/put') records.set(key, fields)
    return { key, status: 'ok' }
  }

  function apply({ path, headers, body, records: received }: Received): Answer {
    const idempotencyKey = headers['idempotency-key']
    const before = idempotencyKey === undefined ? undefined : answers.get(idempotencyKey)
    if (before !== undefined && before.body !== body) conflicts.push(`${idempotencyKey}: ${before.body} / ${body}`)
    if (before !== undefined) return before
    const results = received.map(record => applyRecord(path, record))
    const isBatch = body.startsWith('{"records"')
    const answer = { body, status: !isBatch && results[0]?.status === 'error' ? 422 : 200, results }
    if (idempotencyKey !== undefined) answers.set(idempotencyKey, answer)
    return answer
  }

  function arrive({ records: received }: Received): void {
    for (const { change_id } of received) arrivals.set(change_id, (arrivals.get(change_id) ?? 0) + 1)
  }

  function behave(request: Received): Behaviour {
    const fault = random() < farEnd.faultRate ? weighted(random, faults) : undefined
    if (fault === 'throttled') return reply(429, '', soon)
    arrive(request)
    if (fault === 'unavailable') return reply(503, '', soon)
    if (fault === 'lost_before') return reset()
    const { status, results } = apply(request)
    if (fault === 'failed_late') return { ...reply(500, '', soon), apply: true }
    if (fault === 'lost_after') return applied(reset())
    if (fault === 'truncated') return applied(truncated())
    return reply(status, { results })
  }

  const server = await startFaultServer(async request => {
    await farEnd.gate()
    return behave(request)
  })
  const farEnd: FarEnd = {
    url: server.url,
    ...{ records, effects, arrivals, refused, conflicts },
    faultRate: 0,
    gate: () => Promise.resolve(),
    close: () => server.close(),
  }
  return farEnd
}
