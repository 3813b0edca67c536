/**
 * Everything the sandbox has received, and what each request does to it. Transitions change the memory they are given
 * and nothing else: the time is an argument, ids are counted. Each change is noted in `pending`, from which a file can
 * be kept up to date (memory-file.ts).
 */
import {
  type Complaint,
  type ContactRecord,
  checkId,
  checkList,
  checkProperties,
  checkTask,
  type Email,
  type MemberRecord,
  type PropertyValue,
  type RemoveRecord,
  type Sms,
  type TaskRecord,
} from './bodies.ts'
import type { FaultKind } from './faults.ts'

export interface Contact {
  readonly properties: Readonly<Record<string, PropertyValue>>
  readonly createdAt: number
  readonly updatedAt: number
  /** How many records have been applied to it. */
  readonly writes: number
  readonly lastChangeId?: string | undefined
}

/** Something that a person has to do about a contact. */
export interface Task {
  /** The contact that it is about. */
  readonly about: string
  readonly title: string
  readonly owner?: string | undefined
  /** `2026-03-02` */
  readonly dueOn?: string | undefined
  readonly note?: string | undefined
  readonly createdAt: number
}

export interface Message {
  readonly id: string
  readonly channel: 'email' | 'sms'
  readonly receivedAt: number
  readonly idempotencyKey?: string | undefined
  readonly content: Email | Sms
}

/** An answer that would be given again for the same idempotency key. */
export interface RememberedKey {
  readonly messageId: string
  readonly bodyHash: string
  readonly at: number
}

export interface LoggedRequest {
  readonly n: number
  readonly at: number
  readonly method: string
  readonly path: string
  /** `none` when the connection ended without an answer. */
  readonly status: number | 'none'
  readonly records: number
  readonly failed: number
  readonly fault?: FaultKind | undefined
  readonly note?: string | undefined
}

export const counterNames = [
  'requests',
  'messages',
  'throttled',
  'replays',
  '5xx',
  '429',
  'timeout',
  'reset',
  'lost',
] as const
export type Counter = (typeof counterNames)[number]

export interface Memory {
  readonly contacts: Map<string, Contact>
  readonly lists: Map<string, Set<string>>
  /** By the change that asked for it; in order of arrival. */
  readonly tasks: Map<string, Task>
  /** In order of arrival. */
  readonly messages: Map<string, Message>
  readonly keys: Map<string, RememberedKey>
  /** The newest requests, oldest first. */
  readonly requests: Map<number, LoggedRequest>
  readonly counters: Record<Counter, number>
  readonly pending: { wiped: boolean; readonly touched: Map<Shelf, Set<string>> }
}

export const shelves = ['contact', 'member', 'task', 'message', 'key', 'request', 'counter'] as const
export type Shelf = (typeof shelves)[number]

/** Requests that are kept for display; the counters go on. */
const keptRequests = 500
const keyWindow = 24 * 3_600_000

export function emptyMemory(): Memory {
  const counters = Object.fromEntries(counterNames.map(name => [name, 0])) as Record<Counter, number>
  return {
    contacts: new Map(),
    lists: new Map(),
    tasks: new Map(),
    messages: new Map(),
    keys: new Map(),
    requests: new Map(),
    counters,
    pending: { wiped: false, touched: new Map() },
  }
}

/** Forgets everything, idempotency keys included. */
export function wipe(memory: Memory): void {
  const { contacts, lists, tasks, messages, keys, requests } = memory
  for (const shelf of [contacts, lists, tasks, messages, keys, requests]) shelf.clear()
  for (const name of counterNames) memory.counters[name] = 0
  memory.pending.touched.clear()
  memory.pending.wiped = true
}

function touch(memory: Memory, shelf: Shelf, id: string): void {
  const ids = memory.pending.touched.get(shelf)
  if (ids === undefined) memory.pending.touched.set(shelf, new Set([id]))
  else ids.add(id)
}

export function count(memory: Memory, name: Counter): number {
  memory.counters[name] += 1
  touch(memory, 'counter', name)
  return memory.counters[name]
}

export type RecordResult = { readonly id: string } & (
  | { readonly status: 'ok' }
  | ({ readonly status: 'error' } & Complaint)
)

function answer(id: string, complaint: Complaint | undefined): RecordResult {
  return complaint === undefined ? { id, status: 'ok' } : { id, status: 'error', ...complaint }
}

/** Creates or merges; with `create: false` a contact that is not there is refused. */
export function writeContacts(
  memory: Memory,
  records: readonly ContactRecord[],
  at: number,
  create: boolean,
): RecordResult[] {
  return records.map(record => {
    const before = memory.contacts.get(record.id)
    const complaint = checkId(record.id) ?? checkProperties(record.properties)
    if (complaint !== undefined) return answer(record.id, complaint)
    if (before === undefined && !create)
      return answer(record.id, { code: 'not_found', message: `there is no contact "${record.id}"` })
    const merged = { ...before?.properties, ...record.properties } as Record<string, PropertyValue | null>
    putContact(memory, record.id, withoutNulls(merged), record.change_id, at)
    return answer(record.id, undefined)
  })
}

function withoutNulls(properties: Readonly<Record<string, PropertyValue | null>>): Record<string, PropertyValue> {
  return Object.fromEntries(
    Object.entries(properties).filter((entry): entry is [string, PropertyValue] => entry[1] !== null),
  )
}

function putContact(
  memory: Memory,
  id: string,
  properties: Record<string, PropertyValue>,
  changeId: string | undefined,
  at: number,
): void {
  const before = memory.contacts.get(id)
  memory.contacts.set(id, {
    properties,
    createdAt: before?.createdAt ?? at,
    updatedAt: at,
    writes: (before?.writes ?? 0) + 1,
    lastChangeId: changeId,
  })
  touch(memory, 'contact', id)
}

/** Clears the named properties, or removes the contact with its memberships when none is named or none is left. */
export function removeContacts(memory: Memory, records: readonly RemoveRecord[], at: number): RecordResult[] {
  return records.map(record => {
    const complaint = checkId(record.id)
    const before = memory.contacts.get(record.id)
    const named = new Set(record.properties ?? [])
    if (complaint !== undefined) return answer(record.id, complaint)
    const left = Object.fromEntries(Object.entries(before?.properties ?? {}).filter(([name]) => !named.has(name)))
    if (named.size === 0 || (before !== undefined && Object.keys(left).length === 0)) forgetContact(memory, record.id)
    else if (before !== undefined) putContact(memory, record.id, left, record.change_id, at)
    return answer(record.id, undefined)
  })
}

function forgetContact(memory: Memory, id: string): void {
  if (memory.contacts.delete(id)) touch(memory, 'contact', id)
  for (const list of [...memory.lists.keys()]) leaveList(memory, list, id)
}

export function memberId(list: string, id: string): string {
  return JSON.stringify([list, id])
}

export function joinList(memory: Memory, list: string, id: string): void {
  const members = memory.lists.get(list)
  if (members === undefined) memory.lists.set(list, new Set([id]))
  else members.add(id)
  touch(memory, 'member', memberId(list, id))
}

function leaveList(memory: Memory, list: string, id: string): void {
  const members = memory.lists.get(list)
  if (members?.delete(id)) touch(memory, 'member', memberId(list, id))
  if (members?.size === 0) memory.lists.delete(list)
}

export function changeMembers(
  memory: Memory,
  records: readonly MemberRecord[],
  change: 'add' | 'remove',
): RecordResult[] {
  return records.map(({ list, id }) => {
    const complaint = checkId(id) ?? checkList(list)
    if (complaint !== undefined) return answer(id, complaint)
    if (change === 'add') joinList(memory, list, id)
    else leaveList(memory, list, id)
    return answer(id, undefined)
  })
}

/** A change that has its task already is answered again and makes no second one. */
export function createTasks(memory: Memory, records: readonly TaskRecord[], at: number): RecordResult[] {
  return records.map(record => {
    const complaint = checkTask(record)
    if (complaint !== undefined) return answer(record.id, complaint)
    const { id, change_id, title, owner, due_on, note } = record
    if (memory.tasks.has(change_id)) return answer(id, undefined)
    const [by, due, text] = [owner ?? undefined, due_on ?? undefined, note ?? undefined]
    memory.tasks.set(change_id, { about: id, title, owner: by, dueOn: due, note: text, createdAt: at })
    touch(memory, 'task', change_id)
    return answer(id, undefined)
  })
}

export interface IncomingMessage {
  readonly channel: 'email' | 'sms'
  readonly content: Email | Sms
  /** Absent where the channel has no idempotency. */
  readonly idempotencyKey: string | undefined
  /** By which another body under the same key is told apart. */
  readonly bodyHash: string
}

export type Acceptance = { readonly kind: 'accepted' | 'replayed'; readonly id: string } | { readonly kind: 'mismatch' }

/** Takes a message that has been checked, or answers from memory when its key is known. */
export function acceptMessage(memory: Memory, message: IncomingMessage, at: number): Acceptance {
  const { idempotencyKey, bodyHash, channel, content } = message
  const known = idempotencyKey === undefined ? undefined : memory.keys.get(idempotencyKey)
  if (known !== undefined && at - known.at < keyWindow) {
    if (known.bodyHash !== bodyHash) return { kind: 'mismatch' }
    count(memory, 'replays')
    return { kind: 'replayed', id: known.messageId }
  }
  const id = `m_${count(memory, 'messages')}`
  memory.messages.set(id, { id, channel, receivedAt: at, idempotencyKey, content })
  touch(memory, 'message', id)
  if (idempotencyKey !== undefined) {
    memory.keys.set(idempotencyKey, { messageId: id, bodyHash, at })
    touch(memory, 'key', idempotencyKey)
  }
  return { kind: 'accepted', id }
}

/** A search index is never quite up to date: what was just accepted is not found yet. */
export const searchLag = 2_000

/** The messages with one of these references that a search finds at this moment, in order of arrival. */
export function findMessages(memory: Memory, references: ReadonlySet<string>, at: number): readonly Message[] {
  return [...memory.messages.values()].filter(
    ({ content: { reference }, receivedAt }) =>
      reference !== undefined && references.has(reference) && at - receivedAt >= searchLag,
  )
}

/** Adds to the log of requests and drops the oldest beyond what is kept. */
export function logRequest(memory: Memory, request: LoggedRequest): void {
  memory.requests.set(request.n, request)
  touch(memory, 'request', String(request.n))
  const oldest = memory.requests.keys().next().value
  if (memory.requests.size > keptRequests && oldest !== undefined) {
    memory.requests.delete(oldest)
    touch(memory, 'request', String(oldest))
  }
}
