import type { Tally } from '../../ledger/erasure.ts'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import { type EraseOptions, type Erasure, erasePerson } from '../../run/erase.ts'
import { actorOf } from '../deed.ts'
import type { Input, Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { renderTable } from '../render/table.ts'
import { counted, grouped, printable } from '../render/text.ts'
import { openProject, withWired } from '../session.ts'
import { stateFilesOf } from '../state-files.ts'
import { canonicalKey } from './inspect.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const key = canonicalKey((input.argument('key') ?? '').trim())
  if (key === '') throw wrongArgument('give the key of the person to erase')
  const dryRun = input.flag('dryRun')
  const atDestinations = choiceOf(input)
  const project = await openProject(invocation)
  if (!dryRun && !input.flag('yes')) await confirm(invocation)
  const erasure = await withWired(invocation, project, wired =>
    erasePerson(wired, stateFilesOf(project.root), key, { dryRun, atDestinations, actor: actorOf(input, wired) }),
  )
  await terminal.write(flags.json ? toJson(documentOf(erasure)) : `${rendered(erasure)}\n`)
  return erasure.status === 'removing' || (erasure.status === 'erased' && erasure.remains.length > 0) ? 'partial' : 'ok'
}

function choiceOf(input: Input): EraseOptions['atDestinations'] {
  const [first, keep] = [input.flag('removeFirst'), input.flag('keepAtDestinations')]
  if (first && keep) throw wrongArgument('--remove-first and --keep-at-destinations exclude each other')
  return first ? 'remove-first' : keep ? 'keep' : undefined
}

/** The key is not repeated: it may be in a terminal that is recorded. */
async function confirm({ io, flags, terminal }: Invocation): Promise<void> {
  const asked = flags.json ? undefined : await io.ask?.('Erase this person? It cannot be undone. Type yes to go on: ')
  if (asked?.trim() === 'yes') return
  if (asked !== undefined) terminal.say('Nothing was erased.')
  throw new ActivateError('invalid', {
    code: 'A8021',
    message: 'nobody has confirmed that the person is to be erased',
    help: 'look with --dry-run at what would go, then say --yes',
  })
}

function wrongArgument(message: string): ActivateError {
  return new ActivateError('invalid', { code: 'A8003', message })
}

function documentOf({ status, keys, ledger, warehouse, files, leftAt, until, remains }: Erasure) {
  return {
    schema: 'activate.erase/1',
    ...{ status, keys, removed: { ledger, warehouse, files } },
    still_at: leftAt.map(({ destination, sync, removable }) => ({ destination, sync, removable })),
    kept_out_until: new Date(until).toISOString(),
    remains,
  }
}

function rendered(erasure: Erasure): string {
  const { status, keys, ledger, warehouse, files, leftAt, until, remains } = erasure
  const rows = [...rowsOf('ledger', ledger), ...rowsOf('warehouse', warehouse), ...rowsOf('files', files)]
  const table =
    rows.length === 0
      ? []
      : [renderTable([{ head: 'where' }, { head: 'what' }, { head: 'rows', align: 'right' }], rows), '']
  const found = rows.length === 0 && status !== 'removing' ? ['Nothing is stored under this key.', ''] : []
  const there = leftAt.map(({ destination, sync, removable }) => {
    const run = status === 'removing' ? `the next run of ${sync} removes it` : `--remove-first lets ${sync} remove it`
    const how = removable && status !== 'erased' ? run : 'only there can it be deleted'
    return `still at ${destination}, sent by ${sync}: ${how}`
  })
  return [
    ...table,
    ...found,
    ...there.map(printable),
    ...remains.map(what => `remains: ${printable(what)}`),
    ...(there.length + remains.length > 0 ? [''] : []),
    sentence(status, keys, new Date(until).toISOString().slice(0, 10)),
  ].join('\n')
}

function sentence(status: Erasure['status'], keys: number, until: string): string {
  const who = keys === 1 ? 'the person' : `the person, known by ${counted(keys, 'key')},`
  if (status === 'counted') return `Nothing was changed. Erasing would remove this, and keep ${who} out until ${until}.`
  if (status === 'removing')
    return `From now on ${who} is kept out, until ${until}. Not erased yet: run, then erase again with the same key.`
  return `Erased. As long as the source still has ${who} nothing is sent, until ${until}.`
}

function rowsOf(where: string, tally: Tally): readonly (readonly string[])[] {
  return Object.entries(tally).map(([what, rows]) => [where, printable(what), grouped(rows)])
}
