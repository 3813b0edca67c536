/** The end of a run: one line per sync, and what went wrong. */
import type { RunStatus } from '../../ledger/ledger.ts'
import type { RunSummary } from '../../run.ts'
import type { Colors } from '../terminal.ts'
import { renderProblem } from './errors.ts'
import { renderTable } from './table.ts'
import { duration, grouped, printable } from './text.ts'

export function paintStatus(status: RunStatus | 'never', colors: Colors): string {
  switch (status) {
    case 'succeeded':
      return colors.green(status)
    case 'failed':
      return colors.red(status)
    case 'skipped':
    case 'never':
      return colors.dim(status)
    case 'running':
      return colors.cyan(status)
    default:
      return colors.yellow(status)
  }
}

export function renderRuns(runs: readonly RunSummary[], colors: Colors): string {
  const table = renderTable(
    [
      { head: 'sync' },
      { head: 'status' },
      ...['acked', 'rejected', 'parked', 'pending', 'requests', 'retries', 'took'].map(head => ({
        head,
        align: 'right' as const,
      })),
    ],
    runs.map(run => [
      printable(run.sync),
      paintStatus(run.status, colors),
      ...(['acked', 'rejected', 'parked', 'pending'] as const).map(outcome => grouped(run.outcomes[outcome])),
      grouped(run.requests),
      grouped(run.retries),
      duration(Date.parse(run.finished_at) - Date.parse(run.started_at)),
    ]),
  )
  const lines = [...quietLines(runs, colors), ...warningLines(runs, colors)]
  const blocks = lines.length === 0 ? [] : [lines.join('\n')]
  return [table, ...blocks].join('\n\n')
}

/** Why runs are not simply a success; errors are talk, so they do not belong among the results. Empty when all is well. */
export function renderRunProblems(runs: readonly RunSummary[], colors: Colors): string {
  return runs.flatMap(run => explanations(run, colors)).join('\n\n')
}

function explanations(run: RunSummary, colors: Colors): readonly string[] {
  return (run.problems ?? []).map(problem =>
    renderProblem({ ...problem, message: `${printable(run.sync)}: ${problem.message}` }, colors),
  )
}

function quietLines(runs: readonly RunSummary[], colors: Colors): readonly string[] {
  return runs.flatMap(({ sync, unchanged_since: since }) =>
    since === undefined ? [] : [`${colors.bold(printable(sync))}: ${quietRemark(since)}`],
  )
}

export function quietRemark(since: string): string {
  return `nothing changed in the sources since ${since}: no query was made`
}

export function warningLines(runs: readonly RunSummary[], colors: Colors): readonly string[] {
  return runs.flatMap(run =>
    (run.plan?.warnings ?? []).map(
      warning => `${colors.bold(printable(run.sync))}: ${colors.yellow('warning')}: ${printable(warning)}`,
    ),
  )
}
