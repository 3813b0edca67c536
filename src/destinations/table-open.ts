/** Opens the database of a table destination, and makes sure that its table fits before anything is sent. */
import { existsSync } from 'node:fs'
import type { Database } from 'better-sqlite3'
import knexOf, { type Knex } from 'knex'
import { ActivateError } from '../project/problem.ts'
import type { ColumnType } from '../project/project.ts'
import { containedPath } from './contained-path.ts'
import { sqlFailure } from './sql-failure.ts'
import type { ColumnsOfTable } from './table-rows.ts'
import { keyColumns, type TableSettings } from './table-settings.ts'
import type { Target } from './table-write.ts'

const connectWithin = 10_000

/** The driver waits for a lock with the whole process standing still, so it waits briefly; delivery comes back by itself. */
const busyFor = 200

/** Knex would write to stdout, which is for data; whatever matters is thrown as well. */
const nothing = () => {}
const quiet = { warn: nothing, error: nothing, debug: nothing, deprecate: nothing }

export interface OpenTable {
  readonly db: Knex
  readonly target: Target
  readonly columns: ColumnsOfTable
}

/** Throws A6512 to A6515; nothing stays open then. */
export async function openTable(settings: TableSettings, root: string): Promise<OpenTable> {
  const [table = settings.table, schema] = settings.table.split('.').reverse()
  const target: Target = { client: settings.client, schema, table, key: keyColumns(settings) }
  const db = await connect(settings, root)
  try {
    return { db, target, columns: await checkTable(db, target, settings) }
  } catch (error) {
    await db.destroy()
    throw error instanceof ActivateError ? error : openingError(error)
  }
}

async function connect(settings: TableSettings, root: string): Promise<Knex> {
  const pool = { min: 0, max: settings.client === 'sqlite' ? 1 : settings.concurrency }
  const common = { pool, acquireConnectionTimeout: connectWithin, useNullAsDefault: true, log: quiet }
  if (settings.client === 'postgres') {
    return knexOf({
      ...common,
      client: 'pg',
      connection: { connectionString: settings.url ?? '', connectionTimeoutMillis: connectWithin },
    })
  }
  if (settings.client === 'mysql') {
    return knexOf({
      ...common,
      client: 'mysql2',
      connection: { uri: settings.url ?? '', connectTimeout: connectWithin, timezone: 'Z' },
    })
  }
  const afterCreate = (connection: Database, done: (error: Error | null) => void) => {
    connection.pragma(`busy_timeout = ${busyFor}`)
    done(null)
  }
  const filename = await containedPath(root, settings.path ?? '')
  if (!settings.create && !existsSync(filename)) throw mismatch(`there is no database file ${settings.path}`)
  return knexOf({ ...common, pool: { ...pool, afterCreate }, client: 'better-sqlite3', connection: { filename } })
}

async function checkTable(db: Knex, target: Target, settings: TableSettings): Promise<ColumnsOfTable> {
  if (settings.create) await createTable(db, target, settings.columns ?? {})
  const columns = await columnsOf(db, target)
  if (Object.keys(columns).length === 0) throw mismatch(`there is no table ${settings.table}`)
  const wanted = [...target.key, ...Object.keys(settings.columns ?? {})]
  const absent = wanted.filter(column => columns[column] === undefined)
  if (absent.length > 0)
    throw mismatch(`the table ${settings.table} has no column ${absent.map(name => `"${name}"`).join(', ')}`)
  if (target.client === 'mysql') await requireUniqueKey(db, target, settings.table)
  return columns
}

async function columnsOf(db: Knex, { schema, table }: Target): Promise<ColumnsOfTable> {
  const relation = schema === undefined ? db(table) : db(table).withSchema(schema)
  const info: Readonly<Record<string, Knex.ColumnInfo>> = await relation.columnInfo()
  return Object.fromEntries(Object.entries(info).map(([name, { type }]) => [name, type.toLowerCase()]))
}

async function createTable(
  db: Knex,
  { client, schema, table, key }: Target,
  columns: Readonly<Record<string, ColumnType>>,
): Promise<void> {
  const builder = schema === undefined ? db.schema : db.schema.withSchema(schema)
  if (await builder.hasTable(table)) return
  const maker = schema === undefined ? db.schema : db.schema.withSchema(schema)
  await maker.createTable(table, made => {
    for (const name of key) {
      const type = columns[name] ?? 'string'
      // MySQL indexes no unbounded text.
      if (type === 'string' && client === 'mysql') made.string(name, 255).notNullable()
      else columnMakers[type](made, name).notNullable()
    }
    for (const [name, type] of Object.entries(columns))
      if (!key.includes(name)) columnMakers[type](made, name).nullable()
    made.primary([...key])
  })
}

const columnMakers = {
  string: (table, name) => table.text(name, 'longtext'),
  integer: (table, name) => table.bigInteger(name),
  number: (table, name) => table.double(name),
  boolean: (table, name) => table.boolean(name),
  date: (table, name) => table.date(name),
  timestamp: (table, name) => table.timestamp(name, { useTz: true, precision: 6 }),
  json: (table, name) => table.jsonb(name),
} as const satisfies Record<ColumnType, (table: Knex.CreateTableBuilder, name: string) => Knex.ColumnBuilder>

/** Postgres and SQLite refuse `on conflict` without a matching index; MySQL would insert the row a second time instead. */
async function requireUniqueKey(db: Knex, target: Target, shown: string): Promise<void> {
  const rows: readonly { readonly name: string; readonly column: string }[] = await db('information_schema.statistics')
    .select({ name: 'index_name', column: 'column_name' })
    .where({ table_name: target.table, non_unique: 0 })
    .andWhere('table_schema', target.schema ?? db.raw('database()'))
  const columnsOfIndex = (name: string) => rows.filter(row => row.name === name).map(row => row.column)
  const wanted = [...target.key].sort().join()
  if (rows.some(row => columnsOfIndex(row.name).sort().join() === wanted)) return
  throw mismatch(`the table ${shown} has no primary key or unique index on exactly ${target.key.join(', ')}`)
}

function mismatch(message: string): ActivateError {
  return new ActivateError('failed', {
    code: 'A6513',
    message,
    help: 'make the table, correct the settings, or set `create: true` with `columns`',
  })
}

function openingError(error: unknown): ActivateError {
  const { kind, message } = sqlFailure(error)
  if (kind === 'denied')
    return new ActivateError(
      'credentials',
      { code: 'A6515', message: `the database refuses: ${message}` },
      { cause: error },
    )
  if (kind === 'mismatch') return new ActivateError('failed', { code: 'A6513', message }, { cause: error })
  return new ActivateError(
    'failed',
    { code: 'A6514', message: `the database cannot be used: ${message}` },
    { cause: error },
  )
}
