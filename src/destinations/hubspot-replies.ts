/** What HubSpot's replies mean, record by record. A 2xx may hold refusals, so `errors` is read on each, whatever the status. */
import type { Change, HttpReply, RecordOutcome, Verdict } from '../delivery/destination.ts'
import { interpretStatus, retryAfterOf } from '../delivery/interpret.ts'
import type { Json } from '../project/project.ts'
import { tenSeconds, unverified } from './hubspot-limits.ts'
import { unreadable, valueAt } from './record-outcomes.ts'

export function idOf({ key, fields }: Pick<Change, 'key' | 'fields'>, by: string): string {
  const id = textOf(fields[by] === undefined ? key : (fields[by] ?? ''))
  if (id === '') throw new TypeError(`"${by}" is empty, so that HubSpot could not tell which record is meant`)
  return by === 'email' ? id.trim().toLowerCase() : id
}

/** Every value is text; none at all empties the property, and choices are joined (API reference, "Objects"). */
export function textOf(value: Json): string {
  if (value === null) return ''
  return Array.isArray(value) ? value.map(textOf).join(';') : String(value)
}

/** `recordsIdsAdded` is spelt so in the specification. Members already there and unknown ids are passed over; only the unknown are named. */
export function interpretMembership(reply: HttpReply, batch: readonly Change[]): Verdict {
  if (!isSuccess(reply)) return interpretFailure(reply)
  const lists = ['recordsIdsAdded', 'recordIdsRemoved', 'recordIdsMissing'].map(name => valueAt(reply.json, name))
  if (!lists.some(Array.isArray)) return unreadable(reply, 'recordIdsMissing')
  const [added, removed, missing] = lists.map(list => new Set(Array.isArray(list) ? list.map(String) : []))
  if (missing === undefined || missing.size === 0) return { kind: 'acked' }
  const outcomes = batch.flatMap(({ changeId, fields }): readonly RecordOutcome[] => {
    const id = textOf(fields.record_id ?? null)
    if (missing.has(id)) {
      return [{ changeId, outcome: 'rejected', code: 'record_missing', message: `HubSpot has no record ${id}` }]
    }
    return added?.has(id) || removed?.has(id) ? [{ changeId, outcome: 'acked' }] : []
  })
  return { kind: 'each', outcomes }
}

/**
 * An empty 204 says nothing of anybody, and means all; ids that are not there are passed over. Where there are `errors`, they name
 * whom they mean, and nothing is said of the others, who are archived once more.
 */
export function interpretArchive(reply: HttpReply, batch: readonly Change[]): Verdict {
  if (!isSuccess(reply)) return goneIsDone(interpretFailure(reply), batch)
  if (reply.status === 204 && reply.text.trim() === '') return { kind: 'acked' }
  const errors = valueAt(reply.json, 'errors')
  if (!Array.isArray(errors)) return unreadable(reply, 'errors')
  const outcomes = errors.flatMap(error =>
    whomOf(namesIn(error), batch, 'hs_object_id').map(({ changeId }) => refusalOf(error, changeId, true)),
  )
  return { kind: 'each', outcomes }
}

/** One record that is not there has nothing left to lose; of several, halves tell which it was. */
function goneIsDone(verdict: Verdict, batch: readonly Change[]): Verdict {
  const isGone = verdict.kind === 'refused' && verdict.code === 'object_not_found' && batch.length === 1
  return isGone ? { kind: 'acked' } : verdict
}

const isSuccess = ({ status }: HttpReply): boolean => status >= 200 && status < 300

/** Refusals of the account or the moment, in which an input had no part. */
const passing: Readonly<Record<string, 'retry' | 'uncertain'>> = { rate_limits: 'retry', internal_error: 'uncertain' }

/**
 * Results name their input by trace id, by the property that it was addressed by, or by record id; refusals by trace id or
 * by what was given as id. Where results name nobody, their number has to tell: as many as were not refused. Where nothing was
 * written and refusals name nobody, halves are tried until it is clear whom they mean.
 */
export function interpretObjects(reply: HttpReply, batch: readonly Change[], by: string, leaving = false): Verdict {
  if (!isSuccess(reply)) return leaving ? goneIsDone(interpretFailure(reply), batch) : interpretFailure(reply)
  const results = valueAt(reply.json, 'results')
  if (!Array.isArray(results)) return unreadable(reply, 'results')
  const said = valueAt(reply.json, 'errors')
  const errors: readonly unknown[] = Array.isArray(said) ? said : []
  const find = (names: readonly unknown[]) => whomOf(names, batch, by)
  const refused = errors.map(error => ({ error, changes: find(namesIn(error)) }))
  const [first] = refused
  if (results.length === 0 && first !== undefined && refused.every(({ changes }) => changes.length === 0))
    return { kind: 'refused', ...reasonOf(first.error) }
  const acked = results.map(result => {
    const id = by === 'hs_object_id' ? valueAt(result, 'id') : valueAt(result, `properties.${by}`)
    return find([valueAt(result, 'objectWriteTraceId'), id])
  })
  const named = new Set([...refused.flatMap(({ changes }) => changes), ...acked.flat()])
  const nameless = batch.filter(change => !named.has(change))
  const counted = Number(valueAt(reply.json, 'numErrors') ?? errors.length)
  const complete = counted === errors.length && refused.every(({ changes }) => changes.length > 0)
  const told = complete && acked.filter(changes => changes.length === 0).length === nameless.length
  return {
    kind: 'each',
    outcomes: [
      ...refused.flatMap(({ error, changes }) => changes.map(change => refusalOf(error, change.changeId, leaving))),
      ...[...new Set(acked.flat()), ...(told ? nameless : [])].map(
        ({ changeId }) => ({ changeId, outcome: 'acked' }) as const,
      ),
    ],
  }
}

function whomOf(names: readonly unknown[], batch: readonly Change[], by: string): readonly Change[] {
  const given = new Set(names.filter(name => name !== undefined && name !== null).map(name => fold(String(name), by)))
  return batch.filter(change => given.has(fold(change.changeId, by)) || given.has(fold(idOf(change, by), by)))
}

/** HubSpot does not tell e-mail addresses apart by case. */
const fold = (text: string, by: string) => (by === 'email' ? text.trim().toLowerCase() : text)

function namesIn(error: unknown): readonly unknown[] {
  const inner = valueAt(error, 'errors')
  const contexts = [error, ...(Array.isArray(inner) ? inner : [])].map(one => valueAt(one, 'context'))
  return contexts.flatMap(context => ['objectWriteTraceId', 'ids', 'id'].flatMap(name => valueAt(context, name) ?? []))
}

function refusalOf(error: unknown, changeId: string, leaving: boolean): RecordOutcome {
  const { code, message } = reasonOf(error)
  if (code === 'object_not_found' && leaving) return { changeId, outcome: 'acked' }
  return { changeId, outcome: passing[code] ?? 'rejected', code, message }
}

function reasonOf(error: unknown): { readonly code: string; readonly message: string } {
  const code = String(valueAt(error, 'category') ?? 'record_refused').toLowerCase()
  return { code, message: String(valueAt(error, 'message') ?? 'HubSpot gives no reason').slice(0, 500) }
}

/** 423 and 477 (a migration) say that nothing was processed; of 5xx nobody can tell, so they are repeated. */
function interpretFailure(reply: HttpReply): Verdict {
  const { status } = reply
  const text = String(valueAt(reply.json, 'message') ?? '').slice(0, 500)
  const message = text === '' ? `HTTP ${status}` : `HTTP ${status}: ${text}`
  const category = String(valueAt(reply.json, 'category') ?? '').toLowerCase()
  if (status === 429) {
    const policy = valueAt(reply.json, 'policyName')
    if (policy === 'DAILY') return { kind: 'retry', code: 'daily_limit', message, after: unverified.longPause }
    const after = retryAfterOf(reply) ?? (policy === 'SECONDLY' ? 1_000 : tenSeconds)
    return { kind: 'retry', code: 'rate_limited', message, after }
  }
  if (status === 423 || status === 477)
    return { kind: 'retry', code: `http_${status}`, message, after: retryAfterOf(reply) ?? unverified.lockPause }
  if (status === 404 && category !== 'object_not_found') return { kind: 'denied', code: 'no_such_place', message }
  if (status >= 400 && status < 500 && status !== 401 && status !== 403 && category !== '')
    return { kind: 'refused', code: category, message }
  return interpretStatus(reply)
}
