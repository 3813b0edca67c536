import { sql } from '../../warehouse/sql.ts'
import type { Rule } from './rule.ts'

/** Blocks a key whose last change may or may not have arrived: sending again could be the second time. */
export const unresolved: Rule = {
  reason: 'unresolved.parked',
  decision: 'blocked',
  concerns: () => true,
  condition: () => sql`unresolved.key is not null`,
}
