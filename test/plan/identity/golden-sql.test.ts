import { expect, test } from 'vitest'
import { contract, selectChoices } from '../../../src/plan/identity/components.ts'
import { rememberStatements, selectEvents, selectPersons } from '../../../src/plan/identity/entities.ts'
import { selectLinks } from '../../../src/plan/identity/links.ts'
import { selectGraph } from '../../../src/plan/identity/nodes.ts'
import { duckdbDialect } from '../../../src/warehouse/duckdb-dialect.ts'
import { type Fragment, raw, render } from '../../../src/warehouse/sql.ts'
import { identityOf } from './identity-nights.ts'

/** The statements as they are executed, each with its bound values beneath. */
function golden(...fragments: readonly Fragment[]): string {
  const statements = fragments.map(fragment => {
    const { sql, params } = render(fragment, duckdbDialect.placeholder)
    return `${sql}\n${params.map((value, index) => `-- $${index + 1} = ${JSON.stringify(value)}\n`).join('')}`
  })
  return statements.join('\n')
}

const text = { type: 'string', native: 'VARCHAR' } as const
const identity = identityOf({
  identifiers: [{ name: 'phone', normalise: 'e164', region: 'GB', place: identityOf().place }],
  minConfidence: 0.5,
})
const names = ['left_type', 'left_value', 'right_type', 'right_value']
const columns = [...names.map(name => ({ name, ...text })), { name: 'seen_at', type: 'date', native: 'DATE' } as const]

test('links are read and tidied in one pass, and become pairs of numbers', async () => {
  const model = { model: 'm', select: raw('select * from stage'), columns, place: identity.place }
  const statements = [
    selectLinks(duckdbDialect, identity, '2026-03-01T02:00:00.000Z', [model]),
    selectGraph(raw('links'), identity, raw('nodes')),
  ]
  await expect(golden(...statements)).toMatchFileSnapshot('../golden/identity-links.sql')
})

test('a round of contraction is two statements', async () => {
  const statements = [selectChoices(raw('graph_1'), 1), contract(raw('graph_1'), raw('choice_1'))]
  await expect(golden(...statements)).toMatchFileSnapshot('../golden/identity-round.sql')
})

test('people are named, compared with before, and remembered where they changed', async () => {
  const statements = [
    selectPersons(raw('labels'), raw('nodes'), raw('identities'), identity),
    selectEvents(duckdbDialect, raw('persons'), raw('identities'), identity),
    ...rememberStatements(
      duckdbDialect,
      { identities: raw('identities'), identity_history: raw('identity_history') },
      { persons: raw('persons'), identifiers: raw('identifiers'), events: raw('events') },
      { key: identity.key, runId: 's__1', asOf: '2026-03-01T02:00:00.000Z' },
    ),
  ]
  await expect(golden(...statements)).toMatchFileSnapshot('../golden/identity-people.sql')
})
