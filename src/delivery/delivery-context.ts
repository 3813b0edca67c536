/** What the engine is given and what it returns, whether the rows are new or left behind by a dead run. */
import type { Lease, Ledger, OutcomeCounts } from '../ledger/ledger.ts'
import type { Clock } from './clock.ts'
import type { OpenDestination } from './open-destination.ts'
import type { Recheck } from './recheck.ts'
import type { ReportedOptOut } from './resolve-outcome.ts'
import type { RetryBudget } from './retry.ts'
import type { Stop } from './tally.ts'

export interface DeliveryProgress {
  /** Records answered for so far, and those to send. */
  readonly sent: number
  readonly total: number
  /** Milliseconds that the limiter is making delivery wait at this moment. */
  readonly waiting: number
}

/** Something a log may show; never holds a record's fields. */
export interface DeliveryNote {
  readonly kind:
    | 'retry'
    | 'moved'
    | 'rejected'
    | 'parked'
    | 'withdrawn'
    | 'pause'
    | 'stop'
    | 'reply'
    | 'late'
    | 'opt_out'
    | 'rows'
  readonly code: string
  readonly message: string
  readonly requestId?: string
}

export interface DeliveryTotals extends OutcomeCounts {
  /** Those of the pending that were taken out at the last moment, because they must not be sent to any more. */
  readonly withdrawn: number
  /**
   * Those of the pending that may have arrived and can be repeated or asked about when delivery goes on: their requests are left
   * `uncertain`, and the run must not be settled before a recovery has ended them.
   */
  readonly open: number
  /** Distinct requests of which at least one attempt was begun. */
  readonly requests: number
  /** Attempts after a request's first. */
  readonly retries: number
  readonly stopped?: Stop
}

export interface DeliveryContext {
  readonly runId: string
  readonly destination: OpenDestination
  /** With `turn`, the destination's limits are shared with other processes. */
  readonly ledger: Pick<Ledger, 'begin' | 'conclude' | 'move'> & Partial<Pick<Ledger, 'turn'>>
  /** The run's lease as last renewed; asked before each send. */
  readonly lease: () => Lease
  /** Milliseconds before the lease's end at which nothing is begun or written any more; five seconds by default. */
  readonly leaseMargin?: number
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** Aborted: what is in flight finishes, nothing new starts. */
  readonly signal: AbortSignal
  readonly onProgress: (progress: DeliveryProgress) => void
  /** For actions that cannot be repeated safely. */
  readonly onUncertain: 'park' | 'resend'
  /** Share of rejected records, once 100 were answered for, at which delivery stops. */
  readonly maxErrorRate?: number
  readonly log: (note: DeliveryNote) => void
  readonly retry?: Partial<RetryBudget>
  /** Told of those whom a destination refused because they opted out there; resolves once that is written down. */
  readonly onOptOuts?: (optOuts: readonly ReportedOptOut[]) => Promise<void>
  /** It delivers what a dead run left: what it cannot clear up now, the next recovery may. */
  readonly recovers?: boolean
  /** Undefined: nobody can have opted out since the plan was made. */
  readonly recheck?: Recheck
}
