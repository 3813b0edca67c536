/** Which experiments a project runs: what is withheld from whom, and by which outcomes it is judged. */
import { concerns } from '../project/communication.ts'
import type { Outcome, OutcomeRole } from '../project/outcomes.ts'
import type { Holdout } from '../project/policies.ts'
import type { Project, Sync } from '../project/project.ts'

export interface MeasuredOutcome {
  readonly outcome: Outcome
  readonly role: OutcomeRole
}

export interface Experiment {
  /** Undefined for everything that a holdout of activate.yml withholds. */
  readonly sync: string | undefined
  readonly holdout: Holdout
  /**
   * The sync has no holdout of its own: whom the shared one withholds gets none of the other syncs either, so that the lift is not
   * of this sync alone.
   */
  readonly shared: boolean
  /** Nobody is withheld any more. */
  readonly ended: boolean
  /** The primary one first, then guardrails, then the others, by name. */
  readonly outcomes: readonly MeasuredOutcome[]
}

/** `date`: local to the project. `syncs`: those that are asked for; undefined asks for all, and for shared holdouts as a whole. */
export function experimentsOf(
  { policies, syncs: every, outcomes }: Pick<Project, 'policies' | 'syncs' | 'outcomes'>,
  date: string,
  syncs?: readonly Sync[],
): readonly Experiment[] {
  const ended = ({ expires }: Holdout) => expires !== undefined && date >= expires
  const ofSyncs = (syncs ?? every).flatMap((sync): readonly Experiment[] => {
    const measured = measuredBy(outcomes, outcome => outcome.syncs[sync.name])
    const shared = policies.holdouts.filter(({ appliesTo }) => concerns(appliesTo, sync))
    const holdouts = sync.holdout === undefined ? shared : [sync.holdout]
    return holdouts.map(holdout => ({
      ...{ sync: sync.name, holdout, shared: sync.holdout === undefined, ended: ended(holdout), outcomes: measured },
    }))
  })
  if (syncs !== undefined) return ofSyncs
  const ofHoldouts = policies.holdouts.map(holdout => ({
    ...{ sync: undefined, holdout, shared: true, ended: ended(holdout) },
    outcomes: measuredBy(outcomes, outcome => outcome.holdouts[holdout.name]),
  }))
  // A sync that only shares a holdout is worth a section of its own when somebody declared what it should bring about.
  return [...ofHoldouts, ...ofSyncs.filter(({ shared, outcomes: own }) => !shared || own.length > 0)]
}

const order: readonly OutcomeRole[] = ['primary', 'guardrail', 'secondary']

function measuredBy(
  outcomes: readonly Outcome[],
  roleOf: (outcome: Outcome) => OutcomeRole | undefined,
): readonly MeasuredOutcome[] {
  return outcomes
    .flatMap(outcome => {
      const role = roleOf(outcome)
      return role === undefined ? [] : [{ outcome, role }]
    })
    .sort(
      (left, right) =>
        order.indexOf(left.role) - order.indexOf(right.role) || (left.outcome.name < right.outcome.name ? -1 : 1),
    )
}
