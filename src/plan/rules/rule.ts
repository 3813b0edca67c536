/**
 * A rule decides what becomes of a planned change. Rules are asked in the order of `rules/index.ts`, and the first that
 * claims a change decides; a change that no rule claims is sent. There are two kinds:
 *
 * - a **row rule** looks at one change: its conditions stand in one SQL `case`;
 * - a **ranking rule** looks at the changes of one person together: of those that nobody has claimed yet it lets so many
 *   through and claims the rest. It comes after every row rule.
 *
 * Conditions read these columns, and those that the rule's own `join` brings:
 *
 *   change.key, .op, .kept        the diff (`kept`: only the mapping changed, and it is to be kept)
 *   change.row_hash               of the new row, or of the last acknowledged one for a leaver
 *   change.was                    standing in the snapshot; NULL for a key that it does not know
 *   change.person, .entity        the person's own key, and the person that they were found to be
 *   change.topic, .address        what a communication is about beside the person; where it goes, hashed
 *   change.expired                whether the row is worthless by now
 *   change.quiet_zone, .window_zone   time zones as the row has them
 */
import type { Policies } from '../../project/policies.ts'
import type { Sync } from '../../project/project.ts'
import type { Dialect } from '../../warehouse/dialect.ts'
import { type Fragment, raw } from '../../warehouse/sql.ts'
import type { Decision } from '../plan.ts'
import type { PolicyRelations } from '../policies/relations.ts'
import type { StateTable } from '../state.ts'

/** A relation of `zone`, `shut`, `until` (see zones.ts), and the zone of those whose own is not in it. */
export interface ZoneRelation {
  readonly relation: Fragment
  readonly default: string
}

export interface RuleContext {
  readonly dialect: Dialect
  readonly sync: Sync
  readonly policies: Pick<Policies, 'caps' | 'holdouts'>
  /** The run's logical clock, ISO 8601 in UTC. */
  readonly asOf: string
  /** The local day of the logical clock in the zone of the project: its date, and the instant at which it began. */
  readonly today: { readonly date: string; readonly began: string }
  /** No run of this sync was ever settled. */
  readonly firstRun: boolean
  /** The sync sends elsewhere than at its last run. */
  readonly moved: boolean
  readonly snapshot: Fragment
  readonly changes: Fragment
  readonly state: Readonly<Record<StateTable, Fragment>>
  readonly relations: PolicyRelations
  readonly quietHours: ZoneRelation | undefined
  readonly sendWindow: ZoneRelation | undefined
}

interface AnyRule {
  /** `<rule>.<reason>` as counted in the plan. */
  readonly reason: string
  readonly decision: Exclude<Decision, 'send'>
  /** Whether the rule has anything to say about this sync tonight. */
  readonly concerns: (context: RuleContext) => boolean
  /** Joins to `change` that the rule reads from; each relation's name must be the rule's own. */
  readonly join?: (context: RuleContext) => Fragment
}

export interface RowRule extends AnyRule {
  readonly kind: 'row'
  readonly condition: (context: RuleContext) => Fragment
}

export interface RankingRule extends AnyRule {
  readonly kind: 'ranking'
  /** Columns of `change` by which changes belong together. */
  readonly partition: readonly ('entity' | 'topic' | 'address')[]
  /** How many of them go through: an expression over `change` and the rule's join, the same for all that belong together. */
  readonly allowed: (context: RuleContext) => Fragment
  /** Claims only those beyond the number for which this holds as well. */
  readonly condition?: (context: RuleContext) => Fragment
  /** More columns of `change` for the rules after this one. */
  readonly columns?: Fragment
  /** What is claimed is settled only once the first of its partition was acknowledged. */
  readonly follows?: boolean
}

export type Rule = RowRule | RankingRule

/**
 * Selects the people of tonight's changes, for the `join` of a rule. What is known of millions is looked up for these alone:
 * grouping all of it would take longer than the rest of the night.
 */
export const tonightsPeople = raw('select entity from change')

/** The same for where communications go. */
export const tonightsAddresses = raw('select address from change where address is not null')

/** The logical clock as the state's timestamp. */
export function now({ dialect, asOf }: Pick<RuleContext, 'dialect' | 'asOf'>): Fragment {
  return raw(dialect.timestamp(dialect.literal(asOf)))
}

/** The logical clock minus so many milliseconds. */
export function ago({ dialect, asOf }: Pick<RuleContext, 'dialect' | 'asOf'>, milliseconds: number): Fragment {
  return raw(dialect.addMilliseconds(dialect.timestamp(dialect.literal(asOf)), -milliseconds))
}
