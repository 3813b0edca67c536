import { expect, test } from 'vitest'
import { selectCompared } from '../../src/plan/candidates.ts'
import { selectChanges } from '../../src/plan/diff.ts'
import { selectOutbox } from '../../src/plan/outbox.ts'
import { noPolicies } from '../../src/plan/policies/relations.ts'
import { badKeyTests, lookOver, lookOverAhead, selectDigests, selectPopulation } from '../../src/plan/population.ts'
import { countQuarantined, selectQuarantined } from '../../src/plan/quarantine.ts'
import { rulesFor } from '../../src/plan/rules/index.ts'
import type { RuleContext } from '../../src/plan/rules/rule.ts'
import { aheadOf, selectAhead } from '../../src/plan/stage-ahead.ts'
import { type StateTable, stateTables } from '../../src/plan/state.ts'
import { bigqueryDialect } from '../../src/warehouse/bigquery-dialect.ts'
import type { Dialect } from '../../src/warehouse/dialect.ts'
import { duckdbDialect } from '../../src/warehouse/duckdb-dialect.ts'
import { postgresDialect } from '../../src/warehouse/postgres-dialect.ts'
import { type Fragment, raw, render } from '../../src/warehouse/sql.ts'
import { syncOf } from './plan-nights.ts'

const dialects: readonly { readonly name: string; readonly folder: string; readonly dialect: Dialect }[] = [
  { name: 'DuckDB', folder: 'golden', dialect: duckdbDialect },
  { name: 'BigQuery', folder: 'golden/bigquery', dialect: bigqueryDialect({ state: ['activate'], token: 'night' }) },
  { name: 'PostgreSQL', folder: 'golden/postgres', dialect: postgresDialect({ state: 'activate', token: 'night' }) },
]

/** The statement as it is executed, with its bound values beneath. */
function golden(fragment: Fragment, dialect: Dialect): string {
  const { sql, params } = render(fragment, dialect.placeholder)
  return `${sql}\n${params.map((value, index) => `-- $${index + 1} = ${JSON.stringify(value)}\n`).join('')}`
}

const text = { type: 'string', native: 'VARCHAR' } as const
const populationIn = (dialect: Dialect) =>
  selectPopulation(dialect, {
    stage: raw('stage'),
    key: raw(dialect.quote('id')),
    fields: [{ name: 'tier', expression: dialect.quote('tier'), column: text }],
    quarantined: undefined,
  })

test.each(dialects)('the diff is one full join of hashes ($name)', async ({ folder, dialect }) => {
  const statement = selectChanges(dialect, {
    population: populationIn(dialect),
    snapshot: raw('snapshot__s'),
    removesLeavers: true,
    everyone: false,
    comparable: undefined,
  })
  await expect(golden(statement, dialect)).toMatchFileSnapshot(`${folder}/diff.sql`)
})

test.each(dialects)('one statement looks over keys and numbers before anything is planned ($name)', async ({
  folder,
  dialect,
}) => {
  const ltv = { name: 'ltv', expression: dialect.quote('ltv'), column: { type: 'number', native: 'DOUBLE' } } as const
  const statement = lookOver(dialect, raw('stage'), raw(dialect.quote('id')), [ltv])
  await expect(golden(statement, dialect)).toMatchFileSnapshot(`${folder}/look-over.sql`)
})

test.each(dialects)('who is in quarantine is in neither side of the diff ($name)', async ({ folder, dialect }) => {
  const judged = {
    relation: raw('stage'),
    columns: [{ name: 'id', ...text }],
    key: raw(dialect.quote('id')),
    broken: [
      { reason: 'not_null:tier', offends: raw(`tested.${dialect.quote('tier')} is null`) },
      ...badKeyTests(raw('"id"'), raw('duplicates')),
    ],
  }
  const quarantined = raw('quarantine__run')
  const diff = selectChanges(dialect, {
    population: selectPopulation(dialect, {
      stage: raw('stage'),
      key: raw(dialect.quote('id')),
      fields: [],
      quarantined,
    }),
    snapshot: raw('snapshot__s'),
    removesLeavers: true,
    everyone: false,
    comparable: undefined,
    frozen: quarantined,
  })
  const statements = [selectQuarantined(dialect, judged), countQuarantined(dialect, judged), diff]
  await expect(statements.map(statement => golden(statement, dialect)).join('\n')).toMatchFileSnapshot(
    `${folder}/quarantine.sql`,
  )
})

test('where columns are billed, the stage knows keys, digests and the payloads that are new', async () => {
  const dialect = bigqueryDialect({ state: ['activate'], token: 'night' })
  const ahead = aheadOf(dialect)
  const [quarantine, suppressed, back] = ['quarantine__run', 'ineligible__run', 'released__run'].map(name => raw(name))
  const of = { quarantined: quarantine, ineligible: suppressed, frozen: quarantine, released: back }
  const statements = [
    selectAhead(dialect, {
      model: raw('select * from `shop.people`'),
      columns: ['id', 'tier', 'score'],
      key: raw(dialect.quote('id')),
      fields: [
        { name: 'score', expression: dialect.quote('score'), column: { type: 'number', native: 'FLOAT64' } },
        { name: 'tier', expression: dialect.quote('tier'), column: text },
      ],
      ...{ snapshot: raw('`activate.snapshot__s`'), removesLeavers: true },
    }),
    selectDigests(dialect, { stage: raw('stage'), ahead, quarantined: undefined }),
    lookOverAhead(dialect, raw('stage'), ahead),
    selectCompared(dialect, { table: raw('stage'), ahead }, { removesLeavers: true, ...of }),
  ]
  await expect(statements.map(statement => golden(statement, dialect)).join('\n')).toMatchFileSnapshot(
    'golden/bigquery/stage.sql',
  )
})

const place = { file: 'activate.yml', line: 1, column: 1 }
const policies = {
  caps: [{ name: 'marketing_email', channel: 'email', purposes: ['marketing'], max: 3, per: 604_800_000, place }],
  holdouts: [{ name: 'global', share: 0.05, epoch: '2026H1', salt: 'acme-2026H1', appliesTo: 'communications', place }],
} as const

const names = Object.keys(stateTables) as StateTable[]
const state = Object.fromEntries(names.map(name => [name, raw(name)])) as Record<StateTable, Fragment>

test.each(
  dialects,
)('the outbox asks every row rule in one case, and every ranking rule in a step of its own ($name)', async ({
  folder,
  dialect,
}) => {
  const context: RuleContext = {
    dialect: dialect,
    sync: syncOf({
      mode: 'trigger',
      trigger: { on: 'enter', reentry: { after: 86_400_000 }, firstRun: 'baseline' },
      ...{ channel: 'email', purpose: 'marketing', expires: { column: 'renews_on' } },
    }),
    policies,
    asOf: '2026-03-01T02:00:00.000Z',
    today: { date: '2026-03-01', began: '2026-03-01T00:00:00.000Z' },
    firstRun: false,
    moved: false,
    ...{ snapshot: raw('snapshot__s'), changes: raw('change__run'), state, relations: noPolicies },
    quietHours: { relation: raw('quiet_zones'), default: 'Europe/London' },
    sendWindow: undefined,
  }
  const rules = rulesFor(context.sync, policies).filter(rule => rule.concerns(context))
  const statement = selectOutbox(dialect, {
    ...{ project: 'acme', context, rules, limit: 100, everyone: false },
    about: raw('about__run'),
  })
  await expect(golden(statement, dialect)).toMatchFileSnapshot(`${folder}/outbox.sql`)
})
