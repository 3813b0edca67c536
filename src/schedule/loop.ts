/**
 * The daemon: every minute it looks which syncs are due, claims each due time in the ledger, and runs it. Claims make it
 * one run per (sync, nominal time) over restarts and over several daemons; an error costs the tick it happened in and
 * nothing more.
 *
 * The logical clock of a scheduled run is the wall time at which it starts, caught up or not: consent, caps and quiet
 * hours have to hold at the moment of sending. The nominal time is recorded beside it.
 */
import { schedule as everyMinute } from 'node-cron'
import type { Ledger } from '../ledger/ledger.ts'
import { nextDue, pending } from './cron.ts'

export interface ScheduledSync {
  readonly name: string
  readonly schedule: string
}

export type ScheduleLedger = Pick<Ledger, 'claimDue' | 'finishDue' | 'lastDue' | 'scheduleSeen' | 'runs' | 'leases'>

/** What the daemon does, for its log. */
export type ScheduleEvent =
  | { readonly kind: 'started'; readonly syncs: number; readonly next: number | undefined }
  | {
      readonly kind: 'due'
      readonly sync: string
      readonly nominalAt: number
      readonly late: number
      readonly again: boolean
    }
  | { readonly kind: 'skipped'; readonly sync: string; readonly times: readonly number[] }
  | {
      readonly kind: 'finished'
      readonly sync: string
      readonly nominalAt: number
      readonly runId: string | undefined
      readonly status: string
    }
  | { readonly kind: 'failed'; readonly sync: string | undefined; readonly error: unknown }
  | { readonly kind: 'stopping' }
  | { readonly kind: 'stopped' }

export interface ScheduleSetup {
  readonly syncs: readonly ScheduledSync[]
  readonly zone: string
  /** Opened at each tick's first use, so that a ledger that is down at start does not end the daemon. */
  readonly ledger: () => Promise<ScheduleLedger>
  readonly now: () => number
  /** Runs one sync once. What it throws is logged, and the due time counts as served. */
  readonly run: (
    sync: string,
    nominalAt: number,
  ) => Promise<{ readonly runId: string | undefined; readonly status: string }>
  readonly log: (event: ScheduleEvent) => void
  readonly signal: AbortSignal
}

/** A claim that nobody concluded for this long was left behind, unless somebody holds the sync's lease. */
const abandonedAfter = 2 * 60_000

/** What one process remembers between ticks: the newest due time of each sync that it knows to be concluded. */
export type Concluded = Map<string, number>

/** Ticks once at once and then every minute until the signal aborts; resolves when the last run has ended. */
export async function runSchedule(setup: ScheduleSetup): Promise<void> {
  const concluded: Concluded = new Map()
  const first = setup.syncs
    .map(sync => nextDue(sync.schedule, setup.zone, setup.now()))
    .filter(time => time !== undefined)
  setup.log({ kind: 'started', syncs: setup.syncs.length, next: first.length === 0 ? undefined : Math.min(...first) })
  let ticking = tick(setup, concluded)
  await ticking
  const task = everyMinute(
    '* * * * *',
    () => {
      ticking = tick(setup, concluded)
      return ticking
    },
    { name: 'activate schedule', timezone: 'UTC', noOverlap: true, suppressMissedWarning: true, logger: silent },
  )
  await aborted(setup.signal)
  setup.log({ kind: 'stopping' })
  await task.destroy()
  await ticking
  setup.log({ kind: 'stopped' })
}

/** node-cron's own talk (overlaps, missed minutes) would only repeat what the next tick catches up. */
const silent = { info: ignore, warn: ignore, error: ignore, debug: ignore }
function ignore(): void {}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** One look at all syncs, in their order. Never rejects. */
export async function tick(setup: ScheduleSetup, concluded: Concluded): Promise<void> {
  for (const sync of setup.syncs) {
    if (setup.signal.aborted) return
    try {
      await serveDue(sync, setup, concluded)
    } catch (error) {
      setup.log({ kind: 'failed', sync: sync.name, error })
    }
  }
}

async function serveDue(sync: ScheduledSync, setup: ScheduleSetup, concluded: Concluded): Promise<void> {
  const ledger = await setup.ledger()
  const now = setup.now()
  const seen = await ledger.scheduleSeen(sync.name, `${sync.schedule} ${setup.zone}`, now)
  const lastDue = await ledger.lastDue(sync.name)
  const { serve, skipped } = pending({ schedule: sync.schedule, zone: setup.zone }, { lastDue, seen, now })
  if (serve === undefined) {
    if (lastDue !== undefined && (await isAbandoned(sync.name, lastDue, ledger, now, concluded))) {
      await serveClaimed(sync.name, lastDue, true, ledger, setup, concluded)
    }
    return
  }
  await recordSkipped(sync.name, skipped, ledger, setup)
  if (await ledger.claimDue(sync.name, serve, now))
    await serveClaimed(sync.name, serve, false, ledger, setup, concluded)
}

async function recordSkipped(
  sync: string,
  skipped: readonly number[],
  ledger: ScheduleLedger,
  setup: ScheduleSetup,
): Promise<void> {
  const mine: number[] = []
  for (const time of skipped) {
    if (!(await ledger.claimDue(sync, time, setup.now()))) continue
    await ledger.finishDue(sync, time, undefined, setup.now())
    mine.push(time)
  }
  if (mine.length > 0) setup.log({ kind: 'skipped', sync, times: mine })
}

async function serveClaimed(
  sync: string,
  nominalAt: number,
  again: boolean,
  ledger: ScheduleLedger,
  setup: ScheduleSetup,
  concluded: Concluded,
): Promise<void> {
  setup.log({ kind: 'due', sync, nominalAt, late: setup.now() - nominalAt, again })
  let runId: string | undefined
  try {
    const ended = await setup.run(sync, nominalAt)
    runId = ended.runId
    setup.log({ kind: 'finished', sync, nominalAt, runId, status: ended.status })
    // What a stop interrupted stays open: the next daemon resumes it.
    if (ended.status === 'interrupted') return
  } catch (error) {
    setup.log({ kind: 'failed', sync, error })
  }
  concluded.set(sync, nominalAt)
  await ledger.finishDue(sync, nominalAt, runId, setup.now())
}

/** Whether the newest claim was left behind by a process that ended before its run did. */
async function isAbandoned(
  sync: string,
  nominalAt: number,
  ledger: ScheduleLedger,
  now: number,
  concluded: Concluded,
): Promise<boolean> {
  if (concluded.get(sync) === nominalAt || now - nominalAt < abandonedAfter) return false
  const run = (await ledger.runs({ sync, limit: 50 })).find(each => each.nominalAt === nominalAt)
  if (run !== undefined && run.status !== 'running' && run.status !== 'interrupted') {
    concluded.set(sync, nominalAt)
    return false
  }
  const leases = await ledger.leases(now)
  return !leases.some(lease => lease.scope === `sync:${sync}` && lease.expiresAt > now)
}
