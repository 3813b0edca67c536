import { ledgerError } from './failure.ts'
import type { Lease } from './ledger.ts'

/** Throws A5003 unless the lease is still the newest of its scope. */
export function refuseOldFence(lease: Lease, newest: number | undefined): void {
  if (newest !== lease.fence) throw oldFence(lease)
}

export function oldFence({ scope }: Lease) {
  return ledgerError('A5003', `the lease on ${scope} was taken over by another runner`, {
    help: 'nothing was recorded; the other runner settles what was left',
  })
}
