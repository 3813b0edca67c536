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

/** A table refuses `truncate` as well, which Postgres has and SQLite has not. */
export const postgresFlavour: Flavour = {
  integer: 'bigint',
  blob: 'bytea',
  ordinal: 'bigint generated always as identity primary key',
  strict: '',
  appendOnly: table => [
    `create function ${table}_stays() returns trigger language plpgsql as
      $$ begin raise exception 'rows of ${table} stay as they are'; end $$`,
    `create trigger ${table}_refuses_change before update or delete on ${table} for each row execute function ${table}_stays()`,
    `create trigger ${table}_refuses_truncate before truncate on ${table} for each statement execute function ${table}_stays()`,
  ],
}
