/** Checks that speak up: what makes an experiment's figures worthless, and what a reader has to know of them. Pure. */
import type { Row } from '../warehouse/warehouse.ts'
import type { Decision } from './decision.ts'
import type { Count } from './stats/aggregates.ts'
import type { Arm } from './stats/answer.ts'
import { compareProportions } from './stats/proportions.ts'
import { sampleRatio, sampleRatioLevels } from './stats/sample-ratio.ts'

export const checkNames = [
  'assignment',
  'sample_ratio',
  'contamination',
  'missing_outcomes',
  'epoch',
  'carry_over',
  'novelty',
] as const
export type CheckName = (typeof checkNames)[number]

export interface Finding {
  readonly check: CheckName
  /** An alarm makes every figure unreliable; a warning is to be known. */
  readonly severity: 'alarm' | 'warning'
  readonly text: string
}

/** A check is one of several and asked every night, so that it must be very sure. */
const sure = 0.0001

const alarm = (check: CheckName, text: string): Finding => ({ check, severity: 'alarm', text })
const warning = (check: CheckName, text: string): Finding => ({ check, severity: 'warning', text })

export interface StageRows {
  /** `at destination crm`, `whose window for "renewed" is over`. */
  readonly where: string
  /** `share`, `arm`, `n`. */
  readonly rows: readonly Row[]
}

/** Whether the arms are as large as they were drawn at each destination, and at each stage at which people drop out. */
export function sampleRatioFindings(stages: readonly StageRows[], ended: boolean): readonly Finding[] {
  const level = (ended ? sampleRatioLevels.once : sampleRatioLevels.nightly) / Math.max(1, stages.length)
  return stages.flatMap(({ where, rows }): readonly Finding[] => {
    const shares = [...new Set(rows.map(row => Number(row.share)))].filter(share => share > 0 && share < 1)
    const pValues = shares.flatMap(share => {
      const units = (arm: Arm) =>
        rows.filter(row => Number(row.share) === share && row.arm === arm).reduce((sum, row) => sum + Number(row.n), 0)
      const answer = sampleRatio([units('treated'), units('withheld')], [1 - share, share])
      return answer.kind === 'estimated' ? [Math.min(1, answer.pValue * shares.length)] : []
    })
    const least = Math.min(1, ...pValues)
    if (least >= level) return []
    return [
      alarm(
        'sample_ratio',
        `the arms ${where} are not as large as they were drawn (p = ${least.toExponential(1)}): people were lost there`,
      ),
    ]
  })
}

export interface ContaminationCounts {
  /** Withheld people whose address is known, and those of them whose address a treated person has, too. */
  readonly withheld: number
  readonly shared: number
}

/** From this share on the withheld arm is no arm without treatment any more. */
const tooManyShared = 0.05

/** Messages to one address are read by one person, whatever the number of their records. */
export function contaminationFindings({ withheld, shared }: ContaminationCounts): readonly Finding[] {
  if (shared === 0) return []
  const text = `${shared} of ${withheld} withheld people with a known address share it with somebody treated, and may have read the message: link such records as one person (identity)`
  return [shared > withheld * tooManyShared ? alarm('contamination', text) : warning('contamination', text)]
}

export interface OutcomeChecks {
  readonly outcome: string
  /** Of `countBefore` and `countUnusable`. */
  readonly before: readonly Row[]
  readonly unusable: readonly Row[]
  /** People with the outcome after their trigger, whose window is over. */
  readonly after: Readonly<Record<Arm, Count>>
}

/** Outcomes that are missing in one arm look exactly like an effect. What cannot be one tells: the time before, rows that cannot count. */
export function missingFindings({ outcome, before, unusable, after }: OutcomeChecks): readonly Finding[] {
  const differs = (rows: readonly Row[], column: string) =>
    surelyDiffer(countOf(rows, 'treated', column), countOf(rows, 'withheld', column))
  const shown = (rows: readonly Row[], column: string) =>
    (['treated', 'withheld'] as const).map(arm => {
      const { n, x } = countOf(rows, arm, column)
      return `${((100 * x) / Math.max(1, n)).toFixed(1)} % of ${arm} people`
    })
  const findings: Finding[] = []
  if (differs(unusable, 'unusable'))
    findings.push(
      alarm(
        'missing_outcomes',
        `rows of "${outcome}" without a time or a value are not spread evenly: they are of ${shown(unusable, 'unusable').join(' and ')}`,
      ),
    )
  if (differs(before, 'before'))
    findings.push(
      warning(
        'carry_over',
        `the arms differed before anything was done: "${outcome}" had happened to ${shown(before, 'before').join(' and ')} in as long a time before. Outcomes are missing in one arm, or an earlier treatment still acts`,
      ),
    )
  return [...findings, ...absentIn(outcome, after)]
}

/** So many would be expected, were the arms alike: none of them is then less likely than one in 20,000. */
const expectedAtLeast = 10

/** An effect that is not the same at all times: what held of those who came first does not hold of all. */
export function changeFindings(outcome: string, decisions: ReadonlyMap<string, Decision>): readonly Finding[] {
  return [...decisions].flatMap(([arm, decision]) =>
    decision.kind === 'changed'
      ? [
          warning(
            'novelty',
            `the effect of "${arm}" on "${outcome}" has changed over time: by ${new Date(decision.at).toISOString().slice(0, 10)} its range has nothing in common with an earlier one, so that only the present one counts`,
          ),
        ]
      : [],
  )
}

function absentIn(outcome: string, { treated, withheld }: OutcomeChecks['after']): readonly Finding[] {
  const absent = (arm: Arm, own: Count, other: Count) =>
    own.n > 0 && own.x === 0 && other.n > 0 && (own.n * other.x) / other.n >= expectedAtLeast
      ? [
          warning(
            'missing_outcomes',
            `not one of ${own.n} ${arm} people has "${outcome}": make sure that the model does not leave them out`,
          ),
        ]
      : []
  return [...absent('treated', treated, withheld), ...absent('withheld', withheld, treated)]
}

function countOf(rows: readonly Row[], arm: Arm, column: string): Count {
  const own = rows.filter(row => (row.arm === 'withheld') === (arm === 'withheld'))
  const sum = (name: string) => own.reduce((total, row) => total + Number(row[name] ?? 0), 0)
  return { n: sum('n'), x: sum(column) }
}

/** Also where one arm has none at all, which for a lift would be too few. */
function surelyDiffer(treated: Count, withheld: Count): boolean {
  const x = treated.x + withheld.x
  if (x === 0 || x === treated.n + withheld.n) return false
  const lift = compareProportions(treated, withheld, { kind: 'fixed', alpha: sure }, 0)
  return lift.kind === 'estimated' && lift.verdict !== 'undecided'
}

export interface EpochRows {
  readonly epoch: string
  readonly expires: string | undefined
  readonly ended: boolean
  /** Of `selectEpochs` and `countEarlier`. */
  readonly epochs: readonly Row[]
  readonly earlier: readonly Row[]
}

/** An epoch that is over, or was changed while people were being exposed; and people who bring an earlier one with them. */
export function epochFindings({ epoch, expires, ended, epochs, earlier }: EpochRows): readonly Finding[] {
  const own = epochs.find(row => row.epoch === epoch)
  const others = epochs.filter(row => row.epoch !== epoch)
  const late = others.filter(row => own !== undefined && String(row.last_at) > String(own.first_at))
  const findings: Finding[] = []
  if (ended)
    findings.push(
      warning('epoch', `nobody is withheld since ${expires}: to go on measuring, begin a new epoch with a new salt`),
    )
  if (own === undefined && others.length > 0)
    findings.push(
      warning(
        'epoch',
        `epoch "${epoch}" has exposed nobody yet; ${others.map(row => `"${row.epoch}" exposed ${row.n}`).join(', ')}: write its name to see its figures`,
      ),
    )
  for (const row of late)
    findings.push(
      warning(
        'epoch',
        `epoch "${row.epoch}" exposed people until ${String(row.last_at).slice(0, 10)}, when "${epoch}" had begun: the two were rotated back, or run side by side`,
      ),
    )
  return [...findings, ...carriedOver(earlier)]
}

/** With a new salt the arms of an epoch know nothing of the last. With the old one the same people are withheld for good. */
function carriedOver(earlier: readonly Row[]): readonly Finding[] {
  const people = (arm: Arm, before?: Arm) =>
    earlier
      .filter(row => row.arm === arm && (before === undefined || row.earlier === before))
      .reduce((sum, row) => sum + Number(row.n), 0)
  const count = (arm: Arm): Count => ({ n: people(arm), x: people(arm, 'withheld') })
  if (!surelyDiffer(count('treated'), count('withheld'))) return []
  return [
    warning(
      'carry_over',
      `${people('withheld', 'withheld')} of ${people('withheld')} withheld people who took part before were withheld then, too, against ${people('treated', 'withheld')} of ${people('treated')} treated: the salt is that of an earlier epoch, so that an effect of that time goes on in this one`,
    ),
  ]
}
