/**
 * Leaves nothing of deleted rows in the tables of a schema on a PostgreSQL server, be it the state of a warehouse or a ledger.
 * A delete only marks a row as dead, and a plain vacuum frees its room without overwriting it; `vacuum full` writes what lives
 * into new files and lets go of the old ones (postgresql.org/docs/18/sql-vacuum.html, read 2026-11). The server's write-ahead
 * log, its replicas and its backups are beyond whoever owns tables (decision 65).
 */

/** Runs one statement, in no transaction; the error of a refused one has its SQLSTATE as `code`. */
export type Ask = (sql: string, values: readonly string[]) => Promise<readonly Readonly<Record<string, unknown>>[]>

/** In the way of one table, without harm to the others: a lock, a cancellation or a timeout, no room, a view on a column. */
const hindrances = /^(55P03|57014|53\w{3}|0A000)$/

/** Tables of the schema $1, but for those whose names start with $2. */
const tables = `pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relkind = 'r' and ($2 = '' or not starts_with(c.relname, $2))`

/**
 * Answers why deleted rows may still be there; undefined when none is. Each table is closed to everybody else while it is
 * written anew, for which the disk needs as much room as its rows take. Tables whose names start with `except` stay as they are.
 */
export async function rewriteTables(ask: Ask, schema: string, except: string): Promise<string | undefined> {
  const [begun] = await ask('select pg_current_xact_id()::xid::text as id', [])
  const named = await ask(
    `select format('%I.%I', n.nspname, c.relname) as what, format('vacuum (full, freeze, analyze) %I.%I', n.nspname, c.relname) as statement
    from ${tables} order by c.relname`,
    [schema, except],
  )
  const rewritten = await tryEach(ask, named)
  const hindered = [...rewritten, ...(await tryEach(ask, await ask(forgetColumns, [schema, except])))]
  if (hindered.length > 0) return `${hindered.join(', ')}; erase again later`

  // What somebody can still see is copied with what lives, and only what nobody can is frozen past: a table that is not frozen
  // beyond the transaction may hold what was deleted before. So may one that was passed over, with no more than a warning.
  const kept = await ask(`select c.relname as name from ${tables} and age(c.relfrozenxid) >= age($3::xid) order by 1`, [
    schema,
    except,
    String(begun?.id),
  ])
  if (kept.length === 0) return undefined
  const names = kept.map(({ name }) => String(name)).join(', ')
  return `deleted rows may remain in ${names}: a session, a replica or a replication slot of the server still sees them, or the role does not own the tables; erase again when that has changed`
}

/**
 * What the planner remembers of a column are values out of it, and looking at a table without rows leaves them as they are. A
 * column that is given the type which it has loses them (ATExecAlterColumnType; only version 18 has a function for it).
 */
const forgetColumns = `select distinct format('%I.%I', n.nspname, c.relname) as what,
    format('alter table %I.%I alter column %I type %s%s', n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
      case when a.attcollation <> 0 then (select format(' collate %I.%I', cn.nspname, co.collname)
        from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace where co.oid = a.attcollation) else '' end) as statement
  from pg_attribute a join (select c.oid, c.relname, n.nspname from ${tables}) c on c.oid = a.attrelid
  join pg_namespace n on n.nspname = c.nspname
  join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname
  where pg_relation_size(c.oid) = 0 and pg_has_role((select relowner from pg_class o where o.oid = c.oid), 'usage') order by 1, 2`

/** Returns what could not be done, and why. */
async function tryEach(ask: Ask, statements: readonly Readonly<Record<string, unknown>>[]): Promise<readonly string[]> {
  const hindered: string[] = []
  for (const { what, statement } of statements) {
    try {
      await ask(String(statement), [])
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      if (!hindrances.test(code)) throw error
      hindered.push(`${what} could not be rewritten (${code})`)
    }
  }
  return hindered
}
