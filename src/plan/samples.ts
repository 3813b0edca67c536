/** A few people of a plan, for those who review it. */
import type { Json } from '../project/project.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import type { Row, Warehouse } from '../warehouse/warehouse.ts'
import { sampleOutbox } from './outbox.ts'
import { type Decision, decisions, type IneligibleSample, type Operation, operations, type Sample } from './plan.ts'
import { erasedReason } from './policies/erased.ts'
import { query } from './stage.ts'
import type { StateRelations } from './state-tables.ts'
import type { OutboxSummary } from './summary.ts'

/** Up to `limit` changes of each operation and decision. */
export async function readSamples(
  warehouse: Warehouse,
  outbox: Fragment,
  summary: OutboxSummary,
  limit: number,
  state: Pick<StateRelations, 'snapshot' | 'payloads'>,
): Promise<readonly Sample[]> {
  if (limit === 0) return []
  const samples: Sample[] = []
  for (const op of operations)
    for (const decision of decisions) {
      if (!summary.marks.some(mark => mark.startsWith(`${op} ${decision} `))) continue
      const rows = await query(warehouse, sampleOutbox(outbox, op, decision, limit))
      const before = await payloadsBefore(warehouse, state, op === 'enter' ? [] : rows)
      samples.push(
        ...rows.map(row => sample({ ...row, previous: row.previous ?? before.get(row.key) ?? null }, op, decision)),
      )
    }
  return samples
}

/** Where payloads stand apart, the outbox has none of those before: those of a few keys are looked up by them. */
async function payloadsBefore(
  warehouse: Warehouse,
  { snapshot, payloads }: Pick<StateRelations, 'snapshot' | 'payloads'>,
  rows: readonly Row[],
): Promise<ReadonlyMap<unknown, string>> {
  if (payloads === undefined || rows.length === 0) return new Map()
  const keys = join(
    rows.map(({ key }) => sql`${key ?? null}`),
    ', ',
  )
  const found = await query(
    warehouse,
    sql`select s.key, old.payload from ${snapshot} s join ${payloads} old on old.key = s.key and old.digest = s.digest
where s.key in (${keys}) and old.key in (${keys})`,
  )
  return new Map(found.map(({ key, payload }) => [key, String(payload)]))
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
