/** Counts what was delivered, and notices when going on makes no sense. */
import type { OutcomeCounts } from '../ledger/ledger.ts'
import type { Resolution } from './resolve-outcome.ts'
import { createRunBudget, retryFloor, retryShare } from './run-budget.ts'

export type StopKind =
  | 'credentials'
  | 'configuration'
  | 'errors'
  | 'unreachable'
  | 'throttled'
  | 'limit'
  | 'lease'
  | 'interrupted'
  | 'held'

/** Why delivery ended before all was sent; `code` is one of `deliveryCodes`, or what a recheck said. */
export interface Stop {
  readonly kind: StopKind
  readonly code: string
  readonly message: string
  /** Instant in milliseconds from which it may go on, where that is known. */
  readonly until?: number
}

/** Whether nothing is wrong but the moment: what may have arrived can wait for the next run to repeat it or ask about it. */
export function isPause({ kind }: Pick<Stop, 'kind'>): boolean {
  return kind === 'interrupted' || kind === 'limit'
}

/** So many requests in a row that spent their budget, without one success between them, mean that the destination is down. */
const downAfter = 5

/** A share of few records says little. */
const judgedFrom = 100

const configurationCodes: Readonly<Record<string, string>> = {
  redirect: 'A6006',
  address_refused: 'A6007',
  invalid_request: 'A6008',
  table_mismatch: 'A6513',
  no_such_place: 'A5062',
}

export interface Tally {
  readonly counts: OutcomeCounts
  readonly requests: number
  readonly retries: number
  readonly withdrawn: number
  begun(attempt: number): void
  withdraw(rows: number): void
  /** A reason to stop that follows from this resolution, if any; asked as soon as the reply is there. */
  judge(resolution: Resolution): Stop | undefined
  /** Counts what the ledger has taken in. */
  record(resolution: Resolution): void
  /** The reason to report when everything was tried and nothing was ever answered. */
  verdict(): Stop | undefined
}

export function createTally(maxErrorRate: number | undefined): Tally {
  let counts: OutcomeCounts = { acked: 0, rejected: 0, parked: 0, pending: 0 }
  let answered = 0
  let refused = 0
  let requests = 0
  let retries = 0
  let withdrawn = 0
  let exhausted = 0
  const budget = createRunBudget()
  let everAlive = false
  let lastError = 'no answer'

  function unreachable(): Stop {
    return { kind: 'unreachable', code: 'A6002', message: `the destination cannot be reached: ${lastError}` }
  }

  function stillThrottled(): Stop {
    const message = `the destination said for too long that it was too much (429): ${lastError}`
    return { kind: 'throttled', code: 'A6063', message }
  }

  function tooManyRetries(): Stop {
    const message = `more than ${100 * retryShare} % of the requests, and ${retryFloor} beside, had to be repeated: ${lastError}`
    return { kind: 'unreachable', code: 'A6062', message }
  }

  function tooManyErrors(): Stop | undefined {
    if (maxErrorRate === undefined || answered < judgedFrom || refused / answered < maxErrorRate) return undefined
    const message = `${refused} of ${answered} records were refused, which reaches max_error_rate`
    return { kind: 'errors', code: 'A6003', message }
  }

  return {
    get counts() {
      return counts
    },
    get requests() {
      return requests
    },
    get retries() {
      return retries
    },
    get withdrawn() {
      return withdrawn
    },
    begun(attempt) {
      if (attempt <= 1) requests += 1
      else retries += 1
    },
    withdraw(rows) {
      withdrawn += rows
    },
    record({ counts: more }) {
      counts = {
        acked: counts.acked + more.acked,
        rejected: counts.rejected + more.rejected,
        parked: counts.parked + more.parked,
        pending: counts.pending + more.pending,
      }
    },
    judge({ counts: more, health, error, stop, again, throttled = false }) {
      answered += more.acked + more.rejected + more.parked
      refused += more.rejected
      if (error !== undefined) lastError = `${error.code}, ${error.message}`
      if (health === 'alive') {
        everAlive = true
        exhausted = 0
      } else if (health === 'exhausted') {
        exhausted += 1
      }
      if (stop !== undefined) return deniedStop(stop.code, stop.message)
      if (throttled && health === 'exhausted') return stillThrottled()
      if (exhausted >= downAfter) return unreachable()
      if (again !== undefined && health === 'failing' && !budget.spend(requests)) return tooManyRetries()
      return tooManyErrors()
    },
    verdict: () => (exhausted > 0 && !everAlive ? unreachable() : undefined),
  }
}

function deniedStop(code: string, message: string): Stop {
  const configuration = configurationCodes[code]
  if (configuration !== undefined) return { kind: 'configuration', code: configuration, message }
  return { kind: 'credentials', code: 'A6001', message: `the destination refused the credentials: ${message}` }
}
