/**
 * The pipeline, read top to bottom: recover, materialise, check, plan, guard, deliver, settle.
 */
import type { OutcomeCounts, RunStatus } from './ledger/ledger.ts'
import type { Plan } from './plan/plan.ts'
import type { Problem } from './project/problem.ts'
import type { Sync } from './project/project.ts'
import type { Wired } from './wire.ts'

/** `dry-run --json`, and the file that `--save` writes and `run --plan` executes. */
export interface PlanDocument {
  readonly schema: 'activate.plan/1'
  readonly as_of: string
  readonly plans: readonly Plan[]
}

export interface RunSummary {
  readonly sync: string
  readonly run_id: string
  readonly status: Exclude<RunStatus, 'running'>
  readonly plan?: Plan
  readonly outcomes: OutcomeCounts
  readonly requests: number
  readonly retries: number
  readonly started_at: string
  readonly finished_at: string
  readonly problems?: readonly Problem[]
}

/** `run --json`. */
export interface RunDocument {
  readonly schema: 'activate.run/1'
  readonly runs: readonly RunSummary[]
}

export interface Progress {
  readonly sync: string
  readonly step: 'recover' | 'materialise' | 'check' | 'plan' | 'deliver' | 'settle' | 'done'
  /** Records answered for so far, and those to send. */
  readonly sent: number
  readonly total: number
  /** Milliseconds that the limiter is making the run wait at this moment. */
  readonly waiting: number
  /** Milliseconds until the end of delivery, as far as the rate limit and the pace so far tell. */
  readonly eta?: number
}

export interface PlanOptions {
  /** The logical clock, in milliseconds. */
  readonly asOf: number
  readonly samples: number
  readonly fullResync: boolean
  /** At most this many changes are sent. */
  readonly limit?: number
  readonly onProgress: (progress: Progress) => void
  readonly signal: AbortSignal
}

export interface RunOptions extends PlanOptions {
  /** Executes what a guard holds. */
  readonly yes: boolean
  /** Only exactly these plans, or A4010 (stale). */
  readonly saved?: PlanDocument
  /** The due time that the scheduler serves. */
  readonly nominalAt?: number
}

/** Plans each sync and sends nothing. Throws ActivateError; the first failing sync ends it. */
export async function planSyncs(_wired: Wired, _syncs: readonly Sync[], _options: PlanOptions): Promise<PlanDocument> {
  throw new Error('not wired yet')
}

/** Runs each sync in turn; a failing sync does not stop the next one, its summary carries the problems. */
export async function runSyncs(_wired: Wired, _syncs: readonly Sync[], _options: RunOptions): Promise<RunDocument> {
  throw new Error('not wired yet')
}
