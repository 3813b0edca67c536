/** The report on experiments for the terminal: a verdict each, and the figures it rests on. */

import { reasonInWords } from '../../report/page/words.ts'
import type { ComparisonEntry, ExperimentEntry, OutcomeEntry, ReportDocument, Verdict } from '../../report/report.ts'
import { decimal, percent, points, signed } from '../../report/verdict.ts'
import type { Colors } from '../terminal.ts'
import { renderHealth } from './health.ts'
import { powerNotes, renderSeries, worthNotes } from './lift.ts'
import { renderTable } from './table.ts'
import { counted, grouped, instant, printable } from './text.ts'

export function renderReport({ experiments, health, as_of }: ReportDocument, colors: Colors): string {
  const machinery = health === null ? [] : [renderHealth(health, colors)]
  if (experiments.length === 0) {
    const none = 'nothing is withheld: give a sync a holdout, or activate.yml a shared one, to learn what it is worth'
    return [none, ...machinery].join('\n\n')
  }
  const head = `as of ${instant(Date.parse(as_of))}; only people whose window is over are counted`
  return [colors.dim(head), ...experiments.map(entry => renderExperiment(entry, colors)), ...machinery].join('\n\n')
}

function renderExperiment(entry: ExperimentEntry, colors: Colors): string {
  const { sync, holdout, epoch, share, outcomes } = entry
  const primary = outcomes.find(({ role }) => role === 'primary')
  const title =
    sync === null
      ? `everything that holdout ${holdout} withholds`
      : sync === holdout
        ? sync
        : `${sync}, by holdout ${holdout}`
  const arms = entry.arms.map(({ arm, people }) => `${counted(people, 'person', 'people')} ${arm}`).join(', ')
  const facts = [`epoch ${epoch}`, `${percent(share)} withheld`, entry.status, ...(arms === '' ? [] : [arms])].join(
    ' · ',
  )
  return [
    colors.bold(printable(title)),
    colors.dim(printable(facts)),
    ...entry.verdicts.map(verdict => renderVerdict(verdict, entry, colors)),
    ...(outcomes.length === 0 ? [] : ['', renderOutcomes(outcomes, colors)]),
    ...(primary === undefined || entry.status === 'ended' ? [] : renderSeries(primary, colors)),
    ...renderChecks(entry, colors),
  ].join('\n')
}

function renderVerdict({ arm, advice, text }: Verdict, entry: ExperimentEntry, colors: Colors): string {
  const paint = {
    ...{ keep: colors.green, stop: colors.red, unreliable: colors.red },
    ...{ wait: colors.yellow, unclear: colors.yellow, unmeasured: colors.yellow, nothing_to_measure: colors.dim },
  }[advice]
  const several = entry.verdicts.length > 1
  return paint(printable(several ? `${arm}: ${text}` : text))
}

function renderOutcomes(outcomes: readonly OutcomeEntry[], colors: Colors): string {
  const right = (head: string) => ({ head, align: 'right' as const })
  const several = outcomes.some(({ comparisons }) => comparisons.length > 1)
  const rows = outcomes.flatMap(outcome =>
    outcome.comparisons.map(comparison => [
      printable(outcome.role === 'secondary' ? outcome.outcome : `${outcome.outcome} (${outcome.role})`),
      ...(several ? [printable(comparison.arm)] : []),
      grouped(comparison.treated.people),
      grouped(comparison.withheld.people),
      shown(outcome, comparison.treated.mean),
      shown(outcome, comparison.withheld.mean),
      ...liftCells(outcome, comparison, colors),
    ]),
  )
  const columns = [
    { head: 'outcome' },
    ...(several ? [{ head: 'arm' }] : []),
    ...[right('treated'), right('withheld'), right('with it'), right('without')],
    ...[right('difference'), right('lift'), { head: 'between' }, right('p')],
  ]
  return renderTable(columns, rows)
}

function shown({ measure }: OutcomeEntry, mean: number | null): string {
  return mean === null ? '' : measure === 'share' ? percent(mean) : decimal(mean)
}

function liftCells(outcome: OutcomeEntry, { lift }: ComparisonEntry, colors: Colors): readonly string[] {
  if (lift.kind === 'too_few') return ['', '', colors.dim(`too few: ${lift.have} of ${lift.need} (${lift.arm})`), '']
  if (lift.kind === 'not_estimable') return ['', '', colors.dim(reasonInWords[lift.reason]), '']
  const { absolute, relative, p_value } = lift
  const p = p_value < 0.0001 ? '<0.0001' : p_value.toFixed(4)
  if (relative.kind !== 'estimated') {
    const ends = [absolute.lower, absolute.upper].map(end => (end === null ? 'any' : difference(outcome, end)))
    return [difference(outcome, absolute.estimate), '', `${ends.join(' and ')} (difference)`, p]
  }
  const ends = [relative.lower, relative.upper].map(end => (end === null ? 'any' : signed(percent(end))))
  return [difference(outcome, absolute.estimate), signed(percent(relative.estimate)), ends.join(' and '), p]
}

/** Percentage points, which must not be taken for the relative lift beside them. */
function difference({ measure }: OutcomeEntry, value: number): string {
  return signed(measure === 'share' ? points(value) : decimal(value))
}

function renderChecks({ checks, outcomes, shared, sync }: ExperimentEntry, colors: Colors): readonly string[] {
  const left = outcomes.flatMap(({ outcome, rows }) => {
    const parts = (['nobody', 'undated', 'unusable', 'repeated'] as const).flatMap(why =>
      rows[why] === 0 ? [] : [`${grouped(rows[why])} ${why}`],
    )
    return parts.length === 0 ? [] : [`rows of ${outcome} that do not count: ${parts.join(', ')}`]
  })
  const unmeasured = outcomes.flatMap(({ outcome, role, problems: [problem] }) =>
    problem === undefined || role === 'primary'
      ? []
      : [`! ${outcome} could not be measured: ${problem.message} (${problem.code})`],
  )
  const open = outcomes
    .filter(each => each.open > 0)
    .map(each => `${counted(each.open, 'person', 'people')} still within the ${each.window} of ${each.outcome}`)
  const { assignment, sample_ratio: ratio } = checks
  const size = ratio.p_value === null ? '' : `; arms as large as they were drawn (p = ${ratio.p_value.toFixed(2)})`
  const sound =
    assignment.verdict === 'exact' && ratio.verdict === 'plausible'
      ? [`the draw of ${counted(assignment.people, 'person', 'people')} was computed again, and is right${size}`]
      : []
  const notes = [
    ...sound,
    ...(shared && sync !== null
      ? ['its holdout is shared: whom it withholds gets none of the other syncs either']
      : []),
    ...open,
    ...left,
    ...outcomes.flatMap(({ hints }) => hints),
    ...outcomes.flatMap(powerNotes),
    ...outcomes.flatMap(worthNotes),
    ...(checks.mixed === 0
      ? []
      : [`${counted(checks.mixed, 'person', 'people')} with exposures in more than one arm, counted by the first`]),
  ]
  return [
    ...checks.findings.map(({ severity, text }) =>
      severity === 'alarm' ? colors.red(printable(`! ${text}`)) : colors.yellow(printable(`! ${text}`)),
    ),
    ...unmeasured.map(text => colors.yellow(printable(text))),
    ...notes.map(note => colors.dim(printable(`- ${note}`))),
  ]
}
