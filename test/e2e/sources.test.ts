import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Plan } from '../../src/plan/plan.ts'
import { planSyncs } from '../../src/run.ts'
import { openDuckdb } from '../../src/warehouse/duckdb.ts'
import { makeProject, planOptions, type TestProject, withProject } from './project.ts'

let project: TestProject
afterEach(() => project.remove())

const orders = 'order_id,customer_id,amount\n1,a,10\n2,b,-5\n3,z,7\n'
const customers = 'customer_id,email\na,a@acme.example\nb,b@acme.example\nc,\n'

interface Sources {
  readonly orders?: string
  readonly customers?: string
}

const positive = 'amount: { type: integer, tests: [{ between: [0, 1000] }] }'
const known = 'customer_id: { tests: [{ relationships: { to: customers, column: customer_id } }] }'

function files(sources: Sources = {}) {
  return {
    'activate.yml': `
name: acme
warehouse: { type: duckdb, threads: 1, attach: { shop: shop.duckdb } }
sources:
  orders: ${sources.orders ?? `{ csv: orders.csv, on_violation: quarantine, columns: { ${positive} } }`}
  customers: ${sources.customers ?? '{ csv: customers.csv }'}
destinations: { crm: { type: crm } }
`,
    'orders.csv': orders,
    'customers.csv': customers,
    'models/spent.sql':
      '/*---\nkey: customer_id\n---*/\nselect customer_id, sum(amount) as spent from {{source "orders"}} group by 1',
    ...sync('spent'),
  }
}

const sync = (model: string) => ({
  [`syncs/${model}.yml`]: `model: ${model}\ndestination: crm\naction: upsert_contacts\nmode: upsert\nfields: { email: customer_id }\n`,
})

/** Plans all syncs in one night; `key` of every row that enters, by sync. */
async function night(): Promise<readonly Plan[]> {
  return withProject(project, async wired => {
    const { plans } = await planSyncs(wired, wired.project.syncs, planOptions('2026-03-01T02:00:00Z', { samples: 10 }))
    return plans
  })
}

const entering = ({ samples }: Plan) => samples.map(({ key }) => key).sort()

beforeEach(async () => {
  project = await makeProject(files())
  const shop = {
    type: 'duckdb',
    path: join(project.root, 'shop.duckdb'),
    state: 'main',
    attach: {},
    memory: '512MB',
  } as const
  const warehouse = await openDuckdb(shop)
  const rows = `select * from read_csv('${join(project.root, 'orders.csv')}')`
  for (const statement of [
    `create table orders as ${rows}`,
    `copy (${rows}) to '${join(project.root, 'orders.parquet')}' (format parquet)`,
  ])
    await warehouse.execute({ sql: statement, params: [] })
  await warehouse.close()
})

describe('a source that quarantines', () => {
  test.each([
    'csv: orders.csv',
    'parquet: orders.parquet',
    'table: shop.main.orders',
  ])('loses its broken rows before a model reads it, from %s', async from => {
    const columns = 'amount: { tests: [{ between: [0, 1000] }] }'
    await project.write(files({ orders: `{ ${from}, on_violation: quarantine, columns: { ${columns} } }` }))
    const [plan] = await night()
    expect(plan && entering(plan)).toEqual(['a', 'z'])
    expect(plan?.warnings).toEqual([
      'source "orders": 1 row is in quarantine, and no model reads them (between:amount 1)',
    ])
  })

  test('loses them also behind views and tables, and the view itself outlives the night with all rows', async () => {
    const model = (materialised: string, from: string) =>
      `/*---\nkey: customer_id\nmaterialised: ${materialised}\n---*/\nselect * from ${from}`
    await project.write({
      'models/seen.sql': model('view', '{{source "orders"}}'),
      'models/kept.sql': model('table', '{{ref "seen"}}'),
      'models/spent.sql': model('ephemeral', '{{ref "kept"}}'),
      ...sync('seen'),
    })
    expect((await night()).map(entering)).toEqual([
      ['a', 'z'],
      ['a', 'z'],
    ])
    const rows = await withProject(project, async wired => {
      const warehouse = await wired.warehouse()
      return warehouse.query({ sql: 'select customer_id from activate.model__seen order by 1', params: [] })
    })
    expect(rows.map(row => row.customer_id)).toEqual(['a', 'b', 'z'])
  })

  test('has lost them when another source is compared with it, whichever comes first', async () => {
    await project.write(
      files({
        orders: `{ csv: orders.csv, on_violation: quarantine, columns: { ${known} } }`,
        customers:
          '{ csv: customers.csv, on_violation: quarantine, columns: { email: { tests: [not_null, unique] } } }',
      }),
    )
    await project.write({ 'customers.csv': 'customer_id,email\na,a@acme.example\nb,\n' })
    const [plan] = await night()
    expect(plan && entering(plan)).toEqual(['a'])
  })

  test('may be compared with a source that is compared with it', async () => {
    const bought = 'customer_id: { tests: [{ relationships: { to: orders, column: customer_id } }] }'
    await project.write(
      files({
        orders: `{ csv: orders.csv, on_violation: quarantine, columns: { ${known} } }`,
        customers: `{ csv: customers.csv, on_violation: quarantine, columns: { ${bought} } }`,
      }),
    )
    const [plan] = await night()
    expect(plan && entering(plan)).toEqual(['a', 'b'])
  })

  test('may be compared with a model of its own, which is then made again without the broken rows', async () => {
    const big = 'customer_id: { tests: [{ relationships: { to: buyers, column: customer_id } }] }'
    await project.write(files({ orders: `{ csv: orders.csv, on_violation: quarantine, columns: { ${big} } }` }))
    await project.write({
      'models/buyers.sql':
        '/*---\nkey: customer_id\nmaterialised: table\n---*/\nselect customer_id, count(*) as n from {{source "orders"}} where amount > 0 group by 1',
      'models/spent.sql':
        '/*---\nkey: customer_id\n---*/\nselect * from {{ref "buyers"}} union all select customer_id, 0 from {{source "orders"}} where amount <= 0',
    })
    const [plan] = await night()
    expect(plan && entering(plan)).toEqual(['a', 'z'])
  })
})

describe('a source of several syncs', () => {
  test('is judged once a night, and says the same to each', async () => {
    await project.write({
      'models/again.sql': '/*---\nkey: customer_id\n---*/\nselect * from {{ref "spent"}}',
      ...sync('again'),
    })
    const asked: string[] = []
    await withProject(project, async wired => {
      const warehouse = await wired.warehouse()
      const query = warehouse.query.bind(warehouse)
      warehouse.query = statement => {
        asked.push(statement.sql)
        return query(statement)
      }
      const { plans } = await planSyncs(wired, wired.project.syncs, planOptions('2026-03-01T02:00:00Z'))
      expect(new Set(plans.map(plan => plan.warnings.join())).size).toBe(1)
    })
    expect(asked.filter(sql => sql.includes('as shared')).length).toBe(1)
  })

  test('whose test cannot be laid on single rows stops them all, also under quarantine', async () => {
    await project.write(
      files({
        orders: `{ csv: orders.csv, on_violation: quarantine, columns: { ${positive} }, tests: [{ row_count: { min: 9 } }] }`,
      }),
    )
    await expect(night()).rejects.toMatchObject({ problems: [{ code: 'A2022', place: { file: 'activate.yml' } }] })
  })
})
