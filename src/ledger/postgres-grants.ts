/** Which grant a role lacks, in the words that an administrator can run. */
import { codeOf, ledgerError } from './failure.ts'
import type { Address } from './postgres-address.ts'
import type { Connection } from './postgres-connection.ts'

interface Standing {
  readonly role: string
  readonly database: string
  readonly may_create_schema: boolean
  readonly schema_is_there: boolean
  readonly may_use: boolean
  readonly may_create: boolean
  /** Roles that own tables of the ledger. */
  readonly owners: readonly string[]
  readonly tables: number
  readonly closed_tables: number
}

/** Asks the catalog alone, which every role may read. */
const standing = `
  select current_user as role, current_database() as database,
    has_database_privilege(current_database(), 'create') as may_create_schema,
    n.oid is not null as schema_is_there,
    coalesce(has_schema_privilege(n.oid, 'usage'), false) as may_use,
    coalesce(has_schema_privilege(n.oid, 'create'), false) as may_create,
    coalesce(t.owners, '[]') as owners, coalesce(t.tables, 0) as tables, coalesce(t.closed_tables, 0) as closed_tables
  from (select $1::text as name) wanted
  left join pg_namespace n on n.nspname = wanted.name
  left join lateral (
    select json_agg(distinct pg_get_userbyid(c.relowner)) as owners, count(*) as tables,
      count(*) filter (where not (has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')
        and has_table_privilege(c.oid, 'update') and has_table_privilege(c.oid, 'delete'))) as closed_tables
    from pg_class c where c.relnamespace = n.oid and c.relkind in ('r', 'p')
  ) t on true`

/** A5022 with the grant, or undefined when the role lacks none. */
export async function missingGrant(connection: Connection, address: Address, cause: unknown) {
  const { rows } = await connection.query({ text: standing, values: [address.schema] })
  const [found] = rows as readonly Standing[]
  const grant = found && grantFor(found, address.schema, codeOf(cause) === '42501')
  if (found === undefined || grant === undefined) return undefined
  const message = `the role "${found.role}" may not use the schema ${address.schema} of ${address.server} for the ledger`
  return ledgerError('A5022', message, { help: `as an administrator: ${grant}`, cause })
}

function grantFor(found: Standing, schema: string, isDenied: boolean): string | undefined {
  const { role, database, owners } = found
  if (!found.schema_is_there) {
    return found.may_create_schema
      ? undefined
      : `create schema ${quoted(schema)} authorization ${quoted(role)}; (or: grant create on database ${quoted(database)} to ${quoted(role)};)`
  }
  const grants: string[] = []
  if (!found.may_use || (found.tables === 0 && !found.may_create)) {
    grants.push(`grant usage, create on schema ${quoted(schema)} to ${quoted(role)};`)
  }
  if (found.closed_tables > 0) {
    grants.push(`grant select, insert, update, delete on all tables in schema ${quoted(schema)} to ${quoted(role)};`)
  }
  if (grants.length > 0) return grants.join(' ')
  // What is left is to change the tables for a newer version, which only their owner may.
  const [owner] = isDenied ? owners.filter(name => name !== role) : []
  return owner === undefined ? undefined : `run \`activate doctor\` once as ${quoted(owner)}, who owns the tables`
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
