/** The bench's two nights on a PostgreSQL server of its own, with the memory that a small one has. */

import { openPostgres } from '../src/warehouse/postgres.ts'
import type { Warehouse } from '../src/warehouse/warehouse.ts'
import { startPostgres } from '../test/postgres-server.ts'

const person = `'c' || lpad(i::text, 8, '0') as customer_id, 'user' || i || '@example.com' as email, 'First' || (i % 1000) as first_name,
  'Last' || (i % 5000) as last_name, (i % 97)::float8 / 97 as p_alive, ((i % 10000) / 100.0)::numeric(12, 2) as ltv, (i % 50)::int as orders,
  date '2020-01-01' + (i % 2000)::int as last_order, (i % 3 = 0) as vip, (array['gold', 'silver', 'bronze'])[1 + i % 3] as tier, 'GB' as country`

export interface Shop {
  readonly warehouse: Warehouse
  /** The bare full join of the two nights, on the same columns. */
  readonly bare: () => Promise<void>
  /** What the engine does by itself, in the day between two nights, with a table that was written. */
  readonly rest: (relation: string) => Promise<void>
  close(): Promise<void>
}

export async function openPostgresShop(rows: number, churn: number, columns: readonly string[]): Promise<Shop> {
  const settings = { shared_buffers: '512MB', max_wal_size: '4GB', autovacuum: 'off' }
  const server = await startPostgres({ settings })
  const warehouse = await openPostgres(
    { type: 'postgres', url: [server.url], state: 'activate', pool: 4, workMem: '256MB' },
    { env: {}, readFile: () => '' },
  )
  const execute = (sql: string) => warehouse.execute({ sql, params: [] })
  const every = Math.round(1 / churn)
  await execute('create schema shop')
  await execute(
    `create table shop.night1 as select ${person}, (i % 7)::bigint as score from generate_series(0, ${rows - 1}) i`,
  )
  await execute(`create table shop.night2 as select ${person}, (case when i % ${every} = 0 then 99 else i % 7 end)::bigint as score
    from generate_series(${rows / 1000}, ${rows + rows / 1000 - 1}) i`)
  await execute('vacuum (freeze, analyze) shop.night1, shop.night2')
  const list = (alias: string) => columns.map(column => `${alias}.${column}`).join(', ')
  return {
    warehouse,
    async bare() {
      await execute('drop table if exists shop.bare')
      await execute(`create unlogged table shop.bare as select coalesce(a.customer_id, b.customer_id) as k from shop.night2 a
full join shop.night1 b on a.customer_id = b.customer_id where row(${list('a')}) is distinct from row(${list('b')})`)
    },
    // Autovacuum, which is off so that it does not fall into a measurement.
    rest: relation => execute(`vacuum (analyze) ${relation}`),
    async close() {
      await warehouse.close()
      await server.stop()
    },
  }
}
