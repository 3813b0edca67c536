/**
 * PostgreSQL, over a few sessions of the driver. The state stands in a schema of its own. So do scratch tables: as unlogged
 * tables that all sessions see, under a token that this open warehouse alone has and holds an advisory lock on; whoever opens
 * the schema next drops those whose lock nobody holds any more (decision 30).
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { aboutServer, oldestMajor, type Server, unfitnessOf } from '../postgres/fitness.ts'
import type { SecretReaders } from '../project/secret.ts'
import { columnsByTable } from './columns-by-table.ts'
import type { Column } from './dialect.ts'
import { type Connector, connectorOf, type PostgresSettings } from './postgres-connect.ts'
import { copyRows } from './postgres-copy.ts'
import { postgresDialect, scratchPrefix } from './postgres-dialect.ts'
import {
  closedFailure,
  isWorthRepeating,
  lacksSharedMemory,
  lossFailure,
  scratchLost,
  stateDenied,
  statementFailure,
  unfitServer,
} from './postgres-error.ts'
import { dropTable } from './postgres-model.ts'
import { quoteName, relationName, tableName, tablePrefix } from './postgres-name.ts'
import { type Session, Sessions } from './postgres-sessions.ts'
import { columnType, nativeOfType } from './postgres-types.ts'
import { oidOf, toValue } from './postgres-value.ts'
import type { Statement } from './sql.ts'
import type { Row, SeedColumn, Warehouse } from './warehouse.ts'

/**
 * Opens a warehouse, and makes the schema of the state if need be.
 *
 * Throws ActivateError: A3030 not reached; A3031 credentials; A3032 no such database; A3033 a permission, with the grant that
 * gives it; A3037 a server that is too old, or not in UTF-8; A3038 TLS; A3039 a setting.
 */
export async function openPostgres(settings: PostgresSettings, readers: SecretReaders): Promise<Warehouse> {
  const connector = connectorOf(settings, readers)
  const client = await connector.connect()
  try {
    await inspect(client)
    await repeating(() => prepareSchema(client, connector, settings.state))
    await repeating(() => dropAbandoned(client, settings.state))
    const token = randomBytes(5).toString('hex')
    const alive = relationName([settings.state, `${scratchPrefix}${token}__alive`])
    await lockToken(client, settings.state, token)
    await client.query(`create unlogged table ${alive} as select 1 as n`)
    return new PostgresWarehouse(settings, connector, { token, alive, first: client })
  } catch (error) {
    await client.end().catch(() => undefined)
    throw statementFailure(error, {
      ...{ endpoint: connector.endpoint, state: settings.state, closed: false, took: 0, timeout: undefined },
    })
  }
}

/** Throws A3037 for a server that will not do. */
async function inspect(client: pg.Client): Promise<void> {
  const [server] = (await client.query<Server>(aboutServer)).rows
  const unfitness = server && unfitnessOf(server)
  if (unfitness === 'too old')
    throw unfitServer(`the server is PostgreSQL ${server?.release}`, `PostgreSQL ${oldestMajor} or newer is needed`)
  if (unfitness === 'not in UTF8')
    throw unfitServer(
      `the database is encoded as ${server?.encoding}`,
      'use a database that was made with encoding UTF8',
    )
}

/** `create schema if not exists` asks for the right to make one also where it is there already. */
async function prepareSchema(client: pg.Client, { endpoint }: Connector, state: string): Promise<void> {
  const { rows } = await client.query<{ usable: boolean; allowed: boolean }>(
    `select has_schema_privilege(oid, 'usage, create') and has_schema_privilege(oid, 'create') as usable,
      has_database_privilege(current_database(), 'create') as allowed
    from (select oid from pg_namespace where nspname = $1) found right join (select 1) one on true`,
    [state],
  )
  const [found] = rows
  if (found?.usable === true) return
  const exists = found?.usable === false
  if (exists || found?.allowed !== true) throw stateDenied(endpoint.user, state, endpoint.database, exists)
  await client.query(`create schema if not exists ${quoteName(state)}`)
}

function lockKey(state: string, token: string): string {
  return `activate scratch ${state} ${token}`
}

/** Shared among the sessions of one open warehouse, until the last of them is gone. */
async function lockToken(client: pg.Client, state: string, token: string): Promise<void> {
  await client.query('select pg_advisory_lock_shared(hashtextextended($1, 0))', [lockKey(state, token)])
}

/** Drops the scratch tables of processes that died. What another role owns is left to that role. */
async function dropAbandoned(client: pg.Client, state: string): Promise<void> {
  const { rows } = await client.query<{ name: string; token: string }>(
    `select relname as name, split_part(relname, '__', 2) as token from pg_class
    where relnamespace = $1::regnamespace and relkind = 'r' and starts_with(relname, $2) and pg_has_role(relowner, 'usage')`,
    [quoteName(state), scratchPrefix],
  )
  for (const token of new Set(rows.map(row => row.token))) {
    const key = lockKey(state, token)
    const locked = await client.query<{ free: boolean }>(
      'select pg_try_advisory_lock(hashtextextended($1, 0)) as free',
      [key],
    )
    if (locked.rows[0]?.free !== true) continue
    for (const { name } of rows.filter(row => row.token === token))
      await client.query(`drop table if exists ${relationName([state, name])}`)
    await client.query('select pg_advisory_unlock(hashtextextended($1, 0))', [key])
  }
}

interface Opened {
  readonly token: string
  /** A scratch table with one row, as long as scratch tables are safe. */
  readonly alive: string
  readonly first: pg.Client
}

interface Result {
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number; readonly dataTypeModifier: number }[]
  readonly rows: readonly (readonly (string | null)[])[]
}

class PostgresWarehouse implements Warehouse {
  readonly dialect
  readonly state: readonly string[]
  readonly #settings: PostgresSettings
  readonly #connector: Connector
  readonly #token: string
  readonly #sessions: Sessions
  #closed = false
  /** Statements are not shared out among processes any more: the server had no room for what they share. */
  #alone = false
  #cursors = 0

  constructor(settings: PostgresSettings, connector: Connector, { token, alive, first }: Opened) {
    this.dialect = postgresDialect({ state: settings.state, token })
    this.state = [settings.state]
    this.#settings = settings
    this.#connector = connector
    this.#token = token
    let ready: pg.Client | undefined = first
    this.#sessions = new Sessions({
      max: settings.pool,
      connect: async () => {
        const client = ready ?? (await connector.connect())
        ready = undefined
        return client
      },
      ready: async client => {
        if (client === first) return
        await lockToken(client, settings.state, token)
        const { rowCount } = await client.query(`select n from ${alive}`).catch((error: unknown) => {
          throw isGone(error) ? scratchLost(connector.endpoint) : error
        })
        if (rowCount !== 1) throw scratchLost(connector.endpoint)
      },
    })
  }

  async query(statement: Statement): Promise<readonly Row[]> {
    return rowsOf(await this.#run(statement))
  }

  async execute(statement: Statement): Promise<void> {
    await this.#run(statement)
  }

  /**
   * A cursor `with hold`: the server computes the whole result, spilling to its disk, before the first row is fetched. So an
   * error comes before any row does, and no transaction stays open while a destination takes hours to receive the rows.
   */
  async *stream(statement: Statement, { chunkRows = 10_000 } = {}): AsyncGenerator<readonly Row[]> {
    this.#cursors += 1
    const cursor = `stream__${this.#cursors}`
    const declare = `declare ${cursor} no scroll cursor with hold for ${statement.sql}`
    const owner = await this.#onAny(async (session, client) => {
      await send(client, { sql: declare, params: statement.params })
      return session
    })
    const fetch = (sql: string) => this.#guarded(() => this.#onSession(owner, { sql, params: [] }))
    try {
      for (;;) {
        const rows = rowsOf(await fetch(`fetch ${chunkRows} from ${cursor}`))
        if (rows.length > 0) yield rows
        if (rows.length < chunkRows) break
      }
    } finally {
      if (!this.#closed && !owner.lost()) await fetch(`close ${cursor}`)
    }
  }

  async transaction(statements: readonly Statement[], beforeCommit?: () => Promise<void>): Promise<void> {
    await this.#onAny((_, client) =>
      atomically(client, async () => {
        for (const statement of statements) await send(client, statement)
        await beforeCommit?.()
      }),
    )
  }

  async describe(select: string): Promise<readonly Column[]> {
    const isSelect = /^(?:\s|--[^\n]*\n|\/\*.*?\*\/)*(?:select|with|values|\()/is.test(select)
    const from = isSelect ? `(\n${select}\n) as described` : select
    const { fields } = await this.#run({ sql: `select * from ${from} limit 0`, params: [] })
    const types = fields.map(({ dataTypeID, dataTypeModifier }) => `(${dataTypeID}, ${dataTypeModifier})`)
    if (types.length === 0) return []
    const rows = await this.query({
      sql: `select format_type(t.oid, typmod) as native, t.typtype = 'e' as is_enum
      from (values ${types.map((type, index) => type.replace('(', `(${index}, `)).join(', ')}) described(place, type, typmod)
      join pg_catalog.pg_type t on t.oid = described.type::oid order by place`,
      params: [],
    })
    return fields.map(({ name }, index) => {
      const native = String(rows[index]?.native)
      return { name, type: rows[index]?.is_enum === true ? 'string' : columnType(native), native }
    })
  }

  /** A name that was too long stands under a shorter one, and is told by its own when it is asked for whole. */
  async tables(schema: readonly string[], prefix: string): Promise<readonly string[]> {
    const rows = await this.query({
      sql: `select c.relname as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relkind in ('r', 'p') and starts_with(c.relname, $2) and not starts_with(c.relname, $3)
      order by c.relname collate "C"`,
      params: [schema.at(-1) ?? 'public', tablePrefix(prefix), scratchPrefix],
    })
    return rows.map(({ name }) => (name === tableName(prefix) ? prefix : String(name)))
  }

  async columns(schema: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const rows = await this.query({
      sql: `select c.relname as table_name, a.attname as column_name
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where n.nspname = $1 and c.relkind in ('r', 'p') and not starts_with(c.relname, $2)`,
      params: [schema.at(-1) ?? 'public', scratchPrefix],
    })
    return columnsByTable(rows)
  }

  async load(
    parts: readonly string[] | { readonly scratch: string },
    columns: readonly SeedColumn[],
    rows: AsyncIterable<readonly (readonly (string | null)[])[]>,
  ): Promise<number> {
    const relation = 'scratch' in parts ? this.dialect.scratch(parts.scratch) : relationName(parts)
    const kind = 'scratch' in parts ? 'unlogged table' : 'table'
    const list = columns.map(
      ({ name, type }) => `${quoteName(name)} ${nativeOfType[type === 'other' ? 'string' : type]}`,
    )
    return this.#guarded(() =>
      this.#sessions.run((_, client) =>
        atomically(client, async () => {
          await client.query(dropTable(relation))
          await client.query(`create ${kind} ${relation} (${list.join(', ')})`)
          const count = await copyRows(client, relation, columns, rows)
          await client.query(`analyze ${relation}`)
          return count
        }),
      ),
    )
  }

  /** Cancels what is running, lets it end, drops the scratch tables and ends the sessions. Closing twice does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#cancelRunning()
    await this.#dropScratch().catch(() => undefined)
    await this.#sessions.end().catch(() => undefined)
  }

  /** A statement that was only about to start does not feel the first cancellation. */
  async #cancelRunning(): Promise<void> {
    let canceller: pg.Client | undefined
    try {
      for (let pids = await this.#sessions.busy(); pids.length > 0; pids = await this.#sessions.busy()) {
        canceller ??= await this.#connector.connect()
        await canceller.query('select pg_cancel_backend(pid) from unnest($1::int[]) pid', [pids])
        await delay(20)
      }
    } catch {
      // Without a connection nothing can be cancelled; the sessions end with their statements.
    } finally {
      await canceller?.end().catch(() => undefined)
    }
  }

  async #dropScratch(): Promise<void> {
    await this.#sessions.run(async (_, client) => {
      const { rows } = await client.query<{ name: string }>(
        'select relname as name from pg_class where relnamespace = $1::regnamespace and starts_with(relname, $2)',
        [quoteName(this.#settings.state), `${scratchPrefix}${this.#token}__`],
      )
      if (rows.length === 0) return
      const names = rows.map(({ name }) => relationName([this.#settings.state, name]))
      await client.query(`drop table if exists ${names.join(', ')}`)
    })
  }

  #run(statement: Statement): Promise<Result> {
    return this.#onAny((_, client) => send(client, statement))
  }

  #onAny<T>(work: (session: Session, client: pg.Client) => Promise<T>): Promise<T> {
    return this.#guarded(() =>
      this.#sessions.run(async (session, client) => {
        if (this.#alone) await client.query('set max_parallel_workers_per_gather = 0')
        return work(session, client)
      }),
    )
  }

  #onSession(session: Session, statement: Statement): Promise<Result> {
    return session.exclusively(client => {
      if (session.lost())
        throw lossFailure(new Error('the session that held the rows is gone'), this.#connector.endpoint)
      return send(client, statement)
    })
  }

  /** Repeats what the server took back for the sake of others, and turns errors into the tool's. */
  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      if (this.#closed) throw closedFailure()
      const started = performance.now()
      const alone = this.#alone
      try {
        return await work()
      } catch (error) {
        if (await isToBeRepeated(error, attempt)) continue
        if (lacksSharedMemory(error) && !alone) {
          this.#alone = true
          continue
        }
        throw statementFailure(error, {
          ...{ endpoint: this.#connector.endpoint, state: this.#settings.state, closed: this.#closed },
          ...{ took: performance.now() - started, timeout: this.#settings.statementTimeout },
        })
      }
    }
  }
}

/** Waits a moment before it says yes. `attempt` counts from 1. */
async function isToBeRepeated(error: unknown, attempt: number): Promise<boolean> {
  if (attempt >= 4 || !isWorthRepeating(error)) return false
  await delay(attempt * 50)
  return true
}

async function repeating(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (!(await isToBeRepeated(error, attempt))) throw error
    }
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '42P01'
}

async function atomically<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('begin')
  try {
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    // On a connection that is lost the server takes back by itself; the first error is the one to tell.
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

/** Every value comes as the text that the server wrote, and every parameter goes with its type. */
async function send(client: pg.Client, { sql, params }: Statement): Promise<Result> {
  const asWritten = { getTypeParser: () => (text: string | Buffer) => String(text) }
  // The driver hands `types` both to the parser of the result and, as a list, to the server.
  const types = Object.assign(params.map(oidOf), asWritten)
  const config = { text: sql, values: [...params], rowMode: 'array', queryMode: 'extended', types }
  return client.query(config as pg.QueryArrayConfig) as Promise<Result>
}

function rowsOf({ fields, rows }: Result): readonly Row[] {
  return rows.map(row =>
    Object.fromEntries(fields.map(({ name, dataTypeID }, index) => [name, toValue(row[index] ?? null, dataTypeID)])),
  )
}
