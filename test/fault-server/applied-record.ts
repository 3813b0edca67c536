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
  const keys = new Map<string, { readonly at: number; readonly body: string; readonly done: Set<string> }>()
  const firstAt = new Map<string, number>()

  /** What has been done under this key; begins anew when the key is new or forgotten. */
  function doneUnder(key: string, body: string): Set<string> {
    const known = keys.get(key)
    if (known !== undefined && now() - known.at < (keyWindow ?? Number.POSITIVE_INFINITY)) {
      if (known.body !== body) mismatches.push(key)
      return known.done
    }
    const done = new Set<string>()
    keys.set(key, { at: now(), body, done })
    return done
  }

  return {
    ids,
    mismatches,
    apply({ headers, records, body }, which) {
      if (which === false) return
      const key = keyHeader === undefined ? undefined : headers[keyHeader]
      const done = key === undefined ? new Set<string>() : doneUnder(key, body)
      for (const { change_id } of records.filter(one => which === true || which(one))) {
        if (key !== undefined && done.has(change_id)) continue
        done.add(change_id)
        ids.push(change_id)
        if (!firstAt.has(change_id)) firstAt.set(change_id, now())
      }
    },
    shows(changeId) {
      const at = firstAt.get(changeId)
      return at !== undefined && now() - at >= lag
    },
  }
}
