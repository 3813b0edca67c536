/** What differs between the engines in the statements that make tables. */
export interface Flavour {
  /** A 64-bit integer. */
  readonly integer: string
  /** Bytes. */
  readonly blob: string
  /** A key that counts up by itself, in the order of insertion. */
  readonly ordinal: string
  /** Follows the closing parenthesis of a table. */
  readonly strict: string
  /** Statements after which the table refuses to have rows changed or deleted. */
  readonly appendOnly: (table: string) => readonly string[]
}

/** STRICT keeps a text out of an integer column (sqlite.org/stricttables.html, read 2026-11). */
export const sqliteFlavour: Flavour = {
  integer: 'integer',
  blob: 'blob',
  ordinal: 'integer primary key',
  strict: 'strict',
  appendOnly: table =>
    (['update', 'delete'] as const).map(
      event =>
        `create trigger ${table}_refuses_${event} before ${event} on ${table} begin select raise(abort, 'rows of ${table} stay as they are'); end`,
    ),
}
