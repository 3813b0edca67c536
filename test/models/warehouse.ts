/** A real DuckDB in a folder of its own, and what it was asked. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDuckdb } from '../../src/warehouse/duckdb.ts'
import type { Warehouse } from '../../src/warehouse/warehouse.ts'

export interface TestWarehouse {
  readonly warehouse: Warehouse
  readonly folder: string
  /** The statements that `query` was given. */
  readonly asked: string[]
  run(...statements: readonly string[]): Promise<void>
  rows(sql: string): Promise<readonly (readonly unknown[])[]>
  close(): Promise<void>
}

export async function openTestWarehouse(): Promise<TestWarehouse> {
  const folder = await mkdtemp(join(tmpdir(), 'activate-models-'))
  const path = join(folder, 'memory.duckdb')
  const opened = await openDuckdb({ type: 'duckdb', path, state: 'activate', attach: {}, memory: '512MB', threads: 1 })
  const asked: string[] = []
  const warehouse: Warehouse = Object.assign(Object.create(opened) as Warehouse, {
    query(statement: Parameters<Warehouse['query']>[0]) {
      asked.push(statement.sql)
      return opened.query(statement)
    },
    describe: (select: string) => opened.describe(select),
  })
  return {
    warehouse,
    folder,
    asked,
    async run(...statements) {
      for (const statement of statements) await opened.execute({ sql: statement, params: [] })
    },
    async rows(sql) {
      return (await opened.query({ sql, params: [] })).map(row => Object.values(row))
    },
    async close() {
      await opened.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
