import type { Ledger, Run } from '../../ledger/ledger.ts'
import type { Plan } from '../../plan/plan.ts'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import type { Project, Sync } from '../../project/project.ts'
import { actorOf, reasonOf } from '../deed.ts'
import { type HeldPlan, heldPlanOf, readHeldPlan } from '../held-plan.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { changesLine } from '../render/plan.ts'
import { printable } from '../render/text.ts'
import { knownSync, openProject, withWired } from '../session.ts'

/** What is approved: a plan that was held, or the hash of one that a dry run showed and the ledger has not seen. */
interface Approved {
  readonly sync: Sync
  readonly planHash: string
  readonly held: HeldPlan | undefined
}

/** How the plan's configuration compares with that of the last run that was executed. */
type Configuration = 'first' | 'changed' | 'same'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const project = await openProject(invocation)
  const reason = reasonOf(input)
  const name = input.argument('sync')
  const named = name === undefined ? undefined : knownSync(project, name)
  return withWired(invocation, project, async wired => {
    const ledger = await wired.ledger()
    const approved = await findPlan(ledger, project, named, input.text('plan'))
    const actor = actorOf(input, wired)
    refuseStranger(approved.sync, actor)
    const { sync, planHash, held } = approved
    const configuration = held === undefined ? undefined : await compareConfiguration(ledger, held)
    const detail = held === undefined ? {} : { send: held.plan.decisions.send, guard: held.plan.guard.reasons }
    await ledger.approve({ planHash, sync: sync.name, actor, reason, at: wired.clock.now() }, detail)
    if (flags.json) await terminal.write(toJson(documentOf(approved, configuration, actor, reason)))
    else await terminal.write(`${printable(`approved plan ${planHash} of ${sync.name}, by ${actor}`)}\n`)
    for (const line of held === undefined ? unseen : reviewLines(held.plan, configuration))
      terminal.say(printable(line))
    terminal.say('The next run executes it, if it then is still the same plan.')
    return 'ok' as const
  })
}

const unseen = ['  This plan has not been held yet: the approval waits for it.']

async function findPlan(
  ledger: Ledger,
  project: Project,
  named: Sync | undefined,
  hash: string | undefined,
): Promise<Approved> {
  if (hash !== undefined) return findByHash(ledger, project, named, hash.toLowerCase())
  const syncs = named === undefined ? project.syncs : [named]
  const found: Approved[] = []
  for (const sync of syncs) {
    const held = await heldPlanOf(ledger, sync.name)
    if (held !== undefined) found.push({ sync, planHash: held.plan.plan_hash, held })
  }
  const [only, ...others] = found
  if (only !== undefined && others.length === 0) return only
  const whose = named === undefined ? '' : ` of ${named.name}`
  if (only === undefined)
    throw noPlan(`no plan${whose} is held`, 'a run that is held records its plan; see activate status')
  const names = found.map(({ sync }) => sync.name).join(', ')
  throw noPlan(`plans of ${found.length} syncs are held: ${names}`, 'name one of them')
}

const wholeHash = /^[0-9a-f]{64}$/

async function findByHash(
  ledger: Ledger,
  { syncs }: Project,
  named: Sync | undefined,
  hash: string,
): Promise<Approved> {
  const within = named === undefined ? {} : { sync: named.name }
  const runs = hash === '' ? [] : await ledger.runs({ ...within, status: 'held', planHash: hash })
  const [run, ...others] = newestOfEach(runs)
  if (others.length > 0) throw noPlan(`"${hash}" is the beginning of several held plans`, 'write more of its hash')
  const sync = named ?? syncs.find(({ name }) => name === run?.sync)
  if (sync !== undefined && run?.planHash !== undefined)
    return { sync, planHash: run.planHash, held: readHeldPlan(run) }
  if (named !== undefined && wholeHash.test(hash)) return { sync: named, planHash: hash, held: undefined }
  const help =
    'activate history --json lists plan hashes; one that was only shown by dry-run needs its sync and the whole hash'
  throw noPlan(`no held plan begins with "${hash}"`, help)
}

/** Several nights may have held the same plan. */
function newestOfEach(runs: readonly Run[]): readonly Run[] {
  return [...new Map(runs.toReversed().map(run => [run.planHash, run])).values()]
}

function noPlan(message: string, help: string): ActivateError {
  return new ActivateError('failed', { code: 'A8012', message, help })
}

function refuseStranger(sync: Sync, actor: string): void {
  const owns = (owner: string) => owner.trim().toLowerCase() === actor.toLowerCase()
  if (sync.owners.length === 0 || sync.owners.some(owns)) return
  throw new ActivateError('failed', {
    code: 'A4044',
    message: `${actor} is not an owner of ${sync.name}`,
    place: sync.place,
    help: `owners: ${sync.owners.join(', ')}; an owner approves with --by, or with ACTIVATE_USER set`,
  })
}

async function compareConfiguration(ledger: Ledger, { plan }: HeldPlan): Promise<Configuration> {
  const runs = await ledger.runs({ sync: plan.sync, planHash: '', limit: 1_000 })
  const executed = runs.find(run => run.status !== 'held' && run.outbox !== undefined)
  const before = executed === undefined ? undefined : readHeldPlan(executed)
  if (before === undefined) return 'first'
  return before.plan.config_hash === plan.config_hash ? 'same' : 'changed'
}

const configurationWords: Readonly<Record<Configuration, string>> = {
  first: 'no run has gone by it yet',
  changed: 'changed since the last run',
  same: 'as at the last run',
}

function reviewLines(plan: Plan, configuration: Configuration | undefined): readonly string[] {
  const line = (label: string, text: string) => `  ${label.padEnd(14)} ${text}`
  return [
    line('send', `${plan.decisions.send} of ${changesLine(plan)}`),
    ...plan.guard.reasons.map(reason => line('guard', reason)),
    ...(plan.approval.because === undefined ? [] : [line('approval', plan.approval.because)]),
    ...(configuration === undefined ? [] : [line('configuration', configurationWords[configuration])]),
  ]
}

function documentOf(
  { sync, planHash, held }: Approved,
  configuration: Configuration | undefined,
  by: string,
  reason: string,
) {
  const plan = held?.plan
  return {
    schema: 'activate.approve/1',
    ...{ sync: sync.name, plan_hash: planHash, by, reason, run_id: held?.run.runId ?? null },
    ...{ changes: plan?.changes ?? null, decisions: plan?.decisions ?? null, guard: plan?.guard.reasons ?? null },
    configuration: configuration ?? null,
  }
}
