/**
 * What a database's error means for the rows that were on their way. Postgres: SQLSTATE classes (postgresql.org/docs/current/errcodes-appendix.html);
 * MySQL: symbolic codes and `sqlState` (dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html); SQLite: extended result
 * codes as better-sqlite3 names them (sqlite.org/rescode.html); all read 2026-11.
 */

/**
 * `connection`: not reached, or lost. `denied`: credentials or permission. `mismatch`: table, column or index are not there. `busy`: a lock, a
 * full disk, a limit: later. `data`: a row is at fault.
 */
export type FailureKind = 'connection' | 'denied' | 'mismatch' | 'busy' | 'data' | 'unknown'

export interface SqlFailure {
  readonly kind: FailureKind
  /** The database's own code, in lower case. */
  readonly code: string
  readonly message: string
}

const rules: readonly (readonly [FailureKind, RegExp])[] = [
  [
    'connection',
    /^(ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH|ENOENT|PROTOCOL_\w+|08\w{3}|57P0[1-5])$/,
  ],
  [
    'busy',
    /^(SQLITE_(BUSY|LOCKED|FULL|IOERR|NOMEM)\w*|ER_LOCK_\w+|ER_CON_COUNT_ERROR|ER_DISK_FULL\w*|ER_RECORD_FILE_FULL|40\w{3}|53\w{3}|55P03|57014)$/,
  ],
  ['denied', /^(SQLITE_(READONLY|AUTH|PERM|CANTOPEN|NOTADB|CORRUPT)\w*|ER_\w*ACCESS_DENIED\w*|28\w{3}|42501)$/],
  [
    'mismatch',
    /^(SQLITE_ERROR|SQLITE_SCHEMA|ER_(BAD_DB_ERROR|NO_SUCH_TABLE|BAD_FIELD_ERROR|PARSE_ERROR)|3D000|3F000|42\w{3})$/,
  ],
  [
    'data',
    /^(SQLITE_(CONSTRAINT|MISMATCH|TOOBIG|RANGE)\w*|ER_(DATA_TOO_LONG|TRUNCATED_WRONG_VALUE\w*|WARN_DATA_OUT_OF_RANGE|DUP_ENTRY|BAD_NULL_ERROR|NO_DEFAULT_FOR_FIELD|INVALID_JSON_\w+|NO_REFERENCED_ROW\w*|ROW_IS_REFERENCED\w*|CHECK_CONSTRAINT_VIOLATED|SIGNAL_EXCEPTION)|2[123]\w{3}|P0001)$/,
  ],
]

/** Names in order of trust: the driver's code first, then the SQLSTATE that mysql2 carries beside it. */
export function sqlFailure(error: unknown): SqlFailure {
  const message = messageOf(error)
  const codes = [textOf(error, 'code'), textOf(error, 'sqlState')].filter(code => code !== undefined)
  for (const code of codes) {
    const rule = rules.find(([, pattern]) => pattern.test(code))
    if (rule !== undefined) return { kind: rule[0], code: code.toLowerCase(), message }
  }
  const code = codes[0]?.toLowerCase() ?? 'unknown'
  if (error instanceof Error && error.name === 'KnexTimeoutError')
    return { kind: 'connection', code: 'pool_timeout', message }
  if (/^(Connection terminated|Client has encountered a connection error|timeout expired)/.test(message))
    return { kind: 'connection', code: 'connection_lost', message }
  // The SQLite driver throws these for a value that it cannot bind.
  if (error instanceof TypeError || error instanceof RangeError) return { kind: 'data', code: 'unbindable', message }
  return { kind: 'unknown', code, message }
}

function textOf(error: unknown, name: string): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const value = (error as Readonly<Record<string, unknown>>)[name]
  return typeof value === 'string' ? value : undefined
}

/** Knex puts the whole statement before ` - `; its values stay out of the message, but it helps nobody. */
function messageOf(error: unknown): string {
  const text =
    error instanceof AggregateError && error.message === ''
      ? String(error.errors[0])
      : error instanceof Error
        ? error.message
        : String(error)
  const end = text.lastIndexOf(' - ')
  return (
    end > 0 && /^(insert|update|delete|select|with|begin|commit)\b/i.test(text) ? text.slice(end + 3) : text
  ).slice(0, 500)
}
