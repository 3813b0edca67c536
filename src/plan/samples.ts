/** A few people of a plan, for those who review it. */
import type { Json } from '../project/project.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'
import type { Row, Warehouse } from '../warehouse/warehouse.ts'
import { sampleOutbox } from './outbox.ts'
import { type Decision, decisions, type IneligibleSample, type Operation, operations, type Sample } from './plan.ts'
import { erasedReason } from './policies/erased.ts'
import { query } from './stage.ts'
import type { OutboxSummary } from './summary.ts'

/** Up to `limit` changes of each operation and decision. */
export async function readSamples(
  warehouse: Warehouse,
  outbox: Fragment,
  summary: OutboxSummary,
  limit: number,
): Promise<readonly Sample[]> {
  if (limit === 0) return []
  const samples: Sample[] = []
  for (const op of operations)
    for (const decision of decisions) {
      if (!summary.marks.some(mark => mark.startsWith(`${op} ${decision} `))) continue
      const rows = await query(warehouse, sampleOutbox(outbox, op, decision, limit))
      samples.push(...rows.map(row => sample(row, op, decision)))
    }
  return samples
}

function sample(row: Row, op: Operation, decision: Decision): Sample {
  const fields = (payload: unknown) =>
    typeof payload === 'string' ? (JSON.parse(payload) as Readonly<Record<string, Json>>) : null
  return {
    key: String(row.key),
    op,
    decision,
    ...(typeof row.reason === 'string' ? { reason: row.reason } : {}),
    before: fields(row.previous),
    after: op === 'leave' ? null : fields(row.payload),
  }
}

/** Up to `limit` rows that may not take part, of each reason. */
export async function readIneligibleSamples(
  warehouse: Warehouse,
  ineligible: Fragment | undefined,
  limit: number,
): Promise<readonly IneligibleSample[]> {
  if (ineligible === undefined || limit === 0) return []
  const rows = await query(
    warehouse,
    sql`select key, reason from (
  select key, reason, row_number() over (partition by reason order by key) as nth from ${ineligible} where reason <> ${erasedReason}
) numbered where nth <= ${raw(String(limit))} order by reason, key`,
  )
  return rows.map(({ key, reason }) => ({ key: String(key), reason: String(reason) }))
}
