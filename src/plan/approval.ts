/** Whether a plan needs somebody's approval before it is executed. Pure; who approved it is looked up by the caller. */
import type { RequireApproval } from '../project/project.ts'
import type { Plan, PlanApproval } from './plan.ts'

/**
 * `on_change` compares what people wrote (SQL, mapping, policies, settings) with the last settled run, and needs approval
 * also when there is nothing to send: the baseline of a first run decides who is sent to later. The others are about what
 * leaves, and let a night without sends pass.
 */
export function approvalNeed(
  required: RequireApproval,
  plan: Pick<Plan, 'config_hash' | 'decisions'>,
  lastConfigHash: string | undefined,
): PlanApproval {
  const because = reasonToAsk(required, plan, lastConfigHash)
  return because === undefined ? { needed: false } : { needed: true, because }
}

function reasonToAsk(
  required: RequireApproval,
  { config_hash, decisions }: Pick<Plan, 'config_hash' | 'decisions'>,
  lastConfigHash: string | undefined,
): string | undefined {
  if (required === 'never') return undefined
  if (required === 'on_change') {
    if (lastConfigHash === undefined) return 'no settled run has gone by its configuration yet'
    return config_hash === lastConfigHash ? undefined : 'its configuration changed since the last run'
  }
  if (required === 'always') return decisions.send > 0 ? 'every plan of this sync needs approval' : undefined
  return decisions.send > required.over
    ? `it sends ${decisions.send} changes, more than require_approval over ${required.over}`
    : undefined
}

/** Whether somebody has approved exactly this plan. */
export function isApproved({ approval }: Pick<Plan, 'approval'>): boolean {
  return approval.by !== undefined
}

/** The same plan with whoever approved it; an approval also lets pass what a guard holds, so it is told when none is needed. */
export function withApproval(plan: Plan, given: { readonly actor: string; readonly at: number } | undefined): Plan {
  if (given === undefined) return plan
  return { ...plan, approval: { ...plan.approval, by: given.actor, at: new Date(given.at).toISOString() } }
}
