/**
 * Delivery: the outbox's rows in `seq` order become requests, each with a committed intent before it leaves and one
 * outcome per record afterwards. Ends early on what repeating cannot mend, and then says why.
 */
import type { Operation, PlannedChange } from '../plan/plan.ts'
import { createCutter } from './batch.ts'
import type { DeliveryContext, DeliveryTotals } from './delivery-context.ts'
import { Dispatch } from './dispatch.ts'
import { stopWhileOpen } from './gate.ts'
import { type Task, tasksOfBatch } from './task.ts'

export type { DeliveryContext, DeliveryNote, DeliveryProgress, DeliveryTotals } from './delivery-context.ts'
export type { Recheck, RecheckAnswer, Withdrawal } from './recheck.ts'
export type { Stop, StopKind } from './tally.ts'

export interface Route {
  readonly action: string
}

export interface DeliveryInput extends DeliveryContext {
  /** The outbox's sends in `seq` order. */
  readonly rows: AsyncIterable<readonly PlannedChange[]>
  /** How many rows there are; what is not answered for counts as pending. */
  readonly total: number
  readonly routes: (op: Operation) => Route
}

/**
 * Delivers every row, or says in `stopped` why it ended early; whatever the destination does is in the totals. Throws for
 * what is wrong on this side, once nothing is in flight any more: an action that does not exist (A6010), rows that cannot
 * be read, a ledger that cannot record.
 */
export async function deliver(input: DeliveryInput): Promise<DeliveryTotals> {
  const stopped = stopWhileOpen(input.destination, input.clock.now())
  if (stopped !== undefined) {
    input.log({ kind: 'stop', code: stopped.code, message: stopped.message })
    const nothing = { acked: 0, rejected: 0, parked: 0, withdrawn: 0, open: 0, requests: 0, retries: 0 }
    return { ...nothing, pending: input.total, stopped }
  }
  return new Dispatch(input, tasksOfRows(input), input.total).run()
}

async function* tasksOfRows(input: DeliveryInput): AsyncGenerator<Task> {
  const { destination, routes, rows } = input
  const cutter = createCutter(
    op => routes(op).action,
    action => destination.action(action).batch ?? { maxRecords: 1 },
  )
  for await (const chunk of rows) {
    for (const change of chunk) {
      for (const batch of cutter.add(change)) yield* tasksOfBatch(input, batch)
    }
  }
  for (const batch of cutter.end()) yield* tasksOfBatch(input, batch)
}
