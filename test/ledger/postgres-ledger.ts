/** A Postgres for the tests of one file, and ledgers in schemas of their own in it. */

import type { Knex } from 'knex'
import pg from 'pg'
import { keyOfSecret } from '../../src/ledger/key.ts'
import { openPostgres, type PostgresOptions } from '../../src/ledger/postgres.ts'
import type { PostgresLedgerSettings } from '../../src/ledger/postgres-address.ts'
import { type LedgerOptions, ledgerOver } from '../../src/ledger/store.ts'

let made = 0

/** How letters are sealed, where a test does not care. */
export const sealing: LedgerOptions = {
  key: keyOfSecret(() => 'a secret of more than 32 characters, all of them known'),
  now: Date.now,
  letterRetention: 86_400_000,
}

export function settingsFor(url: string, change: Partial<PostgresLedgerSettings> = {}): PostgresLedgerSettings {
  return { url, schema: `ledger_${++made}`, connections: 4, source: '${env:LEDGER_URL}', ...change }
}

export async function openLedger(settings: PostgresLedgerSettings, options?: PostgresOptions) {
  return ledgerOver(await openPostgres(settings, options), sealing)
}

/** A server whose clock is that of the caller and one hour, so that tests may say what the time is. */
export const hourAhead = (knex: Knex, now: number): Knex.Raw => knex.raw('?::bigint', [now + 3_600_000])

/** A connection of the test's own; the caller ends it. */
export async function clientOf(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
}

/** Runs statements as whom the url names, on a connection of its own; returns the rows of the last. */
export async function administer(
  url: string,
  ...statements: readonly string[]
): Promise<readonly Record<string, unknown>[]> {
  const client = await clientOf(url)
  try {
    let rows: readonly Record<string, unknown>[] = []
    for (const statement of statements) ({ rows } = await client.query(statement))
    return rows
  } finally {
    await client.end()
  }
}

/** Asks every few milliseconds until the answer is such; gives up when the test does. */
export async function eventually<Answer>(
  ask: () => Promise<Answer>,
  isSuch: (answer: Answer) => boolean,
): Promise<Answer> {
  for (;;) {
    const answer = await ask()
    if (isSuch(answer)) return answer
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
