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
}

/**
 * Holds a plan whose model is (nearly) empty, which changes too much, or removes too many. Leavers count where the mode
 * acts on them: those left alone touch nobody. A share needs a snapshot to be a share of, so a first run is not held by it.
 */
export function judge(sync: Pick<Sync, 'guard' | 'mode' | 'trigger'>, plan: GuardInput): GuardVerdict {
  const { guard } = sync
  const reasons = [
    tooFewRows(guard, plan.rows.model),
    tooMany('changes', 'max_changes', plan.decisions.send, guard.maxChanges, plan.snapshotRows),
    actsOn(sync).includes('leave')
      ? tooMany('leavers', 'max_leavers', plan.changes.leave, leaverLimit(guard, plan.snapshotRows), plan.snapshotRows)
      : undefined,
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
  const percent = (share: number) => `${Number((share * 100).toFixed(1))}%`
  return `${count} ${what} are ${percent(count / snapshotRows)} of the snapshot's ${snapshotRows} rows, more than ${setting} ${percent(limit.share)}`
}
