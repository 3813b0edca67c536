/**
 * Whether a sync may run: nothing that covers it is on hold, no guard objects or somebody overruled it, and the approval
 * that the sync asks for has been given. Pure, but for reading the holds.
 */
import type { Hold, NewAuditEntry } from '../ledger/governance.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { isApproved } from '../plan/approval.ts'
import type { Plan } from '../plan/plan.ts'
import type { Problem } from '../project/problem.ts'
import type { Sync } from '../project/project.ts'

/** What can be put on hold: everything, one sync, or everything that goes to one destination. */
export type HoldScope = 'all' | `sync:${string}` | `destination:${string}`

/** The widest hold that covers the sync, or undefined. */
export async function holdOver(
  ledger: Pick<Ledger, 'holds'>,
  sync: Pick<Sync, 'name' | 'destination'>,
): Promise<Hold | undefined> {
  const holds = await ledger.holds()
  return scopesOf(sync)
    .map(scope => holds.find(hold => hold.scope === scope))
    .find(hold => hold !== undefined)
}

function scopesOf({ name, destination }: Pick<Sync, 'name' | 'destination'>): readonly HoldScope[] {
  return ['all', `destination:${destination}`, `sync:${name}`]
}

/** Such as `everything is on hold since 2026-03-01 02:00Z by ada: the CRM is being migrated`. */
export function describeHold({ scope, actor, at, reason }: Hold): string {
  return `${describeScope(scope)} is on hold since ${new Date(at).toISOString()} by ${actor}: ${reason}`
}

/** Such as `destination crm`. */
export function describeScope(scope: string): string {
  const [kind = '', name] = scope.split(/:(.*)/s)
  return name === undefined ? 'everything' : `${kind} ${name}`
}

export function holdProblem(hold: Hold, sync: Pick<Sync, 'name' | 'place'>): Problem {
  const [kind, name = ''] = hold.scope.split(/:(.*)/s)
  const target = kind === 'all' ? '--all' : kind === 'destination' ? `--destination ${name}` : name
  return {
    code: 'A4013',
    message: describeHold(hold),
    place: sync.place,
    help: `when it may run again: activate release ${target} --reason TEXT`,
  }
}

/** Why a plan must not be executed; empty when it may be. `yes` overrules a guard, never a missing approval. */
export function objections(plan: Plan, sync: Sync, yes: boolean): readonly Problem[] {
  if (isApproved(plan)) return []
  const { approval, guard } = plan
  const awaits = approval.needed
    ? [
        {
          code: 'A4011',
          message: `awaits approval: ${approval.because ?? ''}`,
          place: sync.place,
          help: helpToApprove(plan),
        },
      ]
    : []
  const held = guard.verdict === 'hold' && !yes ? guard.reasons : []
  return [...awaits, ...held.map(reason => heldProblem(reason, sync, plan))]
}

function heldProblem(reason: string, sync: Sync, plan: Plan): Problem {
  const others = plan.approval.needed ? '' : '; activate run --yes executes whatever is planned then'
  const help = `look at the plan with activate dry-run; ${helpToApprove(plan)}${others}`
  return { code: 'A4012', message: `held: ${reason}`, place: sync.place, help }
}

function helpToApprove({ sync }: Plan): string {
  return `activate approve ${sync} --reason TEXT lets exactly this plan pass`
}

/** For the audit trail: the plan was made and is not executed. */
export function heldEntry(
  plan: Plan,
  runId: string,
  by: { readonly actor: string; readonly at: number },
): NewAuditEntry {
  return { ...by, action: 'held', subject: `sync:${plan.sync}`, detail: detailOf(plan, runId) }
}

/** For the audit trail: a guard objected, nobody had approved the plan, and `--yes` said to go on; undefined otherwise. */
export function overrideEntry(
  plan: Plan,
  runId: string,
  by: { readonly actor: string; readonly at: number },
): NewAuditEntry | undefined {
  if (plan.guard.verdict === 'pass' || isApproved(plan)) return undefined
  return { ...by, action: 'override', subject: `sync:${plan.sync}`, detail: detailOf(plan, runId) }
}

function detailOf(plan: Plan, runId: string): Readonly<Record<string, unknown>> {
  const { plan_hash, config_hash, decisions, guard, approval } = plan
  return {
    ...{ run_id: runId, plan_hash, config_hash, send: decisions.send, guard: guard.reasons },
    ...(approval.because === undefined ? {} : { approval: approval.because }),
  }
}
