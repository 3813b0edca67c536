/** The worked example of the reference: three files that belong together, refused here when they are not valid. Pure. */
import { checkDestinations } from '../src/delivery/registry.ts'
import { destinations } from '../src/destinations/index.ts'
import { assembleProject } from '../src/project/assemble.ts'
import type { FileKind } from '../src/project/schema.ts'

interface ExampleFile {
  readonly path: string
  readonly language: 'yaml' | 'sql'
  readonly text: string
}

const files: Readonly<Record<FileKind, ExampleFile>> = {
  project: {
    path: 'activate.yml',
    language: 'yaml',
    text: `name: acme-lifecycle
timezone: Europe/London
warehouse:
  type: duckdb
  attach: { shop: data/shop.duckdb }
vars: { lapsing_after_days: 60 }
sources:
  customers: { table: shop.main.customers }
  orders:
    csv: data/orders.csv
    freshness: { column: ordered_at, max_age: 26h }
    columns:
      order_id: { type: string, tests: [not_null, unique] }
      customer_id: { type: string, tests: [not_null, relationships: { to: customers, column: customer_id }] }
      ordered_at: { type: timestamp }
      amount: { type: number, tests: [between: [0, 100000]] }
    tests: [row_count: { min: 1 }]
destinations:
  crm:
    type: http
    base_url: https://crm.example.com
    headers: { authorization: "Bearer \${env:CRM_TOKEN}" }
    limits: [{ requests: 50, per: 1s }]
    actions:
      upsert: { method: POST, path: /contacts, batch: { max_records: 100 }, idempotency: natural }
      remove: { method: DELETE, path: "/contacts/{key}", idempotency: natural, accepts: [404], for: leavers }
targets:
  prod:
    warehouse: { type: duckdb, memory: 16GB }
    vars: { lapsing_after_days: 90 }
`,
  },
  model: {
    path: 'models/lapsing.sql',
    language: 'sql',
    text: `/*---
description: Customers who have not ordered for a while
key: customer_id
owner: retention@acme.example
columns:
  customer_id: { type: string, tests: [not_null, unique] }
  spent: { type: number, tests: [not_null, between: [0, 1000000]] }
tags: [nightly]
---*/
select c.customer_id, c.email, c.first_name, sum(o.amount) as spent
from {{source "customers"}} c
join {{source "orders"}} o on o.customer_id = c.customer_id
group by all
having max(o.ordered_at) < {{run_date}} - cast({{var "lapsing_after_days"}} as integer)
`,
  },
  outcome: {
    path: 'outcomes/spent.yml',
    language: 'yaml',
    text: `description: What a customer spends within a month of being found lapsing
model: paid_orders
at: ordered_at
value: amount
window: 30d
cap: 500
covariate: { before: 90d }
syncs: { lapsing: primary }
`,
  },
  sync: {
    path: 'syncs/lapsing.yml',
    language: 'yaml',
    text: `description: Tells the CRM who has not ordered for a while
model: lapsing
destination: crm
action: upsert
mode: mirror
fields:
  email: email
  lifecycle_stage: { value: lapsing }
  greeting: { template: "Hi {{first_name}}" }
  ltv_eur: { column: spent, as: number, round: 2 }
  email_sha256: { column: email, normalise: email, hash: sha256 }
schedule: "0 2 * * *"
guard: { max_changes: 20%, max_leavers: 5%, min_rows: 100 }
max_error_rate: 5%
owners: [retention@acme.example]
tags: [nightly]
`,
  },
}

/** The example of one kind of file, as a fenced block. Throws when the three do not make a valid project. */
export function exampleOf(kind: FileKind): string {
  const { path, text } = files[kind]
  const orders = { path: 'models/paid_orders.sql', text: 'select * from {{source "orders"}}' }
  const { project, problems } = assembleProject(
    {
      ...{ project: files.project, models: [files.model, orders], partials: [] },
      ...{ syncs: [files.sync], outcomes: [files.outcome] },
    },
    { root: '/', target: 'default', resolve: relative => `/${relative}` },
  )
  const found = [...problems, ...(project === undefined ? [] : checkDestinations(project, destinations))]
  if (found.length > 0) throw new Error(`the example is not valid: ${found.map(({ message }) => message).join('; ')}`)
  const comment = files[kind].language === 'yaml' ? `# ${path}` : `-- ${path}`
  const shown = kind === 'model' ? text : `${comment}\n${text}`
  return `\`\`\`${files[kind].language}\n${shown}\`\`\``
}
