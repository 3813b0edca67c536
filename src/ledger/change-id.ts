/**
 * Identity of what is sent.
 *
 * A `change_id` is the hash of (project, sync, key, op, version), computed in the warehouse with the outbox. The version
 * counts the acknowledged changes of a key, so the id is the same over retries, re-plans and restarts until the change
 * has been acknowledged, and new for a genuinely new change. Whoever has seen the id has seen the change.
 *
 * A request's key is derived from the ids of its changes in their order. The same batch therefore has the same key on
 * every attempt and on every machine, and a bisected half or a retry of some of its records has another one.
 */
import { createHash } from 'node:crypto'

/** 128 bits of SHA-256 as 32 hex digits; what idempotency headers and fields carry. */
export function requestKey(changeIds: readonly string[]): string {
  if (changeIds.length === 0) throw new TypeError('a request needs at least one change')
  const hash = createHash('sha256')
  // The length in front keeps ['ab', 'c'] and ['a', 'bc'] apart.
  for (const id of changeIds) hash.update(`${id.length}:${id}`)
  return hash.digest('hex').slice(0, 32)
}
