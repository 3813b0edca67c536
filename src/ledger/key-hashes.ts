/**
 * Keys of records by keyed hash: whoever has the ledger's file alone cannot read whom a request failed for
 * (docs/decisions/0037 says what that hides, and what it does not).
 */
import { lockTrail } from './audit.ts'
import type { Bind, Database } from './database.ts'
import type { LedgerKey } from './seal.ts'

interface ChangeKeyRow {
  key_hash: string
}

/** Under which `housekeeping` remembers that a ledger of an earlier version has been gone through. */
const task = 'keys of requests hashed'

/** What the ledger knows of a record's key; the same in all syncs, and for requests as for dead letters. */
export function hashOfKey(key: LedgerKey, recordKey: string): string {
  return key.hash('key', recordKey)
}

/** Hashes the keys that an earlier version wrote as they are; once in a ledger's life, and before anything else is hashed. */
export async function hashPlainKeys(database: Database, key: LedgerKey, at: number): Promise<void> {
  const { knex } = database
  if (await isDone(database)) return
  await database.write(async bind => {
    await lockTrail(database, bind)
    if (await isDone(database, bind)) return
    const rows: readonly ChangeKeyRow[] = await bind(knex<ChangeKeyRow>('request_changes').distinct('key_hash'))
    for (const { key_hash: plain } of rows)
      await bind(
        knex<ChangeKeyRow>('request_changes')
          .where({ key_hash: plain })
          .update({ key_hash: hashOfKey(key, plain) }),
      )
    await bind(knex('housekeeping').insert({ task, done_at: at }))
  })
}

async function isDone({ knex, read }: Database, bind: Bind = query => query): Promise<boolean> {
  return (await read(bind(knex('housekeeping').where({ task }).first('task')))) !== undefined
}
