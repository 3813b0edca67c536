/**
 * A table of a database: Postgres, MySQL or SQLite. Each request is one transaction, found by key, so that repeating it
 * changes nothing. When the database refuses a row, the rows are written one by one, and only those at fault are refused.
 */
import type { Knex } from 'knex'
import {
  type Action,
  type Change,
  defineDestination,
  type RecordOutcome,
  type Session,
  type Verdict,
} from '../delivery/destination.ts'
import { type SqlFailure, sqlFailure } from './sql-failure.ts'
import type { OpenTable } from './table-open.ts'
import { type Row, rowOf } from './table-rows.ts'
import { fieldsOf, type TableSettings, tableSettings } from './table-settings.ts'
import { type TableAction, tableActions, write } from './table-write.ts'

export const table = defineDestination({
  name: 'table',
  summary: 'A table of a Postgres, MySQL or SQLite database, written by key',
  settings: tableSettings,
  limits: () => [],
  concurrency: settings => (settings.client === 'sqlite' ? 1 : settings.concurrency),
  actions: actionsOf,
  async open(settings, { root }) {
    // Loaded for those who have a table: drivers take long.
    const { openTable } = await import('./table-open.ts')
    return sessionOn(await openTable(settings, root))
  },
})

function actionsOf(settings: TableSettings): Readonly<Record<TableAction, Action<TableSettings>>> {
  const fields = fieldsOf(settings)
  const common = {
    ...(fields && { fields }),
    batch: { maxRecords: settings.max_records },
    idempotency: { kind: 'natural' },
  } as const
  return {
    upsert: {
      ...common,
      summary: 'Inserts rows, or updates the mapped columns of those that are there',
      modes: ['upsert', 'mirror', 'audience', 'append'],
      leavers: 'delete',
    },
    insert: { ...common, summary: 'Inserts rows; those that are there are left alone', modes: ['insert', 'append'] },
    update: { ...common, summary: 'Updates rows; one that is not there is refused', modes: ['update'] },
    delete: { ...common, summary: 'Deletes rows by key', modes: [], takesLeavers: true, leaverFields: [] },
  }
}

function sessionOn(open: OpenTable): Session {
  return {
    deliver: async (action, batch) => {
      const known = tableActions.find(name => name === action)
      if (known === undefined) throw new TypeError(`a table has no action "${action}"`)
      return deliver(open, known, batch)
    },
    close: () => open.db.destroy(),
  }
}

async function deliver(open: OpenTable, action: TableAction, batch: readonly Change[]): Promise<Verdict> {
  const unknown = action === 'delete' ? [] : unknownColumns(open, batch)
  if (unknown.length > 0) {
    const names = unknown.map(name => `"${name}"`).join(', ')
    return { kind: 'denied', code: 'table_mismatch', message: `the table ${open.target.table} has no column ${names}` }
  }
  const answers = batch.map(change => rowOf(change, open.target.key, open.columns, open.target.client))
  const rows = answers.flatMap(answer => (answer.kind === 'row' ? [answer.row] : []))
  const refused = answers.flatMap(answer =>
    answer.kind === 'row'
      ? []
      : [{ changeId: answer.changeId, outcome: 'rejected', code: 'bad_key', message: answer.message } as const],
  )
  const verdict = await writeTogether(open, action, rows)
  if (refused.length === 0 || verdict.kind !== 'each') return verdict
  return { kind: 'each', outcomes: [...refused, ...verdict.outcomes] }
}

function unknownColumns({ columns }: OpenTable, batch: readonly Change[]): readonly string[] {
  const names = new Set(batch.flatMap(change => Object.keys(change.fields)))
  return [...names].filter(name => !Object.hasOwn(columns, name))
}

async function writeTogether(open: OpenTable, action: TableAction, rows: readonly Row[]): Promise<Verdict> {
  if (rows.length === 0) return { kind: 'each', outcomes: [] }
  const attempt = await transact(open, action, rows)
  if (attempt.kind === 'done') return { kind: 'each', outcomes: rows.map(row => outcomeOf(row, attempt.missing)) }
  if (attempt.failure.kind !== 'data') return verdictOf(attempt)
  const outcomes: RecordOutcome[] = []
  for (const row of rows) outcomes.push(await writeAlone(open, action, row))
  return { kind: 'each', outcomes }
}

async function writeAlone(open: OpenTable, action: TableAction, row: Row): Promise<RecordOutcome> {
  const { changeId } = row
  const attempt = await transact(open, action, [row])
  if (attempt.kind === 'done') return outcomeOf(row, attempt.missing)
  const { code, message } = attempt.failure
  if (attempt.failure.kind === 'data') return { changeId, outcome: 'rejected', code, message }
  return { changeId, outcome: attempt.committing ? 'uncertain' : 'retry', code, message }
}

function outcomeOf({ changeId }: Row, missing: readonly string[]): RecordOutcome {
  if (!missing.includes(changeId)) return { changeId, outcome: 'acked' }
  return { changeId, outcome: 'rejected', code: 'not_found', message: 'the table has no row with this key' }
}

type Attempt =
  | { readonly kind: 'done'; readonly missing: readonly string[] }
  /** `committing`: the commit was under way and its answer is not known. */
  | { readonly kind: 'failed'; readonly failure: SqlFailure; readonly committing: boolean }

async function transact({ db, target }: OpenTable, action: TableAction, rows: readonly Row[]): Promise<Attempt> {
  let trx: Knex.Transaction
  try {
    trx = await db.transaction()
  } catch (error) {
    return { kind: 'failed', failure: sqlFailure(error), committing: false }
  }
  let missing: readonly string[]
  try {
    missing = await write(trx, target, action, rows)
  } catch (error) {
    return { kind: 'failed', failure: await rolledBack(trx, sqlFailure(error)), committing: false }
  }
  try {
    await trx.commit()
    return { kind: 'done', missing }
  } catch (error) {
    const failure = sqlFailure(error)
    return { kind: 'failed', failure, committing: failure.kind === 'connection' || failure.kind === 'unknown' }
  }
}

/** A rollback that fails has lost its connection, and with it the transaction: the first failure is still the one to tell. */
async function rolledBack(trx: Knex.Transaction, failure: SqlFailure): Promise<SqlFailure> {
  try {
    await trx.rollback()
    return failure
  } catch (error) {
    return { ...failure, kind: 'connection', message: `${failure.message}; then ${sqlFailure(error).message}` }
  }
}

function verdictOf({ failure, committing }: Extract<Attempt, { kind: 'failed' }>): Verdict {
  const { kind, code, message } = failure
  if (committing) return { kind: 'uncertain', code, message }
  if (kind === 'denied' || kind === 'mismatch')
    return { kind: 'denied', code: kind === 'mismatch' ? 'table_mismatch' : code, message }
  return { kind: 'retry', code, message }
}
