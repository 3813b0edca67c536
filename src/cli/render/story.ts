/** One person's story as a person reads it: where they stand, what stands in the way, and what happened, night by night. */
import type { Blocked, Standing, Story, StoryEvent } from '../../report/story.ts'
import type { Colors } from '../terminal.ts'
import { maskFields } from './mask.ts'
import { symbols } from './plan.ts'
import { instant, printable, shorten } from './text.ts'

/** The same story with personal data masked. */
export function maskStory(story: Story): Story {
  return {
    ...story,
    standings: story.standings.map(standing => ({ ...standing, fields: maskFields(standing.fields) })),
  }
}

export function renderStory(story: Story, colors: Colors): string {
  const title = colors.bold(printable(story.key))
  if (story.standings.length === 0 && story.events.length === 0 && story.blocked.length === 0) {
    return `${title}\n  nothing ever happened to this key`
  }
  return [
    title,
    ...story.standings.flatMap(standing => standingLines(standing, colors)),
    ...story.blocked.map(blocked => blockedLine(blocked, colors)),
    ...(story.events.length === 0 ? [] : ['', colors.bold('what happened')]),
    ...story.events.map(event => eventLine(event, colors)),
  ].join('\n')
}

const standingWords: Readonly<Record<string, string>> = {
  member: 'is in',
  withheld: 'is in, but withheld by a holdout',
  left: 'is out',
}

function standingLines(standing: Standing, colors: Colors): readonly string[] {
  const since = standing.changed_at === null ? '' : ` since ${when(standing.changed_at)}`
  const counts = `entered ${times(standing.episode)}, ${standing.version} acknowledged`
  const words = standingWords[standing.standing] ?? printable(standing.standing)
  const fields = Object.entries(standing.fields ?? {})
  const width = Math.max(0, ...fields.map(([name]) => name.length))
  return [
    `  ${colors.cyan(printable(standing.sync))} ${words}${since} (${counts})`,
    ...fields.map(
      ([name, value]) => `      ${printable(name).padEnd(width)}  ${shorten(printable(JSON.stringify(value)), 80)}`,
    ),
  ]
}

function blockedLine(blocked: Blocked, colors: Colors): string {
  const said = blocked.message === null ? '' : `: ${printable(blocked.message)}`
  const until =
    blocked.next_attempt_at === null
      ? 'until the row changes'
      : `until ${when(blocked.next_attempt_at)} or the row changes`
  const why =
    blocked.why === 'rejected'
      ? `was refused, not tried again ${until}`
      : 'may or may not have arrived; a person has to resolve it'
  return `  ${colors.cyan(printable(blocked.sync))} ${colors.yellow(why)}${said}`
}

function eventLine(event: StoryEvent, colors: Colors): string {
  const symbol = event.op === 'enter' || event.op === 'change' || event.op === 'leave' ? symbols[event.op] : '?'
  const because = event.reason === null || event.reason === '' ? '' : ` because ${printable(event.reason)}`
  const outcome = event.outcome === null || event.outcome === '' ? '' : `, ${paintOutcome(event.outcome, colors)}`
  const error = event.error === null ? '' : ` (${printable(event.error.code)}: ${printable(event.error.message)})`
  const verb = decisionWords[event.decision] ?? printable(event.decision)
  return `  ${colors.dim(when(event.as_of))}  ${printable(event.sync)}  ${symbol} ${event.op}: ${verb}${because}${outcome}${error}`
}

const decisionWords: Readonly<Record<string, string>> = {
  send: 'sent',
  withhold: 'withheld',
  defer: 'deferred',
  skip: 'skipped',
  blocked: 'blocked',
}

function paintOutcome(outcome: string, colors: Colors): string {
  return outcome === 'acked' ? colors.green('acknowledged') : colors.yellow(printable(outcome))
}

function when(iso: string): string {
  const time = Date.parse(iso)
  return Number.isNaN(time) ? printable(iso) : instant(time)
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}
