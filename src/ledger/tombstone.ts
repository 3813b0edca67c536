/**
 * What is kept of a person who was erased: a keyed hash of each of their keys, until a date. Without the ledger's key it
 * cannot be told whose it is, not even by hashing every key there is (EDPB Guidelines 01/2025: a hash without a secret is
 * no more than a pseudonym).
 *
 * Comparing must not take the ledger's key into the warehouse, and neither every key of the warehouse out of it. So a
 * tombstone also has a bucket, the first three hex digits of the plain SHA-256: the warehouse names the keys of these
 * buckets, one in 4,096 for each tombstone, and the keyed hash is taken of those alone, here.
 */
import { createHash } from 'node:crypto'

export interface Tombstone {
  readonly hash: string
  readonly bucket: string
  /** Which key of the ledger it was made with. */
  readonly keyId: string
  /** `removing`: the next runs remove the person from their destinations, and the rest is yet to be forgotten. */
  readonly state: 'removing' | 'erased'
  readonly erasedAt: number
  /** The source should have forgotten the person by then. */
  readonly expiresAt: number
}

/** Hex digits of a bucket. */
export const bucketDigits = 3

export interface TombstoneMaker {
  readonly keyId: string
  of(key: string): Pick<Tombstone, 'hash' | 'bucket' | 'keyId'>
}

/** `key` is the ledger's. */
export function tombstoneMakerWith(key: {
  readonly id: string
  readonly hash: (kind: string, value: string) => string
}): TombstoneMaker {
  return {
    keyId: key.id,
    of: person => ({
      hash: key.hash('erased person', person),
      bucket: createHash('sha256').update(person).digest('hex').slice(0, bucketDigits),
      keyId: key.id,
    }),
  }
}
