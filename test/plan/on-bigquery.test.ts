/**
 * Planning once more, on BigQuery's own analyser and evaluator: the same cases, the same expected rows. Every statement that a night of any
 * mode and rule consists of passes the analyser, and BigQuery's rule for outer joins, on its way.
 */
import { describe } from 'vitest'
import { zetasqlMissing } from '../engines/zetasql.ts'
import { onBigquery } from './engine.ts'

const files = {
  plan: () => import('./plan.test.ts'),
  drift: () => import('./drift.test.ts'),
  quarantine: () => import('./quarantine.test.ts'),
  policies: () => import('./policies/policies.test.ts'),
}

/** Minutes of the evaluator's time: `ACTIVATE_TEST_BIGQUERY=all`. The statements of identity are in the worked example as well. */
const more = {
  people: () => import('./identity/people.test.ts'),
  normalisation: () => import('./normalisation.test.ts'),
  'quarantine, night by night': () => import('./quarantine-nights.test.ts'),
  'policies, whatever they are': () => import('./policies/policies.property.test.ts'),
}

const all = process.env.ACTIVATE_TEST_BIGQUERY === 'all' ? { ...files, ...more } : files

describe.skipIf(zetasqlMissing !== undefined)('on BigQuery', () => {
  onBigquery()
  // A describe for each, because the hooks of a file are for its own tests.
  for (const [name, load] of Object.entries(all)) describe(name, async () => void (await load()))
})
