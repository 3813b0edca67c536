import type { Hold } from '../../ledger/governance.ts'
import type { Ledger, Run } from '../../ledger/ledger.ts'
import type { Plan } from '../../plan/plan.ts'
import { stateRelation } from '../../plan/state.ts'
import type { ExitReason } from '../../project/problem.ts'
import type { Sync } from '../../project/project.ts'
import { describeHold, holdOver } from '../../run/permission.ts'
import { unchangedSince } from '../../run/quiet.ts'
import { nextDue } from '../../schedule/cron.ts'
import { render, sql } from '../../warehouse/sql.ts'
import type { Wired } from '../../wire.ts'
import { type HeldPlan, heldPlanOf } from '../held-plan.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { paintStatus, quietRemark } from '../render/run.ts'
import { renderTable } from '../render/table.ts'
import { counted, grouped, instant, printable } from '../render/text.ts'
import { chosenSyncs, openProject, withWired } from '../session.ts'
import type { Colors } from '../terminal.ts'
import { historyEntry } from './history.ts'
import { holdEntry } from './hold.ts'

interface SyncStatus {
  readonly sync: Sync
  readonly last: Run | undefined
  readonly nextDue: number | undefined
  /** Keys that are refused, and keys that a person has to resolve, at this moment. */
  readonly rejected: number
  readonly parked: number
  /** Letters of refused rows that are kept at this moment, of all runs and of the last one. */
  readonly deadLetters: number
  readonly lastDeadLetters: number
  /** Rows that the last run with a plan left out. */
  readonly quarantined: number
  readonly unsettled: number
  /** The hold that covers the sync. */
  readonly hold: Hold | undefined
  /** A held plan that nobody has approved yet. */
  readonly awaiting: HeldPlan | undefined
}

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, terminal } = invocation
  const project = await openProject(invocation)
  return withWired(invocation, project, async wired => {
    const statuses = await readStatuses(await chosenSyncs(invocation, project, wired), wired)
    if (flags.json) await terminal.write(toJson({ schema: 'activate.status/1', syncs: statuses.map(statusEntry) }))
    else await terminal.write(`${renderStatuses(statuses, terminal.paint)}\n`)
    return 'ok' as const
  })
}

async function readStatuses(syncs: readonly Sync[], wired: Wired): Promise<readonly SyncStatus[]> {
  const ledger = await wired.ledger()
  const rejected = await countBySync('rejections', wired)
  const parked = await countBySync('unresolved', wired)
  const deadLetters = await ledger.countOpenLetters('sync')
  const ofRuns = await ledger.countOpenLetters('runId')
  const now = wired.clock.now()
  const statuses: SyncStatus[] = []
  for (const sync of syncs) {
    const [last] = await ledger.runs({ sync: sync.name, limit: 1 })
    const unsettled = await ledger.runs({ sync: sync.name, unsettled: true })
    statuses.push({
      sync,
      last,
      nextDue:
        sync.schedule === undefined || !sync.enabled ? undefined : nextDue(sync.schedule, wired.project.timezone, now),
      rejected: rejected[sync.name] ?? 0,
      parked: parked[sync.name] ?? 0,
      deadLetters: deadLetters.get(sync.name) ?? 0,
      lastDeadLetters: last === undefined ? 0 : (ofRuns.get(last.runId) ?? 0),
      quarantined: await countQuarantined(sync, wired),
      unsettled: unsettled.length,
      hold: await holdOver(ledger, sync),
      awaiting: await awaitingApproval(ledger, sync),
    })
  }
  return statuses
}

/** A run may fail before it has a plan; then the one before is the last word. */
const runsAskedForAPlan = 30

async function countQuarantined(sync: Sync, wired: Wired): Promise<number> {
  const ledger = await wired.ledger()
  const runs = await ledger.runs({ sync: sync.name, limit: runsAskedForAPlan })
  const plan = runs.find(run => run.plan !== undefined)?.plan as Partial<Plan> | undefined
  return plan?.rows?.quarantined ?? 0
}

async function awaitingApproval(ledger: Ledger, sync: Sync): Promise<HeldPlan | undefined> {
  const held = await heldPlanOf(ledger, sync.name)
  if (held === undefined) return undefined
  return (await ledger.approvalOf(held.plan.plan_hash)) === undefined ? held : undefined
}

/** A table that does not exist yet counts nothing. */
async function countBySync(
  table: 'rejections' | 'unresolved',
  wired: Wired,
): Promise<Readonly<Record<string, number>>> {
  const warehouse = await wired.warehouse()
  const { dialect, state } = warehouse
  if (!(await warehouse.tables(state, table)).includes(table)) return {}
  const counted = sql`select sync, count(*) as keys from ${stateRelation(dialect, state, table)} group by sync`
  const rows = await warehouse.query(render(counted, dialect.placeholder))
  return Object.fromEntries(rows.map(row => [String(row.sync), Number(row.keys)]))
}

function statusEntry(status: SyncStatus): Record<string, unknown> {
  const { sync } = status
  return {
    sync: sync.name,
    enabled: sync.enabled,
    schedule: sync.schedule ?? null,
    next_due: status.nextDue === undefined ? null : new Date(status.nextDue).toISOString(),
    last_run: status.last === undefined ? null : historyEntry(status.last, status.lastDeadLetters),
    rejected: status.rejected,
    parked: status.parked,
    dead_letters: status.deadLetters,
    quarantined: status.quarantined,
    unsettled_runs: status.unsettled,
    hold: status.hold === undefined ? null : holdEntry(status.hold),
    awaits_approval: status.awaiting === undefined ? null : awaitingEntry(status.awaiting),
  }
}

function awaitingEntry({ run, plan }: HeldPlan): Record<string, unknown> {
  const { plan_hash, decisions, guard, approval } = plan
  return {
    plan_hash,
    run_id: run.runId,
    send: decisions.send,
    guard: guard.reasons,
    approval: approval.because ?? null,
  }
}

function renderStatuses(statuses: readonly SyncStatus[], colors: Colors): string {
  const right = (head: string) => ({ head, align: 'right' as const })
  return renderTable(
    [
      { head: 'sync' },
      { head: 'status' },
      { head: 'as of' },
      right('acked'),
      right('rejected'),
      right('parked'),
      right('quarantined'),
      right('pending'),
      { head: 'next due' },
      { head: '' },
    ],
    statuses.map(({ sync, last, ...status }) => [
      printable(sync.name),
      sync.enabled ? paintStatus(last?.status ?? 'never', colors) : colors.dim('disabled'),
      last === undefined ? '' : instant(last.asOf),
      last?.outcomes === undefined ? '' : grouped(last.outcomes.acked),
      grouped(status.rejected),
      grouped(status.parked),
      grouped(status.quarantined),
      last?.outcomes === undefined ? '' : grouped(last.outcomes.pending),
      status.nextDue === undefined ? 'not scheduled' : instant(status.nextDue),
      remark(sync, last, status),
    ]),
  )
}

function remark(
  sync: Sync,
  last: Run | undefined,
  status: Pick<SyncStatus, 'hold' | 'awaiting' | 'unsettled' | 'deadLetters'>,
): string {
  const { hold, awaiting, unsettled, deadLetters } = status
  const since = last === undefined ? undefined : unchangedSince(last)
  const parts = [
    ...(hold === undefined ? [] : [printable(describeHold(hold))]),
    ...(last?.error === undefined || (hold !== undefined && last.error.code === 'A4013')
      ? []
      : [`${last.error.code}: ${printable(last.error.message)}`]),
    ...(awaiting === undefined ? [] : [`activate approve ${printable(sync.name)} lets it pass`]),
    ...(unsettled > 0 && last?.error === undefined && last?.status !== 'running'
      ? ['the next run settles what the last one left']
      : []),
    ...(since === undefined ? [] : [quietRemark(printable(since))]),
    ...(deadLetters > 0 ? [counted(deadLetters, 'open dead letter')] : []),
  ]
  return parts.join('; ')
}
