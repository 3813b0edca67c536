/** The files that `init` writes: one source, one model, one sync, ready to run. Pure. */

export const templates = ['file', 'sandbox'] as const

/** Path within the project to text. */
export function starterFiles(template: (typeof templates)[number], name: string): Readonly<Record<string, string>> {
  return {
    'activate.yml': projectFile(template, name),
    'models/lapsing_customers.sql': model,
    'syncs/lapsing.yml': template === 'file' ? fileSync : sandboxSync,
    'data/customers.csv': customers,
    '.gitignore': '.activate/\nout/\n',
  }
}

const destination = {
  file: `  files:
    type: file                       # CSV files in a folder: look before you connect anything
    path: out/lapsing
    format: csv`,
  sandbox: `  crm:
    type: crm                        # the CRM of \`activate sandbox\`
    base_url: http://127.0.0.1:8484`,
} as const

function projectFile(template: keyof typeof destination, name: string): string {
  return `# yaml-language-server: $schema=./node_modules/activate/schemas/project.json
name: ${name}
timezone: Europe/London              # schedules and run_date

vars:
  lapsing_after_days: 60

sources:
  customers:
    csv: data/customers.csv
    columns:
      customer_id: { type: string, tests: [not_null, unique] }
      last_order_at: { type: date }
      spent: { type: number }

destinations:
${destination[template]}
`
}

const model = `/*---
description: Customers who have not ordered for a while
key: customer_id
columns:
  customer_id: { type: string, tests: [not_null, unique] }
  spent:       { type: number }
---*/
select customer_id, email, first_name, last_order_at, spent
from {{source "customers"}}
where last_order_at < {{run_date}} - cast({{var "lapsing_after_days"}} as integer)
`

const fileSync = `model: lapsing_customers
destination: files
action: write
mode: mirror                         # enter, change and leave are all written
fields:                              # only what is mapped is compared
  email: email
  first_name: first_name
  lifecycle_stage: { value: lapsing }
  spent: { column: spent, as: number, round: 2 }
schedule: "0 2 * * *"
`

const sandboxSync = fileSync
  .replace('destination: files\naction: write', 'destination: crm\naction: upsert_contacts')
  .replace(' are all written', ' are all sent')

const customers = `customer_id,email,first_name,last_order_at,spent
C001,amelia@example.com,Amelia,2025-11-02,310.50
C002,bo@example.com,Bo,2026-01-15,89.90
C003,chidi@example.com,Chidi,2025-06-30,1240.00
C004,dunya@example.com,Dunya,2025-12-24,42.00
C005,elif@example.com,Elif,2024-09-09,15.25
`
