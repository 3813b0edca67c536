/**
 * Delivery: the outbox's rows in `seq` order become requests, each with a committed intent before it leaves and one
 * outcome per record afterwards. Ends early on what repeating cannot mend, and then says why.
 */
import type { Lease, Ledger, OutcomeCounts } from '../ledger/ledger.ts'
import type { Operation, PlannedChange } from '../plan/plan.ts'
import type { Clock } from './clock.ts'
import type { OpenDestination } from './open-destination.ts'
import type { RetryBudget } from './retry.ts'

export interface Route {
  readonly action: string
}

export interface DeliveryProgress {
  /** Records answered for so far, and those to send. */
  readonly sent: number
  readonly total: number
  /** Milliseconds that the limiter is making delivery wait at this moment. */
  readonly waiting: number
}

/** Something a log may show; never holds a record's fields. */
export interface DeliveryNote {
  readonly kind: 'retry' | 'moved' | 'rejected' | 'parked' | 'pause' | 'stop' | 'reply' | 'late'
  readonly code: string
  readonly message: string
  readonly requestId?: string
}

export type StopKind = 'credentials' | 'configuration' | 'errors' | 'unreachable' | 'lease' | 'interrupted'

/** Why delivery ended before all was sent; `code` is one of `deliveryCodes`. */
export interface Stop {
  readonly kind: StopKind
  readonly code: string
  readonly message: string
}

export interface DeliveryTotals extends OutcomeCounts {
  /** Distinct requests of which at least one attempt was begun. */
  readonly requests: number
  /** Attempts after a request's first. */
  readonly retries: number
  readonly stopped?: Stop
}

/** What the engine works with, whether the rows are new or left behind by a dead run. */
export interface DeliveryContext {
  readonly runId: string
  readonly destination: OpenDestination
  readonly ledger: Pick<Ledger, 'begin' | 'conclude' | 'move'>
  /** The run's lease as last renewed; asked before each send. */
  readonly lease: () => Lease
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
}

export interface DeliveryInput extends DeliveryContext {
  /** The outbox's sends in `seq` order. */
  readonly rows: AsyncIterable<readonly PlannedChange[]>
  /** How many rows there are; what is not answered for counts as pending. */
  readonly total: number
  readonly routes: (op: Operation) => Route
}

/** Throws only for defects and for a ledger that fails; whatever a destination does is in the totals. */
export async function deliver(_input: DeliveryInput): Promise<DeliveryTotals> {
  throw new Error('not built yet')
}
