import type { Sync } from '../../project/project.ts'
import { type Fragment, join, raw, sql } from '../../warehouse/sql.ts'
import type { Operation } from '../plan.ts'
import type { Rule } from './rule.ts'

/** The operations on which a sync's mode sends (architecture section 5). */
export function actsOn(sync: Pick<Sync, 'mode' | 'trigger'>): readonly Operation[] {
  switch (sync.mode) {
    case 'upsert':
      return ['enter', 'change']
    case 'update':
      return ['change']
    case 'insert':
    case 'append':
      return ['enter']
    case 'mirror':
      return ['enter', 'change', 'leave']
    case 'audience':
      return ['enter', 'leave']
    case 'trigger':
      return [sync.trigger?.on === 'exit' ? 'leave' : (sync.trigger?.on ?? 'enter')]
  }
}

/** Skips what the mode leaves alone, and what `append` has sent once already. */
export const mode: Rule = {
  reason: 'mode.left_alone',
  decision: 'skip',
  concerns: () => true,
  condition: ({ sync }) => {
    const acted = join(
      actsOn(sync).map(op => raw(`'${op}'`)),
      ', ',
    )
    const others: Fragment = sql`change.op not in (${acted})`
    return sync.mode === 'append' ? sql`(${others} or change.seen)` : others
  },
}
