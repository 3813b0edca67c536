/** The statements of a table destination. Each function takes a transaction and says how many rows it touched, where that matters. */
import type { Knex } from 'knex'
import { byColumns, type Row } from './table-rows.ts'
import type { TableSettings } from './table-settings.ts'

export const tableActions = ['upsert', 'insert', 'update', 'delete'] as const
export type TableAction = (typeof tableActions)[number]

export interface Target {
  readonly client: TableSettings['client']
  readonly schema: string | undefined
  readonly table: string
  readonly key: readonly string[]
}

/** SQLite takes 32,766 parameters in a statement (sqlite.org/limits.html), Postgres and MySQL 65,535. */
const mostParameters = 30_000

/** Measured with SQLite: 7,500 rows in one statement take ten times as long as 500 at a time. */
const mostRows = 500

/** Change ids of the rows that were not there to be updated. */
export async function write(
  trx: Knex,
  target: Target,
  action: TableAction,
  rows: readonly Row[],
): Promise<readonly string[]> {
  if (action === 'update') return updateEach(trx, target, rows)
  if (action === 'delete') await deleteRows(trx, target, rows)
  else for (const group of byColumns(rows)) await insertRows(trx, target, action, group)
  return []
}

function relation(trx: Knex, { schema, table }: Target): Knex.QueryBuilder {
  return schema === undefined ? trx(table) : trx(table).withSchema(schema)
}

async function insertRows(trx: Knex, target: Target, action: 'upsert' | 'insert', rows: readonly Row[]): Promise<void> {
  const fields = Object.keys(rows[0]?.values ?? {})
  for (const some of chunks(rows, fields.length + target.key.length)) {
    const insert = relation(trx, target).insert(some.map(row => ({ ...row.values, ...row.key })))
    await onConflict(insert, target, action === 'upsert' ? fields : [])
  }
}

/** MySQL's `insert ignore`, which knex makes of `ignore()`, would also swallow bad values; setting the key to itself does not. */
function onConflict(insert: Knex.QueryBuilder, { client, key }: Target, merged: readonly string[]): Knex.QueryBuilder {
  const conflict = insert.onConflict([...key])
  if (merged.length > 0) return conflict.merge([...merged])
  return client === 'mysql' ? conflict.merge(key.slice(0, 1)) : conflict.ignore()
}

async function updateEach(trx: Knex, target: Target, rows: readonly Row[]): Promise<readonly string[]> {
  const missing: string[] = []
  for (const row of rows) {
    const own = relation(trx, target).where(row.key)
    const there =
      Object.keys(row.values).length > 0
        ? Number(await own.update(row.values)) > 0
        : (await own.first(...target.key)) !== undefined
    if (!there) missing.push(row.changeId)
  }
  return missing
}

async function deleteRows(trx: Knex, target: Target, rows: readonly Row[]): Promise<void> {
  const [only, second] = target.key
  for (const some of chunks(rows, target.key.length)) {
    if (only !== undefined && second === undefined) {
      // The drivers take bigint, only knex's type of a value does not name it.
      const keys = some.flatMap(row => row.key[only] ?? [])
      await relation(trx, target)
        .whereIn(only, keys as readonly Knex.Value[])
        .delete()
    } else {
      for (const row of some) await relation(trx, target).where(row.key).delete()
    }
  }
}

function chunks(rows: readonly Row[], columns: number): readonly (readonly Row[])[] {
  const size = Math.max(1, Math.min(mostRows, Math.floor(mostParameters / Math.max(1, columns))))
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, index) =>
    rows.slice(index * size, (index + 1) * size),
  )
}
