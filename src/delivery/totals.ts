/** What a delivery came to: what was not answered for is pending. */
import type { DeliveryTotals } from './delivery-context.ts'
import type { Stop, Tally } from './tally.ts'

/** `total` rows were to be delivered; `open` records are left in doubt; `stop` is why it ended early, if the tally does not say. */
export function totalsOf(
  tally: Tally,
  { total, open, stop }: { readonly total: number; readonly open: number; readonly stop: Stop | undefined },
): DeliveryTotals {
  const { counts, requests, retries, withdrawn } = tally
  const { acked, rejected, parked } = counts
  const stopped = stop ?? tally.verdict()
  const pending = Math.max(0, total - acked - rejected - parked)
  return { acked, rejected, parked, pending, withdrawn, open, requests, retries, ...(stopped && { stopped }) }
}
