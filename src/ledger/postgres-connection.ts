/** Connections to a Postgres ledger: how they are opened, what holds in their sessions, and how one that is lost is ended. */
import knexOf, { type Knex } from 'knex'
import type { PostgresLedgerSettings } from './postgres-address.ts'

/** What we use of the driver's client; pg brings no types. */
export interface Connection {
  /** Several statements are answered by a list. */
  query(text: string): Promise<Answered | readonly Answered[]>
  query(query: { readonly text: string; readonly values: readonly unknown[] }): Promise<Answered>
  setTypeParser(oid: number, format: 'text', parse: (text: string) => unknown): void
  /** Knex takes no connection from its pool again that is marked so. */
  __knex__disposed?: unknown
  session?: Session
  readonly connection?: { readonly stream?: { destroy(): void } }
}

export interface Answered {
  readonly command: string
  readonly rows: readonly unknown[]
}

/** Who a connection is to the server. Process ids are used again; together with the start they are not. */
export interface Session {
  readonly pid: number
  readonly started: string
}

/**
 * Milliseconds. A frozen runner loses its transaction (`idle`) before those who wait for its lock give up (`lock`), and the
 * server gives up a statement (`statement`) before we take a silent connection for dead (`silence`). All of it together
 * stays below the time of a lease.
 */
export interface Limits {
  readonly connect: number
  readonly lock: number
  readonly statement: number
  readonly idle: number
  readonly silence: number
}

export const usualLimits: Limits = { connect: 10_000, lock: 10_000, statement: 15_000, idle: 8_000, silence: 20_000 }

/** Changing tables may take as long as it takes. */
export const migrationLimits: Limits = { ...usualLimits, lock: 120_000, statement: 0, idle: 60_000, silence: 0 }

/** Knex would write to stdout, which is for data; whatever matters is thrown as well. */
const nothing = () => {}
const quiet = { warn: nothing, error: nothing, debug: nothing, deprecate: nothing }

/** 8-byte integers are instants, counts and ordinals here, which doubles hold exactly; the driver would give texts. */
const int8 = 20

function toInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is not an integer that the ledger wrote`)
  return value
}

export function connect(settings: PostgresLedgerSettings, limits: Limits, connections = settings.connections): Knex {
  return knexOf({
    client: 'pg',
    connection: {
      connectionString: settings.url,
      application_name: 'activate ledger',
      connectionTimeoutMillis: limits.connect,
      query_timeout: limits.silence,
      keepAlive: true,
    },
    searchPath: [settings.schema],
    // Bound values can be keys of people; they stay out of error texts.
    compileSqlOnError: false,
    log: quiet,
    acquireConnectionTimeout: limits.connect + limits.statement,
    pool: {
      min: 0,
      max: connections,
      afterCreate: (connection: Connection, done: (error: unknown) => void) => {
        setUp(connection, limits).then(() => done(undefined), done)
      },
    },
  })
}

/**
 * By statements and not in the startup message, which poolers refuse. `synchronous_commit` is only ever raised: a database
 * where it is off would forget commits that it confirmed.
 */
async function setUp(connection: Connection, { lock, statement, idle }: Limits): Promise<void> {
  connection.setTypeParser(int8, 'text', toInteger)
  await connection.query(`
    set lock_timeout = ${lock};
    set statement_timeout = ${statement};
    set idle_in_transaction_session_timeout = ${idle};
    set default_transaction_isolation = 'read committed';
    select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') in ('off', 'local')`)
  const { rows } = await connection.query({
    text: 'select pid, backend_start::text as started from pg_stat_activity where pid = pg_backend_pid()',
    values: [],
  })
  const [session] = rows as readonly Session[]
  if (session !== undefined) connection.session = session
}

/** Takes a connection for dead: its pool lets go of it, and does not wait for a farewell. */
export function abandon(connection: Connection): void {
  connection.__knex__disposed ??= 'lost'
  connection.connection?.stream?.destroy()
}

/**
 * Ends a session that we lost, and waits until it has ended, so that nothing it was told can still happen afterwards.
 * A role may end its own sessions.
 */
export async function endSession(connection: Connection, { pid, started }: Session): Promise<void> {
  const { rows } = await connection.query({
    text: `select pg_terminate_backend(pid, 5000) as ended from pg_stat_activity
      where pid = $1 and backend_start::text = $2`,
    values: [pid, started],
  })
  const [row] = rows as readonly { readonly ended: boolean }[]
  if (row?.ended === false) {
    // The SQLSTATE of a lock that is not to be had: whatever the session holds, it still holds.
    throw Object.assign(new Error(`session ${pid}, which was lost, does not end`), { code: '55P03' })
  }
}
