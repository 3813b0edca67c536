/** From what the outbox holds to the counts of a plan. Pure. */
import type { Row } from '../warehouse/warehouse.ts'
import { type Decision, decisions, type Operation, operations } from './plan.ts'

export interface OutboxSummary {
  readonly changes: Readonly<Record<Operation, number>>
  readonly decisions: Readonly<Record<Decision, number>>
  readonly reasons: Readonly<Record<string, number>>
  /** Sends by operation. */
  readonly sends: Readonly<Record<Operation, number>>
  /** One text per (op, decision, reason), which changes with the set of changes behind it. */
  readonly marks: readonly string[]
}

/** Takes the rows of `summariseOutbox`. */
export function readSummary(rows: readonly Row[]): OutboxSummary {
  const changes = zeroes(operations)
  const counts = zeroes(decisions)
  const sends = zeroes(operations)
  const reasons: Record<string, number> = {}
  const marks: string[] = []
  for (const row of rows) {
    const op = row.op as Operation
    const decision = row.decision as Decision
    const n = Number(row.n)
    changes[op] += n
    counts[decision] += n
    if (decision === 'send') sends[op] += n
    if (typeof row.reason === 'string') reasons[row.reason] = (reasons[row.reason] ?? 0) + n
    marks.push([op, decision, row.reason ?? '', n, row.mark].join(' '))
  }
  return { changes, decisions: counts, reasons, sends, marks }
}

/** So many requests in any such stretch of time. */
export interface AccountLimit {
  readonly requests: number
  readonly perMilliseconds: number
}

/** Limits of single actions under the account's; those with one name are shared. */
export interface SharedLimits {
  readonly name: string
  readonly limits: readonly AccountLimit[]
}

/** What planning knows of the far end: how many records a request takes, and how many requests an account may make. */
export interface DeliveryShape {
  readonly maxRecords: Readonly<Record<Operation, number>>
  readonly limits: readonly AccountLimit[]
  /** Of the actions that take these. */
  readonly ofActions?: { readonly change?: SharedLimits; readonly leave?: SharedLimits }
  /** Whether leavers go to an action of their own, and so never share a request with others. */
  readonly leaversApart: boolean
  /** Of leavers, the fields whose values their action uses; undefined: all. */
  readonly leaverFields?: readonly string[]
  /** The action that takes leavers where it is one of their own, and what cannot be taken back of what it does. */
  readonly leaversTo?: { readonly action: string; readonly irrevocable?: string }
}

export interface DeliveryEstimate {
  readonly requests: number
  /** Seconds that they take at the tightest limit; 0 without limits. */
  readonly seconds: number
}

/** By record count; a batch that reaches its byte limit first makes more requests. */
export function estimateDelivery(sends: Readonly<Record<Operation, number>>, shape: DeliveryShape): DeliveryEstimate {
  const { maxRecords, leaversApart, ofActions = {} } = shape
  const others = Math.ceil((sends.enter + sends.change + (leaversApart ? 0 : sends.leave)) / maxRecords.change)
  const leavers = leaversApart ? Math.ceil(sends.leave / maxRecords.leave) : 0
  const requests = others + leavers
  const { change, leave } = ofActions
  const isShared = change !== undefined && change.name === leave?.name
  const seconds = [
    secondsOf(requests, shape.limits),
    secondsOf(isShared ? requests : others, change?.limits),
    secondsOf(isShared ? requests : leavers, leave?.limits),
  ]
  return { requests, seconds: Math.round(Math.max(...seconds) * 10) / 10 }
}

function secondsOf(requests: number, limits: readonly AccountLimit[] = []): number {
  return Math.max(0, ...limits.map(limit => (requests * limit.perMilliseconds) / limit.requests / 1000))
}

function zeroes<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map(name => [name, 0])) as Record<Name, number>
}
