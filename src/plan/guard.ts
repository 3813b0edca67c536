/** The guard: bounds what one night may do. Pure; the verdict is part of the plan. */
import type { GuardSettings, Limit, Sync } from '../project/project.ts'
import type { GuardVerdict, Plan } from './plan.ts'
import { actsOn } from './rules/mode.ts'

/** Below this many rows a fifth is a handful of people, and ordinary nights would be held. */
const smallestGuardedSnapshot = 100
const defaultMaxLeavers: Limit = { share: 0.2 }

export interface GuardInput extends Pick<Plan, 'rows' | 'changes' | 'decisions'> {
  /** Members of the snapshot before tonight. */
  readonly snapshotRows: number
  /** No run of this sync has been settled yet. */
  readonly firstRun: boolean
  /** Rows of the model at the last settled run; undefined where that is not known. */
  readonly lastModelRows: number | undefined
  /** The mapping, destination, action or mode differs from that of the last settled run. */
  readonly mappingChanged: boolean
  /** A run that the ledger has forgotten, where what it may have sent must not be sent twice. */
  readonly lostRun?: string | undefined
}

/**
 * Holds a plan whose model is (nearly) empty or has shrunk, which changes too much, or lets in or removes too many.
 * Enters and leavers count where the mode acts on them: those left alone touch nobody. A share needs a snapshot to be a share of, so a
 * first run is not held by one.
 */
export function judge(sync: Pick<Sync, 'guard' | 'mode' | 'trigger'>, plan: GuardInput): GuardVerdict {
  const { guard } = sync
  const { changes, decisions, snapshotRows } = plan
  const acted = actsOn(sync)
  const reasons = [
    tooFewRows(guard, plan.rows.model),
    shrunken(guard, plan),
    tooMany('changes', 'max_changes', decisions.send, guard.maxChanges, snapshotRows),
    acted.includes('enter') && !isBaseline(plan)
      ? tooMany('enters', 'max_enters', changes.enter, guard.maxEnters, snapshotRows)
      : undefined,
    acted.includes('leave')
      ? tooMany('leavers', 'max_leavers', changes.leave, leaverLimit(guard, snapshotRows), snapshotRows)
      : undefined,
    tooManyAtFirst(guard, plan),
    guard.mappingChange === 'hold' && plan.mappingChanged
      ? 'the mapping, destination, action or mode changed since the last run, and mapping_change is hold'
      : undefined,
    plan.lostRun === undefined
      ? undefined
      : `the ledger does not know the run ${plan.lostRun}, so nobody can tell what it sent, who opted out or what is on hold`,
  ].filter(reason => reason !== undefined)
  return { verdict: reasons.length === 0 ? 'pass' : 'hold', reasons }
}

function leaverLimit(guard: GuardSettings, snapshotRows: number): Limit | undefined {
  if (guard.maxLeavers !== undefined) return guard.maxLeavers
  return snapshotRows >= smallestGuardedSnapshot ? defaultMaxLeavers : undefined
}

function tooFewRows({ minRows }: GuardSettings, rows: number): string | undefined {
  return rows < minRows ? `the model has ${rows} rows, fewer than min_rows ${minRows}` : undefined
}

/** A first run that only remembers who is there lets nobody in yet. */
function isBaseline({ firstRun, decisions }: GuardInput): boolean {
  return firstRun && decisions.send === 0
}

function shrunken({ maxShrink }: GuardSettings, { rows, lastModelRows }: GuardInput): string | undefined {
  if (maxShrink === undefined || lastModelRows === undefined) return undefined
  const lost = lastModelRows - rows.model
  if (lost <= maxShrink * lastModelRows) return undefined
  return `the model has ${rows.model} rows, ${percent(lost / lastModelRows)} fewer than the ${lastModelRows} of the last run, more than max_shrink ${percent(maxShrink)}`
}

function tooManyAtFirst({ maxFirstRun }: GuardSettings, { firstRun, decisions }: GuardInput): string | undefined {
  if (maxFirstRun === undefined || !firstRun || decisions.send <= maxFirstRun) return undefined
  return `${decisions.send} sends of a first run are more than max_first_run ${maxFirstRun}`
}

function tooMany(
  what: string,
  setting: string,
  count: number,
  limit: Limit | undefined,
  snapshotRows: number,
): string | undefined {
  if (limit === undefined) return undefined
  if ('count' in limit)
    return count > limit.count ? `${count} ${what} are more than ${setting} ${limit.count}` : undefined
  if (snapshotRows === 0 || count <= limit.share * snapshotRows) return undefined
  return `${count} ${what} are ${percent(count / snapshotRows)} of the snapshot's ${snapshotRows} rows, more than ${setting} ${percent(limit.share)}`
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))}%`
}
