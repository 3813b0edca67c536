import { sql } from '../../warehouse/sql.ts'
import type { Rule } from './rule.ts'

/** Skips rows that differ only because the field mapping changed, where the sync keeps what was sent. */
export const mapping: Rule = {
  reason: 'mapping.kept',
  decision: 'skip',
  concerns: () => true,
  condition: () => sql`change.kept`,
}
