/**
 * The key of a ledger: fetched once when it is first needed, and compared with the one that the ledger began with. While
 * something is sealed, only that one will do; as soon as nothing is, another one may take its place.
 */
import type { Bind, Database } from './database.ts'
import type { KeySource } from './key.ts'
import { hashPlainKeys } from './key-hashes.ts'
import { type LedgerKey, wrongKey } from './seal.ts'

interface KeyRow {
  singleton: 1
  key_id: string
  since: number
}

/** Throws A5011 to A5013. A failed attempt may be repeated. */
export function ledgerKey(database: Database, source: KeySource, now: () => number): () => Promise<LedgerKey> {
  let fetching: Promise<LedgerKey> | undefined
  return () => {
    fetching ??= fetchKey(database, source, now()).catch((error: unknown) => {
      fetching = undefined
      throw error
    })
    return fetching
  }
}

async function fetchKey(database: Database, source: KeySource, at: number): Promise<LedgerKey> {
  const before = await database.read(knownKey(database))
  const key = source({ mayMake: !(await isNeeded(database)) })
  if (before?.key_id !== key.id) await beginWith(database, key, at)
  await hashPlainKeys(database, key, at)
  return key
}

async function beginWith(database: Database, key: LedgerKey, at: number): Promise<void> {
  await database.write(async bind => {
    // Somebody else may have begun with another key meanwhile.
    const known = await bind(knownKey(database))
    if (known !== undefined && known.key_id !== key.id && (await isNeeded(database, bind)))
      throw wrongKey(known.key_id, key.id)
    const row: KeyRow = { singleton: 1, key_id: key.id, since: at }
    await bind(database.knex<KeyRow>('ledger_key').insert(row).onConflict('singleton').merge())
  })
}

function knownKey({ knex }: Database) {
  return knex<KeyRow>('ledger_key').where({ singleton: 1 }).first()
}

/** Whether anything in the ledger can be read, or found again, with its key alone. */
async function isNeeded(database: Database, bind: Bind = query => query): Promise<boolean> {
  const letter = database.knex('dead_letters').where({ state: 'open' }).first('letter_id')
  if ((await database.read(bind(letter))) !== undefined) return true
  const receipt = database.knex('receipts').first('reference')
  if ((await database.read(bind(receipt))) !== undefined) return true
  const tombstone = database.knex('erasures').first('hash')
  return (await database.read(bind(tombstone))) !== undefined
}
