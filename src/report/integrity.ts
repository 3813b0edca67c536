/** Whether an experiment's figures can be believed at all: drawn as they should be, as many as they should be, nobody reached. */
import type { Row } from '../warehouse/warehouse.ts'
import type { CheckName, Finding } from './findings.ts'
import type { Answer, Arm } from './stats/answer.ts'
import { type AssignmentAudit, auditAssignment } from './stats/assignment-audit.ts'
import { type SampleRatio, sampleRatio, sampleRatioLevels, sequentialSampleRatio } from './stats/sample-ratio.ts'

export interface Integrity {
  /** Of those that this tool drew. */
  readonly assignment: AssignmentAudit
  readonly sampleRatio: Answer<SampleRatio>
  /** Communications that reached somebody who was withheld: there must be none. */
  readonly reached: number
  /** People with exposures in more than one arm, because records became one or a share grew; they stay in the arm of their first. */
  readonly mixed: number
  /** What speaks against the figures. */
  readonly findings: readonly Finding[]
  /** The texts of those that are alarms: why the figures must not be relied upon. */
  readonly alarms: readonly string[]
}

export interface IntegrityRows {
  /** Of `countAssignments`. */
  readonly assignments: readonly Row[]
  readonly reached: number
  readonly mixed: number
  /** Nobody is withheld any more, so that this is not one of many looks. */
  readonly ended: boolean
}

export function judgeIntegrity({ assignments, reached, mixed, ended }: IntegrityRows): Integrity {
  const counts = assignments.map(row => ({
    share: Number(row.share),
    recorded: armOf(row.recorded),
    drawn: row.drawn === 'elsewhere' ? undefined : armOf(row.drawn),
    n: Number(row.n),
  }))
  const assignment = auditAssignment(
    counts.flatMap(({ recorded, drawn, n }) => (drawn === undefined ? [] : [{ recorded, drawn, n }])),
  )
  const ratio = ratioOverShares(counts, ended)
  const alarm = (check: CheckName, text: string): Finding => ({ check, severity: 'alarm', text })
  const findings = [
    ...(assignment.kind === 'misassigned' ? [alarm('assignment', misassigned(assignment))] : []),
    ...(ratio.kind === 'estimated' && ratio.verdict === 'mismatch'
      ? [
          alarm(
            'sample_ratio',
            `the arms are not as large as they were drawn (p = ${ratio.pValue.toExponential(1)}): people were lost or gained after the draw`,
          ),
        ]
      : []),
    ...(reached > 0 ? [alarm('contamination', `${reached} communications reached people who were withheld`)] : []),
  ]
  return { assignment, sampleRatio: ratio, reached, mixed, findings, alarms: findings.map(({ text }) => text) }
}

function misassigned({
  treatedThoughWithheld,
  withheldThoughTreated,
  units,
}: AssignmentAudit & { kind: 'misassigned' }): string {
  return `${treatedThoughWithheld + withheldThoughTreated} of ${units} people are in an arm that the draw does not put them into`
}

function armOf(value: unknown): Arm {
  return value === 'withheld' ? 'withheld' : 'treated'
}

interface ArmCount {
  readonly share: number
  readonly recorded: Arm
  readonly n: number
}

/** Each share that held for a time is a draw of its own; the least likely of them decides, times their number. */
function ratioOverShares(counts: readonly ArmCount[], ended: boolean): Answer<SampleRatio> {
  const shares = [...new Set(counts.map(({ share }) => share))]
  const answers = shares.map(share => {
    const units = (arm: Arm) =>
      counts.filter(count => count.share === share && count.recorded === arm).reduce((sum, { n }) => sum + n, 0)
    return ratioOfShare([units('treated'), units('withheld')], share, { ended, shares: shares.length })
  })
  const found = answers.flatMap(answer => (answer.kind === 'estimated' ? [answer] : []))
  const worst = found.find(({ verdict }) => verdict === 'mismatch')
  const least = found.toSorted((left, right) => left.pValue - right.pValue)[0]
  return worst ?? least ?? answers[0] ?? { kind: 'not_estimable', reason: 'empty_arm' }
}

/**
 * While people are still being withheld the report is one look of many: the sequential test allows for that. It is slow to see what
 * is wrong with a few hundred people, so that a χ² of a much stricter level is asked, too.
 */
function ratioOfShare(
  observed: readonly number[],
  share: number,
  { ended, shares }: { readonly ended: boolean; readonly shares: number },
): Answer<SampleRatio> {
  const weights = [1 - share, share]
  const once = sampleRatio(observed, weights)
  const sequential = sequentialSampleRatio([observed], weights)
  if (once.kind !== 'estimated' || sequential.kind !== 'estimated') return once
  const several = (ratio: SampleRatio, level: number): Answer<SampleRatio> => {
    const pValue = Math.min(1, ratio.pValue * shares)
    return { kind: 'estimated', ...ratio, pValue, verdict: pValue < level ? 'mismatch' : 'plausible' }
  }
  if (ended) return several(once, sampleRatioLevels.once)
  const overLooks = several(sequential, sampleRatioLevels.sequential)
  return overLooks.kind === 'estimated' && overLooks.verdict === 'mismatch'
    ? overLooks
    : several(once, sampleRatioLevels.nightly)
}
