/** How well the machinery worked: the same figures for all syncs together and for each. */
import { html } from 'hono/html'
import { type HealthDocument, type HealthEntry, unknownFigures } from '../health/health.ts'
import type { Html } from './chart.ts'
import { type Cell, table, tiles } from './table.ts'
import { date, number, seconds, share } from './words.ts'

export function healthSection(health: HealthDocument): Html {
  const { all, syncs, since, until } = health
  return html`<section id="health" aria-labelledby="health-title"><h2 id="health-title">Health</h2>
<p class="facts">Runs from ${date(since)} to ${date(until)}; rows and people as of the last plan of each sync.</p>
${tiles(headTiles(health))}
<h3>Every sync</h3>${table('A figure that cannot be known is a dash; what is missing stands below', columns, syncs.map(syncRow), 'cards dense')}
${unknownList(all)}
</section>`
}

function headTiles({ all, match_rate: match, match_rate_unknown: unknown }: HealthDocument) {
  const { runs, sends } = all
  const time = (spread: HealthEntry['latency']) => (spread === null ? '–' : seconds(spread.median))
  const note = (name: string, text: string | undefined) => {
    const said = all.unknown[name] ?? text
    return said === undefined ? {} : { note: said }
  }
  const p95 = (spread: HealthEntry['latency']) => (spread === null ? undefined : `95 % within ${seconds(spread.p95)}`)
  return [
    {
      name: 'Runs that ended well',
      value: runs.total === 0 ? '–' : `${number(runs.succeeded)} of ${number(runs.total)}`,
      note: runs.total === 0 ? 'no run in this time' : `${number(runs.failed)} failed, ${number(runs.held)} held`,
    },
    {
      name: 'Sent and acknowledged',
      value: share(all.ack_rate),
      ...note('ack_rate', `${number(sends.acked)} of ${number(sends.planned)}`),
    },
    { name: 'Errors', value: share(all.error_rate), ...note('error_rate', `${number(sends.rejected)} refused`) },
    {
      name: 'Retries per request',
      value: share(all.retry_rate),
      ...note('retry_rate', `${number(all.retries)} of ${number(all.requests)} requests`),
    },
    {
      name: 'May take part',
      value: share(all.eligible_share),
      ...note('eligible_share', `${number(all.eligible ?? 0)} of ${number(all.model_rows ?? 0)} rows`),
    },
    {
      name: 'Suppressed',
      value: share(all.suppressed_share),
      ...note('suppressed_share', `${number(all.suppressed ?? 0)} rows, by consent or a list`),
    },
    {
      name: 'Duplicates prevented',
      value: all.duplicates_prevented === null ? '–' : number(all.duplicates_prevented),
      ...note('duplicates_prevented', undefined),
    },
    {
      name: 'Rows that keep their contract',
      value: share(all.contract_compliance),
      ...note('contract_compliance', undefined),
    },
    { name: 'Match rate', value: share(match), ...(unknown === null ? {} : { note: unknown }) },
    { name: 'Start after due time', value: time(all.queue_lag), ...note('queue_lag', p95(all.queue_lag)) },
    { name: 'Length of a run', value: time(all.latency), ...note('latency', p95(all.latency)) },
    {
      name: 'Waiting now',
      value: all.waiting === null ? '–' : number(all.waiting),
      ...note('waiting', all.waiting_since === null ? undefined : `the oldest since ${date(all.waiting_since)}`),
    },
    {
      name: 'Dead letters',
      value: all.dead_letters === null ? '–' : number(all.dead_letters),
      ...note('dead_letters', undefined),
    },
    { name: 'Cost of messages', value: all.cost === null ? '–' : all.cost.toFixed(2), ...note('cost', undefined) },
  ]
}

const right = (name: string) => ({ name, numeric: true })
const columns = [
  { name: 'Sync' },
  ...[right('Runs'), right('May take part'), right('Suppressed'), right('Contract'), right('Twice prevented')],
  ...[right('Acked'), right('Errors'), right('Retries'), right('Waiting'), right('Dead letters')],
]

function syncRow(entry: HealthEntry): readonly Cell[] {
  const count = (value: number | null) => (value === null ? '–' : number(value))
  const { runs, sends } = entry
  return [
    entry.sync ?? '',
    runs.failed > 0 ? `${number(runs.total)} (${number(runs.failed)} failed)` : number(runs.total),
    ...[share(entry.eligible_share), share(entry.suppressed_share), share(entry.contract_compliance)],
    ...[count(entry.duplicates_prevented), number(sends.acked), share(entry.error_rate), share(entry.retry_rate)],
    ...[count(entry.waiting), count(entry.dead_letters)],
  ]
}

function unknownList(all: HealthEntry): Html {
  const lines = unknownFigures(all)
  if (lines.length === 0) return html``
  return html`<h3>Not known</h3><ul>${lines.map(line => html`<li class="info">${line}</li>`)}</ul>`
}
