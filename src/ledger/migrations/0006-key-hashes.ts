/** Keys of records stand here by keyed hash only. What is in the column by now is hashed as soon as the ledger's key is known (`key-hashes.ts`). */
export function keyHashes(): readonly string[] {
  return ['alter table request_changes rename column key to key_hash']
}
