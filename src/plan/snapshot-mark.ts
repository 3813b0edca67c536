/** Whether a snapshot is still what it was, where the engine tells so without a query. */
import { ActivateError } from '../project/problem.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'

/** A text that is another as soon as the sync's snapshot may be another; undefined where that cannot be told. */
export async function markOfSnapshot(
  { metadata, state }: Pick<Warehouse, 'metadata' | 'state'>,
  sync: string,
): Promise<string | undefined> {
  const name = metadata?.nameOf([...state, `snapshot__${sync}`])
  if (metadata === undefined || name === undefined) return undefined
  try {
    return (await metadata.marksOf([name]))?.[name]
  } catch (error) {
    // Whatever is wrong here, the statements that are executed instead meet it and say so.
    if (error instanceof ActivateError) return undefined
    throw error
  }
}
