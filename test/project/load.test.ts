import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findProject, loadProject } from '../../src/project/load.ts'
import { ActivateError } from '../../src/project/problem.ts'
import { inFolder, load, problemsOf, sound } from './folder.ts'

const ref = (inner: string): string => `\${${inner}}`

/** The files of the documentation, with everything that this version acts on. */
const documented = {
  'activate.yml': `# yaml-language-server: $schema=./node_modules/activate/schemas/project.json
name: acme-lifecycle
timezone: Europe/London              # schedules, quiet hours, run_date
warehouse:
  type: duckdb
  path: .activate/warehouse.duckdb   # state lives here
  attach: { shop: data/shop.duckdb }
  memory: 2GB
ledger: { type: sqlite, path: .activate/ledger.db }
vars: { at_risk_after_days: 90, at_risk_below: 0.50 }
sources:
  orders: { csv: data/orders.csv, freshness: { column: ordered_at, max_age: 26h }, columns: { order_id: { type: string, tests: [not_null, unique] } } }
  customers: { table: shop.main.customers }
targets:
  pg:
    warehouse: { type: postgres, url: "${ref('env:PG_URL')}", state: activate }
    ledger: { type: postgres, url: "${ref('env:PG_URL')}" }
  prod:
    warehouse: { type: bigquery, project: acme, location: EU, state: activate, maximum_bytes_billed: 200GiB }
    ledger: { type: postgres, url: "${ref('env:LEDGER_URL')}" }
  dev: { vars: { at_risk_after_days: 30 }, destinations: { crm: { type: file, path: out.csv } } }
destinations:
  crm: { type: hubspot, token: "${ref('env:HUBSPOT_TOKEN')}" }
  hook:
    type: http
    base_url: http://127.0.0.1:8080
    headers: { authorization: "Bearer ${ref('env:HOOK_TOKEN')}" }
    signing: { standard_webhooks: "${ref('env:HOOK_SECRET')}" }
    limits: [{ requests: 50, per: 1s }]
`,
  'models/segments/at_risk.sql': `/*---
description: Customers whose chance of being alive fell under a half
key: customer_id                     # or [account_id, month]
owner: retention@acme.example
columns:
  customer_id: { type: string, tests: [not_null, unique, { relationships: { to: customers, column: id } }] }
  p_alive:     { type: number, tests: [{ between: [0, 1] }] }
  tier:        { tests: [{ accepted_values: [gold, 012, 1.10, 7] }] }
tests: [{ row_count: { min: 1 } }, { name: no_ghosts, sql: "select * from {{this}} where tier is null" }]
tags: [nightly]
---*/
select customer_id from {{ref "customer_value"}}
`,
  'models/renewal_due.sql': '\n\n/*---\r\nkey: [account_id, month]\r\nmaterialised: table\r\n---*/ select 1\n',
  'models/customer_value.sql': 'select 1 as x\n',
  'models/_partials/dates/age.hbs': 'date_diff',
  'models/_partials/filter.sql': 'where true',
  'models/README.md': 'not read',
  'syncs/at_risk.yml': `model: at_risk
destination: crm
action: upsert_contacts
mode: mirror
fields:
  email: email
  lifecycle_stage: { value: at-risk }
  greeting: { template: "Hi {{first_name}}" }
  ltv_eur: { column: ltv, as: number, round: 2 }
  email_sha256: { column: email, hash: sha256, normalise: email }
  list: { value: { ids: [012, 1.10, NO, 1.5, 0x1F], on: true } }
schedule: "0 2 * * *"
guard: { max_changes: 20%, max_leavers: 500, min_rows: 100 }
on_mapping_change: keep
max_error_rate: 7%
owners: [retention@acme.example]
tags: [nightly]
`,
  'syncs/comms/renewal.yaml': `model: renewal_due
destination: hook
action: send_email
mode: trigger
trigger: { on: enter, reentry: 300d, first_run: baseline }
channel: email
purpose: renewals
fields: { to: email, subject: { template: "{{first_name}}, your plan renews on {{renewal_date}}" } }
schedule: "0 9 * * 1-5"
`,
} as const

test('reads the documented project', async () => {
  await inFolder(documented, async root => {
    const project = await loadProject(root, { env: {} })
    expect(project).toMatchObject({
      name: 'acme-lifecycle',
      root,
      timezone: 'Europe/London',
      target: 'default',
      warehouse: {
        type: 'duckdb',
        path: join(root, '.activate/warehouse.duckdb'),
        state: 'activate',
        memory: '2GB',
        attach: { shop: join(root, 'data/shop.duckdb') },
      },
      ledger: { type: 'sqlite', path: join(root, '.activate/ledger.db') },
      vars: { at_risk_after_days: 90, at_risk_below: 0.5 },
    })
    expect(project.sources).toMatchObject([
      {
        name: 'orders',
        from: { csv: join(root, 'data/orders.csv') },
        freshness: { column: 'ordered_at', maxAge: 93_600_000 },
      },
      { name: 'customers', from: { table: ['shop', 'main', 'customers'] }, columns: [], tests: [], tags: [] },
    ])
    expect(project.partials).toEqual([
      { name: 'dates/age', path: 'models/_partials/dates/age.hbs', text: 'date_diff' },
      { name: 'filter', path: 'models/_partials/filter.sql', text: 'where true' },
    ])
  })
})

test('reads models with and without front matter, and knows on which line their SQL starts', async () => {
  const { models } = await load(documented)
  expect(
    models.map(({ name, path, key, materialised, templateLine, template }) => ({
      name,
      path,
      key,
      materialised,
      templateLine,
      template,
    })),
  ).toEqual([
    {
      name: 'customer_value',
      path: 'models/customer_value.sql',
      key: [],
      materialised: 'ephemeral',
      templateLine: 1,
      template: 'select 1 as x\n',
    },
    {
      name: 'renewal_due',
      path: 'models/renewal_due.sql',
      key: ['account_id', 'month'],
      materialised: 'table',
      templateLine: 6,
      template: 'select 1\n',
    },
    {
      name: 'at_risk',
      path: 'models/segments/at_risk.sql',
      key: ['customer_id'],
      materialised: 'ephemeral',
      templateLine: 12,
      template: 'select customer_id from {{ref "customer_value"}}\n',
    },
  ])
  expect(models[2]?.tests).toEqual([
    { test: 'row_count', min: 1 },
    { test: 'sql', name: 'no_ghosts', sql: 'select * from {{this}} where tier is null' },
  ])
  expect(
    models[2]?.columns.map(({ name, type, tests, place }) => ({
      name,
      type,
      tests,
      at: `${place.line}:${place.column}`,
    })),
  ).toEqual([
    {
      name: 'customer_id',
      type: 'string',
      at: '6:3',
      tests: [{ test: 'not_null' }, { test: 'unique' }, { test: 'relationships', to: 'customers', column: 'id' }],
    },
    { name: 'p_alive', type: 'number', at: '7:3', tests: [{ test: 'between', min: 0, max: 1 }] },
    {
      name: 'tier',
      type: undefined,
      at: '8:3',
      tests: [{ test: 'accepted_values', values: ['gold', '012', '1.10', 7] }],
    },
  ])
})

test('reads syncs with their limits as fractions, their durations as milliseconds and their defaults', async () => {
  const [atRisk, renewal] = (await load(documented)).syncs
  expect(atRisk).toMatchObject({
    name: 'at_risk',
    mode: 'mirror',
    schedule: '0 2 * * *',
    guard: { minRows: 100, maxChanges: { share: 0.2 }, maxLeavers: { count: 500 } },
    onMappingChange: 'keep',
    onBadKey: 'fail',
    onUncertain: 'park',
    maxErrorRate: 0.07,
    enabled: true,
    tags: ['nightly'],
  })
  expect(atRisk?.fields.map(({ field, from }) => [field, from])).toEqual([
    ['email', { column: 'email' }],
    ['lifecycle_stage', { value: 'at-risk' }],
    ['greeting', { template: 'Hi {{first_name}}' }],
    ['ltv_eur', { column: 'ltv', as: 'number', round: 2 }],
    ['email_sha256', { column: 'email', hash: 'sha256', normalise: 'email' }],
    ['list', { value: { ids: ['012', '1.10', 'NO', 1.5, '0x1F'], on: true } }],
  ])
  expect(atRisk).not.toHaveProperty('trigger')
  expect(renewal).toMatchObject({
    name: 'renewal',
    path: 'syncs/comms/renewal.yaml',
    trigger: { on: 'enter', reentry: { after: 25_920_000_000 }, firstRun: 'baseline' },
    guard: { minRows: 1 },
    onMappingChange: 'resend',
  })
  expect(renewal?.places?.['trigger.on']).toMatchObject({ line: 5, column: 16, length: 5 })
})

test('keeps the settings of destinations as written, with the place of each', async () => {
  const { destinations } = await load(documented)
  const hook = destinations.find(({ name }) => name === 'hook')
  expect(hook).toMatchObject({
    type: 'http',
    settings: { headers: { authorization: `Bearer ${ref('env:HOOK_TOKEN')}` }, limits: [{ requests: 50, per: '1s' }] },
  })
  expect(hook?.settings).not.toHaveProperty('type')
  expect(hook?.places['limits.0.requests']).toMatchObject({ file: 'activate.yml', line: 29, column: 26, length: 2 })
  expect(hook?.place).toMatchObject({ line: 24, column: 3 })
})

test('gives every target its own warehouse and ledger, and only what it asks for of the rest', async () => {
  await inFolder(documented, async root => {
    const dev = await loadProject(root, { target: 'dev', env: { ACTIVATE_TARGET: 'pg' } })
    expect(dev).toMatchObject({
      target: 'dev',
      warehouse: {
        path: join(root, '.activate/dev/warehouse.duckdb'),
        attach: { shop: join(root, 'data/shop.duckdb') },
        memory: '2GB',
      },
      ledger: { path: join(root, '.activate/dev/ledger.db') },
      vars: { at_risk_after_days: 30, at_risk_below: 0.5 },
    })
    expect(dev.destinations.map(({ name, type, settings }) => ({ name, type, settings }))).toMatchObject([
      { name: 'crm', type: 'file', settings: { path: 'out.csv' } },
      { name: 'hook', type: 'http' },
    ])
    expect(dev.destinations[0]?.settings).not.toHaveProperty('token')
    const pg = await loadProject(root, { env: { ACTIVATE_TARGET: 'pg' } })
    expect(pg.warehouse).toMatchObject({
      type: 'postgres',
      state: 'activate',
      url: [{ secret: 'env', name: 'PG_URL', place: { line: 16, column: 39 } }],
    })
    expect((await loadProject(root, { target: 'prod', env: {} })).warehouse).toMatchObject({
      type: 'bigquery',
      maximum_bytes_billed: '200GiB',
    })
  })
})

test('names a state schema after a target that inherits a warehouse on a server', async () => {
  const text = `${sound['activate.yml']}warehouse: { type: bigquery, project: 123 }\ntargets: { staging-eu: {} }\n`
  const project = await load({ ...sound, 'activate.yml': text }, { target: 'staging-eu' })
  expect(project.warehouse).toEqual({
    type: 'bigquery',
    price_per_tib: 6.25,
    storage_read: 'auto',
    project: '123',
    state: 'activate_staging_eu',
  })
})

test('suggests a target for one that does not exist', async () => {
  const problems = await problemsOf(documented, { env: { ACTIVATE_TARGET: 'prd' } })
  expect(problems).toMatchObject([
    { code: 'A1120', message: 'there is no target "prd"', help: 'did you mean "prod"?', place: { line: 14 } },
  ])
})

test('takes an empty ACTIVATE_TARGET for none', async () => {
  expect((await load(sound, { env: { ACTIVATE_TARGET: '' } })).target).toBe('default')
})

test('finds the project from a folder inside of it', async () => {
  await inFolder(documented, async root => {
    expect(await findProject(join(root, 'models/segments'))).toBe(root)
    expect(await findProject(root)).toBe(root)
  })
})

test('points to init where there is no project', async () => {
  await inFolder({ 'x/readme': '' }, async root => {
    const refused = { problems: [{ code: 'A1001', help: expect.stringContaining('activate init') }] }
    await expect(findProject(join(root, 'x'))).rejects.toMatchObject(refused)
    await expect(loadProject(root, { env: {} })).rejects.toMatchObject(refused)
  })
})

test('follows no link out of the project', async () => {
  await inFolder({ ...sound, 'outside/secret.sql': 'select 1' }, async outer => {
    await inFolder(sound, async root => {
      await mkdir(join(root, 'models/linked'))
      await symlink(join(outer, 'outside/secret.sql'), join(root, 'models/linked/secret.sql'))
      await symlink(join(outer, 'outside'), join(root, 'models/folder'))
      await symlink(join(root, 'models/at_risk.sql'), join(root, 'models/linked/inside.sql'))
      await symlink(join(root, 'nowhere'), join(root, 'syncs/dangling.yml'))
      await expect(loadProject(root, { env: {} })).rejects.toMatchObject({
        problems: [
          { place: { file: 'models/folder' } },
          { place: { file: 'models/linked/secret.sql' } },
          { place: { file: 'syncs/dangling.yml' } },
        ],
      })
    })
  })
})

test('reads files with a byte order mark and Windows line ends', async () => {
  const files = Object.fromEntries(
    Object.entries(sound).map(([path, text]) => [path, `\uFEFF${text.replaceAll('\n', '\r\n')}`]),
  )
  const project = await load(files)
  expect(project.models[0]).toMatchObject({
    key: ['customer_id'],
    template: 'select 1 as customer_id\r\n',
    templateLine: 4,
  })
  expect(project.syncs[0]?.places?.mode).toMatchObject({ line: 4, column: 7, source: 'mode: mirror' })
})

test('is an error of its own kind, to be told from a defect', async () => {
  await expect(load({ ...sound, 'syncs/at_risk.yml': '' })).rejects.toBeInstanceOf(ActivateError)
})
