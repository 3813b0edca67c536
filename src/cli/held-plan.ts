/** The plan of a sync that waits for somebody's word. */
import type { Ledger, Run } from '../ledger/ledger.ts'
import type { Plan } from '../plan/plan.ts'
import { readPlan } from './plan-file.ts'

export interface HeldPlan {
  readonly run: Run
  readonly plan: Plan
}

/** The newest plan of the sync, when its run was held; a later run that was executed has made it the past. */
export async function heldPlanOf(ledger: Pick<Ledger, 'runs'>, sync: string): Promise<HeldPlan | undefined> {
  const [run] = await ledger.runs({ sync, planHash: '', limit: 1 })
  return run?.status === 'held' ? readHeldPlan(run) : undefined
}

/** Undefined for a plan that another version wrote in a way that this one cannot read. */
export function readHeldPlan(run: Run): HeldPlan | undefined {
  const plan = readPlan(run.plan)
  return plan === undefined ? undefined : { run, plan }
}
