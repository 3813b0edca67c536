/** Overwriting what was deleted from a Postgres ledger. */
import { rewriteTables } from '../postgres/rewrite.ts'
import type { Address, PostgresLedgerSettings } from './postgres-address.ts'
import { type Answered, type Connection, connect, type Limits, migrationLimits } from './postgres-connection.ts'

/** Answers as `rewriteTables` does. It may take as long as it takes; each table is waited for `lock` milliseconds. */
export async function purgeSchema(
  settings: PostgresLedgerSettings,
  { schema }: Address,
  { lock }: Pick<Limits, 'lock'>,
): Promise<string | undefined> {
  const knex = connect(settings, { ...migrationLimits, lock }, 1)
  try {
    const connection: Connection = await knex.client.acquireConnection()
    try {
      return await rewriteTables(
        async (text, values) => {
          const { rows }: Answered = await connection.query({ text, values })
          return rows as readonly Record<string, unknown>[]
        },
        schema,
        '',
      )
    } finally {
      await knex.client.releaseConnection(connection)
    }
  } finally {
    await knex.destroy()
  }
}
