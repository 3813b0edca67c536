/** The health part of the report for the terminal: one line per sync, and all of them together. */
import { type HealthDocument, type HealthEntry, unknownFigures } from '../../report/health/health.ts'
import { percent } from '../../report/verdict.ts'
import type { Colors } from '../terminal.ts'
import { renderTable, type TableColumn } from './table.ts'
import { counted, duration, grouped, instant, printable } from './text.ts'

export function renderHealth(
  { all, syncs, since, match_rate, match_rate_unknown }: HealthDocument,
  colors: Colors,
): string {
  const right = (head: string) => ({ head, align: 'right' as const })
  const columns = [
    ...[{ head: 'sync' }, right('runs'), right('failed'), right('eligible'), right('suppressed'), right('contract')],
    ...[
      right('acked'),
      right('errors'),
      right('retries'),
      right('twice prevented'),
      right('waiting'),
      right('letters'),
    ],
    ...[right('lag'), right('took'), right('cost')],
  ]
  const lines = syncs.length > 1 ? [...syncs, all] : syncs
  const unknown = unknownFigures(all).map(why => `not known, ${why}`)
  const matched =
    match_rate === null
      ? `match rate is not known: ${match_rate_unknown}`
      : `${percent(match_rate)} of identifiers lead to a person`
  const oldest =
    all.waiting_since === null || all.waiting === null
      ? []
      : [`${counted(all.waiting, 'change')} waiting, the oldest since ${instant(Date.parse(all.waiting_since))}`]
  return [
    colors.bold('health'),
    colors.dim(`runs since ${instant(Date.parse(since))}; a dash is not known`),
    renderTable(...known(columns, lines.map(line))),
    ...[matched, ...oldest, ...unknown].map(note => colors.dim(printable(`- ${note}`))),
  ].join('\n')
}

/** Without the columns that have no figure at all: why is told below. */
function known(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
): readonly [readonly TableColumn[], readonly (readonly string[])[]] {
  const shown = columns.map((_, index) => rows.length === 0 || rows.some(row => row[index] !== '–'))
  return [columns.filter((_, index) => shown[index]), rows.map(row => row.filter((_, index) => shown[index]))]
}

function line(entry: HealthEntry): readonly string[] {
  const share = (value: number | null) => (value === null ? '–' : percent(value))
  const count = (value: number | null) => (value === null ? '–' : grouped(value))
  const time = (spread: HealthEntry['latency']) => (spread === null ? '–' : duration(spread.median * 1000))
  const { runs, sends } = entry
  return [
    ...[printable(entry.sync ?? 'all'), grouped(runs.total), grouped(runs.failed), share(entry.eligible_share)],
    ...[share(entry.suppressed_share), share(entry.contract_compliance), grouped(sends.acked), share(entry.error_rate)],
    ...[share(entry.retry_rate), count(entry.duplicates_prevented), count(entry.waiting), count(entry.dead_letters)],
    ...[time(entry.queue_lag), time(entry.latency), entry.cost === null ? '–' : entry.cost.toFixed(2)],
  ]
}
