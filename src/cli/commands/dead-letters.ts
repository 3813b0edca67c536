import type { DeadLetter, LetterContent } from '../../ledger/dead-letter.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import type { Json, Project } from '../../project/project.ts'
import { dropLetters, replayLetters } from '../../run/dead-letters.ts'
import type { Wired } from '../../wire.ts'
import { actorOf, reasonOf } from '../deed.ts'
import type { Invocation } from '../invocation.ts'
import {
  dropEntry,
  letterEntry,
  renderDropped,
  renderLetter,
  renderLetters,
  renderReplayed,
  replayEntry,
} from '../render/dead-letters.ts'
import { renderProblems } from '../render/errors.ts'
import { toJson } from '../render/json.ts'
import { maskFields } from '../render/mask.ts'
import { printable } from '../render/text.ts'
import { chosenSyncs, knownSync, logicalClock, openProject, withWired } from '../session.ts'
import { unknownName } from '../unknown-name.ts'

export const letterActions = ['list', 'show', 'replay', 'drop'] as const
type LetterAction = (typeof letterActions)[number]

/** Letters that are listed unless `--limit` says otherwise. */
const listed = 100
/** Letters that are read from the ledger at a time. */
const chunk = 1_000

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { input } = invocation
  const action = actionOf(input.argument('action'))
  const project = await openProject(invocation)
  return withWired(invocation, project, async wired => {
    await { list, show, replay, drop }[action](invocation, project, wired)
    return 'ok' as const
  })
}

function actionOf(written = 'list'): LetterAction {
  const action = letterActions.find(each => each === written)
  if (action !== undefined) return action
  throw unknownName(`dead-letters does not know "${written}"`, written, letterActions, 'actions')
}

async function list(invocation: Invocation, project: Project, wired: Wired): Promise<void> {
  const { flags, input, terminal } = invocation
  refuse(input.list('id').length > 0, 'list takes no ids', '`activate dead-letters show <id>` shows one')
  const ledger = await wired.ledger()
  const syncs = await syncsMeant(invocation, project, wired)
  const limit = input.count('limit', 1) ?? listed
  const letters = await openOnes(ledger, syncs, limit)
  const counts = await ledger.countOpenLetters('sync')
  const total = [...counts].reduce((sum, [sync, open]) => sum + (syncs === undefined || syncs.has(sync) ? open : 0), 0)
  const contents = await ledger.openLetters(letters.map(({ letterId }) => letterId))
  const rows = letters.map(letter => ({ letter, content: contents.get(letter.letterId) }))
  if (!flags.json) {
    await terminal.write(`${renderLetters(rows, total)}\n`)
    return
  }
  const entries = rows.map(({ letter, content }) => ({ ...letterEntry(letter), key: content?.key ?? null }))
  await terminal.write(toJson({ schema: 'activate.dead_letters/1', total, letters: entries }))
}

async function show({ flags, input, terminal }: Invocation, _project: Project, wired: Wired): Promise<void> {
  const [id, ...others] = input.list('id')
  if (id === undefined || others.length > 0) throw wrongArgument('show needs one id', helpToFind)
  const ledger = await wired.ledger()
  const letter = await findLetter(ledger, id)
  const content = (await ledger.openLetters([letter.letterId])).get(letter.letterId)
  const shown = content === undefined ? undefined : readable(content, input.flag('showPii'))
  if (flags.json) {
    const { key = null, message = null, fields = null } = shown ?? {}
    await terminal.write(
      toJson({ schema: 'activate.dead_letter/1', letter: { ...letterEntry(letter), key, message, fields } }),
    )
  } else await terminal.write(`${renderLetter(letter, shown, terminal.paint)}\n`)
}

function readable(content: LetterContent, showPii: boolean) {
  const { key, message } = content
  const fields =
    content.fields === undefined ? undefined : (JSON.parse(content.fields) as Readonly<Record<string, Json>>)
  if (showPii) return { key, message, fields }
  const masked = maskFields({ message })?.message
  return { key, message: String(masked), fields: fields === undefined ? undefined : (maskFields(fields) ?? undefined) }
}

async function replay(invocation: Invocation, project: Project, wired: Wired): Promise<void> {
  const { flags, input, terminal } = invocation
  const deed = { reason: reasonOf(input), actor: actorOf(input, wired) }
  const asOf = logicalClock(invocation, project, wired.clock.now())
  const bySync = bySyncOf(await chosenLetters(invocation, project, wired))
  for (const sync of bySync.keys()) refuseGone(project, sync)
  const entries: unknown[] = []
  for (const [name, letters] of bySync) {
    const sync = knownSync(project, name)
    const replayed = await replayLetters(wired, sync, letters, deed, asOf)
    entries.push(replayEntry(sync, replayed))
    if (!flags.json) await terminal.write(`${renderReplayed(sync, replayed)}\n`)
    if (replayed.problems.length > 0) terminal.say(renderProblems(replayed.problems, terminal.paint))
  }
  const { actor: by, reason } = deed
  if (flags.json) await terminal.write(toJson({ schema: 'activate.dead_letters_replay/1', by, reason, syncs: entries }))
  else
    terminal.say('Nothing was sent. The next run plans these rows anew, asks every rule again, and sends what passes.')
}

function refuseGone(project: Project, name: string): void {
  if (project.syncs.some(sync => sync.name === name)) return
  throw new ActivateError('failed', {
    code: 'A4049',
    message: `the letters of ${name} cannot be replayed: the project has no such sync any more`,
    help: `bring syncs/${name}.yml back, or let them rest: activate dead-letters drop`,
  })
}

async function drop(invocation: Invocation, project: Project, wired: Wired): Promise<void> {
  const { flags, input, terminal } = invocation
  const deed = { reason: reasonOf(input), actor: actorOf(input, wired) }
  const bySync = bySyncOf(await chosenLetters(invocation, project, wired))
  const entries: unknown[] = []
  for (const [name, letters] of bySync) {
    const dropped = await dropLetters(wired, project.syncs.find(sync => sync.name === name) ?? { name }, letters, deed)
    entries.push(dropEntry(name, dropped))
    if (!flags.json) await terminal.write(`${printable(renderDropped(name, dropped))}\n`)
  }
  const { actor: by, reason } = deed
  if (flags.json) await terminal.write(toJson({ schema: 'activate.dead_letters_drop/1', by, reason, syncs: entries }))
}

/** The open letters that are named one by one, or all of the syncs that are meant. */
async function chosenLetters(invocation: Invocation, project: Project, wired: Wired): Promise<readonly DeadLetter[]> {
  const { flags, input } = invocation
  const ids = input.list('id')
  const several =
    input.flag('all') || input.text('sync') !== undefined || flags.select.length + flags.exclude.length > 0
  refuse(ids.length > 0 && several, 'ids were given, and all of something too', helpToChoose)
  refuse(ids.length === 0 && !several, 'no letter was named', helpToChoose)
  const ledger = await wired.ledger()
  if (!several) return namedLetters(ledger, ids)
  const letters = await openOnes(ledger, await syncsMeant(invocation, project, wired), Number.MAX_SAFE_INTEGER)
  if (letters.length > 0) return letters
  throw new ActivateError('failed', { code: 'A4048', message: 'there is no open dead letter there', help: helpToFind })
}

async function namedLetters(ledger: Ledger, ids: readonly string[]): Promise<readonly DeadLetter[]> {
  const letters = new Map<string, DeadLetter>()
  for (const id of ids) {
    const letter = await findLetter(ledger, id)
    if (letter.state !== 'open')
      throw new ActivateError('failed', {
        code: 'A4048',
        message: `the dead letter ${letter.letterId} is ${letter.state}, and not open any more`,
        help: helpToFind,
      })
    letters.set(letter.letterId, letter)
  }
  return [...letters.values()]
}

/** The one letter whose id begins so. */
async function findLetter(ledger: Ledger, id: string): Promise<DeadLetter> {
  const [letter, second] = await ledger.deadLetters({ ids: [id.toLowerCase()], limit: 2 })
  if (letter !== undefined && (second === undefined || letter.letterId === id)) return letter
  const message = letter === undefined ? `there is no dead letter "${id}"` : `several dead letters begin with "${id}"`
  throw new ActivateError('failed', { code: 'A4048', message, help: helpToFind })
}

const helpToFind = '`activate dead-letters` lists those that are open'
const helpToChoose = 'give ids, or --all, --sync NAME or --select; `activate dead-letters` lists those that are open'

/** Undefined means all, those of syncs that the project no longer has among them. */
async function syncsMeant(
  invocation: Invocation,
  project: Project,
  wired: Wired,
): Promise<ReadonlySet<string> | undefined> {
  const { flags, input } = invocation
  const name = input.text('sync')
  const selects = flags.select.length + flags.exclude.length > 0
  refuse(selects && name !== undefined, '--sync and --select exclude each other', helpToChoose)
  if (selects) return new Set((await chosenSyncs(invocation, project, wired)).map(sync => sync.name))
  if (name === undefined) return undefined
  const ledger = await wired.ledger()
  if (((await ledger.countOpenLetters('sync')).get(name) ?? 0) === 0) knownSync(project, name)
  return new Set([name])
}

async function openOnes(
  ledger: Ledger,
  syncs: ReadonlySet<string> | undefined,
  limit: number,
): Promise<readonly DeadLetter[]> {
  const letters: DeadLetter[] = []
  for (const sync of syncs ?? [undefined]) {
    let after: string | undefined
    while (letters.length < limit) {
      const range = { ...(sync === undefined ? {} : { sync }), ...(after === undefined ? {} : { after }) }
      const found = await ledger.deadLetters({
        state: 'open',
        limit: Math.min(chunk, limit - letters.length),
        ...range,
      })
      if (found.length === 0) break
      letters.push(...found)
      after = found.at(-1)?.letterId
    }
  }
  return letters
}

function bySyncOf(letters: readonly DeadLetter[]): ReadonlyMap<string, readonly DeadLetter[]> {
  const bySync = new Map<string, DeadLetter[]>()
  for (const letter of letters) {
    const own = bySync.get(letter.sync)
    if (own === undefined) bySync.set(letter.sync, [letter])
    else own.push(letter)
  }
  return bySync
}

function refuse(wrong: boolean, message: string, help: string): void {
  if (wrong) throw wrongArgument(message, help)
}

function wrongArgument(message: string, help: string): ActivateError {
  return new ActivateError('invalid', { code: 'A8003', message, help })
}
