/** What Braze's replies mean. A 2xx may hold refusals by array and index, so a record is known by its place in the request. */
import type { Change, HttpReply, RecordOutcome, Verdict } from '../delivery/destination.ts'
import { interpretStatus } from '../delivery/interpret.ts'
import { unreadable, valueAt } from './record-outcomes.ts'

/**
 * Braze counts what it took and names what it did not by place. Where the count falls short, or a refusal has no place, the
 * records without a name stay uncertain; where it is nothing, halves are tried. 202 says that the request waits for the end of a maintenance.
 */
export function interpretIndexed(
  reply: HttpReply,
  batch: readonly Change[],
  array: string,
  fewest = batch.length,
): Verdict {
  if (reply.status >= 300) return interpretWhole(reply)
  const message = valueAt(reply.json, 'message')
  if (message === 'queued') return { kind: 'acked' }
  const said = valueAt(reply.json, 'errors')
  const errors: readonly unknown[] = Array.isArray(said) ? said : []
  if (message !== 'success') return unreadable(reply, 'message: success')
  const refused = errors.map(error => ({ error, change: placeOf(error, array, batch) }))
  const named = new Set(refused.flatMap(({ change }) => change ?? []))
  const processed = valueAt(reply.json, `${array}_processed`)
  const short = typeof processed === 'number' && processed + named.size < fewest
  if (!short && errors.length === 0) return { kind: 'acked' }
  if (processed === 0 && named.size === 0)
    return { kind: 'refused', code: 'record_refused', message: typeOf(errors[0]) }
  const told = !short && typeof processed === 'number' && refused.every(({ change }) => change !== undefined)
  const outcomes = refused.flatMap(({ error, change }): readonly RecordOutcome[] => {
    if (change === undefined) return []
    return [{ changeId: change.changeId, outcome: 'rejected', code: 'record_refused', message: typeOf(error) }]
  })
  const others = told ? batch.filter(change => !named.has(change)) : []
  return {
    kind: 'each',
    outcomes: [...outcomes, ...others.map(({ changeId }) => ({ changeId, outcome: 'acked' as const }))],
  }
}

function typeOf(error: unknown): string {
  const type = typeof error === 'string' ? error : valueAt(error, 'type')
  return String(type ?? 'Braze gives no reason').slice(0, 500)
}

function placeOf(error: unknown, array: string, batch: readonly Change[]): Change | undefined {
  const index = valueAt(error, 'index')
  return valueAt(error, 'input_array') === array && typeof index === 'number' ? batch[index] : undefined
}

/** A whole request is refused by 400 and 413, and its halves are tried; 401 also means the key of another instance. */
export function interpretWhole(reply: HttpReply): Verdict {
  const verdict = interpretStatus(reply)
  const text = valueAt(reply.json, 'message')
  const message = `HTTP ${reply.status}${typeof text === 'string' ? `: ${text.slice(0, 500)}` : ''}`
  if (reply.status === 401)
    return { kind: 'denied', code: 'http_401', message: `${message} (the key is wrong, or of another instance)` }
  if (reply.status === 404) return { kind: 'denied', code: 'no_such_place', message }
  return verdict.kind === 'refused' ? { ...verdict, message } : verdict
}
