/** What a night costs where the engine bills what it reads: said by a dry run, and held to the budget before anything is computed. */
import { bytesBeforehand, bytesOfSettle } from '../plan/night-bytes.ts'
import type { PlanCost } from '../plan/plan.ts'
import { outboxName } from '../plan/state.ts'
import type { StateRelations } from '../plan/state-tables.ts'
import { ActivateError } from '../project/problem.ts'
import type { Model, Sync } from '../project/project.ts'
import { byteSize, dollarsOf, type TableSize } from '../warehouse/billing.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'

const empty: TableSize = { rows: 0, bytes: 0 }

/**
 * Refuses a night of which a statement would be over the budget: it would be refused in its midst, and a settle after everything was sent.
 *
 * @throws A3060
 */
export async function refuseOverBudget(
  { bill }: Warehouse,
  model: Model,
  compiled: string,
  sync: Sync,
  { snapshotTable }: StateRelations,
): Promise<void> {
  if (bill?.budget === undefined) return
  const modelBytes = await bill.estimate(compiled)
  const sizes = {
    modelBytes: modelBytes ?? 0,
    sync: sync.name,
    snapshot: (await bill.sizeOf(snapshotTable.texts[0] ?? '')) ?? empty,
  }
  const { bytes: most, written } = bill.budget
  const over = bytesBeforehand(sizes).filter(({ bytes }) => bytes > most)
  const [first] = over.toSorted((a, b) => b.bytes - a.bytes)
  if (first === undefined) return
  throw new ActivateError('failed', {
    code: 'A3060',
    message: `a night of "${sync.name}" would be over warehouse.maximum_bytes_billed (${written}): to ${first.statement} would bill about ${byteSize(first.bytes)}`,
    place: first.statement === 'compute the model' ? model.place : sync.place,
    help: 'select fewer columns or partitions in the model, or raise warehouse.maximum_bytes_billed; nothing was computed or sent',
  })
}

/** Counts from now on; `costOf` tells what a plan was billed, and what its settle will be. */
export function startMeter(warehouse: Warehouse): {
  costOf(sync: Sync, runId: string, aside: number, state: StateRelations): Promise<PlanCost | undefined>
} {
  const { bill, dialect } = warehouse
  const before = bill?.billed() ?? 0
  return {
    async costOf(sync, runId, aside, { snapshotTable }) {
      if (bill === undefined) return undefined
      const plan = bill.billed() - before - aside
      const sizes = await Promise.all(
        [snapshotTable.texts[0] ?? '', dialect.scratch(outboxName(runId))].map(relation => bill.sizeOf(relation)),
      )
      const [held = empty, outbox = empty] = sizes
      const settle = bytesOfSettle({ sync: sync.name, snapshot: held, outbox })
      const rate = bill.dollarsPerTebibyte
      return {
        bytes: plan + settle,
        plan_bytes: plan,
        settle_bytes: settle,
        usd: dollarsOf(plan + settle, rate),
        usd_per_tib: rate,
      }
    },
  }
}
