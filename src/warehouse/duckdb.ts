/**
 * DuckDB, embedded. One file holds the tool's state; the user's own files are attached read-only. All statements share
 * one connection, because scratch tables are a connection's own, and take turns on it.
 */
import { existsSync } from 'node:fs'
import { access, chmod, constants, mkdir, realpath, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBMaterializedResult,
  type DuckDBType,
  HUGEINT,
  SQLNULL,
  VARCHAR,
} from '@duckdb/node-api'
import type { WarehouseSettings } from '../project/project.ts'
import { columnsByTable } from './columns-by-table.ts'
import type { Column } from './dialect.ts'
import { duckdbDialect, typedText } from './duckdb-dialect.ts'
import {
  attachFailure,
  closedFailure,
  lockedFailure,
  missingAttachment,
  openFailure,
  settingFailure,
  statementFailure,
} from './duckdb-error.ts'
import { toValue } from './duckdb-value.ts'
import type { Statement, Value } from './sql.ts'
import type { Row, SeedColumn, Warehouse } from './warehouse.ts'

type DuckdbSettings = Extract<WarehouseSettings, { type: 'duckdb' }>

const { quote, relation, literal } = duckdbDialect

/** DuckDB's lock on a file is the process's, so that a second opening within one process has to be refused here. */
const openFiles = new Set<string>()

/**
 * Opens (and makes, if need be) the state's file with its schema, and attaches the user's files.
 *
 * Throws ActivateError: A3001 damaged, newer or unreadable; A3002 held by another process; A3003 and A3004 an attached
 * file; A3005 a setting that DuckDB does not know.
 */
export async function openDuckdb(settings: DuckdbSettings): Promise<Warehouse> {
  checkSettings(settings)
  await mkdir(dirname(settings.path), { recursive: true, mode: 0o700 }).catch(error => {
    throw openFailure(settings.path, error)
  })
  const file = join(await realpath(dirname(settings.path)), basename(settings.path))
  if (openFiles.has(file)) throw lockedFailure(settings.path, 'this process')
  openFiles.add(file)
  try {
    const isNew = !existsSync(file)
    const instance = await openInstance(settings)
    try {
      if (isNew) await chmod(file, 0o600)
      // Rows that a process spilled before it died; under DuckDB's lock they are nobody's.
      await rm(`${settings.path}.tmp`, { recursive: true, force: true })
      const connection = await instance.connect()
      const state = await prepare(connection, settings)
      return new DuckdbWarehouse(instance, connection, state, () => openFiles.delete(file))
    } catch (error) {
      instance.closeSync()
      throw error
    }
  } catch (error) {
    openFiles.delete(file)
    throw error
  }
}

function checkSettings({ memory, threads }: DuckdbSettings): void {
  if (!/^\d+(\.\d+)?\s*[KMGT]i?B$/i.test(memory)) {
    throw settingFailure('memory', memory, 'a number and a unit, such as 2GB or 512MB')
  }
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads > 0)) {
    throw settingFailure('threads', String(threads), 'a whole number above zero')
  }
}

async function openInstance({ path, memory, threads }: DuckdbSettings): Promise<DuckDBInstance> {
  try {
    return await DuckDBInstance.create(path, {
      memory_limit: memory,
      temp_directory: `${path}.tmp`,
      preserve_insertion_order: 'false',
      // A night writes more than the default of 16 MB; folding it into the file is left to the end.
      checkpoint_threshold: '256MB',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      allow_community_extensions: 'false',
      ...(threads === undefined ? {} : { threads: String(threads) }),
    })
  } catch (error) {
    throw openFailure(path, error)
  }
}

/** Makes the session ready and returns the parts of the state's schema. Settings are locked: SQL of models cannot change them. */
async function prepare(connection: DuckDBConnection, settings: DuckdbSettings): Promise<readonly string[]> {
  for (const [alias, path] of Object.entries(settings.attach)) await attach(connection, alias, path)
  try {
    await connection.run(`set TimeZone = 'UTC'`)
    const result = await connection.runAndReadAll('select current_database()')
    const catalog = String(result.getRows()[0]?.[0])
    await connection.run(`create schema if not exists ${relation([catalog, settings.state])}`)
    await connection.run('set lock_configuration = true')
    return [catalog, settings.state]
  } catch (error) {
    throw statementFailure(error)
  }
}

async function attach(connection: DuckDBConnection, alias: string, path: string): Promise<void> {
  await access(path, constants.R_OK).catch(error => {
    throw missingAttachment(alias, path, error)
  })
  try {
    await connection.run(`attach ${literal(path)} as ${quote(alias)} (type duckdb, read_only)`)
  } catch (error) {
    throw attachFailure(alias, path, error)
  }
}

function typeOf(value: Value): DuckDBType {
  if (value === null) return SQLNULL
  if (typeof value === 'string') return VARCHAR
  if (typeof value === 'boolean') return BOOLEAN
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BIGINT : DOUBLE
  return BigInt.asIntN(64, value) === value ? BIGINT : HUGEINT
}

/** Bound values work in selects, inserts, merges and `create table as`; DuckDB refuses them in `create view` only. */
function bind({ params }: Statement): [values: Value[], types: DuckDBType[]] {
  const types = params.map(typeOf)
  const values = params.map((value, index) =>
    types[index] === BIGINT && typeof value === 'number' ? BigInt(value) : value,
  )
  return [values, types]
}

/** Reads vector by vector, which takes two thirds of the time of the library's rows (measured). */
async function rowsOf(result: DuckDBMaterializedResult): Promise<readonly Row[]> {
  const names = result.deduplicatedColumnNames()
  const rows: Row[] = []
  for (const chunk of await result.fetchAllChunks()) {
    const vectors = names.map((name, index) => ({ name, vector: chunk.getColumnVector(index) }))
    for (let index = 0; index < chunk.rowCount; index += 1) {
      rows.push(Object.fromEntries(vectors.map(({ name, vector }) => [name, toValue(vector.getItem(index))])))
    }
  }
  return rows
}

class DuckdbWarehouse implements Warehouse {
  readonly dialect = duckdbDialect
  readonly state: readonly string[]
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection
  readonly #released: () => void
  /** Settles when the last statement in the queue has. */
  #turn: Promise<unknown> = Promise.resolve()
  #closed = false
  #scratchCount = 0

  constructor(instance: DuckDBInstance, connection: DuckDBConnection, state: readonly string[], released: () => void) {
    this.#instance = instance
    this.#connection = connection
    this.state = state
    this.#released = released
  }

  query(statement: Statement): Promise<readonly Row[]> {
    return this.#exclusively(async () => rowsOf(await this.#run(statement)))
  }

  async execute(statement: Statement): Promise<void> {
    await this.#exclusively(() => this.#run(statement))
  }

  /**
   * Computes the result into a scratch table (which spills) and reads that page by page. DuckDB's own streaming is not
   * used: its C interface ends a stream that failed or was cancelled just like one that is exhausted, and the Node
   * binding offers no way to ask (seen with 1.5.6: `error()` in row 900,000 of 2,000,000 ended it silently).
   */
  async *stream(statement: Statement, { chunkRows = 10_000 } = {}): AsyncGenerator<readonly Row[]> {
    this.#scratchCount += 1
    const table = this.dialect.scratch(`stream__${this.#scratchCount}`)
    await this.execute({ sql: `create temp table ${table} as ${statement.sql}`, params: statement.params })
    try {
      const [counted] = await this.query({ sql: `select count(*) as total from ${table}`, params: [] })
      const total = Number(counted?.total)
      for (let from = 0; from < total; from += chunkRows) {
        const page = `select * from ${table} where rowid >= $1 and rowid < $2 order by rowid`
        const rows = await this.query({ sql: page, params: [from, from + chunkRows] })
        if (rows.length !== Math.min(chunkRows, total - from))
          throw new Error('a page of a stream came back incomplete')
        yield rows
      }
    } finally {
      if (!this.#closed) await this.execute({ sql: `drop table if exists ${table}`, params: [] })
    }
  }

  async transaction(statements: readonly Statement[], beforeCommit?: () => Promise<void>): Promise<void> {
    await this.#exclusively(() =>
      this.#atomically(async () => {
        for (const statement of statements) await this.#run(statement)
        await beforeCommit?.()
      }),
    )
  }

  async describe(select: string): Promise<readonly Column[]> {
    const isSelect = /^(?:\s|--[^\n]*\n|\/\*.*?\*\/)*(?:select|with|from|values|pivot|unpivot)\b/is.test(select)
    const rows = await this.query({ sql: `describe ${isSelect ? select : `select * from ${select}`}`, params: [] })
    return rows.map(({ column_name, column_type }) => {
      const native = String(column_type)
      return { name: String(column_name), type: this.dialect.columnType(native), native }
    })
  }

  async tables(schema: readonly string[], prefix: string): Promise<readonly string[]> {
    const [name, catalog] = [...schema].reverse()
    const rows = await this.query({
      sql: `select table_name from duckdb_tables() where database_name = coalesce($1, current_database()) and schema_name = $2
        and starts_with(table_name, $3) and not temporary order by table_name`,
      params: [catalog ?? null, name ?? 'main', prefix],
    })
    return rows.map(row => String(row.table_name))
  }

  async columns(schema: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const [name, catalog] = [...schema].reverse()
    const rows = await this.query({
      sql: `select t.table_name, c.column_name from duckdb_tables() t join duckdb_columns() c on c.table_oid = t.table_oid and c.database_oid = t.database_oid
        where t.database_name = coalesce($1, current_database()) and t.schema_name = $2 and not t.temporary`,
      params: [catalog ?? null, name ?? 'main'],
    })
    return columnsByTable(rows)
  }

  async load(
    parts: readonly string[] | { readonly scratch: string },
    columns: readonly SeedColumn[],
    rows: AsyncIterable<readonly (readonly (string | null)[])[]>,
  ): Promise<number> {
    this.#scratchCount += 1
    const name = `load__${this.#scratchCount}`
    const staging = this.dialect.scratch(name)
    const texts = columns.map(column => `${quote(column.name)} VARCHAR`).join(', ')
    await this.execute({ sql: `create temp table ${staging} (${texts})`, params: [] })
    try {
      let count = 0
      for await (const chunk of rows) {
        await this.#exclusively(() => this.#append(name, chunk))
        count += chunk.length
      }
      const typed = columns.map(
        ({ name: column, type }) => `${typedText(column, type === 'other' ? 'string' : type)} as ${quote(column)}`,
      )
      const [kind, target] =
        'scratch' in parts ? ['temp table', this.dialect.scratch(parts.scratch)] : ['table', relation(parts)]
      await this.execute({
        sql: `create or replace ${kind} ${target} as select ${typed.join(', ')} from ${staging}`,
        params: [],
      })
      return count
    } finally {
      if (!this.#closed) await this.execute({ sql: `drop table if exists ${staging}`, params: [] })
    }
  }

  /** Cancels what is running, lets it end, and closes the file. Closing twice does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const cancel = () => this.#connection.interrupt()
    cancel()
    // A statement that was only about to start does not feel the first interrupt.
    const again = setInterval(cancel, 20)
    await this.#turn.finally(() => clearInterval(again))
    this.#connection.closeSync()
    this.#instance.closeSync()
    this.#released()
  }

  /** One piece of work at a time on the connection, in the order of asking. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => {
      if (this.#closed) throw closedFailure()
      try {
        return await work()
      } catch (error) {
        throw statementFailure(error)
      }
    })
    this.#turn = result.then(
      () => undefined,
      () => undefined,
    )
    return result
  }

  #run(statement: Statement): Promise<DuckDBMaterializedResult> {
    return this.#connection.run(statement.sql, ...bind(statement))
  }

  async #atomically(work: () => Promise<void>): Promise<void> {
    await this.#connection.run('begin')
    try {
      await work()
      await this.#connection.run('commit')
    } catch (error) {
      await this.#connection.run('rollback')
      throw error
    }
  }

  async #append(table: string, rows: readonly (readonly (string | null)[])[]): Promise<void> {
    const appender = await this.#connection.createAppender(table, 'main', 'temp')
    for (const row of rows) {
      for (const value of row) {
        if (value === null) appender.appendNull()
        else appender.appendVarchar(value)
      }
      appender.endRow()
    }
    appender.closeSync()
  }
}
