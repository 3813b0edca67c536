/** What `GET /state`, the page and the demo read out of the memory. Pure; nothing here changes anything. */
import type { PropertyValue } from './bodies.ts'
import { type FaultKind, faultKinds } from './faults.ts'
import type { Memory, Message, Task } from './memory.ts'

export interface TaskState {
  /** The contact that it is about. */
  readonly id: string
  readonly change_id: string
  readonly title: string
  readonly owner?: string
  readonly due_on?: string
  readonly note?: string
  readonly received_at: string
}

export interface MessageState {
  readonly id: string
  readonly channel: 'email' | 'sms'
  readonly to: string
  readonly received_at: string
  readonly idempotency_key?: string
  readonly [field: string]: unknown
}

/** One thing that was said to one person more than once. */
export interface Duplicate {
  /** The reference (change id) or idempotency key that the messages share. */
  readonly shared: string
  readonly messages: readonly string[]
}

export interface SandboxState {
  readonly counts: {
    readonly requests: number
    readonly contacts: number
    readonly lists: number
    readonly members: number
    readonly tasks: number
    readonly emails: number
    readonly sms: number
    readonly throttled: number
    readonly faults: number
    /** Messages answered from memory because their idempotency key was known. */
    readonly replays: number
    /** Messages that arrived again although they are the same message. */
    readonly duplicates: number
  }
  readonly faults: Readonly<Record<FaultKind, number>>
  readonly duplicates: readonly Duplicate[]
  readonly contacts: Readonly<Record<string, Readonly<Record<string, PropertyValue>>>>
  /** How often each contact has been written. */
  readonly writes: Readonly<Record<string, number>>
  readonly lists: Readonly<Record<string, readonly string[]>>
  readonly tasks: readonly TaskState[]
  readonly messages: readonly MessageState[]
}

/** Sorted by code units, so that the order does not depend on the machine's language. */
function sorted<Value>(entries: Iterable<readonly [string, Value]>): (readonly [string, Value])[] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}

export function stateOf(memory: Memory): SandboxState {
  const contacts = sorted(memory.contacts)
  const messages = [...memory.messages.values()]
  const faults = Object.fromEntries(faultKinds.map(kind => [kind, memory.counters[kind]])) as Record<FaultKind, number>
  const duplicates = findDuplicates(messages)
  return {
    counts: {
      requests: memory.counters.requests,
      contacts: contacts.length,
      lists: memory.lists.size,
      members: [...memory.lists.values()].reduce((sum, members) => sum + members.size, 0),
      tasks: memory.tasks.size,
      emails: messages.filter(({ channel }) => channel === 'email').length,
      sms: messages.filter(({ channel }) => channel === 'sms').length,
      throttled: memory.counters.throttled,
      faults: Object.values(faults).reduce((sum, number) => sum + number, 0),
      replays: memory.counters.replays,
      duplicates: duplicates.reduce((sum, { messages: same }) => sum + same.length - 1, 0),
    },
    faults,
    duplicates,
    contacts: Object.fromEntries(contacts.map(([id, { properties }]) => [id, properties])),
    writes: Object.fromEntries(contacts.map(([id, { writes }]) => [id, writes])),
    lists: Object.fromEntries(sorted(memory.lists).map(([name, members]) => [name, [...members].sort()])),
    tasks: [...memory.tasks].map(([changeId, task]) => describeTask(changeId, task)),
    messages: messages.map(describeMessage),
  }
}

function describeTask(changeId: string, { about, title, owner, dueOn, note, createdAt }: Task): TaskState {
  return {
    ...{ id: about, change_id: changeId, title },
    ...(owner === undefined ? {} : { owner }),
    ...(dueOn === undefined ? {} : { due_on: dueOn }),
    ...(note === undefined ? {} : { note }),
    received_at: new Date(createdAt).toISOString(),
  }
}

function describeMessage({ id, channel, receivedAt, idempotencyKey, content }: Message): MessageState {
  const key = idempotencyKey === undefined ? {} : { idempotency_key: idempotencyKey }
  return { id, channel, ...content, ...key, received_at: new Date(receivedAt).toISOString() }
}

/** Messages of one channel that share the sender's reference, or the idempotency key where there is no reference. */
export function findDuplicates(messages: Iterable<Message>): Duplicate[] {
  const byShared = new Map<string, { shared: string; messages: string[] }>()
  for (const { id, channel, idempotencyKey, content } of messages) {
    const shared = content.reference ?? idempotencyKey
    if (shared === undefined) continue
    const same = byShared.get(`${channel}:${shared}`)
    if (same === undefined) byShared.set(`${channel}:${shared}`, { shared, messages: [id] })
    else same.messages.push(id)
  }
  return [...byShared.values()].filter(({ messages: same }) => same.length > 1)
}
