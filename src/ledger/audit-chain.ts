/**
 * The chain of the audit trail: each entry's hash covers the entry and the hash before it, so that nothing in the middle
 * can be changed, taken out or put in without breaking every hash that follows. The end is held by a head record, which
 * knows how many entries there are and the last hash. Pure.
 *
 * What this does not prove: somebody who can write to the ledger and recomputes every hash and the head can tell another
 * story. Against that, keep the head hash that `activate doctor` prints somewhere else.
 */
import { createHash } from 'node:crypto'
import type { AuditVerdict } from './governance.ts'

/** An entry as it is stored: `detail` is the JSON text itself, which the hash covers byte for byte. */
export interface ChainedRow {
  readonly ordinal: number
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly subject: string
  readonly detail: string
  readonly previous_hash: string
  readonly hash: string
}

export interface AuditHead {
  readonly entries: number
  readonly hash: string
}

/** What the first entry follows. */
export const genesis = '0'.repeat(64)

/** A JSON array of the columns in a fixed order has one form only. */
export function hashOfEntry(row: Omit<ChainedRow, 'hash'>): string {
  const { ordinal, at, actor, action, subject, detail, previous_hash } = row
  const columns = JSON.stringify([ordinal, at, actor, action, subject, detail, previous_hash])
  return createHash('sha256').update(columns).digest('hex')
}

/** Follows the chain from its first entry; `chunks` are the rows in the order of their ordinals. */
export async function verifyChain(
  chunks: AsyncIterable<readonly ChainedRow[]> | Iterable<readonly ChainedRow[]>,
  head: AuditHead | undefined,
): Promise<AuditVerdict> {
  let entries = 0
  let last = genesis
  for await (const rows of chunks)
    for (const row of rows) {
      const because = faultOf(row, entries + 1, last)
      if (because !== undefined) return { kind: 'broken', ordinal: entries + 1, because }
      entries++
      last = row.hash
    }
  if (head === undefined) return { kind: 'broken', ordinal: entries, because: 'the head record is gone' }
  if (head.entries > entries)
    return { kind: 'broken', ordinal: entries + 1, because: `${head.entries - entries} at the end are gone` }
  if (head.entries < entries)
    return { kind: 'broken', ordinal: head.entries + 1, because: 'it was added without the head record' }
  if (head.hash !== last) return { kind: 'broken', ordinal: entries, because: 'the head record names another hash' }
  return { kind: 'ok', entries, head: last }
}

function faultOf(row: ChainedRow, ordinal: number, last: string): string | undefined {
  if (row.ordinal !== ordinal) return 'it is gone'
  if (row.previous_hash !== last) return 'it does not follow the one before it'
  return row.hash === hashOfEntry(row) ? undefined : 'it was changed'
}
