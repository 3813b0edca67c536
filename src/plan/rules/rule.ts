/**
 * A rule decides what becomes of a planned change. Rules are asked in the order of `rules/index.ts`, in one SQL `case`,
 * and the first whose condition holds answers; a change that no rule claims is sent. A condition reads these columns:
 *
 *   change.key, change.op, change.kept          the diff (`kept`: only the mapping changed, and it is to be kept)
 *   change.row_hash                             of the new row, or of the last acknowledged one for a leaver
 *   change.seen                                 whether the snapshot knows the key, be it as one who left
 *   rejection.key, .row_hash, .next_attempt_at  NULL when the key was not refused
 *   unresolved.key                              NULL unless the last change may or may not have arrived
 *   delivery.last_at                            logical time of the last acknowledged communication of this sync
 */
import type { Sync } from '../../project/project.ts'
import type { Dialect } from '../../warehouse/dialect.ts'
import type { Fragment } from '../../warehouse/sql.ts'
import type { Decision } from '../plan.ts'

export interface RuleContext {
  readonly dialect: Dialect
  readonly sync: Sync
  /** The run's logical clock, ISO 8601 in UTC. */
  readonly asOf: string
  /** No run of this sync was ever settled. */
  readonly firstRun: boolean
}

export interface Rule {
  /** `<rule>.<reason>` as counted in the plan. */
  readonly reason: string
  readonly decision: Exclude<Decision, 'send'>
  /** Whether the rule has anything to say about this sync tonight. */
  readonly concerns: (context: RuleContext) => boolean
  readonly condition: (context: RuleContext) => Fragment
}
