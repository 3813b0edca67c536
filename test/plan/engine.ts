/**
 * The warehouse on which nights are planned: a DuckDB of their own, or, after `onPostgres`, a state on a real server, or, after
 * `onBigquery`, one on a test's BigQuery.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { openBigquery } from '../../src/warehouse/bigquery.ts'
import { openDuckdb } from '../../src/warehouse/duckdb.ts'
import { openPostgres } from '../../src/warehouse/postgres.ts'
import type { Warehouse } from '../../src/warehouse/warehouse.ts'
import { speaking } from '../bigquery/portable.ts'
import { type BigqueryServer, startBigquery } from '../bigquery/server.ts'
import { settingsFor as settingsForBigquery } from '../bigquery/state.ts'
import { type PostgresServer, startPostgres } from '../postgres-server.ts'
import { noSecrets, settingsFor } from '../warehouse/postgres-state.ts'

export interface Engine {
  readonly warehouse: Warehouse
  close(): Promise<void>
}

let server: PostgresServer | undefined
let wanted = false
let bigquery: BigqueryServer | undefined
let overBigquery = false

/** A warehouse whose state, in the schema `activate`, is empty. */
export function openEngine(): Promise<Engine> {
  if (bigquery !== undefined) return openOnBigquery(bigquery)
  return wanted ? openOnServer() : openInFile()
}

export function isPostgres(): boolean {
  return wanted
}

/** Known from the moment at which tests are collected. */
export function isBigquery(): boolean {
  return overBigquery
}

/** Called within a `describe`: its nights are planned on a BigQuery of tests. */
export function onBigquery(): void {
  overBigquery = true
  beforeAll(async () => {
    bigquery = await startBigquery()
  })
  afterAll(async () => {
    await bigquery?.stop()
    bigquery = undefined
  })
}

/** Called within a `describe`: its nights are planned on a server that it starts. */
export function onPostgres(): void {
  beforeAll(async () => {
    server = await startPostgres()
    wanted = true
  })
  afterAll(async () => {
    wanted = false
    await server?.stop()
  })
}

async function openInFile(): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), 'activate-plan-'))
  const path = join(folder, 'w.duckdb')
  const warehouse = await openDuckdb({ type: 'duckdb', path, state: 'activate', attach: {}, memory: '1GB', threads: 1 })
  return {
    warehouse,
    async close() {
      await warehouse.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function openOnServer(): Promise<Engine> {
  if (server === undefined) throw new Error('no server was started')
  const { url } = server
  const warehouse = await openPostgres(settingsFor({ url }), noSecrets)
  return {
    warehouse,
    async close() {
      await warehouse.close()
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query('drop schema activate cascade')
      await client.end()
    },
  }
}

async function openOnBigquery(on: BigqueryServer): Promise<Engine> {
  const warehouse = await openBigquery(settingsForBigquery(on), noSecrets)
  return {
    warehouse: speaking(warehouse),
    async close() {
      await warehouse.close()
      on.engine.tables.clear()
    },
  }
}
