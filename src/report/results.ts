/** What a report found, as rows of a table of the state: for dashboards, and for the history of what was known when. Pure. */
import type { Dialect, StateType } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql, type Value } from '../warehouse/sql.ts'
import type { EffectEntry } from './answer-entry.ts'
import type { ComparisonEntry, ExperimentEntry, OutcomeEntry, ReportDocument } from './document.ts'

export const resultColumns = {
  as_of: 'timestamp',
  written_at: 'timestamp',
  sync: 'text',
  holdout: 'text',
  epoch: 'text',
  status: 'text',
  outcome: 'text',
  role: 'text',
  direction: 'text',
  measure: 'text',
  boundary: 'text',
  arm: 'text',
  treated_people: 'bigint',
  withheld_people: 'bigint',
  treated_mean: 'double',
  withheld_mean: 'double',
  /** `estimated`, or why there are no figures: `too_few`, or the reason why nothing can be estimated. */
  answer: 'text',
  difference: 'double',
  difference_lower: 'double',
  difference_upper: 'double',
  lift: 'double',
  lift_lower: 'double',
  lift_upper: 'double',
  incremental: 'double',
  incremental_lower: 'double',
  incremental_upper: 'double',
  p_value: 'double',
  /** Of the first look that proved an effect; null where none did. */
  decided_at: 'timestamp',
  p_holm: 'double',
  q_value: 'double',
  cost: 'double',
  advice: 'text',
  verdict: 'text',
  alarms: 'bigint',
} as const satisfies Readonly<Record<string, StateType>>

export type ResultRow = Readonly<Record<keyof typeof resultColumns, string | number | null>>

/** One row for each experiment, outcome and treated arm. `writtenAt` in milliseconds. */
export function resultRows({ experiments, as_of }: ReportDocument, writtenAt: number): readonly ResultRow[] {
  const clock = { as_of, written_at: new Date(writtenAt).toISOString() }
  return experiments.flatMap(entry =>
    entry.outcomes.flatMap(outcome => {
      const unmeasured = outcome.problems.length > 0 ? [unmeasuredRow(entry, outcome)] : []
      const measured = outcome.comparisons.map(comparison => resultRow(entry, outcome, comparison))
      return [...measured, ...unmeasured].map(row => ({ ...row, ...clock }))
    }),
  )
}

function resultRow(
  { sync, holdout, epoch, status, verdicts, checks }: ExperimentEntry,
  { outcome, role, direction, measure, boundary }: OutcomeEntry,
  comparison: ComparisonEntry,
): Omit<ResultRow, 'as_of' | 'written_at'> {
  const { arm, treated, withheld, lift, worth } = comparison
  const figures = lift.kind === 'estimated' ? lift : undefined
  const relative = figures?.relative.kind === 'estimated' ? figures.relative : undefined
  const ends = (name: string, effect: EffectEntry | undefined) => ({
    [name]: effect?.estimate ?? null,
    [`${name}_lower`]: effect?.lower ?? null,
    [`${name}_upper`]: effect?.upper ?? null,
  })
  const verdict = role === 'primary' ? verdicts.find(each => each.arm === arm) : undefined
  return {
    ...{ sync, holdout, epoch, status, outcome, role, direction, measure, boundary, arm },
    ...{ treated_people: treated.people, withheld_people: withheld.people },
    ...{ treated_mean: treated.mean, withheld_mean: withheld.mean },
    answer: lift.kind === 'not_estimable' ? lift.reason : lift.kind,
    ...ends('difference', figures?.absolute),
    ...ends('lift', relative),
    ...ends('incremental', figures?.incremental ?? undefined),
    decided_at: comparison.decided?.at ?? null,
    ...{ p_value: figures?.p_value ?? null, p_holm: comparison.p_holm, q_value: comparison.q_value },
    ...{ cost: worth?.cost ?? null, advice: verdict?.advice ?? null, verdict: verdict?.text ?? null },
    alarms: checks.alarms.length,
  } as Omit<ResultRow, 'as_of' | 'written_at'>
}

/** A row without figures, so that a dashboard shows a hole where there is one. */
function unmeasuredRow(
  { sync, holdout, epoch, status, verdicts, checks }: ExperimentEntry,
  { outcome, role, direction, measure, boundary }: OutcomeEntry,
): Omit<ResultRow, 'as_of' | 'written_at'> {
  const empty = Object.fromEntries(Object.keys(resultColumns).map(name => [name, null]))
  const [verdict] = role === 'primary' ? verdicts : []
  return {
    ...empty,
    ...{ sync, holdout, epoch, status, outcome, role, direction, measure, boundary },
    ...{ arm: 'treated', answer: 'unmeasured', advice: verdict?.advice ?? null, verdict: verdict?.text ?? null },
    alarms: checks.alarms.length,
  } as Omit<ResultRow, 'as_of' | 'written_at'>
}

/** To be executed as one transaction; a report of the same instant replaces what an earlier one wrote of the same experiments. */
export function resultStatements(
  dialect: Dialect,
  table: Fragment,
  { experiments, as_of }: ReportDocument,
  rows: readonly ResultRow[],
): readonly Fragment[] {
  const names = Object.keys(resultColumns) as (keyof typeof resultColumns)[]
  const instant = (iso: string) => raw(dialect.timestamp(dialect.literal(iso)))
  const cell = (row: ResultRow, name: keyof typeof resultColumns): Fragment =>
    resultColumns[name] === 'timestamp' && row[name] !== null
      ? instant(String(row[name]))
      : sql`${row[name] satisfies Value}`
  const line = (row: ResultRow) =>
    sql`(${join(
      names.map(name => cell(row, name)),
      ', ',
    )})`
  return [
    ...experiments.map(
      ({ sync, holdout, epoch }) =>
        sql`delete from ${table} where as_of = ${instant(as_of)} and coalesce(sync, '') = ${sync ?? ''} and holdout = ${holdout} and epoch = ${epoch}`,
    ),
    ...rows.map(row => sql`insert into ${table} (${raw(names.join(', '))}) values ${line(row)}`),
  ]
}
