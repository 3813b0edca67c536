/** What took effect at the far end: the truth. Repetitions are recognised by key, inside a window, where the rules say so. */
import type { Received, ReceivedRecord } from './received.ts'

export interface AppliedRules {
  /** A header by which repeated requests are recognised and not applied again. */
  readonly keyHeader?: string
  /** Milliseconds for which a key is remembered; for ever by default. */
  readonly keyWindow?: number
  /** Milliseconds after which what was applied shows in look-ups. */
  readonly lag?: number
  /** The far end's clock. */
  readonly now?: () => number
}

/** All, none, or some of a request's records. */
export type Apply = boolean | ((record: ReceivedRecord) => boolean)

export interface AppliedRecord {
  readonly ids: readonly string[]
  readonly mismatches: readonly string[]
  apply(request: Received, which: Apply): void
  /** Whether a look-up finds it at this moment. */
  shows(changeId: string): boolean
}

export function createAppliedRecord({ keyHeader, keyWindow, lag = 0, now = Date.now }: AppliedRules): AppliedRecord {
  const ids: string[] = []
  const mismatches: string[] = []
  const keys = new Map<string, { readonly at: number; readonly body: string }>()
  const firstAt = new Map<string, number>()

  function isRepetition(key: string, body: string): boolean {
    const known = keys.get(key)
    if (known === undefined || now() - known.at >= (keyWindow ?? Number.POSITIVE_INFINITY)) return false
    if (known.body !== body) mismatches.push(key)
    return true
  }

  return {
    ids,
    mismatches,
    apply({ headers, records, body }, which) {
      if (which === false) return
      const key = keyHeader === undefined ? undefined : headers[keyHeader]
      if (key !== undefined && isRepetition(key, body)) return
      if (key !== undefined) keys.set(key, { at: now(), body })
      for (const record of records.filter(one => which === true || which(one))) {
        ids.push(record.change_id)
        if (!firstAt.has(record.change_id)) firstAt.set(record.change_id, now())
      }
    },
    shows(changeId) {
      const at = firstAt.get(changeId)
      return at !== undefined && now() - at >= lag
    },
  }
}
