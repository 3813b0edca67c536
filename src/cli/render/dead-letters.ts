/** Dead letters for people and for scripts. */
import type { DeadLetter, LetterContent } from '../../ledger/dead-letter.ts'
import type { Forecast } from '../../plan/replay.ts'
import type { Json, Sync } from '../../project/project.ts'
import type { Dropped, Replayed, ReplayedLetter } from '../../run/dead-letters.ts'
import type { Colors } from '../terminal.ts'
import { errorEntry } from './json.ts'
import { renderTable } from './table.ts'
import { counted, grouped, instant, printable, shorten } from './text.ts'

/** A letter as scripts see it, without what is sealed. */
export function letterEntry(letter: DeadLetter): Record<string, unknown> {
  const iso = (at: number | undefined) => (at === undefined ? null : new Date(at).toISOString())
  return {
    id: letter.letterId,
    ...{ sync: letter.sync, destination: letter.destination, action: letter.action, op: letter.op },
    ...{ state: letter.state, class: letter.class, code: letter.code, attempts: letter.attempts },
    ...{ change_id: letter.changeId, run_id: letter.runId },
    ...{ at: iso(letter.at), expires_at: iso(letter.expiresAt) },
    ...{ replayed_at: iso(letter.replayedAt), ended_at: iso(letter.endedAt) },
  }
}

interface Listed {
  readonly letter: DeadLetter
  readonly content: LetterContent | undefined
}

export function renderLetters(rows: readonly Listed[], total: number): string {
  if (rows.length === 0) return 'there is no open dead letter'
  const table = renderTable(
    ['id', 'sync', 'key', 'change', 'code', 'refused', 'since', 'expires'].map(head => ({ head })),
    rows.map(({ letter, content }) => [
      letter.letterId,
      printable(letter.sync),
      shorten(printable(content?.key ?? ''), 40),
      letter.op,
      printable(letter.code),
      letter.attempts === 1 ? 'once' : `${grouped(letter.attempts)} times`,
      instant(letter.at),
      `${instant(letter.expiresAt)}${letter.replayedAt === undefined ? '' : ', replayed'}`,
    ]),
  )
  const more = total > rows.length ? `, of which ${grouped(rows.length)} are shown: --limit N shows more` : ''
  return `${table}\n\n${counted(total, 'open dead letter')}${more}`
}

interface Shown {
  readonly key: string
  readonly message: string
  readonly fields: Readonly<Record<string, Json>> | undefined
}

export function renderLetter(letter: DeadLetter, shown: Shown | undefined, colors: Colors): string {
  const { attempts } = letter
  const who = letter.class === 'refused' ? `${letter.destination} refused it` : 'it could not be sent'
  const lines = [
    `${colors.cyan(letter.letterId)} ${letter.state}`,
    `  ${letter.sync}: ${letter.op} by ${letter.action}${shown === undefined ? '' : `, ${shown.key}`}`,
    `  ${who} ${attempts === 1 ? 'once' : `${grouped(attempts)} times`}, last ${instant(letter.at)}: ${letter.code}`,
    ...(shown === undefined ? [] : [`  ${shown.message}`]),
    `  run ${letter.runId}, change ${letter.changeId}`,
    ...(letter.replayedAt === undefined ? [] : [`  made due again ${instant(letter.replayedAt)}`]),
    letter.endedAt === undefined ? `  kept until ${instant(letter.expiresAt)}` : `  erased ${instant(letter.endedAt)}`,
  ]
  return [...lines.map(printable), ...fieldLines(letter, shown).map(printable)].join('\n')
}

function fieldLines({ state }: DeadLetter, shown: Shown | undefined): readonly string[] {
  if (shown === undefined) return state === 'open' ? [] : ['  what it held is gone']
  if (shown.fields === undefined) return ['  its fields were too large to be kept']
  return Object.entries(shown.fields).map(([name, value]) => `    ${name}: ${JSON.stringify(value)}`)
}

/** One sync of `replay --json`. */
export function replayEntry(sync: Sync, { letters, problems }: Replayed): Record<string, unknown> {
  return {
    sync: sync.name,
    letters: letters.map(({ letter, key, forecast }) => ({
      id: letter.letterId,
      key,
      in_model: forecast === undefined ? null : forecast.kind !== 'gone' && !isLeaver(forecast),
      forecast: forecast === undefined ? null : forecastEntry(forecast),
    })),
    problems: problems.map(errorEntry),
  }
}

function isLeaver(forecast: Forecast): boolean {
  return forecast.kind === 'decided' && forecast.op === 'leave'
}

function forecastEntry(forecast: Forecast): Record<string, unknown> {
  if (forecast.kind !== 'decided') return { ...forecast }
  const { op, decision, reason = null } = forecast
  return { kind: 'decided', op, decision, reason }
}

/** How many of the letters a run would do what with, most first. */
export function renderReplayed(sync: Sync, { letters }: Replayed): string {
  const head = printable(`${sync.name}: ${counted(letters.length, 'row is', 'rows are')} due again`)
  const groups = new Map<string, ReplayedLetter[]>()
  for (const replayed of letters) {
    const said = outlook(replayed.forecast)
    const group = groups.get(said)
    if (group === undefined) groups.set(said, [replayed])
    else group.push(replayed)
  }
  const lines = [...groups]
    .sort(([, left], [, right]) => right.length - left.length)
    .map(([said, of]) => printable(`  ${grouped(of.length)} ${said}: ${keysOf(of)}`))
  const off = sync.enabled ? [] : ['  the sync is not enabled: a run skips it']
  return [head, ...lines, ...off].join('\n')
}

function keysOf(replayed: readonly ReplayedLetter[]): string {
  const few = replayed.slice(0, 5).map(({ key }) => shorten(key, 40))
  return replayed.length > few.length ? `${few.join(', ')}, …` : few.join(', ')
}

function outlook(forecast: Forecast | undefined): string {
  switch (forecast?.kind) {
    case undefined:
      return 'planned by the next run; what it would do could not be found out'
    case 'gone':
      return 'not in the model any more, so that there is nothing to send'
    case 'unchanged':
      return 'in the model, with nothing to send'
    case 'quarantined':
      return 'in quarantine, so that nothing is sent'
    case 'ineligible':
      return `in the model, but may not take part (${forecast.reason})`
    case 'decided': {
      const because = forecast.reason === undefined ? '' : ` (${forecast.reason})`
      if (forecast.decision === 'send')
        return forecast.op === 'leave'
          ? 'not in the model any more: would be sent as a leaver'
          : 'in the model: would be sent'
      return `${forecast.op === 'leave' ? 'not in the model any more' : 'in the model'}: would not be sent now, ${forecast.decision}${because}`
    }
  }
}

export function dropEntry(sync: string, { letters, unread }: Dropped): Record<string, unknown> {
  return { sync, letters, unread }
}

export function renderDropped(sync: string, { letters, unread }: Dropped): string {
  const dropped = `${counted(letters, 'letter')} of ${sync} dropped, and what they held is erased; the rows are sent again only once they change`
  if (unread === 0) return dropped
  return `${dropped}, but for ${grouped(unread)} that could not be read with the key there is: those rows are tried again when they change or their date comes`
}
