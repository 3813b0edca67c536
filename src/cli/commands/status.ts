import type { Run } from '../../ledger/ledger.ts'
import type { Plan } from '../../plan/plan.ts'
import { stateRelation } from '../../plan/state.ts'
import type { ExitReason } from '../../project/problem.ts'
import type { Sync } from '../../project/project.ts'
import { nextDue } from '../../schedule/cron.ts'
import { render, sql } from '../../warehouse/sql.ts'
import type { Wired } from '../../wire.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { paintStatus } from '../render/run.ts'
import { renderTable } from '../render/table.ts'
import { grouped, instant, printable } from '../render/text.ts'
import { chosenSyncs, openProject, withWired } from '../session.ts'
import type { Colors } from '../terminal.ts'
import { historyEntry } from './history.ts'

interface SyncStatus {
  readonly sync: Sync
  readonly last: Run | undefined
  readonly nextDue: number | undefined
  /** Keys that are refused, and keys that a person has to resolve, at this moment. */
  readonly rejected: number
  readonly parked: number
  /** Rows that the last run with a plan left out. */
  readonly quarantined: number
  readonly unsettled: number
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
      quarantined: await countQuarantined(sync, wired),
      unsettled: unsettled.length,
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
    last_run: status.last === undefined ? null : historyEntry(status.last),
    rejected: status.rejected,
    parked: status.parked,
    quarantined: status.quarantined,
    unsettled_runs: status.unsettled,
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
      remark(last, status.unsettled),
    ]),
  )
}

function remark(last: Run | undefined, unsettled: number): string {
  if (last?.error !== undefined) return `${last.error.code}: ${printable(last.error.message)}`
  if (unsettled > 0 && last?.status !== 'running') return 'the next run settles what the last one left'
  return ''
}
