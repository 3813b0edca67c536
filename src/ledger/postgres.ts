/**
 * Postgres as the ledger's engine, for several machines that share one. Writes are alone by an advisory lock, so that what
 * is true of SQLite's single writer is true here; sends are committed beside them, under row locks.
 */
import { createHash } from 'node:crypto'
import type { Knex } from 'knex'
import type { Bind, Database } from './database.ts'
import { ledgerError } from './failure.ts'
import { type Address, addressOf, type PostgresLedgerSettings } from './postgres-address.ts'
import { type Answered, type Connection, connect, type Limits, usualLimits } from './postgres-connection.ts'
import { explainPostgres, isLost, mayLackGrant } from './postgres-failure.ts'
import { missingGrant } from './postgres-grants.ts'
import { type Persistently, persistentlyOver } from './postgres-persistence.ts'
import { purgeSchema } from './postgres-purge.ts'
import { migrateSchema, standingOf } from './postgres-schema.ts'
import { commitSends } from './postgres-sends.ts'

/** Milliseconds for which a lost connection is sought anew; a run's lease outlives it. */
const usualPatience = 15_000

export interface PostgresOptions {
  readonly limits?: Limits
  readonly patience?: number
  /** In place of the server's clock. */
  readonly clock?: (knex: Knex, now: number) => Knex.Raw
}

/** Opens the schema and brings it up to date; it is made when it is missing. */
export async function openPostgres(settings: PostgresLedgerSettings, options: PostgresOptions = {}): Promise<Database> {
  const address = addressOf(settings)
  const knex = connect(settings, options.limits ?? usualLimits)
  try {
    if ((await standingOf(knex, address)) !== 'current') await migrateSchema(settings, address, lockOf(address))
    return databaseOver(knex, settings, options)
  } catch (error) {
    const explained = await explain(error, knex, address)
    await knex.destroy()
    throw explained
  }
}

/** Whether there is a ledger. Makes nothing. */
export async function isPostgresLedger(settings: PostgresLedgerSettings): Promise<boolean> {
  const address = addressOf(settings)
  const knex = connect(settings, usualLimits, 1)
  try {
    return (await standingOf(knex, address)) !== 'none'
  } catch (error) {
    throw await explain(error, knex, address)
  } finally {
    await knex.destroy()
  }
}

/** The advisory lock of this ledger's writers: 64 bits that nothing else in the database is likely to take. */
function lockOf({ schema }: Address): bigint {
  return createHash('sha256').update(`activate ledger ${schema}`).digest().readBigInt64BE()
}

function databaseOver(knex: Knex, settings: PostgresLedgerSettings, options: PostgresOptions): Database {
  const address = addressOf(settings)
  const persistently = persistentlyOver(knex, options.patience ?? usualPatience)
  const clock = options.clock ?? serverClock
  const lock = lockOf(address)

  const explained: Persistently = async work => {
    try {
      return await persistently(work)
    } catch (error) {
      throw await explain(error, knex, address)
    }
  }

  return {
    knex,
    clock: now => clock(knex, now),
    read: query => explained(async connection => (isBuilder(query) ? bindTo(connection)(query) : query)),
    write: work => writeAlone(explained, lock, address, work),
    commit: sends => commitSends(sends, explained),
    // What expired is sealed, and dead at once: a table that others write to is not closed for the sake of its dead rows.
    forget: async () => undefined,
    async purge() {
      try {
        return await purgeSchema(settings, address, options.limits ?? usualLimits)
      } catch (error) {
        throw await explain(error, knex, address)
      }
    },
    close: () => knex.destroy(),
  }
}

/** As it is now, not as it was when the transaction began to wait for its turn. */
function serverClock(knex: Knex): Knex.Raw {
  return knex.raw('(extract(epoch from clock_timestamp()) * 1000)::bigint')
}

/** A query that can be put on another connection and asked again, unlike a promise of its answer. */
function isBuilder<Query>(query: Query): query is Query & Knex.ChainableInterface {
  return typeof query === 'object' && query !== null && 'connection' in query
}

function bindTo(connection: Connection): Bind {
  return query => query.connection(connection)
}

/**
 * One transaction under the writers' lock. When its commit is not answered, the server is asked what became of it: done
 * again unseen, a lease would be refused to the one who has it, and an entry of the trail would stand there twice.
 */
async function writeAlone<Result>(
  persistently: Persistently,
  lock: bigint,
  address: Address,
  work: (bind: Bind) => Promise<Result>,
): Promise<Result> {
  let unanswered: { readonly transaction: string; readonly result: Result } | undefined
  return persistently(async connection => {
    if (unanswered !== undefined && (await hasCommitted(connection, unanswered.transaction, address))) {
      return unanswered.result
    }
    unanswered = undefined
    try {
      const transaction = await beginAlone(connection, lock)
      const result = await work(bindTo(connection))
      unanswered = { transaction, result }
      const { command } = (await connection.query('commit')) as Answered
      if (command !== 'COMMIT') throw new TypeError('a failed statement was passed over in a write')
      return result
    } catch (error) {
      if (!isLost(error)) await connection.query('rollback')
      throw error
    }
  })
}

/** Waits for its turn; returns the transaction's id, which it has from its start. */
async function beginAlone(connection: Connection, lock: bigint): Promise<string> {
  const answers = await connection.query(
    `begin; select pg_advisory_xact_lock(${lock}); select pg_current_xact_id()::text as id`,
  )
  const [row] = (answers as readonly Answered[])[2]?.rows ?? []
  return (row as { readonly id: string }).id
}

/** A5023 when the server cannot tell: it is another one by now, to which the transaction was not copied. */
async function hasCommitted(connection: Connection, transaction: string, address: Address): Promise<boolean> {
  const { rows } = await connection.query({
    text: 'select pg_xact_status($1::xid8) as fate where $1::xid8 < pg_snapshot_xmax(pg_current_snapshot())',
    values: [transaction],
  })
  const { fate } = (rows[0] ?? { fate: null }) as { readonly fate: string | null }
  if (fate === 'committed' || fate === 'aborted') return fate === 'committed'
  throw ledgerError('A5023', `the connection to ${address.server} was lost during a commit whose fate it cannot tell`, {
    help: 'run again: what is recorded counts, and what was in doubt is settled first',
  })
}

/** Says which grant is missing when that is what it comes to. */
async function explain(error: unknown, knex: Knex, address: Address): Promise<unknown> {
  if (mayLackGrant(error)) {
    const connection: Connection = await knex.client.acquireConnection()
    try {
      const missing = await missingGrant(connection, address, error)
      if (missing !== undefined) return missing
    } finally {
      await knex.client.releaseConnection(connection)
    }
  }
  return explainPostgres(error, address)
}
