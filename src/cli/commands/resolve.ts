import { type ParkedChange, type ResolvedSync, type Verdict, verdicts } from '../../plan/resolve.ts'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import type { Project } from '../../project/project.ts'
import { isOf, listParked, notParked, resolveParked } from '../../run/resolve.ts'
import type { Wired } from '../../wire.ts'
import { actorOf, reasonOf } from '../deed.ts'
import type { Input, Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { renderTable } from '../render/table.ts'
import { counted, instant, printable } from '../render/text.ts'
import { chosenSyncs, knownSync, openProject, withWired } from '../session.ts'
import { canonicalKey } from './inspect.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input } = invocation
  const verdict = verdictOf(input)
  if (verdict !== undefined && flags.select.length + flags.exclude.length > 0)
    throw wrongArgument('--select and --exclude choose what is listed', 'name one sync, and rows by --key or --all')
  const project = await openProject(invocation)
  const named = input.argument('sync')
  return withWired(invocation, project, async wired => {
    if (verdict === undefined) await showParked(invocation, project, wired, named)
    else await resolve(invocation, wired, named, verdict)
    return 'ok' as const
  })
}

/** Undefined when nothing but the list is asked for. */
function verdictOf(input: Input): Verdict | undefined {
  const given = verdicts.filter(verdict => input.flag(verdict))
  if (given.length > 1) throw wrongArgument('more than one verdict was given', 'give --acked, --retry or --drop')
  const [verdict] = given
  if (verdict !== undefined) return verdict
  if (input.flag('all') || input.list('key').length > 0 || input.text('reason') !== undefined)
    throw wrongArgument('the verdict is missing', 'say what became of it: --acked, --retry or --drop')
  return undefined
}

async function showParked(
  invocation: Invocation,
  project: Project,
  wired: Wired,
  named: string | undefined,
): Promise<void> {
  const { flags, terminal } = invocation
  const all = await listParked(await wired.warehouse(), named === undefined ? {} : { sync: named })
  if (all.length === 0 && named !== undefined) knownSync(project, named)
  const parked = await onlyChosen(invocation, project, wired, all)
  if (flags.json) await terminal.write(toJson({ schema: 'activate.parked/1', parked: parked.map(parkedEntry) }))
  else await terminal.write(`${renderParked(parked, project)}\n`)
}

/** Selectors know the syncs of the project; without any, what others left behind is listed as well. */
async function onlyChosen(
  invocation: Invocation,
  project: Project,
  wired: Wired,
  parked: readonly ParkedChange[],
): Promise<readonly ParkedChange[]> {
  const { select, exclude } = invocation.flags
  if (select.length + exclude.length === 0) return parked
  const chosen = new Set((await chosenSyncs(invocation, project, wired)).map(({ name }) => name))
  return parked.filter(({ sync }) => chosen.has(sync))
}

async function resolve(
  { flags, input, terminal }: Invocation,
  wired: Wired,
  named: string | undefined,
  verdict: Verdict,
): Promise<void> {
  const keys = keysOf(input, named)
  const reason = reasonOf(input)
  const actor = actorOf(input, wired)
  const sync = await syncNamed(wired, named ?? (await syncOfKeys(wired, keys ?? [])))
  const resolved = await resolveParked(wired, sync, { verdict, keys, actor, reason })
  const entry = { sync: sync.name, verdict, by: actor, reason, resolved: resolved.map(parkedEntry) }
  if (flags.json) await terminal.write(toJson({ schema: 'activate.resolve/1', ...entry }))
  else await terminal.write(`${printable(`${counted(resolved.length, 'row')} of ${sync.name} ${outcomes[verdict]}`)}\n`)
  if (verdict === 'retry' && !hasSync(wired.project, sync.name))
    terminal.say(printable(`no run sends it: the project has no sync ${sync.name} any more`))
}

/** The sync of the project, or the name of one that it no longer has and that left parked rows behind. Throws A8009. */
async function syncNamed({ project, warehouse }: Wired, name: string): Promise<ResolvedSync> {
  const left = hasSync(project, name) ? [] : await listParked(await warehouse(), { sync: name })
  return left.length > 0 ? { name } : knownSync(project, name)
}

function hasSync({ syncs }: Project, name: string): boolean {
  return syncs.some(sync => sync.name === name)
}

const outcomes: Readonly<Record<Verdict, string>> = {
  acked: 'arrived: acknowledged, as if the destination had said so',
  retry: 'did not arrive: the next run plans what is due then',
  drop: 'dropped: neither sent nor waited for; caps and re-entry go on counting what may have arrived',
}

/** Undefined means all of the sync. */
function keysOf(input: Input, named: string | undefined): readonly string[] | undefined {
  const keys = input.list('key').map(canonicalKey)
  if (input.flag('all') === keys.length > 0)
    throw wrongArgument(keys.length > 0 ? '--key and --all exclude each other' : 'no row was named', helpToName)
  if (keys.length > 0) return [...new Set(keys)]
  if (named === undefined) throw wrongArgument('--all needs the name of a sync', helpToName)
  return undefined
}

const helpToName = 'give --key KEY, as often as needed, or SYNC --all; `activate resolve` lists what is parked'

function wrongArgument(message: string, help: string): ActivateError {
  return new ActivateError('invalid', { code: 'A8003', message, help })
}

/** The only sync in which these are parked: what became of one message says nothing of another. */
async function syncOfKeys(wired: Wired, keys: readonly string[]): Promise<string> {
  const parked = await listParked(await wired.warehouse(), {})
  const unknown = keys.find(key => !parked.some(change => isOf(change, key)))
  if (unknown !== undefined) throw notParked(`"${unknown}" is not parked`, parked, unknown)
  const found = parked.filter(change => keys.some(key => isOf(change, key))).map(({ sync }) => sync)
  const [only = '', ...others] = new Set(found)
  if (others.length === 0) return only
  throw wrongArgument(`the keys are parked in ${[only, ...others].join(', ')}`, 'name one of these syncs')
}

/** A parked row as scripts see it. */
function parkedEntry({ sync, key, person, op, changeId, runId, since }: ParkedChange): Record<string, unknown> {
  return { sync, key, person: person ?? null, op: op ?? null, change_id: changeId, run_id: runId, since }
}

function renderParked(parked: readonly ParkedChange[], project: Project): string {
  if (parked.length === 0) return 'nothing is parked'
  const table = renderTable(
    ['sync', 'key', 'change', 'since', 'run'].map(head => ({ head })),
    parked.map(({ sync, key, op, since, runId }) =>
      [
        hasSync(project, sync) ? sync : `${sync} (no longer in the project)`,
        key,
        op ?? '',
        instant(Date.parse(since)),
        runId,
      ].map(printable),
    ),
  )
  return `${table}\n\n${counted(parked.length, 'row')} may or may not have arrived: activate resolve SYNC --acked | --retry | --drop, with --key KEY or --all`
}
