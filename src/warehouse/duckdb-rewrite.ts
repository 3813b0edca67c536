/**
 * Leaves nothing of deleted rows in a DuckDB file. DuckDB frees their blocks and writes into them some day; until then
 * they lie in the file. So the live content is copied into a new file, which takes the old one's place.
 */
import { chmod, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { WarehouseSettings } from '../project/project.ts'
import { duckdbDialect } from './duckdb-dialect.ts'

const { quote, literal, relation } = duckdbDialect

/**
 * The file must not be open in this process; DuckDB's own lock keeps others out meanwhile. Views need the user's attached
 * files. Answers why it could not be done; the file is as it was then.
 */
export async function rewriteDuckdb({
  path,
  attach,
}: Pick<Extract<WarehouseSettings, { type: 'duckdb' }>, 'path' | 'attach'>): Promise<string | undefined> {
  const draft = `${path}.rewrite`
  try {
    await rm(draft, { force: true }) // of an attempt that was cut off
    const { mode } = await stat(path)
    const instance = await DuckDBInstance.create(path, { autoinstall_known_extensions: 'false' })
    try {
      const connection = await instance.connect()
      for (const [alias, file] of Object.entries(attach))
        await connection.run(`attach ${literal(file)} as ${quote(alias)} (type duckdb, read_only)`)
      await copyInto(connection, draft)
      await chmod(draft, mode & 0o777)
      await flush(draft)
      // Still under the lock of the old file: nobody can have written to it since it was copied.
      await rename(draft, path)
      await flush(dirname(path))
    } finally {
      instance.closeSync()
    }
    return undefined
  } catch (error) {
    await rm(draft, { force: true })
    return `its file could not be rewritten, so blocks of deleted rows may remain in it (${error instanceof Error ? error.message : String(error)})`
  }
}

async function copyInto(connection: DuckDBConnection, draft: string): Promise<void> {
  const catalog = String((await connection.runAndReadAll('select current_database()')).getRows()[0]?.[0])
  const copy = 'activate rewrite'
  await connection.run('checkpoint')
  await connection.run(`attach ${literal(draft)} as ${quote(copy)}`)
  await connection.run(`copy from database ${quote(catalog)} to ${quote(copy)}`)
  const before = await rowsByTable(connection, catalog)
  const after = await rowsByTable(connection, copy)
  if (before !== after) throw new Error('the copy differs from the original')
  await connection.run(`detach ${quote(copy)}`)
}

/** Every table with its number of rows, as one comparable text. */
async function rowsByTable(connection: DuckDBConnection, catalog: string): Promise<string> {
  const tables = await connection.runAndReadAll(
    `select schema_name, table_name from duckdb_tables() where database_name = ${literal(catalog)} order by 1, 2`,
  )
  const counted: unknown[] = []
  for (const [schema, table] of tables.getRows()) {
    const from = relation([catalog, String(schema), String(table)])
    const count = await connection.runAndReadAll(`select count(*) from ${from}`)
    counted.push([schema, table, String(count.getRows()[0]?.[0])])
  }
  return JSON.stringify(counted)
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
