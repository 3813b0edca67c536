import { raw, sql } from '../../warehouse/sql.ts'
import { joinDefault } from '../policies/zones.ts'
import type { RowRule, RuleContext, ZoneRelation } from './rule.ts'

function shut(
  kind: 'quiet' | 'window',
  reason: string,
  zonesOf: (context: RuleContext) => ZoneRelation | undefined,
): RowRule {
  const [own, fallback] = [raw(`${kind}_hours`), raw(`${kind}_default`)]
  return {
    kind: 'row',
    reason,
    decision: 'defer',
    concerns: context => zonesOf(context) !== undefined,
    join: context => {
      const zones = zonesOf(context)
      if (zones === undefined) return sql``
      return sql`left join ${zones.relation} ${own} on ${own}.zone = change.${raw(`${kind}_zone`)}
  ${joinDefault(context.dialect)} ${zones.relation} ${fallback} on ${fallback}.zone = ${zones.default}`
    },
    condition: () => sql`coalesce(${own}.shut, ${fallback}.shut)`,
  }
}

/** Defers a communication while it is night on the person's own clock. */
export const quietHours = shut('quiet', 'quiet_hours.window', context => context.quietHours)

/** Defers a communication to the hours and days in which the sync may send. */
export const sendWindow = shut('window', 'send_window.closed', context => context.sendWindow)
