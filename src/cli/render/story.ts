/** One person's story as a person reads it: where they stand, what stands in the way, and what happened, night by night. */
import type {
  Blocked,
  Exposure,
  Ineligible,
  Person,
  Quarantined,
  Standing,
  Story,
  StoryEvent,
} from '../../report/story.ts'
import type { Colors } from '../terminal.ts'
import { maskFields } from './mask.ts'
import { symbols } from './plan.ts'
import { instant, printable, shorten } from './text.ts'

/** The same story with personal data masked. */
export function maskStory(story: Story): Story {
  return {
    ...story,
    standings: story.standings.map(standing => ({ ...standing, fields: maskFields(standing.fields) })),
    exposures: story.exposures.map(each => ({ ...each, fields: maskFields(each.fields) })),
    quarantined: story.quarantined.map(each => ({ ...each, row: maskFields(each.row) })),
  }
}

export function renderStory(story: Story, colors: Colors): string {
  const title = colors.bold(printable(story.key))
  const { standings, events, blocked, ineligible, exposures, quarantined } = story
  if (
    story.person === null &&
    [standings, events, blocked, ineligible, exposures, quarantined].every(each => each.length === 0)
  ) {
    return `${title}\n  nothing ever happened to this key`
  }
  return [
    title,
    ...personLines(story.person, story.key),
    ...standings.flatMap(standing => standingLines(standing, story.key, colors)),
    ...ineligible.map(each => ineligibleLine(each, story.key, colors)),
    ...exposures.flatMap(each => exposureLines(each, colors)),
    ...blocked.map(each => blockedLine(each, colors)),
    ...quarantined.flatMap(each => quarantinedLines(each, colors)),
    ...(events.length === 0 ? [] : ['', colors.bold('what happened')]),
    ...events.map(event => eventLine(event, story.key, colors)),
  ].join('\n')
}

function personLines(person: Person | null, asked: string): readonly string[] {
  if (person === null) return []
  const { entity, other_keys: others, history } = person
  const same =
    others.length === 0
      ? []
      : [`  is one person with ${others.map(printable).join(', ')}, known as ${printable(entity)}`]
  const words: Readonly<Record<string, string>> = { merged: 'merged with', split: 'split from' }
  const told = history.flatMap(({ as_of: at, event, entity: one, other }) =>
    other === null || words[event] === undefined
      ? []
      : [`  ${at === null ? '' : `${when(at)}  `}${words[event]} ${printable(other === asked ? one : other)}`],
  )
  return [...same, ...told]
}

const standingWords: Readonly<Record<string, string>> = {
  member: 'is in',
  withheld: 'is in, but withheld by a holdout',
  left: 'is out',
  remains: 'is out, and was left alone at the destination',
}

/** A person may have several rows; the key of one is told where it is not the person's own. */
function whose(sync: string, key: string, asked: string, colors: Colors): string {
  return `${colors.cyan(printable(sync))}${key === asked || key === '' ? '' : ` ${printable(key)}`}`
}

function ineligibleLine({ sync, key, reason, since, until }: Ineligible, asked: string, colors: Colors): string {
  const from = since === null ? '' : when(since)
  const stretch =
    until === null
      ? colors.yellow(`may not take part since ${from}`)
      : `could not take part from ${from} to ${when(until)}`
  return `  ${whose(sync, key, asked, colors)} ${stretch} because ${printable(reason)}`
}

function exposureLines(
  { sync, holdout, epoch, arm, triggered_at: at, fields }: Exposure,
  colors: Colors,
): readonly string[] {
  const drawn = `holdout ${printable(holdout)}, epoch ${printable(epoch)}`
  const since = at === null ? '' : ` since ${when(at)}`
  return [
    `  ${colors.cyan(printable(sync))} ${arm === 'withheld' ? colors.yellow('withheld by') : 'treated under'} ${drawn}${since}`,
    ...(arm === 'withheld' && fields !== null ? ['    what would have been sent', ...fieldLines(fields)] : []),
  ]
}

function standingLines(standing: Standing, asked: string, colors: Colors): readonly string[] {
  const since = standing.changed_at === null ? '' : ` since ${when(standing.changed_at)}`
  const counts = `entered ${times(standing.episode)}, ${standing.version} acknowledged`
  const words = standingWords[standing.standing] ?? printable(standing.standing)
  return [
    `  ${whose(standing.sync, standing.key, asked, colors)} ${words}${since} (${counts})`,
    ...fieldLines(standing.fields),
  ]
}

function fieldLines(fields: Standing['fields']): readonly string[] {
  const entries = Object.entries(fields ?? {})
  const width = Math.max(0, ...entries.map(([name]) => name.length))
  return entries.map(
    ([name, value]) => `      ${printable(name).padEnd(width)}  ${shorten(printable(JSON.stringify(value)), 80)}`,
  )
}

/** The row is shown as long as it is there to be mended. */
function quarantinedLines({ sync, reason, since, until, row }: Quarantined, colors: Colors): readonly string[] {
  const from = since === null ? '' : when(since)
  const because = `because ${printable(reason)}`
  if (until !== null)
    return [`  ${colors.cyan(printable(sync))} was in quarantine ${from} to ${when(until)} ${because}`]
  return [
    `  ${colors.cyan(printable(sync))} ${colors.yellow(`is in quarantine since ${from}`)} ${because}`,
    ...fieldLines(row),
  ]
}

function blockedLine(blocked: Blocked, colors: Colors): string {
  const said = blocked.message === null ? '' : `: ${printable(blocked.message)}`
  const until =
    blocked.next_attempt_at === null || blocked.next_attempt_at.startsWith('9999-')
      ? 'until the row changes'
      : `until ${when(blocked.next_attempt_at)} or the row changes`
  const why =
    blocked.why === 'rejected'
      ? `was refused, not tried again ${until}`
      : 'may or may not have arrived; activate resolve says which'
  return `  ${colors.cyan(printable(blocked.sync))} ${colors.yellow(why)}${said}`
}

function eventLine(event: StoryEvent, asked: string, colors: Colors): string {
  const symbol = event.op === 'enter' || event.op === 'change' || event.op === 'leave' ? symbols[event.op] : '?'
  const because = event.reason === null || event.reason === '' ? '' : ` because ${printable(event.reason)}`
  const outcome = event.outcome === null || event.outcome === '' ? '' : `, ${paintOutcome(event.outcome, colors)}`
  const error = event.error === null ? '' : ` (${printable(event.error.code)}: ${printable(event.error.message)})`
  const basis = event.basis === null ? '' : ` on the basis of ${printable(event.basis)}`
  const verb = decisionWords[event.decision] ?? printable(event.decision)
  return `  ${colors.dim(when(event.as_of))}  ${whose(event.sync, event.key, asked, colors)}  ${symbol} ${event.op}: ${verb}${because}${outcome}${basis}${error}${reportsText(event.reports)}`
}

/** What the destination said later, in its own words. */
function reportsText(reports: StoryEvent['reports']): string {
  const said = reports.map(({ outcome, code }) => printable(code === null ? outcome : `${outcome} (${code})`))
  return said.length === 0 ? '' : `; reported ${said.join(', ')}`
}

const decisionWords: Readonly<Record<string, string>> = {
  send: 'sent',
  withhold: 'withheld',
  defer: 'deferred',
  skip: 'skipped',
  blocked: 'blocked',
}

function paintOutcome(outcome: string, colors: Colors): string {
  if (outcome === 'acked') return colors.green('acknowledged')
  return colors.yellow(outcome === 'dropped' ? 'dropped: it may have arrived' : printable(outcome))
}

function when(iso: string): string {
  const time = Date.parse(iso)
  return Number.isNaN(time) ? printable(iso) : instant(time)
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}
