/** What replies mean when a destination does not say it itself, and how a verdict becomes one outcome per record. */
import type { Change, Finding, HttpReply, LookupVerdict, RecordOutcome, Verdict } from './destination.ts'
import { parseHttpDate, parseRetryAfter } from './retry.ts'

/** As much of a reply as an error may quote. */
const quotedCharacters = 300

function quote(reply: HttpReply): string {
  const text = reply.text.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim()
  const shown = text.length > quotedCharacters ? `${text.slice(0, quotedCharacters)}…` : text
  return shown === '' ? `HTTP ${reply.status}` : `HTTP ${reply.status}: ${shown}`
}

/** Retry-After counted from the destination's own clock when it sent a Date, else from `now`. */
export function retryAfterOf(reply: HttpReply, now?: number): number | undefined {
  const date = reply.headers.date
  return parseRetryAfter(reply.headers['retry-after'], (date === undefined ? undefined : parseHttpDate(date)) ?? now)
}

function laterWith(after: number | undefined): { readonly after?: number } {
  return after === undefined ? {} : { after }
}

/**
 * The meaning of a status alone. Every 5xx is uncertain, 503 with Retry-After too: a gateway may answer so after the
 * application did its work; actions that can be repeated are repeated, after the time that was named. 408, 425 and 429
 * say that the request was not processed (RFC 9110, 15.5.9; RFC 8470; RFC 6585). A redirect is a wrong address, which no
 * repetition mends: it stops the run like refused credentials do.
 */
export function interpretStatus(reply: HttpReply, _batch?: readonly Change[], now?: number): Verdict {
  const { status } = reply
  if (status >= 200 && status < 300) return { kind: 'acked' }
  const message = quote(reply)
  if (status >= 300 && status < 400) {
    return { kind: 'denied', code: 'redirect', message: `HTTP ${status} to ${reply.headers.location ?? 'nowhere'}` }
  }
  if (status === 401 || status === 403) return { kind: 'denied', code: `http_${status}`, message }
  if (status === 429) return { kind: 'retry', code: 'rate_limited', message, ...laterWith(retryAfterOf(reply, now)) }
  if (status === 408 || status === 425) {
    return { kind: 'retry', code: `http_${status}`, message, ...laterWith(retryAfterOf(reply, now)) }
  }
  if (status >= 400 && status < 500) return { kind: 'refused', code: `http_${status}`, message }
  return { kind: 'uncertain', code: `http_${status}`, message, ...laterWith(retryAfterOf(reply, now)) }
}

export interface Settled {
  /** One for each record of the batch, in its order. */
  readonly outcomes: readonly RecordOutcome[]
  /** Ids in the reply that the batch does not have. */
  readonly unknown: readonly string[]
}

/** One outcome for every record: what the reply does not name is uncertain, and so is what it names two ways. */
export function settleVerdict(verdict: Verdict, batch: readonly Change[]): Settled {
  if (verdict.kind === 'each') return settleEach(verdict.outcomes, batch)
  const outcomes = batch.map(({ changeId }): RecordOutcome => {
    if (verdict.kind === 'acked') return { changeId, outcome: 'acked' }
    if (verdict.kind === 'accepted')
      return { changeId, outcome: 'uncertain', code: 'job_pending', message: 'taken as a job that has not ended' }
    const { code, message } = verdict
    const fault = verdict.kind === 'refused' ? verdict.faults?.find(each => each.changeId === changeId) : undefined
    if (fault !== undefined) return { ...fault, outcome: 'rejected' }
    if (verdict.kind === 'refused') return { changeId, outcome: 'rejected', code, message }
    return { changeId, outcome: verdict.kind === 'uncertain' ? 'uncertain' : 'retry', code, message }
  })
  return { outcomes, unknown: [] }
}

function settleEach(named: readonly RecordOutcome[], batch: readonly Change[]): Settled {
  const byId = new Map<string, RecordOutcome>()
  for (const outcome of named) {
    const before = byId.get(outcome.changeId)
    const contradicts = before !== undefined && before.outcome !== outcome.outcome
    if (before !== undefined && !contradicts) continue
    byId.set(outcome.changeId, contradicts ? contradictory(outcome.changeId) : outcome)
  }
  const outcomes = batch.map(({ changeId }) => {
    const outcome = byId.get(changeId) ?? unnamed(changeId)
    byId.delete(changeId)
    return outcome
  })
  return { outcomes, unknown: [...byId.keys()] }
}

function unnamed(changeId: string): RecordOutcome {
  return { changeId, outcome: 'uncertain', code: 'unnamed', message: 'the reply does not name this record' }
}

function contradictory(changeId: string): RecordOutcome {
  const message = 'the reply names this record more than once, with different outcomes'
  return { changeId, outcome: 'uncertain', code: 'contradictory', message }
}

/** The meaning of a status alone for a question: it never says that a record is there or not, or that a job has ended. */
export function interpretLookupStatus(reply: HttpReply, now?: number): Exclude<LookupVerdict, { kind: 'each' }> {
  const verdict = interpretStatus(reply, [], now)
  if (verdict.kind === 'denied') return verdict
  if (verdict.kind === 'acked' || verdict.kind === 'each' || verdict.kind === 'accepted')
    return { kind: 'unanswered', code: 'unreadable_reply', message: quote(reply) }
  const { code, message } = verdict
  return { kind: 'unanswered', code, message, ...laterWith('after' in verdict ? verdict.after : undefined) }
}

/** One finding for every record that was asked about, in their order; a record that is named two ways is unknown. */
export function settleFindings(
  named: readonly Finding[],
  asked: readonly Pick<Change, 'changeId'>[],
): readonly Finding[] {
  const byId = new Map<string, Finding['finding']>()
  for (const { changeId, finding } of named) {
    const before = byId.get(changeId)
    byId.set(changeId, before === undefined || before === finding ? finding : 'unknown')
  }
  return asked.map(({ changeId }) => ({ changeId, finding: byId.get(changeId) ?? 'unknown' }))
}
