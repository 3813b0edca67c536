/** What the demo prints: each night with what went out and what did not, and at the end what it all came to. */
import type { RunSummary } from '../../run.ts'
import type { DemoNight } from '../../sandbox/demo-nights.ts'
import type { DemoReport } from '../demo.ts'
import type { Colors } from '../terminal.ts'
import { paintStatus, warningLines } from './run.ts'
import { renderTable } from './table.ts'
import { counted, grouped, printable } from './text.ts'

/** Lines of text are broken before this width, so that they fit where a table does. */
const width = 79

/** The night's date and title, and what to watch out for. */
export function renderHeading({ date, title, remark }: DemoNight, colors: Colors): string {
  return [colors.bold(`${date}, ${title}`), ...fill(remark.split(' '), width)].join('\n')
}

/** The syncs that had something to do as a table; the others by name; and why people were left out, over all syncs. */
export function renderNight(runs: readonly RunSummary[], colors: Colors): string {
  const busy = runs.filter(run => run.requests > 0 || run.status !== 'succeeded')
  const idle = runs.filter(run => !busy.includes(run)).map(({ sync }) => printable(sync))
  const reasons = sumReasons(runs).map(([reason, count]) => `${grouped(count)} ${printable(reason)}`)
  return [
    ...(busy.length === 0 ? [] : [nightTable(busy, colors)]),
    ...(idle.length === 0 ? [] : [colors.dim(listed('nothing to send: ', idle))]),
    ...(reasons.length === 0 ? [] : [listed('left out: ', reasons)]),
    ...warningLines(runs, colors),
  ].join('\n')
}

/** Narrower than that of `run`: what is parked or pending is told together. */
function nightTable(runs: readonly RunSummary[], colors: Colors): string {
  const heads = ['acked', 'rejected', 'open', 'requests', 'retries']
  return renderTable(
    [{ head: 'sync' }, { head: 'status' }, ...heads.map(head => ({ head, align: 'right' as const }))],
    runs.map(({ sync, status, outcomes, requests, retries }) => [
      printable(sync),
      paintStatus(status, colors),
      ...[outcomes.acked, outcomes.rejected, outcomes.parked + outcomes.pending, requests, retries].map(grouped),
    ]),
  )
}

/** Without those of a sync's mode: somebody who leaves a trigger's model is left alone because nothing was due. */
function sumReasons(runs: readonly RunSummary[]): readonly (readonly [string, number])[] {
  const sums = new Map<string, number>()
  for (const [reason, count] of runs.flatMap(({ plan }) => Object.entries(plan?.reasons ?? {})))
    sums.set(reason, (sums.get(reason) ?? 0) + count)
  return [...sums]
    .filter(([reason, count]) => count > 0 && !reason.startsWith('mode.'))
    .sort(([a, some], [b, others]) => others - some || (a < b ? -1 : 1))
}

/** The items after their title, broken between items; further lines are set in. */
function listed(title: string, items: readonly string[]): string {
  const separated = items.map((item, index) => (index === items.length - 1 ? item : `${item},`))
  return fill(separated, width - title.length)
    .map((line, index) => `${index === 0 ? title : ' '.repeat(title.length)}${line}`)
    .join('\n')
}

/** Puts as many words into each line as fit. */
function fill(words: readonly string[], room: number): readonly string[] {
  const lines: string[] = []
  for (const word of words) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + word.length <= room) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}

export function renderEnd(report: DemoReport, colors: Colors): string {
  const { counts } = report.sandbox
  return [
    colors.bold(`What went out in ${counted(report.nights.length, 'night')}`),
    ...programmeLines(report),
    '',
    colors.bold('What happened'),
    `  The sandbox received ${counted(counts.requests, 'request')}, ${grouped(counts.faults + counts.throttled)} of which met a fault or its rate limit.`,
    `  It now holds ${counted(counts.contacts, 'contact')}, ${counted(counts.tasks, 'task')} and ${counted(counts.emails + counts.sms, 'message')}, ${grouped(counts.duplicates)} of them duplicates.`,
    ...report.checks.map(({ what, found, ok }) => {
      const line = fill([`${what}:`, found], width - 8).join('\n        ')
      return `  ${ok ? colors.green('ok  ') : colors.red('FAIL')}  ${line}`
    }),
    '',
    colors.bold('Where to look'),
    ...placesToLook(report),
  ].join('\n')
}

function programmeLines({ programmes }: DemoReport): readonly string[] {
  const rows = programmes.map(({ sync, acked, to }) => [printable(sync), grouped(acked), printable(to)])
  const table = renderTable([{ head: '' }, { head: '', align: 'right' }, { head: '' }], rows)
  return table
    .split('\n')
    .filter(line => line !== '')
    .map(line => `  ${line}`)
}

function placesToLook({ folder, interesting, lastNight, sandboxState }: DemoReport): readonly string[] {
  return [
    `  activate -C ${folder} status`,
    `  activate -C ${folder} history`,
    ...(interesting === null ? [] : [`  activate -C ${folder} inspect ${interesting}`]),
    `  activate -C ${folder} dry-run --as-of ${lastNight}     # the last night again: nothing to send`,
    `  activate sandbox --state ${sandboxState}     # its page shows all that arrived`,
  ]
}
