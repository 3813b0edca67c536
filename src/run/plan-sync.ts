/** From a prepared sync to its plan: the policies of the night are gathered, the plan is made, its approval is looked up. */
import { withApproval } from '../plan/approval.ts'
import { buildPlan, type PlanInput, type Planned } from '../plan/planner.ts'
import { isCommunication } from '../project/communication.ts'
import type { Sync } from '../project/project.ts'
import { findErased } from './erased.ts'
import { findLostRun } from './lost-ledger.ts'
import { modelNamed, type Night, type PreparedSync } from './night.ts'
import { policiesFor } from './policies.ts'

export interface PlanSettings extends Pick<PlanInput, 'fullResync' | 'limit' | 'samples' | 'keepOutbox'> {
  /** The logical clock, in milliseconds. */
  readonly asOf: number
}

export interface PlannedSync extends Planned {
  /** The newest opt-out that the plan knows of. */
  readonly newestOptOut: number
}

/** One plan of a prepared sync, with the policies of the night and the approval that it has. */
export async function planSync(night: Night, prepared: PreparedSync, options: PlanSettings): Promise<PlannedSync> {
  const { warehouse, wired } = night
  const { name: project, timezone, identity, policies } = wired.project
  const { asOf, ...settings } = options
  const { relations: policed, notes, newestOptOut } = await policiesFor(night, prepared.sync)
  const relations = { ...policed, erased: await findErased(night, prepared, policed) }
  await wired.failpoints.reach('policies')
  const instant = (at: number) => new Date(at).toISOString()
  const clocks = { asOf: instant(asOf), recordedAt: instant(wired.clock.now()) }
  const world = { warehouse, project, timezone, identity, policies, relations, sha256: wired.sha256, ...clocks }
  const model = modelNamed(night, prepared.sync.model)
  const lostRun = await findLostRun(night, prepared)
  const forgotten =
    lostRun === undefined ? {} : { lostRun: { runId: lostRun, repeatable: isRepeatable(night, prepared.sync) } }
  const planned = await buildPlan(
    { ...prepared, ...world, ...settings, ...forgotten, model, notes: [...prepared.notes, ...notes] },
    prepared.state,
  )
  await wired.failpoints.reach('outbox')
  const approval = await (await wired.knownLedger())?.approvalOf(planned.plan.plan_hash)
  return { ...planned, newestOptOut, plan: withApproval(planned.plan, approval) }
}

/** Whether sending everything once more would harm nobody. */
function isRepeatable({ wired }: Night, sync: Sync): boolean {
  const action = wired.shape(sync.destination).actions[sync.action]
  return !isCommunication(sync) && action?.idempotency.kind === 'natural'
}
