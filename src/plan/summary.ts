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

/** What planning knows of the far end: how many records a request takes, and how many requests an account may make. */
export interface DeliveryShape {
  readonly maxRecords: Readonly<Record<Operation, number>>
  readonly limits: readonly AccountLimit[]
  /** Whether leavers go to an action of their own, and so never share a request with others. */
  readonly leaversApart: boolean
}

/** Requests by record count; a batch that reaches its byte limit first makes more of them. */
export function estimateRequests(sends: Readonly<Record<Operation, number>>, shape: DeliveryShape): number {
  const groups = shape.leaversApart
    ? [[sends.enter + sends.change, shape.maxRecords.change] as const, [sends.leave, shape.maxRecords.leave] as const]
    : [[sends.enter + sends.change + sends.leave, shape.maxRecords.change] as const]
  return groups.reduce((total, [count, size]) => total + Math.ceil(count / size), 0)
}

/** Seconds that so many requests take at the tightest limit; 0 without limits. */
export function estimateSeconds(requests: number, limits: readonly AccountLimit[]): number {
  const seconds = limits.map(limit => (requests * limit.perMilliseconds) / limit.requests / 1000)
  return Math.round(Math.max(0, ...seconds) * 10) / 10
}

function zeroes<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map(name => [name, 0])) as Record<Name, number>
}
