/**
 * Picks up what dead runs of a sync left behind, before anything new is planned: requests that may have left are resent or
 * parked as their idempotency allows, those that never left are cancelled, and what the ledger knows is settled. Tonight's
 * plan then starts from what the destination truly has.
 */
import type { DeliveryTotals } from '../delivery/deliver.ts'
import { redeliver } from '../delivery/recover.ts'
import type { Lease, Members, Run } from '../ledger/ledger.ts'
import type { PlannedChange } from '../plan/plan.ts'
import { isSettled } from '../plan/settle.ts'
import { query } from '../plan/stage.ts'
import { outboxName } from '../plan/state.ts'
import { prepareState, type StateRelations } from '../plan/state-tables.ts'
import { ActivateError } from '../project/problem.ts'
import type { Sync } from '../project/project.ts'
import { raw } from '../warehouse/sql.ts'
import { endSettledLetters } from './dead-letters.ts'
import { lastLook } from './last-look.ts'
import { deliveryContext, type Night, readSends } from './night.ts'
import { dropOutbox, refuseWithoutLease, settleRun } from './settle.ts'
import { lookingBack, withdrawnSince } from './withdrawn.ts'

/** Settles every unsettled run of the sync but `current`, oldest first. */
export async function recoverRuns(
  night: Night,
  sync: Sync,
  current: string,
  lease: () => Lease,
  signal: AbortSignal,
): Promise<void> {
  const ledger = await night.wired.ledger()
  const left = await ledger.runs({ sync: sync.name, unsettled: true })
  const dead = left.filter(run => run.runId !== current).sort((a, b) => a.startedAt - b.startedAt)
  if (dead.length === 0) return
  const state = await prepareState(night.warehouse, sync.name)
  for (const run of dead) await recoverRun(night, sync, state, run, lease, signal)
  const { warehouse, wired } = night
  const runIds = dead.map(({ runId }) => runId)
  await endSettledLetters({ warehouse, ledger, lease, sync, runIds, now: wired.clock.now() }, state)
}

async function recoverRun(
  night: Night,
  sync: Sync,
  state: StateRelations,
  run: Run,
  lease: () => Lease,
  signal: AbortSignal,
): Promise<void> {
  const { warehouse, wired } = night
  const ledger = await wired.ledger()
  const requests = await ledger.requests(run.runId)
  const finished = { finishedAt: run.finishedAt ?? wired.clock.now(), settled: true } as const
  const status = run.status === 'running' ? 'interrupted' : run.status
  if (run.outbox === undefined) {
    await dropOutbox(warehouse, run.runId)
    await ledger.updateRun(run.runId, { ...finished, status }, lease())
    return
  }
  await wired.failpoints.reach('recover.found')
  const settled = await wasSettled(night, state, run.runId)
  if (!settled && !(await outboxExists(night, run.runId))) throw lostOutbox(run, requests.length)
  if (!settled && requests.length > 0) {
    const read = (members: Members) => readMembers(night, run, members)
    const withdrawn = await withdrawnSince(night, sync, run, requests, read)
    const totals = await redeliver({
      ...deliveryContext(night, sync, run.runId, lease, signal),
      ledger,
      destination: await wired.destination(sync.destination),
      requests,
      read,
      recheck: lookingBack(lastLook(ledger, sync, 0), withdrawn),
      onProgress: () => undefined,
    })
    refuseWithoutLease(totals, sync)
    refuseUnfinished(totals, run, sync)
  }
  await wired.failpoints.reach('recover.redelivered')
  const { failpoints } = wired
  const outcomes = await settleRun(
    {
      failpoints,
      warehouse,
      ledger,
      lease,
      sync,
      run,
      status,
      mapping: run.mapping ?? '',
      plan: run.plan,
      now: wired.clock.now(),
    },
    state,
  )
  await failpoints.reach('recover.settled')
  await ledger.updateRun(run.runId, { ...finished, status, outcomes }, lease())
}

/** What is left in doubt must not be planned anew: nothing is, until the next run has taken it up (docs/decisions/0039). */
function refuseUnfinished({ open, stopped }: DeliveryTotals, { runId }: Run, { place }: Sync): void {
  if (open === 0 || stopped === undefined) return
  throw new ActivateError('failed', {
    code: stopped.code,
    message: `${stopped.message}; ${open} records of run ${runId} may have arrived, and are waiting to be repeated or asked about`,
    place,
    help: 'nothing is parked and nothing new was planned: the next run goes on where this one stopped',
  })
}

async function wasSettled(night: Night, state: StateRelations, runId: string): Promise<boolean> {
  const [row] = await query(night.warehouse, isSettled(state.tables.runs, runId))
  return Number(row?.n) > 0
}

async function outboxExists(night: Night, runId: string): Promise<boolean> {
  const tables = await night.warehouse.tables(night.warehouse.state, outboxName(runId))
  return tables.includes(outboxName(runId))
}

/** The changes of a request, exactly as they were planned. */
async function readMembers(
  night: Night,
  run: Pick<Run, 'runId' | 'startedAt' | 'asOf'>,
  members: Members,
): Promise<readonly PlannedChange[]> {
  const outbox = raw(night.warehouse.dialect.relation([...night.warehouse.state, outboxName(run.runId)]))
  const range = 'seqs' in members ? { from: Math.min(...members.seqs), to: Math.max(...members.seqs) } : members
  const wanted = 'seqs' in members ? new Set(members.seqs) : undefined
  const changes: PlannedChange[] = []
  for await (const chunk of readSends(night.warehouse, outbox, { range, behind: run.startedAt - run.asOf }))
    changes.push(...chunk.filter(change => wanted === undefined || wanted.has(change.seq)))
  return changes
}

function lostOutbox(run: Run, requests: number): ActivateError {
  return new ActivateError('failed', {
    code: 'A9002',
    message: `run ${run.runId} made ${requests} requests that the warehouse has not taken in, and its outbox is gone`,
    help: 'restore the warehouse file, or start with a fresh ledger as well',
  })
}
