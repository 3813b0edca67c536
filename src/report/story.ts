/**
 * One person's whole story, from the warehouse's state and the ledger's exceptions: what was decided each night and why,
 * what was delivered, what was refused, and where the person stands now. The statements are built here, the caller
 * executes them, and `assembleStory` puts the rows in order.
 */
import type { ReportedChange } from '../ledger/report.ts'
import { identityRelation } from '../plan/identity/identity-state.ts'
import {
  payloadsRelation,
  type StateTable,
  snapshotRelation,
  stateRelation,
  stateTables,
  wholeSnapshot,
} from '../plan/state.ts'
import type { Json } from '../project/project.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import { render, type Statement, sql } from '../warehouse/sql.ts'
import type { Row } from '../warehouse/warehouse.ts'

/** One planned change and what became of it. */
export interface StoryEvent {
  /** The run's logical clock, ISO 8601. */
  readonly as_of: string
  readonly sync: string
  /** Of the row; the person that was asked about may have several. */
  readonly key: string
  readonly run_id: string
  readonly op: string
  readonly decision: string
  readonly reason: string | null
  readonly outcome: string | null
  readonly change_id: string | null
  readonly channel: string | null
  readonly delivered_at: string | null
  /** The lawful basis of the consent that a delivery went by, and its evidence. */
  readonly basis: string | null
  readonly evidence: string | null
  /** What the destination answered, when it did not simply accept. */
  readonly error: { readonly code: string; readonly message: string } | null
  /** What it reported after it took the change, oldest first. */
  readonly reports: readonly StoryReport[]
}

export interface StoryReport {
  /** The destination's own word, such as `delivered`. */
  readonly outcome: string
  readonly code: string | null
  readonly at: string
}

export interface Standing {
  readonly sync: string
  readonly key: string
  /** `member`, `withheld`, `left` or `remains`. */
  readonly standing: string
  readonly episode: number
  readonly version: number
  readonly changed_at: string | null
  /** Fields as the destination last acknowledged them. */
  readonly fields: Readonly<Record<string, Json>> | null
}

export interface Blocked {
  readonly sync: string
  readonly why: 'rejected' | 'unresolved'
  readonly run_id: string | null
  readonly message: string | null
  /** Not tried again before this instant unless the row changes; null: not before the row changes. */
  readonly next_attempt_at: string | null
}

/** A stretch of time in which the person was in the model of a sync, and not allowed to take part. */
export interface Ineligible {
  readonly sync: string
  readonly key: string
  /** `consent.denied`, `rollout.outside`. */
  readonly reason: string
  readonly since: string | null
  /** Null as long as it holds. */
  readonly until: string | null
}

/** The person's first trigger in an epoch of a holdout. */
export interface Exposure {
  readonly sync: string
  readonly key: string
  readonly holdout: string
  readonly epoch: string
  /** `treated` or `withheld`. */
  readonly arm: string
  readonly triggered_at: string | null
  /** What would have been sent to somebody who was withheld. */
  readonly fields: Readonly<Record<string, Json>> | null
}

/** A stretch of time in which the person's row broke the contract of a model and was left out. */
export interface Quarantined {
  readonly sync: string
  /** `model:<name>`. */
  readonly scope: string
  /** `between:p_alive`, `key.duplicate`. */
  readonly reason: string
  readonly since: string | null
  /** Null as long as it is broken. */
  readonly until: string | null
  /** The row as it was last seen broken. */
  readonly row: Readonly<Record<string, Json>> | null
}

/** That the key is one record of a person who has others, and how that came about. */
export interface Person {
  /** The key under which the person goes. */
  readonly entity: string
  readonly other_keys: readonly string[]
  /** Oldest first: `created`, `merged` (of `other` into `entity`) or `split` (of `other` off `entity`). */
  readonly history: readonly {
    readonly as_of: string | null
    readonly event: string
    readonly entity: string
    readonly other: string | null
  }[]
}

/** `inspect --json`. */
export interface Story {
  readonly schema: 'activate.story/1'
  readonly key: string
  /** Null where nothing links the key to another. */
  readonly person: Person | null
  readonly standings: readonly Standing[]
  readonly blocked: readonly Blocked[]
  /** Oldest first. */
  readonly ineligible: readonly Ineligible[]
  readonly exposures: readonly Exposure[]
  readonly quarantined: readonly Quarantined[]
  /** Oldest first. */
  readonly events: readonly StoryEvent[]
}

/** What the ledger knows of a change that did not simply succeed. */
export interface LedgerException {
  readonly changeId: string
  readonly code: string
  readonly message: string
}

/** The tables that a story is read from; those that do not exist yet hold nothing. */
export const storyTables = [
  'decisions',
  'deliveries',
  'rejections',
  'unresolved',
  'quarantine',
  'ineligible',
  'exposures',
] as const satisfies readonly StateTable[]
export type StoryTable = (typeof storyTables)[number]

export function tableStatement(dialect: Dialect, state: readonly string[], table: StoryTable, key: string): Statement {
  const relation = stateRelation(dialect, state, table)
  const owned = 'person' in stateTables[table] ? sql` or person = ${key}` : sql``
  return render(sql`select * from ${relation} where key = ${key}${owned}`, dialect.placeholder)
}

export function standingStatement(dialect: Dialect, state: readonly string[], sync: string, key: string): Statement {
  const relation = wholeSnapshot(snapshotRelation(dialect, state, sync), payloadsRelation(dialect, state, sync))
  return render(sql`select * from ${relation} where key = ${key} or person = ${key} order by key`, dialect.placeholder)
}

/** Rows of `value`, `entity`: the keys of the person who has this key. `type` is the name of the person's key. */
export function keysStatement(dialect: Dialect, state: readonly string[], type: string, key: string): Statement {
  const identities = identityRelation(dialect, state, 'identities')
  const own = sql`select entity from ${identities} where type = ${type} and value = ${key}`
  return render(
    sql`select value, entity from ${identities} where type = ${type} and entity in (${own}) order by value`,
    dialect.placeholder,
  )
}

/** Rows of `identity_history` in which any of these entities took part. */
export function historyStatement(dialect: Dialect, state: readonly string[], entity: string): Statement {
  const history = identityRelation(dialect, state, 'identity_history')
  return render(
    sql`select as_of, event, entity, other from ${history} where entity = ${entity} or other = ${entity} order by as_of, event, other`,
    dialect.placeholder,
  )
}

export interface StoryRows {
  readonly key: string
  /** Of `keysStatement` and `historyStatement`. */
  readonly keys: readonly Row[]
  readonly history: readonly Row[]
  readonly tables: Readonly<Partial<Record<StoryTable, readonly Row[]>>>
  /** Rows of the person, by sync. */
  readonly snapshots: Readonly<Record<string, readonly Row[]>>
  readonly exceptions: readonly LedgerException[]
  /** Oldest first. */
  readonly reports: readonly ReportedChange[]
}

export function assembleStory({ key, keys, history, tables, snapshots, exceptions, reports }: StoryRows): Story {
  const delivered = new Map((tables.deliveries ?? []).map(row => [text(row, 'change_id'), row]))
  const refused = new Map(exceptions.map(exception => [exception.changeId, exception]))
  const events = (tables.decisions ?? []).map(row => {
    const changeId = text(row, 'change_id')
    return eventOf(
      row,
      changeId === null ? undefined : delivered.get(changeId),
      changeId === null ? undefined : refused.get(changeId),
      reports.filter(report => report.changeId === changeId),
    )
  })
  return {
    schema: 'activate.story/1',
    key,
    person: personOf(key, keys, history),
    standings: Object.entries(snapshots).flatMap(([sync, rows]) => rows.map(row => standingOf(sync, row))),
    blocked: [
      ...(tables.rejections ?? []).map(row => blockedOf(row, 'rejected')),
      ...(tables.unresolved ?? []).map(row => blockedOf(row, 'unresolved')),
    ],
    ineligible: (tables.ineligible ?? []).map(ineligibleOf).sort(bySince),
    exposures: (tables.exposures ?? [])
      .map(exposureOf)
      .sort((left, right) => compare(left.triggered_at ?? '', right.triggered_at ?? '')),
    quarantined: (tables.quarantine ?? []).map(quarantinedOf).sort(bySince),
    events: events.sort((left, right) => compare(left.as_of, right.as_of) || compare(left.sync, right.sync)),
  }
}

function personOf(key: string, keys: readonly Row[], history: readonly Row[]): Person | null {
  const [first] = keys
  if (first === undefined || (keys.length < 2 && history.length === 0)) return null
  return {
    entity: text(first, 'entity') ?? key,
    other_keys: keys.flatMap(row => text(row, 'value') ?? []).filter(value => value !== key),
    history: history.map(row => ({
      as_of: text(row, 'as_of'),
      event: text(row, 'event') ?? '',
      entity: text(row, 'entity') ?? '',
      other: text(row, 'other'),
    })),
  }
}

function bySince(left: Pick<Ineligible, 'since' | 'reason'>, right: Pick<Ineligible, 'since' | 'reason'>): number {
  return compare(left.since ?? '', right.since ?? '') || compare(left.reason, right.reason)
}

function eventOf(
  row: Row,
  delivery: Row | undefined,
  exception: LedgerException | undefined,
  reports: readonly ReportedChange[],
): StoryEvent {
  return {
    as_of: text(row, 'as_of') ?? '',
    sync: text(row, 'sync') ?? '',
    key: text(row, 'key') ?? '',
    run_id: text(row, 'run_id') ?? '',
    op: text(row, 'op') ?? '',
    decision: text(row, 'decision') ?? '',
    reason: text(row, 'reason'),
    outcome: text(row, 'outcome'),
    change_id: text(row, 'change_id'),
    channel: delivery === undefined ? null : text(delivery, 'channel'),
    delivered_at: delivery === undefined ? null : text(delivery, 'delivered_at'),
    basis: delivery === undefined ? null : text(delivery, 'basis'),
    evidence: delivery === undefined ? null : text(delivery, 'evidence'),
    error: exception === undefined ? null : { code: exception.code, message: exception.message },
    reports: reports.map(({ outcome, code, at }) => ({ outcome, code: code ?? null, at: new Date(at).toISOString() })),
  }
}

function standingOf(sync: string, row: Row): Standing {
  return {
    sync,
    key: text(row, 'key') ?? '',
    standing: text(row, 'standing') ?? '',
    episode: Number(row.episode ?? 0),
    version: Number(row.version ?? 0),
    changed_at: text(row, 'changed_at'),
    fields: parseFields(text(row, 'payload')),
  }
}

function blockedOf(row: Row, why: Blocked['why']): Blocked {
  const message = [text(row, 'error_class'), text(row, 'message')].filter(part => part !== null && part !== '')
  return {
    sync: text(row, 'sync') ?? '',
    why,
    run_id: text(row, 'run_id'),
    message: message.length === 0 ? null : message.join(': '),
    next_attempt_at: text(row, 'next_attempt_at'),
  }
}

function ineligibleOf(row: Row): Ineligible {
  return {
    sync: text(row, 'sync') ?? '',
    key: text(row, 'key') ?? '',
    reason: text(row, 'reason') ?? '',
    since: text(row, 'since'),
    until: text(row, 'until'),
  }
}

function exposureOf(row: Row): Exposure {
  return {
    sync: text(row, 'sync') ?? '',
    key: text(row, 'key') ?? '',
    holdout: text(row, 'holdout') ?? '',
    epoch: text(row, 'epoch') ?? '',
    arm: text(row, 'arm') ?? '',
    triggered_at: text(row, 'triggered_at'),
    fields: parseFields(text(row, 'payload')),
  }
}

function quarantinedOf(row: Row): Quarantined {
  return {
    sync: text(row, 'sync') ?? '',
    scope: text(row, 'scope') ?? '',
    reason: text(row, 'reason') ?? '',
    since: text(row, 'since'),
    until: text(row, 'until'),
    row: parseFields(text(row, 'row')),
  }
}

function text(row: Row, column: string): string | null {
  const value = row[column]
  return value === null || value === undefined ? null : String(value)
}

function parseFields(payload: string | null): Standing['fields'] {
  if (payload === null) return null
  const value: unknown = JSON.parse(payload)
  return isFields(value) ? value : null
}

function isFields(value: unknown): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
