/** Plans of several syncs, one after the other: a dry run, which sends nothing. */
import type { PeopleSummary } from '../plan/identity/people-summary.ts'
import type { Plan } from '../plan/plan.ts'
import type { Sync } from '../project/project.ts'
import type { Wired } from '../wire.ts'
import { startMeter } from './cost.ts'
import { dropScratch, type Night, newRunId, openNight, type PreparedSync, prepareSync } from './night.ts'
import { objections } from './permission.ts'
import { type PlanSettings, planSync } from './plan-sync.ts'
import { peopleSummary } from './policies.ts'
import { announceSends } from './record.ts'
import type { RunSummary } from './summary.ts'
import { runWarnings } from './warnings.ts'

/** `dry-run --json`, and the file that `--save` writes and `run --plan` executes. */
export interface PlanDocument {
  readonly schema: 'activate.plan/1'
  readonly as_of: string
  /** What the plan was made with; `run --plan` makes it again in the same way and compares. */
  readonly options?: { readonly full_resync: boolean; readonly limit?: number }
  readonly plans: readonly Plan[]
  /** Where the project links identifiers to people: what came of it. */
  readonly people?: PeopleSummary
}

export interface Progress {
  readonly sync: string
  readonly step: 'recover' | 'materialise' | 'check' | 'plan' | 'deliver' | 'settle' | 'done'
  /** How the run ended, once it is done. */
  readonly status?: RunSummary['status']
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

/** Told of each plan of a dry run while the rows of its model are still there. */
export type OnPlanned = (night: Night, prepared: PreparedSync, plan: Plan) => Promise<void>

/** Plans each sync and sends nothing. Throws ActivateError; the first failing sync ends it. */
export async function planSyncs(
  wired: Wired,
  syncs: readonly Sync[],
  options: PlanOptions,
  onPlanned?: OnPlanned,
): Promise<PlanDocument> {
  const night = await openNight(wired, options.asOf)
  const plans: Plan[] = []
  for (const sync of byPriority(syncs)) {
    const runId = newRunId(sync, wired)
    const meter = startMeter(night.warehouse)
    const prepared = await prepareSync(night, sync, runId, step => options.onProgress(progress(sync, step)))
    options.onProgress(progress(sync, 'plan'))
    const planned = await planSync(night, prepared, settingsOf(options, false))
    const cost = await meter.costOf(sync, runId, planned.aside, prepared.state)
    const plan = cost === undefined ? planned.plan : { ...planned.plan, cost }
    if (objections(plan, sync, false).length === 0) await announceSends(night, sync, runId, planned)
    plans.push({ ...plan, warnings: [...plan.warnings, ...(await runWarnings(night, sync))] })
    await onPlanned?.(night, prepared, plan)
    await dropScratch(night, runId)
    options.onProgress(progress(sync, 'done'))
  }
  const { fullResync, limit } = options
  const people = plans.length === 0 ? undefined : await peopleSummary(night)
  return {
    schema: 'activate.plan/1',
    as_of: new Date(options.asOf).toISOString(),
    options: { full_resync: fullResync, ...(limit === undefined ? {} : { limit }) },
    plans,
    ...(people === undefined ? {} : { people }),
  }
}

/** Where several syncs want the same person under a cap, the first to be planned has the first say. */
export function byPriority(syncs: readonly Sync[]): readonly Sync[] {
  return [...syncs].sort((a, b) => b.priority - a.priority)
}

export function settingsOf({ asOf, fullResync, limit, samples }: PlanOptions, keepOutbox: boolean): PlanSettings {
  return { asOf, fullResync, limit, samples, keepOutbox }
}

export function progress(sync: Sync, step: Progress['step']): Progress {
  return { sync: sync.name, step, sent: 0, total: 0, waiting: 0 }
}
