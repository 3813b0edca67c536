/**
 * SQLite as the ledger's engine. The pool has one connection: better-sqlite3 is synchronous, so that a second one in the
 * same process could only wait for the first while both block the event loop.
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import knexOf, { type Knex } from 'knex'
import type { Answer, Bind, Database, Send } from './database.ts'
import { codeOf, explainFailure, ledgerError } from './failure.ts'
import { sqliteFlavour } from './migrations/flavour.ts'
import { migrationNames, migrationSource } from './migrations/source.ts'
import { prepareSends, type SendStatements } from './sqlite-sends.ts'

/** Marks the file as ours (sqlite.org/pragma.html#pragma_application_id): the letters `Actv`. */
const applicationId = 0x41637476

/** Milliseconds to wait for another process's write lock. Ours last a few milliseconds; the event loop waits with it. */
const patience = 5_000

export async function openSqlite(path: string, busyTimeout = patience): Promise<Database> {
  try {
    makeFile(path)
    inspect(path)
    await enterWal(path, busyTimeout)
    const knex = connect(path, busyTimeout)
    try {
      await migrate(knex, path)
    } catch (error) {
      await knex.destroy()
      throw error
    }
    return databaseOver(knex, path)
  } catch (error) {
    throw explainFailure(error, path)
  }
}

/** Only the owner may read: keys of people are in here. The -wal and -shm files take the mode of the main file. */
function makeFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    closeSync(openSync(path, 'a', 0o600))
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600)
  } catch (cause) {
    throw ledgerError('A5008', `the ledger ${path} cannot be created or opened (${codeOf(cause)})`, {
      help: 'check the path under `ledger:` and the permissions of its folder',
      cause,
    })
  }
}

/** Refuses a file that is damaged, foreign or newer, before anything that would write to it. */
function inspect(path: string): void {
  if (statSync(path).size === 0) {
    refuseLostFile(path)
    return
  }
  const connection = new Sqlite(path, { readonly: true })
  try {
    const id = connection.pragma('application_id', { simple: true })
    const tables = connection.prepare<[], string>("select name from sqlite_schema where type = 'table'").pluck().all()
    if (id !== applicationId) {
      if (id === 0 && tables.length === 0) return
      throw ledgerError('A5001', `${path} is a database of something else, not a ledger`, {
        help: 'give the ledger a file of its own under `ledger:` in activate.yml',
      })
    }
    const applied = connection.prepare<[], string>('select name from knex_migrations').pluck().all()
    const unknown = applied.filter(name => !migrationNames.includes(name))
    if (unknown.length > 0) {
      throw ledgerError('A5002', `the ledger ${path} was upgraded by a newer version (${unknown.join(', ')})`, {
        help: 'use that version or a later one; the ledger was not touched',
      })
    }
  } finally {
    connection.close()
  }
}

/** SQLite takes an empty main file for a new database and deletes the write-ahead log beside it, with all it holds. */
function refuseLostFile(path: string): void {
  const log = `${path}-wal`
  if (!existsSync(log) || statSync(log).size === 0) return
  throw ledgerError('A5001', `the ledger ${path} is empty or gone, but its write-ahead log is still there`, {
    help: `restore ${path} from a backup; only if you mean to lose the record of what was sent, remove ${log}`,
  })
}

/**
 * The journal mode is a property of the file. Two processes that change it at once get SQLITE_BUSY without the busy
 * timeout (measured with better-sqlite3 12.11), so we ask again.
 */
async function enterWal(path: string, busyTimeout: number): Promise<void> {
  const deadline = performance.now() + busyTimeout
  for (;;) {
    const connection = new Sqlite(path)
    try {
      configure(connection, busyTimeout)
      if (connection.pragma('journal_mode = wal', { simple: true }) !== 'wal') {
        throw ledgerError('A5008', `the ledger ${path} is on a file system that cannot share memory, which WAL needs`, {
          help: 'put the ledger on a local disk',
        })
      }
      return
    } catch (error) {
      if (!codeOf(error).startsWith('SQLITE_BUSY') || performance.now() > deadline) throw error
    } finally {
      connection.close()
    }
    await sleep(10)
  }
}

function connect(path: string, busyTimeout: number): Knex {
  return knexOf({
    client: 'better-sqlite3',
    connection: { filename: path },
    useNullAsDefault: true,
    // Bound values can be keys of people; they stay out of error texts.
    compileSqlOnError: false,
    pool: {
      min: 1,
      max: 1,
      afterCreate: (connection: Sqlite.Database, done: (error: unknown) => void) => {
        try {
          configure(connection, busyTimeout)
          done(undefined)
        } catch (error) {
          done(error)
        }
      },
    },
  })
}

/** `synchronous` is a property of the connection, and NORMAL by default in WAL: a commit could vanish with the power. */
function configure(connection: Sqlite.Database, busyTimeout: number): void {
  connection.pragma(`busy_timeout = ${busyTimeout}`)
  connection.pragma('synchronous = FULL')
  connection.pragma('foreign_keys = ON')
  // What is deleted is overwritten with zeros (sqlite.org/pragma.html#pragma_secure_delete, read 2026-11): expired letters
  // and erased persons must not stay readable in free pages.
  connection.pragma('secure_delete = ON')
}

/**
 * A vacuum writes the live rows into new pages and cuts off the rest; the checkpoints before and after it leave nothing in
 * the write-ahead log. What a disk or a file system keeps of overwritten blocks is beyond a database.
 */
function purge(connection: Sqlite.Database): string | undefined {
  const busy = 'another process is using it, so deleted rows were not overwritten yet'
  const truncate = () => connection.pragma('wal_checkpoint(truncate)', { simple: true }) === 0
  try {
    if (!truncate()) return busy
    connection.exec('vacuum')
    return truncate() ? undefined : busy
  } catch (error) {
    if (codeOf(error).startsWith('SQLITE_BUSY')) return busy
    throw error
  }
}

async function migrate(knex: Knex, path: string): Promise<void> {
  if ((await pending(knex)).length === 0) return
  await knex.transaction(async transaction => {
    // A transaction of knex begins deferred. Its first statement must be a write, so that it waits for its turn here and
    // does not lose a race later; this also makes knex's own lock table safe, which outlives a crash when used alone.
    await transaction.raw(`pragma application_id = ${applicationId}`)
    await transaction.migrate.latest({ migrationSource: migrationSource(sqliteFlavour) })
  })
  // Somebody newer may have been faster.
  inspect(path)
}

async function pending(knex: Knex): Promise<readonly string[]> {
  if (!(await knex.schema.hasTable('knex_migrations'))) return migrationNames
  const applied: readonly string[] = await knex('knex_migrations').pluck('name')
  return migrationNames.filter(name => !applied.includes(name))
}

function databaseOver(knex: Knex, path: string): Database {
  const prepared = new WeakMap<Sqlite.Database, SendStatements>()

  async function withConnection<Result>(
    work: (connection: Sqlite.Database) => Promise<Result> | Result,
  ): Promise<Result> {
    try {
      const connection: Sqlite.Database = await knex.client.acquireConnection()
      try {
        return await work(connection)
      } finally {
        await knex.client.releaseConnection(connection)
      }
    } catch (error) {
      throw explainFailure(error, path)
    }
  }

  return {
    knex,
    clock: now => knex.raw('?', [now]),
    async read(query) {
      try {
        return await query
      } catch (error) {
        throw explainFailure(error, path)
      }
    },
    write: work =>
      withConnection(async connection => {
        connection.exec('begin immediate')
        try {
          const result = await work((query => query.connection(connection)) as Bind)
          connection.exec('commit')
          return result
        } catch (error) {
          if (connection.inTransaction) connection.exec('rollback')
          throw error
        }
      }),
    commit: sends =>
      withConnection((connection): readonly Answer[] => {
        let statements = prepared.get(connection)
        if (statements === undefined) {
          statements = prepareSends(connection)
          prepared.set(connection, statements)
        }
        return statements.commit(sends satisfies readonly Send[])
      }),
    // Erased cells are zeros in the file; the log still has the pages as they were before, until it is emptied.
    forget: () =>
      withConnection(connection => {
        connection.pragma('wal_checkpoint(TRUNCATE)')
      }),
    purge: () => withConnection(purge),
    close: () => knex.destroy(),
  }
}
