/** The report's statements on PostgreSQL: the same nights, the same people, the same figures as on DuckDB. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readReport } from '../../src/cli/measure.ts'
import { forecaster } from '../../src/cli/measure-forecast.ts'
import { planSyncs, runSyncs } from '../../src/run.ts'
import { oldestPostgres, type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { makeProject, planOptions, runOptions, withProject } from './project.ts'

const people = Array.from({ length: 900 }, (_, index) => `P${String(index).padStart(3, '0')}`)
const orders = people.flatMap((key, index) => {
  const early = index % 7 === 0 ? [`${key},2026-02-27 10:00:00,${index % 40},${1 + (index % 4)}`] : []
  return index % 3 === 0
    ? [...early, `${key},2026-03-0${1 + (index % 9)} 12:00:00,${10 + (index % 90)},${index % 5}`]
    : early
})

function files(warehouse: string): Readonly<Record<string, string>> {
  return {
    'activate.yml': `
name: programme
warehouse: ${warehouse}
identity: { entity: customer, key: customer_id, identifiers: { email: { normalise: email } }, links: [links] }
sources:
  people: { csv: people.csv, columns: { customer_id: { type: string }, tier: { type: string }, email: { type: string } } }
  orders: { csv: orders.csv, columns: { customer_id: { type: string }, ordered_at: { type: timestamp }, amount: { type: number }, units: { type: number } } }
policies:
  holdouts:
    - { name: global, share: 20%, epoch: e1, salt: global-1, applies_to: communications, stratify: tier }
destinations:
  mails: { type: file, path: out, format: csv }
`,
    'people.csv': `customer_id,tier,email\n${people.map((key, index) => `${key},${index % 2 === 0 ? 'gold' : ''},${index % 50 === 0 ? 'shared' : key.toLowerCase()}@example.com`).join('\n')}\n`,
    'orders.csv': `customer_id,ordered_at,amount,units\n${orders.join('\n')}\n`,
    'models/people.sql': `/*---\nkey: customer_id\n---*/\nselect customer_id, tier from {{source "people"}} where customer_id < case when {{run_date}} < date '2026-03-03' then 'P500' else 'Q' end`,
    'models/links.sql': `select 'customer_id' as left_type, customer_id as left_value, 'email' as right_type, email as right_value from {{source "people"}}`,
    'models/orders.sql': `select customer_id, ordered_at, amount, units from {{source "orders"}}`,
    'syncs/reminder.yml': `
model: people
destination: mails
action: write
mode: trigger
trigger: { on: enter, reentry: never, first_run: send }
fields: { to: customer_id }
channel: email
purpose: renewals
cost_per_message: 0.1
holdout: { share: 30%, epoch: e1, salt: reminder-1, stratify: tier }
`,
    'outcomes/ordered.yml':
      'model: orders\nunit: customer_id\nat: ordered_at\nwindow: 5d\nplanned_units: 900\nsyncs: { reminder: primary }\n',
    'outcomes/spent.yml':
      'model: orders\nunit: customer_id\nat: ordered_at\nvalue: amount\ncap: 80\ncovariate: { before: 10d }\nwindow: 5d\nplanned_units: 900\nsyncs: { reminder: guardrail }\nholdouts: { global: primary }\n',
    'outcomes/each_order.yml':
      'model: orders\nunit: customer_id\nat: ordered_at\nvalue: amount\nper: event\nwindow: 5d\nplanned_units: 900\nsyncs: { reminder: secondary }\nholdouts: { global: guardrail }\n',
    'outcomes/unit_price.yml':
      'model: orders\nunit: customer_id\nat: ordered_at\nvalue: amount\nper: { sum: units }\nwindow: 5d\nplanned_units: 900\nsyncs: { reminder: guardrail }\n',
  }
}

const estimatedQuotients = ['spent', 'unit_price', 'each_order'].map(outcome => ({
  ...{ outcome, comparisons: [{ lift: { kind: 'estimated' } }] },
}))

/** Sums in another order differ in their last digits. */
function rounded(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, part: unknown) => (typeof part === 'number' ? Number(part.toPrecision(8)) : part)),
  )
}

async function lived(warehouse: string, env: Readonly<Record<string, string>>) {
  const project = await makeProject(files(warehouse))
  const options = { env }
  try {
    for (const night of ['2026-03-01', '2026-03-04']) {
      const at = runOptions(`${night}T02:00:00Z`, { yes: true })
      const { runs } = await withProject(project, wired => runSyncs(wired, wired.project.syncs, at), options)
      expect(runs.map(({ status, problems }) => [status, problems])).toEqual([['succeeded', undefined]])
    }
    return await withProject(
      project,
      async wired => {
        const asOf = Date.parse('2026-03-20T00:00:00Z')
        const { experiments, health } = await readReport(wired, asOf, undefined)
        const { onPlanned, entries } = forecaster(wired, asOf, wired.project.syncs)
        await planSyncs(wired, wired.project.syncs, planOptions('2026-03-20T00:00:00Z'), onPlanned)
        const forecasts = entries()
        const { latency: _, unknown, ...all } = health?.all ?? { latency: null, unknown: {} }
        return rounded({ experiments, all, unknown, match: health?.match_rate, forecasts })
      },
      options,
    )
  } finally {
    await project.remove()
  }
}

describe.skipIf(postgresMissing !== undefined)('the report on PostgreSQL', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ version: oldestPostgres })
  })
  afterAll(() => server.stop())

  test('says what it says on DuckDB', async () => {
    const here = await lived('{ type: duckdb, path: state.duckdb, threads: 1 }', {})
    expect(here).toMatchObject({
      experiments: [
        { holdout: 'global', outcomes: [{ outcome: 'spent' }, { outcome: 'each_order', measure: 'ratio' }] },
        { sync: 'reminder', outcomes: [{ outcome: 'ordered' }, ...estimatedQuotients] },
      ],
    })
    expect(await lived('{ type: postgres, url: "${env:PG_URL}" }', { PG_URL: server.url })).toEqual(here)
  }, 120_000)
})
