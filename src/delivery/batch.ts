/**
 * Cuts the outbox's rows into requests: consecutive `seq`, one action, no more records or bytes than the action takes.
 * The same rows always give the same cuts.
 */
import type { Operation, PlannedChange } from '../plan/plan.ts'

export interface CutRules {
  readonly maxRecords: number
  /** Bytes of the records as JSON. */
  readonly maxBytes?: number
}

export interface Batch {
  readonly action: string
  readonly changes: readonly PlannedChange[]
  /** A single record that is larger than the action takes; it must not be sent. */
  readonly tooLarge: boolean
}

export interface Cutter {
  /** The batches that this row completes, in order. */
  add(change: PlannedChange): readonly Batch[]
  end(): readonly Batch[]
}

/** What a wrapper around the records may add (`{"records":[…]}`), so that a body of whole records stays below the limit. */
const wrapperBytes = 256

/** Bytes of one record in its usual envelope, with the comma that follows it. */
export function recordBytes(change: PlannedChange): number {
  const { key, changeId, op, fields } = change
  return Buffer.byteLength(JSON.stringify({ key, change_id: changeId, op, fields })) + 1
}

/** Whether the action does not take this record even alone. */
export function isTooLarge(change: PlannedChange, { maxBytes }: Pick<CutRules, 'maxBytes'>): boolean {
  return maxBytes !== undefined && recordBytes(change) - 1 > maxBytes
}

export function createCutter(actionOf: (op: Operation) => string, rulesOf: (action: string) => CutRules): Cutter {
  let open: PlannedChange[] = []
  let openAction = ''
  let openBytes = 0

  function close(): readonly Batch[] {
    if (open.length === 0) return []
    const batch: Batch = { action: openAction, changes: open, tooLarge: false }
    open = []
    openBytes = 0
    return [batch]
  }

  function add(change: PlannedChange): readonly Batch[] {
    const action = actionOf(change.op)
    const { maxRecords, maxBytes } = rulesOf(action)
    const bytes = maxBytes === undefined ? 0 : recordBytes(change)
    if (maxBytes !== undefined && bytes - 1 > maxBytes)
      return [...close(), { action, changes: [change], tooLarge: true }]

    const last = open.at(-1)
    const fits =
      last === undefined ||
      (openAction === action &&
        last.seq + 1 === change.seq &&
        open.length < maxRecords &&
        (maxBytes === undefined || openBytes + bytes <= maxBytes - wrapperBytes))
    const closed = fits ? [] : close()
    open.push(change)
    openAction = action
    openBytes += bytes
    return open.length >= maxRecords ? [...closed, ...close()] : closed
  }

  return { add, end: close }
}
