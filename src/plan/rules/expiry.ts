import type { Sync } from '../../project/project.ts'
import { sql } from '../../warehouse/sql.ts'
import type { RowRule } from './rule.ts'

/** Skips a row that has become worthless, such as a reminder of a renewal that is over. */
export function expiry(sync: Pick<Sync, 'expires'>): readonly RowRule[] {
  if (sync.expires === undefined) return []
  return [
    {
      kind: 'row',
      reason: `expired.${sync.expires.column}`,
      decision: 'skip',
      concerns: () => true,
      condition: () => sql`change.op <> 'leave' and change.expired`,
    },
  ]
}
