/** Whether a PostgreSQL server can serve as a warehouse or hold a ledger: what both ask of it before they make anything. */

/** What a server says of itself; every version answers this, also one that is too old. */
export const aboutServer = `select current_setting('server_version_num')::int as version,
  current_setting('server_version') as release, current_setting('server_encoding') as encoding`

export interface Server {
  /** `server_version_num`: 140012 is 14.12, and 90624 is 9.6.24 (postgresql.org/docs/current/runtime-config-preset.html, read 2026-11). */
  readonly version: number
  /** As people write it. */
  readonly release: string
  readonly encoding: string
}

/**
 * The oldest major version with all that is used: in the warehouse `bit_xor` and infinite numerics, in the ledger a
 * `pg_terminate_backend` that waits.
 */
export const oldestMajor = 14

export type Unfitness = 'too old' | 'not in UTF8'

/** Why it will not do; undefined when it does. */
export function unfitnessOf({ version, encoding }: Pick<Server, 'version' | 'encoding'>): Unfitness | undefined {
  // What is no number is no server that is known.
  if (!(version >= oldestMajor * 10_000)) return 'too old'
  return encoding === 'UTF8' ? undefined : 'not in UTF8'
}
