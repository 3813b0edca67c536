import type { Sync } from '../../project/project.ts'
import { type Fragment, join, raw, sql } from '../../warehouse/sql.ts'
import type { Operation } from '../plan.ts'
import type { RowRule } from './rule.ts'

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

/** Whether the mode keeps the destination's records equal to the population, so that leavers are taken out again. */
export function removesLeavers({ mode }: Pick<Sync, 'mode'>): boolean {
  return mode === 'mirror' || mode === 'audience'
}

/**
 * Skips what the mode leaves alone, and what `append` has sent once already. Only what was sent is ever removed: not what a
 * holdout withheld, and not at a destination that has just become this sync's.
 */
export const mode: RowRule = {
  kind: 'row',
  reason: 'mode.left_alone',
  decision: 'skip',
  concerns: () => true,
  condition: ({ sync, moved }) => {
    const acted = join(
      actsOn(sync).map(op => raw(`'${op}'`)),
      ', ',
    )
    const others: Fragment = sql`change.op not in (${acted})`
    if (sync.mode === 'append') return sql`(${others} or change.was is not null)`
    if (!removesLeavers(sync)) return others
    return sql`(${others} or change.op = 'leave' and ${moved ? raw('true') : sql`change.was = 'withheld'`})`
  },
}
