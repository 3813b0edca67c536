/**
 * A plan: what one night of one sync would do. It is data: `dry-run` prints it, `run` executes it, and both come from the
 * same statements. The counts obey the sums of the contract:
 *
 *   model = quarantined + ineligible + population
 *   population = unchanged + enter + change
 *   enter + change + leave = send + withhold + defer + skip + blocked
 */
import type { Json, Mode } from '../project/project.ts'

/** What happened to a key between the snapshot and tonight's population. */
export const operations = ['enter', 'change', 'leave'] as const
export type Operation = (typeof operations)[number]

export const decisions = ['send', 'withhold', 'defer', 'skip', 'blocked'] as const
export type Decision = (typeof decisions)[number]

export interface GuardVerdict {
  readonly verdict: 'pass' | 'hold'
  readonly reasons: readonly string[]
}

/** Whether the sync asks for somebody's approval of this plan, and who has given it. */
export interface PlanApproval {
  readonly needed: boolean
  readonly because?: string
  readonly by?: string
  /** ISO 8601 in UTC. */
  readonly at?: string
}

export interface Sample {
  readonly key: string
  readonly op: Operation
  readonly decision: Decision
  readonly reason?: string
  readonly before: Readonly<Record<string, Json>> | null
  readonly after: Readonly<Record<string, Json>> | null
}

/** A row of the model that may not take part. */
export interface IneligibleSample {
  readonly key: string
  readonly reason: string
}

/** What a night of this plan bills, where the engine bills what it reads: an estimate. */
export interface PlanCost {
  readonly bytes: number
  /** What this dry run was billed for the plan; a run is for the same. What syncs share counts with the first of them. */
  readonly plan_bytes: number
  /** What the settle after it will be. */
  readonly settle_bytes: number
  readonly usd: number
  readonly usd_per_tib: number
}

export interface Plan {
  readonly sync: string
  /**
   * SHA-256 over what the plan does and by which rules: its configuration and the planned changes themselves. The clock is
   * part of it only as far as it changes something, so that a plan approved in the morning is the one made at night.
   */
  readonly plan_hash: string
  /** SHA-256 over what people wrote: the sync, its SQL, its mapping, the policies, where it sends. */
  readonly config_hash: string
  readonly model: string
  readonly destination: string
  readonly action: string
  readonly mode: Mode
  readonly rows: {
    readonly model: number
    readonly quarantined: number
    readonly ineligible: number
    readonly population: number
    readonly unchanged: number
  }
  readonly changes: Readonly<Record<Operation, number>>
  readonly decisions: Readonly<Record<Decision, number>>
  /** `<rule>.<reason>` to number of changes (for ineligible and quarantined rows: of rows). */
  readonly reasons: Readonly<Record<string, number>>
  /** The action that takes its leavers, where that is another one and there are some. */
  readonly leavers_to?: string | undefined
  readonly requests: number
  readonly seconds_at_limit: number
  readonly guard: GuardVerdict
  readonly approval: PlanApproval
  readonly samples: readonly Sample[]
  readonly ineligible: readonly IneligibleSample[]
  readonly warnings: readonly string[]
  /** Of a dry run. */
  readonly cost?: PlanCost
}

/** A row of the outbox as delivery reads it. */
export interface PlannedChange {
  /** Counts from 1 within the run, without gaps over the changes to be sent. */
  readonly seq: number
  readonly key: string
  readonly op: Operation
  readonly changeId: string
  readonly fields: Readonly<Record<string, Json>>
  /**
   * Hashes of the identifiers of the person behind the row (SHA-256 of `email:<value>`), to be looked up before it is sent. Never part
   * of a record or of a request's bytes.
   */
  readonly subjects?: readonly string[]
  /** Wall time in milliseconds from which on the row must not leave any more, because quiet hours begin. */
  readonly notAfter?: number
}
