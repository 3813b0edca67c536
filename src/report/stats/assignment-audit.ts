/**
 * Whether every recorded arm is the one that the draw gives. Unlike a sample ratio it is no statistic: the warehouse computes
 * each draw again from salt and key, and a single unit that is not where it belongs is named.
 */
import type { Arm } from './answer.ts'
import { demand, isCount } from './demand.ts'

/** Units by the arm that was recorded and the arm that the recorded salt and share give them. */
export interface AssignmentCount {
  readonly recorded: Arm
  readonly drawn: Arm
  readonly n: number
}

export type AssignmentAudit =
  | { readonly kind: 'exact'; readonly units: number }
  | {
      readonly kind: 'misassigned'
      readonly units: number
      /** Recorded as treated although the draw withholds them: they were sent to, or could have been. */
      readonly treatedThoughWithheld: number
      readonly withheldThoughTreated: number
    }
  | { readonly kind: 'empty' }

/** Throws A8510 unless counts are whole. */
export function auditAssignment(counts: readonly AssignmentCount[]): AssignmentAudit {
  demand(
    counts.every(({ n }) => isCount(n)),
    'units must be whole and not negative',
  )
  const unitsWhere = (holds: (count: AssignmentCount) => boolean) =>
    counts.filter(holds).reduce((total, { n }) => total + n, 0)
  const units = unitsWhere(() => true)
  if (units === 0) return { kind: 'empty' }
  const treatedThoughWithheld = unitsWhere(({ recorded, drawn }) => recorded === 'treated' && drawn === 'withheld')
  const withheldThoughTreated = unitsWhere(({ recorded, drawn }) => recorded === 'withheld' && drawn === 'treated')
  if (treatedThoughWithheld + withheldThoughTreated === 0) return { kind: 'exact', units }
  return { kind: 'misassigned', units, treatedThoughWithheld, withheldThoughTreated }
}
