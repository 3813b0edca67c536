/** Planning once more, on a PostgreSQL server: the same cases, the same expected rows. */
import { describe } from 'vitest'
import { postgresMissing } from '../postgres-server.ts'
import { onPostgres } from './engine.ts'

const files = {
  plan: () => import('./plan.test.ts'),
  drift: () => import('./drift.test.ts'),
  quarantine: () => import('./quarantine.test.ts'),
  'quarantine, night by night': () => import('./quarantine-nights.test.ts'),
  normalisation: () => import('./normalisation.test.ts'),
  people: () => import('./identity/people.test.ts'),
  policies: () => import('./policies/policies.test.ts'),
  'policies, whatever they are': () => import('./policies/policies.property.test.ts'),
}

describe.skipIf(postgresMissing !== undefined)('on PostgreSQL', () => {
  onPostgres()
  // A describe for each, because the hooks of a file are for its own tests.
  for (const [name, load] of Object.entries(files)) describe(name, async () => void (await load()))
})
