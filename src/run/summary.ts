/** How runs ended, as `run --json` tells it. */
import type { OutcomeCounts, RunStatus } from '../ledger/ledger.ts'
import type { Plan } from '../plan/plan.ts'
import { ActivateError, type Problem } from '../project/problem.ts'
import type { Sync } from '../project/project.ts'
import type { Wired } from '../wire.ts'
import { newRunId } from './night.ts'

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
  /** The run whose plan this one took over without a query, because nothing had changed since. */
  readonly unchanged_since?: string
  /** From when on a run that ended early may go on, where that is known. */
  readonly resumes_at?: string
}

/** `run --json`. */
export interface RunDocument {
  readonly schema: 'activate.run/1'
  readonly runs: readonly RunSummary[]
  /** What went wrong beside the runs, such as the pruning of old rows. */
  readonly problems?: readonly Problem[]
}

export interface StartedRun {
  readonly runId: string
  readonly startedAt: number
}

/** Delivery did what it could: the rest waits for a limit, or for somebody to look at what was refused. */
const endsPartial: ReadonlySet<string> = new Set(['errors', 'limit', 'throttled'])

export function statusOf(
  { rejected, parked, pending, withdrawn }: OutcomeCounts & { readonly withdrawn: number },
  stopped: string | undefined,
): 'succeeded' | 'partial' | 'failed' | 'interrupted' | 'held' {
  if (stopped === 'interrupted' || stopped === 'held') return stopped
  if (stopped !== undefined && !endsPartial.has(stopped)) return 'failed'
  // Whoever was withdrawn was rightly not sent to.
  return rejected + parked + pending - withdrawn > 0 ? 'partial' : 'succeeded'
}

/** Of a run that sent nothing. */
export const nothing: OutcomeCounts = { acked: 0, rejected: 0, parked: 0, pending: 0 }

export function summaryBase(sync: Sync, run: StartedRun, finishedAt: number) {
  const iso = (instant: number) => new Date(instant).toISOString()
  return {
    sync: sync.name,
    run_id: run.runId,
    outcomes: nothing,
    requests: 0,
    retries: 0,
    started_at: iso(run.startedAt),
    finished_at: iso(finishedAt),
  }
}

/** Nothing is opened, recorded or recovered for a sync that is not enabled. */
export function skippedSummary(wired: Wired, sync: Sync): RunSummary {
  const startedAt = wired.clock.now()
  return { ...summaryBase(sync, { runId: newRunId(sync, wired), startedAt }, startedAt), status: 'skipped' }
}

/** A defect of this tool must not keep the night's other syncs from running: it is reported like any other failure. */
export function failedSummary(wired: Wired, sync: Sync, run: StartedRun, error: unknown): RunSummary {
  const base = summaryBase(sync, run, wired.clock.now())
  if (error instanceof ActivateError)
    return { ...base, status: error.exit === 'locked' ? 'locked' : 'failed', problems: error.problems }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return { ...base, status: 'failed', problems: [{ code: 'A9003', message, place: sync.place }] }
}

interface Locked {
  readonly by: { readonly host: string; readonly pid: number }
  readonly until: number
}

export function lockedSummary(wired: Wired, sync: Sync, run: StartedRun, locked: Locked): RunSummary {
  const problems = [lockedProblem(sync, locked)]
  return { ...summaryBase(sync, run, wired.clock.now()), status: 'locked', problems }
}

export function lockedProblem(sync: Pick<Sync, 'name'> & Partial<Pick<Sync, 'place'>>, { by, until }: Locked): Problem {
  return {
    code: 'A9001',
    message: `${sync.name} is being run by process ${by.pid} on ${by.host}, until ${new Date(until).toISOString()} at the latest`,
    ...(sync.place === undefined ? {} : { place: sync.place }),
    help: 'wait for it to finish; a runner that has died on this host is taken over at once',
  }
}

export function firstProblem(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof ActivateError) return error.problems[0]
  return { code: 'A9003', message: error instanceof Error ? error.message : String(error) }
}

export function refusedSummary(wired: Wired, sync: Sync, stale: ReadonlyMap<string, Problem>): RunSummary {
  const problem = stale.get(sync.name)
  const skipped = skippedSummary(wired, sync)
  return problem === undefined ? skipped : { ...skipped, status: 'failed', problems: [problem] }
}
