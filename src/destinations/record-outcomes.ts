/**
 * Reads a reply that answers record by record. Records are matched by what the item itself says, never by position; an
 * item that says neither yes nor no leaves its record uncertain.
 */
import type { Change, HttpReply, RecordOutcome, Verdict } from '../delivery/destination.ts'
import type { Json } from '../project/project.ts'

/** Where the answers stand; all names may be dotted (`data.results`). */
export interface OutcomePaths {
  readonly list: string
  /** The item's name for its record: the record's key, or its change id. */
  readonly id: string
  readonly ok: { readonly field: string; readonly equals: Json }
  readonly error?: string | undefined
  readonly code?: string | undefined
}

const longest = 500

/** One outcome for each item that names one of the records; undefined when the reply holds no such list. */
export function readOutcomes(
  reply: HttpReply,
  batch: readonly Change[],
  paths: OutcomePaths,
): readonly RecordOutcome[] | undefined {
  const list = valueAt(reply.json, paths.list)
  if (!Array.isArray(list)) return undefined
  const named = new Map<string, Change[]>()
  for (const change of batch) {
    for (const name of new Set([change.key, change.changeId])) named.set(name, [...(named.get(name) ?? []), change])
  }
  return list.flatMap(item => {
    const name = nameOf(valueAt(item, paths.id))
    const meant = name === undefined ? [] : (named.get(name) ?? [])
    return meant.map(change => outcomeOf(item, change.changeId, paths))
  })
}

/** A 2xx without a readable list proves nothing about any record. */
export function unreadable(reply: HttpReply, list: string): Verdict {
  const seen = reply.json === undefined ? 'a body that is not JSON' : `no list at "${list}"`
  return { kind: 'uncertain', code: 'unreadable_reply', message: `the reply (${reply.status}) holds ${seen}` }
}

function outcomeOf(item: unknown, changeId: string, paths: OutcomePaths): RecordOutcome {
  const said = valueAt(item, paths.ok.field)
  if (said !== undefined && same(said, paths.ok.equals)) return { changeId, outcome: 'acked' }
  const error = paths.error === undefined ? undefined : textOf(valueAt(item, paths.error))
  const code = (paths.code === undefined ? undefined : textOf(valueAt(item, paths.code))) ?? 'record_refused'
  if (said === undefined && error === undefined) {
    const message = `the record's answer has no "${paths.ok.field}"`
    return { changeId, outcome: 'uncertain', code: 'unreadable_outcome', message }
  }
  return {
    changeId,
    outcome: 'rejected',
    code,
    message: error ?? `"${paths.ok.field}" is ${JSON.stringify(said)}`.slice(0, longest),
  }
}

/** Follows a dotted path through plain objects; own properties only. */
export function valueAt(value: unknown, path: string): unknown {
  let at = value
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Readonly<Record<string, unknown>>)[name]
  }
  return at
}

/** Numbers and composite keys are compared as the text of their JSON, which is what canonical keys are. */
function nameOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  return (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, longest)
}

function same(left: unknown, right: Json): boolean {
  return left === right || (typeof right === 'object' && JSON.stringify(left) === JSON.stringify(right))
}
