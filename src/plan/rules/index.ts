/** The order in which rules are asked; the first that answers decides. This list is the only place that knows it. */
import type { Holdout, Policies } from '../../project/policies.ts'
import type { Sync } from '../../project/project.ts'
import { capRules } from './cap.ts'
import { duplicates } from './duplicate.ts'
import { expiry } from './expiry.ts'
import { firstRun } from './first-run.ts'
import { holdout } from './holdout.ts'
import { quietHours, sendWindow } from './hours.ts'
import { mapping } from './mapping.ts'
import { mode } from './mode.ts'
import { reentry } from './reentry.ts'
import { rejection } from './rejection.ts'
import type { Rule } from './rule.ts'
import { follower, parkedDuplicates, unresolved } from './unresolved.ts'

export function rulesFor(sync: Sync, policies: Pick<Policies, 'caps' | 'holdouts'>): readonly Rule[] {
  return [
    unresolved,
    follower,
    mode,
    mapping,
    firstRun,
    ...holdoutsOf(sync, policies).map(holdout),
    rejection,
    reentry,
    ...expiry(sync),
    quietHours,
    sendWindow,
    ...parkedDuplicates,
    ...duplicates,
    ...policies.caps.flatMap(capRules),
  ]
}

/** Those of the project first: a sync's own is drawn among the people whom they leave. */
export function holdoutsOf(sync: Pick<Sync, 'holdout'>, { holdouts }: Pick<Policies, 'holdouts'>): readonly Holdout[] {
  return sync.holdout === undefined ? holdouts : [...holdouts, sync.holdout]
}
