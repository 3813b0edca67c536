/** Runs, and the due times that scheduled ones serve. */
import { appendEntry, lockTrail } from './audit.ts'
import type { Database } from './database.ts'
import { ledgerError } from './failure.ts'
import { guard } from './leases.ts'
import type { Ledger } from './ledger.ts'
import { type RunRow, runColumns, runOf } from './rows.ts'

export function runsOf(database: Database): Pick<Ledger, 'startRun' | 'updateRun' | 'runs'> {
  const { knex } = database

  return {
    startRun: (run, lease) =>
      database.write(async bind => {
        await guard(database, bind, lease)
        const { runId: run_id, sync, ...rest } = run
        const row = { run_id, sync, status: 'running' as const, fence: lease.fence, settled: 0 as const }
        await bind(knex<RunRow>('runs').insert({ ...row, ...runColumns(rest) }))
      }),

    updateRun: (runId, change, lease, entry) =>
      database.write(async bind => {
        await guard(database, bind, lease)
        if (entry !== undefined) {
          await lockTrail(database, bind)
          await appendEntry(database, bind, entry)
        }
        const columns = runColumns(change)
        if (Object.keys(columns).length === 0) return
        const updated = await bind(knex<RunRow>('runs').where({ run_id: runId }).update(columns))
        if (updated === 0) throw ledgerError('A5009', `the ledger has no run ${runId}`)
      }),

    async runs({ runId, sync, limit, unsettled, status, planHash }) {
      const query = knex<RunRow>('runs').orderBy([
        { column: 'started_at', order: 'desc' },
        { column: 'ordinal', order: 'desc' },
      ])
      if (runId !== undefined) query.where({ run_id: runId })
      if (sync !== undefined) query.where({ sync })
      if (unsettled !== undefined) query.where({ settled: unsettled ? 0 : 1 })
      if (status !== undefined) query.where({ status })
      if (planHash !== undefined) query.whereNotNull('plan_hash').whereRaw(beginsWith, [planHash.length, planHash])
      if (limit !== undefined) query.limit(limit)
      const rows: readonly RunRow[] = await database.read(query)
      return rows.map(runOf)
    },
  }
}

/** Unlike `like`, it knows no wildcards. */
const beginsWith = 'substr(plan_hash, 1, ?) = ?'

interface DueRow {
  sync: string
  nominal_at: number
  claimed_at: number
  finished_at: number | null
  run_id: string | null
}

interface ScheduleRow {
  sync: string
  schedule: string
  seen_at: number
}

export function dueTimesOf(database: Database): Pick<Ledger, 'claimDue' | 'finishDue' | 'lastDue' | 'scheduleSeen'> {
  const { knex } = database

  return {
    claimDue: (sync, nominalAt, at) =>
      database.write(async bind => {
        const due = { sync, nominal_at: nominalAt }
        const taken = await bind(knex<DueRow>('due_times').where(due).first('sync'))
        if (taken !== undefined) return false
        await bind(knex<DueRow>('due_times').insert({ ...due, claimed_at: at }))
        return true
      }),

    finishDue: (sync, nominalAt, runId, at) =>
      database.write(async bind => {
        const finished = { finished_at: at, run_id: runId ?? null }
        await bind(knex<DueRow>('due_times').where({ sync, nominal_at: nominalAt }).update(finished))
      }),

    async lastDue(sync) {
      const query = knex<DueRow>('due_times').where({ sync }).orderBy('nominal_at', 'desc').first('nominal_at')
      const row = await database.read(query)
      return row?.nominal_at
    },

    scheduleSeen: (sync, schedule, at) =>
      database.write(async bind => {
        const seen = await bind(knex<ScheduleRow>('schedules').where({ sync, schedule }).first('seen_at'))
        if (seen !== undefined) return seen.seen_at
        await bind(knex<ScheduleRow>('schedules').insert({ sync, schedule, seen_at: at }))
        return at
      }),
  }
}
