import { resolve } from 'node:path'
import type { OptOut } from '../../ledger/governance.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { ActivateError, type ExitReason, type Problem } from '../../project/problem.ts'
import type { Project } from '../../project/project.ts'
import { readCsv } from '../../warehouse/csv-file.ts'
import { actorOf } from '../deed.ts'
import type { Input, Invocation } from '../invocation.ts'
import { guessKind, keyKind, knownChannel, namedKind, type OptOutKind, optOutOf } from '../opt-out.ts'
import { toJson } from '../render/json.ts'
import { maskFields } from '../render/mask.ts'
import { counted, grouped, printable } from '../render/text.ts'
import { openProject, withWired } from '../session.ts'

/** What was asked for: opt-outs, and words for them that do not give the person away. */
interface Asked {
  readonly optOuts: readonly OptOut[]
  readonly words: string
}

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, io, terminal } = invocation
  const value = input.argument('value')
  const file = input.text('file')
  if ((value === undefined) === (file === undefined))
    throw wrongArgument('give one value to suppress, or --file FILE.csv')
  const reason = reasonName(input)
  const project = await openProject(invocation)
  const written = input.text('channel')
  const channel = written === undefined ? undefined : knownChannel(project, written)
  const asked =
    value === undefined
      ? await fromFile(project, resolve(io.cwd, file ?? ''), input, channel)
      : fromValue(project, value, input, channel)
  return withWired(invocation, project, async wired => {
    const deed = { actor: actorOf(input, wired), at: wired.clock.now() }
    const done = await carryOut(await wired.ledger(), asked, deed, input.flag('lift'), reason)
    const document = { schema: 'activate.suppress/1', channel: channel ?? null, reason, by: deed.actor, ...done }
    await terminal.write(flags.json ? toJson(document) : `${printable(sentence(asked, channel, done))}\n`)
    return 'ok' as const
  })
}

type Done = { readonly added: number; readonly already: number } | { readonly lifted: number }

async function carryOut(
  ledger: Ledger,
  { optOuts }: Asked,
  deed: { readonly actor: string; readonly at: number },
  lift: boolean,
  reason: string,
): Promise<Done> {
  if (lift) return { lifted: await ledger.liftSuppression(optOuts, deed) }
  return ledger.suppress(optOuts, { ...deed, reason })
}

function sentence({ optOuts, words }: Asked, channel: string | undefined, done: Done): string {
  const where = channel === undefined ? 'on every channel' : `on ${channel}`
  const one = optOuts.length === 1
  if ('lifted' in done) {
    if (done.lifted === 0) return `nothing to lift: ${words} ${one ? 'is' : 'are'} not suppressed ${where}`
    return `lifted ${one ? words : `${grouped(done.lifted)} of ${words}`} ${where}: may be sent to again`
  }
  if (done.added === 0) return `${words} ${one ? 'was' : 'were'} suppressed ${where} already`
  const before = done.already === 0 ? '' : ` (${grouped(done.already)} already were)`
  return `suppressed ${words} ${where}${before}, from this moment on`
}

/** Part of `suppression.<reason>` in plans. */
function reasonName(input: Input): string {
  const reason = input.text('reason') ?? 'opt_out'
  if (/^[A-Za-z][A-Za-z0-9_-]*$/.test(reason)) return reason
  throw wrongArgument('--reason is one word such as opt_out, complaint or deceased')
}

function wrongArgument(message: string): ActivateError {
  return new ActivateError('invalid', { code: 'A8003', message })
}

function fromValue(project: Project, value: string, input: Input, channel: string | undefined): Asked {
  const name = input.text('identifier')
  const kind = name === undefined ? guessKind(project, value) : namedKind(project, name)
  if ('code' in kind) throw new ActivateError('invalid', kind)
  const optOut = optOutOf(kind, value, channel)
  if ('code' in optOut) throw new ActivateError('invalid', optOut)
  return { optOuts: [optOut], words: `${kind.name} ${mask(kind, value)}` }
}

function mask(kind: OptOutKind, value: string): string {
  const shown = maskFields({ [kind.isKey ? 'key' : 'address']: value.trim() })
  return String(Object.values(shown ?? {})[0])
}

/** More rows than this are counted, not listed. */
const listedProblems = 20

/** All of them are one transaction, and no run records a request while it is written: about a second for so many. */
const mostRows = 50_000

/** All rows or none: the first column of a CSV with a header, whose name may say which identifier it holds. */
async function fromFile(project: Project, path: string, input: Input, channel: string | undefined): Promise<Asked> {
  const optOuts: OptOut[] = []
  const problems: Problem[] = []
  let kind = input.text('identifier') === undefined ? undefined : namedKind(project, input.text('identifier') ?? '')
  for await (const { row, line, fields } of readCsv(path)) {
    const [value = ''] = fields
    if (row === 0) {
      refuseLostHeader(path, value)
      kind ??= kindOfHeader(project, value)
      continue
    }
    if (row > mostRows) throw tooLong(path)
    const rowKind = kind ?? guessKind(project, value)
    const found = 'code' in rowKind ? rowKind : optOutOf(rowKind, value, channel)
    if ('code' in found) problems.push({ ...found, message: `row ${row} (line ${line}): ${found.message}` })
    else optOuts.push(found)
  }
  if (problems.length > listedProblems) {
    const more = { code: 'A8013', message: `and ${grouped(problems.length - listedProblems)} rows more` }
    throw new ActivateError('invalid', [...problems.slice(0, listedProblems), more])
  }
  if (problems.length > 0) throw new ActivateError('invalid', problems)
  if (optOuts.length === 0) throw new ActivateError('invalid', { code: 'A8013', message: `${path} has no rows` })
  return { optOuts, words: counted(optOuts.length, 'value') }
}

function tooLong(path: string): ActivateError {
  return new ActivateError('invalid', {
    code: 'A8013',
    message: `${path} has more than ${grouped(mostRows)} rows`,
    help: 'a list of this size belongs under policies.suppression in activate.yml, or in several files',
  })
}

/** A list without a header would lose its first person. */
function refuseLostHeader(path: string, first: string): void {
  if (!first.includes('@') && !/\d{5}/.test(first)) return
  throw new ActivateError('invalid', {
    code: 'A8013',
    message: `the first line of ${path} looks like a value, not like a header`,
    help: 'name the column in the first line, for instance email',
  })
}

function kindOfHeader(project: Project, header: string): OptOutKind | undefined {
  const names = [keyKind(project), ...(project.identity?.identifiers ?? [])].map(({ name }) => name)
  return names.includes(header.trim()) ? namedKind(project, header.trim()) : undefined
}
