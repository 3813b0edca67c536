import { expect, test } from 'vitest'
import { selectChanges } from '../../src/plan/diff.ts'
import { selectOutbox } from '../../src/plan/outbox.ts'
import { badKeyTests, selectPopulation } from '../../src/plan/population.ts'
import { countQuarantined, selectQuarantined } from '../../src/plan/quarantine.ts'
import { rules } from '../../src/plan/rules/index.ts'
import { duckdbDialect } from '../../src/warehouse/duckdb-dialect.ts'
import { type Fragment, raw, render } from '../../src/warehouse/sql.ts'
import { syncOf } from './plan-nights.ts'

/** The statement as it is executed, with its bound values beneath. */
function golden(fragment: Fragment): string {
  const { sql, params } = render(fragment, duckdbDialect.placeholder)
  return `${sql}\n${params.map((value, index) => `-- $${index + 1} = ${JSON.stringify(value)}\n`).join('')}`
}

const text = { type: 'string', native: 'VARCHAR' } as const
const population = selectPopulation(duckdbDialect, {
  stage: raw('stage'),
  key: raw('"id"'),
  fields: [{ name: 'tier', expression: '"tier"', column: text }],
  quarantined: undefined,
})

test('the diff is one full join of hashes', async () => {
  const statement = selectChanges(duckdbDialect, {
    population,
    snapshot: raw('snapshot__s'),
    everyone: false,
    comparable: undefined,
  })
  await expect(golden(statement)).toMatchFileSnapshot('golden/diff.sql')
})

test('who is in quarantine is in neither side of the diff', async () => {
  const judged = {
    relation: raw('stage'),
    columns: [{ name: 'id', ...text }],
    key: raw('"id"'),
    broken: [
      { reason: 'not_null:tier', offends: raw('tested."tier" is null') },
      ...badKeyTests(raw('"id"'), raw('duplicates')),
    ],
  }
  const quarantined = raw('quarantine__run')
  const diff = selectChanges(duckdbDialect, {
    population: selectPopulation(duckdbDialect, { stage: raw('stage'), key: raw('"id"'), fields: [], quarantined }),
    snapshot: raw('snapshot__s'),
    everyone: false,
    comparable: undefined,
    frozen: quarantined,
  })
  const statements = [selectQuarantined(duckdbDialect, judged), countQuarantined(duckdbDialect, judged), diff]
  await expect(statements.map(golden).join('\n')).toMatchFileSnapshot('golden/quarantine.sql')
})

test('the outbox asks every rule in one case, in order', async () => {
  const statement = selectOutbox(duckdbDialect, {
    project: 'acme',
    sync: syncOf({ mode: 'trigger', trigger: { on: 'enter', reentry: { after: 86_400_000 }, firstRun: 'baseline' } }),
    asOf: '2026-03-01T02:00:00.000Z',
    firstRun: true,
    everyone: false,
    rules,
    limit: 100,
    changes: raw('change__run'),
    population,
    snapshot: raw('snapshot__s'),
    deliveries: raw('deliveries'),
    rejections: raw('rejections'),
    unresolved: raw('unresolved'),
  })
  await expect(golden(statement)).toMatchFileSnapshot('golden/outbox.sql')
})
