/** Whether tonight's plan is the one that a person reviewed and saved. Pure. */
import type { Plan } from '../plan/plan.ts'
import type { Problem } from '../project/problem.ts'

/** A4010 when executing `now` would not do what was reviewed. */
export function staleness(now: Plan, saved: readonly Plan[]): Problem | undefined {
  const reviewed = saved.find(candidate => candidate.sync === now.sync)
  if (reviewed?.plan_hash === now.plan_hash) return undefined
  return stale(now.sync, describeDrift(reviewed, now))
}

/** The problem of a saved plan of a sync that the project no longer has. */
export function staleWithoutSync(sync: string): Problem {
  return stale(sync, 'the project has no sync of this name any more')
}

function stale(sync: string, why: string): Problem {
  return {
    code: 'A4010',
    message: `the saved plan of ${sync} is stale: ${why}`,
    help: 'nothing was sent; make and review a new plan with activate dry-run --save',
  }
}

function describeDrift(reviewed: Plan | undefined, now: Plan): string {
  if (reviewed === undefined) return 'it does not hold this sync'
  const moved = (['enter', 'change', 'leave'] as const).filter(op => reviewed.changes[op] !== now.changes[op])
  if (moved.length === 0) return 'the same numbers, but other rows, models or settings than were reviewed'
  return moved.map(op => `${op} was ${reviewed.changes[op]} and is ${now.changes[op]}`).join(', ')
}
