import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { refuseSettled } from '../../src/plan/settle.ts'
import { openPostgres } from '../../src/warehouse/postgres.ts'
import { raw, render, sql } from '../../src/warehouse/sql.ts'
import type { Warehouse } from '../../src/warehouse/warehouse.ts'
import { type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'

describe.skipIf(postgresMissing !== undefined)('two runners that settle one run at the same moment', () => {
  let server: PostgresServer
  const open: Warehouse[] = []
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(async () => {
    for (const warehouse of open) await warehouse.close()
    await server.stop()
  })

  async function runner(): Promise<Warehouse> {
    const settings = { type: 'postgres', url: [server.url], state: 'activate', pool: 2, workMem: '64MB' } as const
    const warehouse = await openPostgres(settings, { env: {}, readFile: () => '' })
    open.push(warehouse)
    return warehouse
  }

  test('the second waits for the first, and then refuses', async () => {
    const [first, second] = [await runner(), await runner()]
    const [runs, moved] = [raw('activate.runs_of_test'), raw('activate.moved_of_test')]
    for (const table of [runs, moved])
      await first.execute(render(sql`create table ${table} (run_id text)`, n => `$${n + 1}`))
    const settle = (warehouse: Warehouse, beforeCommit?: () => Promise<void>) => {
      const statements = [
        ...refuseSettled(warehouse.dialect, runs, 'mirror__7'),
        sql`insert into ${moved} (run_id) values (${'mirror__7'})`,
        sql`insert into ${runs} (run_id) values (${'mirror__7'})`,
      ]
      return warehouse.transaction(
        statements.map(statement => render(statement, warehouse.dialect.placeholder)),
        beforeCommit,
      )
    }

    let late: Promise<unknown> = Promise.resolve()
    await settle(first, async () => {
      late = settle(second).catch((error: unknown) => error)
      await waiting(first)
    })

    expect(await late).toMatchObject({ message: expect.stringContaining('the run is settled already') })
    expect(await count(first, moved.texts[0] ?? '')).toBe(1)
  })

  /** Resolves when some session waits for a turn. */
  async function waiting(warehouse: Warehouse): Promise<void> {
    const question = {
      sql: `select count(*) as n from pg_locks where locktype = 'advisory' and not granted`,
      params: [],
    }
    for (;;) {
      const [row] = await warehouse.query(question)
      if (Number(row?.n) > 0) return
    }
  }

  async function count(warehouse: Warehouse, relation: string): Promise<number> {
    const [row] = await warehouse.query({ sql: `select count(*) as n from ${relation}`, params: [] })
    return Number(row?.n)
  }
})
