/** Overwriting what was deleted from the state tables of a PostgreSQL warehouse. */
import { rewriteTables } from '../postgres/rewrite.ts'
import type { SecretReaders } from '../project/secret.ts'
import { connectorOf, type PostgresSettings } from './postgres-connect.ts'
import { scratchPrefix } from './postgres-dialect.ts'

/** A table that somebody else reads or writes all this time is left as it is. */
const patience = '10s'

/** Answers as `rewriteTables` does; throws as opening the warehouse does. Scratch tables are those of somebody at work. */
export async function rewritePostgres(settings: PostgresSettings, readers: SecretReaders): Promise<string | undefined> {
  const client = await connectorOf(settings, readers).connect()
  try {
    await client.query(`set lock_timeout = '${patience}'`)
    return await rewriteTables(
      async (sql, values) => (await client.query<Record<string, unknown>>(sql, [...values])).rows,
      settings.state,
      scratchPrefix,
    )
  } finally {
    await client.end()
  }
}
