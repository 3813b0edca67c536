import { sql } from '../../warehouse/sql.ts'
import type { RowRule } from './rule.ts'

/** Skips rows that differ only because the field mapping changed, where the sync keeps what was sent. */
export const mapping: RowRule = {
  kind: 'row',
  reason: 'mapping.kept',
  decision: 'skip',
  concerns: () => true,
  condition: () => sql`change.kept`,
}
