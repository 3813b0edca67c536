/**
 * The pipeline, read top to bottom: recover, materialise, check, plan, guard, deliver, settle.
 */
import { type DeliveryTotals, deliver } from './delivery/deliver.ts'
import type { Lease, OutcomeCounts } from './ledger/ledger.ts'
import type { Plan } from './plan/plan.ts'
import { outboxName } from './plan/state.ts'
import { ActivateError, type Problem } from './project/problem.ts'
import type { Sync } from './project/project.ts'
import { endSettledLetters } from './run/dead-letters.ts'
import { lastLook } from './run/last-look.ts'
import { withLease } from './run/lease-keeper.ts'
import {
  deliveryContext,
  dropScratch,
  type Night,
  newRunId,
  openNight,
  type PreparedSync,
  prepareSync,
  readSends,
  routesOf,
} from './run/night.ts'
import { heldEntry, holdOver, holdProblem, objections, overrideEntry } from './run/permission.ts'
import { type PlannedSync, planSync } from './run/plan-sync.ts'
import { byPriority, type PlanDocument, type PlanOptions, planSyncs, progress, settingsOf } from './run/plan-syncs.ts'
import { pruneIfDue } from './run/prune.ts'
import { recordQuarantine } from './run/quarantine.ts'
import { type Grounds, groundsOf, keptPlan, type UnchangedPlan, unchangedPlan } from './run/quiet.ts'
import { announceSends, recordDecisions } from './run/record.ts'
import { recoverRuns } from './run/recover.ts'
import { staleness } from './run/saved-plan.ts'
import { dropOutbox, outcomesSoFar, refuseWithoutLease, settleRun } from './run/settle.ts'
import {
  failedSummary,
  firstProblem,
  lockedSummary,
  nothing,
  type RunDocument,
  type RunSummary,
  refusedSummary,
  type StartedRun,
  skippedSummary,
  statusOf,
  summaryBase,
} from './run/summary.ts'
import { inTurn } from './run/turn.ts'
import type { Wired } from './wire.ts'

export { type OnPlanned, type PlanDocument, type PlanOptions, type Progress, planSyncs } from './run/plan-syncs.ts'
export type { RunDocument, RunSummary } from './run/summary.ts'

export interface RunOptions extends PlanOptions {
  /** Executes what a guard holds. */
  readonly yes: boolean
  /** Only exactly these plans, or A4010 (stale). */
  readonly saved?: PlanDocument
  /** The due time that the scheduler serves. */
  readonly nominalAt?: number
}

/** Runs each sync in turn, but for those that are not enabled; a failing sync does not stop the next one, its summary carries the problems. */
export async function runSyncs(wired: Wired, syncs: readonly Sync[], options: RunOptions): Promise<RunDocument> {
  const stale = await staleSyncs(wired, syncs, options)
  if (stale.size > 0) return { schema: 'activate.run/1', runs: syncs.map(sync => refusedSummary(wired, sync, stale)) }
  const runs: RunSummary[] = []
  const night = sharedNight(wired, options.asOf)
  for (const sync of byPriority(syncs)) {
    if (options.signal.aborted) break
    const summary = sync.enabled ? await runSync(wired, night, sync, options) : skippedSummary(wired, sync)
    runs.push(summary)
    options.onProgress({ ...progress(sync, 'done'), status: summary.status })
  }
  const unpruned = await pruneIfDue(wired)
  return { schema: 'activate.run/1', runs, ...(unpruned === undefined ? {} : { problems: [unpruned] }) }
}

/** The warehouse is opened under the first lease, so that a runner that finds its sync taken never waits for the file. */
function sharedNight(wired: Wired, asOf: number): () => Promise<Night> {
  let night: Night | undefined
  return async () => {
    night ??= await openNight(wired, asOf)
    return night
  }
}

/** One night of one sync, under its lease. */
async function runSync(
  wired: Wired,
  night: () => Promise<Night>,
  sync: Sync,
  options: RunOptions,
): Promise<RunSummary> {
  const run = { runId: newRunId(sync, wired), startedAt: wired.clock.now() }
  const failed = (error: unknown) => failedSummary(wired, sync, run, error)
  try {
    const ledger = await wired.ledger()
    const { clock, leaseLength } = wired
    const answer = await withLease({ ledger, clock, leaseLength, ...wired.identity }, `sync:${sync.name}`, lease =>
      runUnderLease(wired, night, sync, run, lease, options).catch(failed),
    )
    return answer.kind === 'done' ? answer.result : lockedSummary(wired, sync, run, answer)
  } catch (error) {
    return failed(error)
  }
}

async function runUnderLease(
  wired: Wired,
  openShared: () => Promise<Night>,
  sync: Sync,
  run: StartedRun,
  lease: () => Lease,
  options: RunOptions,
): Promise<RunSummary> {
  const ledger = await wired.ledger()
  const { nominalAt } = options
  await ledger.startRun(
    { ...run, sync: sync.name, asOf: options.asOf, ...(nominalAt === undefined ? {} : { nominalAt }) },
    lease(),
  )
  let plan: Plan | undefined
  try {
    const hold = await holdOver(ledger, sync)
    if (hold !== undefined) return await holdBack(wired, sync, run, lease, [holdProblem(hold, sync)])
    // A daemon has its ledger open for months.
    await ledger.expireLetters(wired.clock.now())
    await ledger.checkKey()
    const night = await openShared()
    options.onProgress(progress(sync, 'recover'))
    await recoverRuns(night, sync, run.runId, lease, options.signal)
    // Before the model is computed: what changes from here on is seen by the next run at the latest.
    const grounds = await groundsOf(night, sync, options)
    const unchanged = await unchangedPlan(night, sync, run.runId, grounds)
    if (unchanged !== undefined) return await passQuietly(wired, sync, run, lease, unchanged)
    const prepared = await prepareSync(night, sync, run.runId, step => options.onProgress(progress(sync, step)))
    options.onProgress(progress(sync, 'plan'))
    const { planned, objected } = await inTurn(wired, sync, options.signal, () =>
      decide(night, prepared, run, lease, options),
    )
    if (objected.length > 0) return await holdBack(wired, sync, run, lease, objected, planned.plan)
    plan = planned.plan
    const summary = await deliverAndSettle(night, prepared, { ...planned, grounds }, run, lease, options)
    await dropScratch(night, run.runId)
    return summary
  } catch (error) {
    const known = plan && (await outcomesSoFar(ledger, run.runId, plan))
    const told = await recordFailure(wired, run, lease, error).then(
      () => error,
      (unrecorded: unknown) => unrecorded,
    )
    return { ...failedSummary(wired, sync, run, told), ...known }
  }
}

const nothingSent: DeliveryTotals = { ...nothing, withdrawn: 0, open: 0, requests: 0, retries: 0 }

/** Plans, and writes down what the plan decides if nothing objects to it. */
async function decide(
  night: Night,
  prepared: PreparedSync,
  run: StartedRun,
  lease: () => Lease,
  options: RunOptions,
): Promise<{ readonly planned: PlannedSync; readonly objected: readonly Problem[] }> {
  const { sync, state } = prepared
  const planned = await planSync(night, prepared, settingsOf(options, true))
  const { plan } = planned
  const ledger = await night.wired.ledger()
  await ledger.updateRun(run.runId, { planHash: plan.plan_hash, plan }, lease())
  refuseStale(plan, options.saved)
  await recordQuarantine(night, prepared)
  await night.wired.failpoints.reach('quarantine')
  const objected = objections(plan, sync, options.yes)
  if (objected.length > 0) return { planned, objected }
  await recordDecisions(night, sync, { ...run, asOf: options.asOf }, planned, state)
  await night.wired.failpoints.reach('decisions')
  await announceSends(night, sync, run.runId, planned)
  return { planned, objected }
}

async function deliverAndSettle(
  night: Night,
  prepared: PreparedSync,
  planned: PlannedSync & { readonly grounds: Grounds | undefined },
  run: StartedRun,
  lease: () => Lease,
  options: RunOptions,
): Promise<RunSummary> {
  const { wired, warehouse } = night
  const ledger = await wired.ledger()
  const { sync, columns } = prepared
  const total = planned.plan.decisions.send
  const begun = { outbox: outboxName(run.runId), mapping: planned.mapping }
  const by = { actor: wired.actor, at: wired.clock.now() }
  await ledger.updateRun(run.runId, begun, lease(), overrideEntry(planned.plan, run.runId, by))
  await wired.failpoints.reach('deliver')
  const totals =
    total === 0
      ? nothingSent
      : await deliver({
          ...deliveryContext(night, sync, run.runId, lease, options.signal),
          recheck: lastLook(ledger, sync, planned.newestOptOut),
          ledger,
          destination: await wired.destination(sync.destination),
          rows: readSends(warehouse, planned.outbox, {
            behind: run.startedAt - options.asOf,
            onNote: note => wired.log(sync.name, { kind: 'rows', ...note }),
          }),
          total,
          routes: routesOf(wired, sync),
          onProgress: at => options.onProgress({ sync: sync.name, step: 'deliver', ...at }),
        })
  refuseWithoutLease(totals, sync)
  await wired.failpoints.reach('delivered')
  const { stopped } = totals
  const status = statusOf(totals, stopped?.kind)
  const { plan, mapping } = planned
  const settling = {
    failpoints: wired.failpoints,
    warehouse,
    ledger,
    lease,
    sync,
    run: { ...run, asOf: options.asOf },
    status,
    mapping,
    plan,
    columns,
  }
  // What is left in doubt is ended by the next run, which settles this one then (docs/decisions/0039).
  const settled = totals.open === 0
  let outcomes: OutcomeCounts = outcomesOf(totals)
  if (settled) {
    options.onProgress(progress(sync, 'settle'))
    outcomes = await settleRun({ ...settling, now: wired.clock.now() }, prepared.state)
    const over = { warehouse, ledger, lease, sync, runIds: [run.runId], now: wired.clock.now() }
    await endSettledLetters(over, prepared.state)
  }
  const finishedAt = wired.clock.now()
  const problems = stopped === undefined ? [] : [{ code: stopped.code, message: stopped.message, place: sync.place }]
  const { requests, retries } = totals
  const error = stopped === undefined ? {} : { error: { code: stopped.code, message: stopped.message } }
  const kept = settled ? await keptPlan(night, sync, plan, planned.grounds) : {}
  const end = { status, outcomes, requests, retries, finishedAt, settled, ...kept, ...error }
  await ledger.updateRun(run.runId, end, lease())
  return {
    ...summaryBase(sync, run, finishedAt),
    status,
    plan,
    outcomes,
    requests,
    retries,
    ...(problems.length === 0 ? {} : { problems }),
    ...(stopped?.until === undefined ? {} : { resumes_at: new Date(stopped.until).toISOString() }),
  }
}

/** A run of which metadata proves that it would find nothing: it is recorded like any other, and no query was made for it. */
async function passQuietly(
  wired: Wired,
  sync: Sync,
  run: StartedRun,
  lease: () => Lease,
  { plan: kept, since }: UnchangedPlan,
): Promise<RunSummary> {
  const { grounds: _, ...plan } = kept
  const finishedAt = wired.clock.now()
  const end = { status: 'succeeded', finishedAt, settled: true, outcomes: nothing, requests: 0, retries: 0 } as const
  await (await wired.ledger()).updateRun(run.runId, { ...end, planHash: plan.plan_hash, plan: kept }, lease())
  return { ...summaryBase(sync, run, finishedAt), status: 'succeeded', plan, unchanged_since: since }
}

function outcomesOf({ acked, rejected, parked, pending }: DeliveryTotals): OutcomeCounts {
  return { acked, rejected, parked, pending }
}

/** Ends a run before anything leaves: with its plan when it came to one, without when it is on hold. */
async function holdBack(
  wired: Wired,
  sync: Sync,
  run: StartedRun,
  lease: () => Lease,
  problems: readonly Problem[],
  plan?: Plan,
): Promise<RunSummary> {
  if (plan !== undefined) await dropOutbox(await wired.warehouse(), run.runId)
  const finishedAt = wired.clock.now()
  const ledger = await wired.ledger()
  const error = { code: problems[0]?.code ?? '', message: problems.map(({ message }) => message).join('; ') }
  const entry = plan === undefined ? undefined : heldEntry(plan, run.runId, { actor: wired.actor, at: finishedAt })
  const end = { status: 'held', finishedAt, settled: true, outcomes: nothing, error } as const
  await ledger.updateRun(run.runId, end, lease(), entry)
  return { ...summaryBase(sync, run, finishedAt), status: 'held', ...(plan === undefined ? {} : { plan }), problems }
}

/** A run that failed before anything could leave has nothing to settle; one that may have sent is left to recovery. */
async function recordFailure(wired: Wired, run: StartedRun, lease: () => Lease, error: unknown): Promise<void> {
  const ledger = await wired.ledger()
  const { code, message } = firstProblem(error)
  const [begun] = await ledger.requests(run.runId)
  if (begun === undefined && wired.warehouseIsOpen()) await dropOutbox(await wired.warehouse(), run.runId)
  await ledger.updateRun(
    run.runId,
    { status: 'failed', finishedAt: wired.clock.now(), error: { code, message }, settled: begun === undefined },
    lease(),
  )
}

/** A saved plan of several syncs is executed as a whole or not at all, so each is compared before the first one sends. */
async function staleSyncs(
  wired: Wired,
  syncs: readonly Sync[],
  options: RunOptions,
): Promise<ReadonlyMap<string, Problem>> {
  const { saved } = options
  if (saved === undefined || syncs.length < 2) return new Map()
  const { plans } = await planSyncs(wired, syncs, { ...options, samples: 0, onProgress: () => undefined })
  return new Map(
    plans.flatMap(plan => {
      const problem = staleness(plan, saved.plans)
      return problem === undefined ? [] : [[plan.sync, problem] as const]
    }),
  )
}

function refuseStale(plan: Plan, saved: PlanDocument | undefined): void {
  const problem = saved === undefined ? undefined : staleness(plan, saved.plans)
  if (problem !== undefined) throw new ActivateError('failed', problem)
}
