/**
 * How the generic destination asks an API whether records have arrived. Yes is only what names the record's change id. No is
 * only a status that the project calls so, or a whole list that answers exactly this question: one that names what was not
 * asked for, holds an item that cannot be read, or says that there is more, leaves what it does not name unknown.
 */
import type { Change, Finding, HttpReply, Lookup, LookupVerdict } from '../delivery/destination.ts'
import { interpretLookupStatus } from '../delivery/interpret.ts'
import type { HttpLookupSettings, HttpSettings } from './http-settings.ts'
import { valueAt } from './record-outcomes.ts'

export function lookupFrom(own: HttpLookupSettings): Lookup<HttpSettings> {
  return {
    maxRecords: own.path.includes('{change_ids}') ? own.max_records : 1,
    request: batch => ({ method: 'GET', path: pathOf(own.path, batch) }),
    interpret: (reply, batch) => interpretLookup(reply, batch, own),
  }
}

function pathOf(path: string, batch: readonly Change[]): string {
  const ids = batch.map(({ changeId }) => encodeURIComponent(changeId)).join(',')
  return path.replace(/\{change_ids?\}/g, () => ids)
}

export function interpretLookup(
  reply: HttpReply,
  batch: readonly Change[],
  { list, id, more, absent }: Pick<HttpLookupSettings, 'list' | 'id' | 'more' | 'absent'>,
): LookupVerdict {
  if (absent?.includes(reply.status)) return findings(batch, () => 'absent')
  if (reply.status < 200 || reply.status >= 300) return interpretLookupStatus(reply)
  if (list === undefined) {
    const named = valueAt(reply.json, id)
    return findings(batch, changeId => (named === changeId ? 'found' : 'unknown'))
  }
  const items = valueAt(reply.json, list)
  if (!Array.isArray(items)) return interpretLookupStatus(reply)
  const named = new Set(items.map(item => valueAt(item, id)))
  const asked = new Set<unknown>(batch.map(({ changeId }) => changeId))
  const complete =
    [...named].every(name => asked.has(name)) && (more === undefined || isNothing(valueAt(reply.json, more)))
  return findings(batch, changeId => (named.has(changeId) ? 'found' : complete ? 'absent' : 'unknown'))
}

function findings(batch: readonly Change[], of: (changeId: string) => Finding['finding']): LookupVerdict {
  return { kind: 'each', findings: batch.map(({ changeId }) => ({ changeId, finding: of(changeId) })) }
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === false || value === 0 || value === ''
}
