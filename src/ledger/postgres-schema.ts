/** The schema of a Postgres ledger: whether it is ours and of today, and how it becomes so. */
import type { Knex } from 'knex'
import { aboutServer, oldestMajor, type Server, unfitnessOf } from '../postgres/fitness.ts'
import { ledgerError } from './failure.ts'
import { postgresFlavour } from './migrations/flavour.ts'
import { migrationNames, migrationSource } from './migrations/source.ts'
import type { Address, PostgresLedgerSettings } from './postgres-address.ts'
import { connect, migrationLimits } from './postgres-connection.ts'

/** `none`: the schema is missing or empty. `old`: a newer version of the tool has to bring it up to date. */
export type Standing = 'none' | 'old' | 'current'

interface Found extends Server {
  readonly tables: readonly string[]
}

/** Throws A5002 for a ledger of a newer version, A5024 for a server that cannot hold one, A5027 for what is not ours. */
export async function standingOf(knex: Knex, address: Address): Promise<Standing> {
  const { server, schema } = address
  const { release, encoding, tables, ...found } = await look(knex, schema)
  const unfitness = unfitnessOf({ ...found, encoding })
  if (unfitness === 'too old') {
    throw ledgerError('A5024', `${server} runs PostgreSQL ${release}; a ledger needs ${oldestMajor} or newer`)
  }
  if (unfitness === 'not in UTF8') {
    throw ledgerError('A5024', `the database ${server} is encoded in ${encoding}; a ledger needs UTF8`, {
      help: `create one for it: create database … encoding 'UTF8' template template0`,
    })
  }
  if (tables.length === 0) return 'none'
  const applied: readonly string[] = tables.includes('knex_migrations')
    ? await knex('knex_migrations').withSchema(schema).pluck('name')
    : []
  if (!applied.includes(migrationNames[0] ?? '')) {
    throw ledgerError('A5027', `the schema ${schema} of ${server} holds tables of something else, not a ledger`, {
      help: 'give the ledger a schema of its own: `schema` under `ledger:` in activate.yml',
    })
  }
  const unknown = applied.filter(name => !migrationNames.includes(name))
  if (unknown.length > 0) {
    throw ledgerError(
      'A5002',
      `the ledger at ${server}, schema ${schema}, was upgraded by a newer version (${unknown.join(', ')})`,
      { help: 'use that version or a later one; the ledger was not touched' },
    )
  }
  return migrationNames.every(name => applied.includes(name)) ? 'current' : 'old'
}

async function look(knex: Knex, schema: string): Promise<Found> {
  const { rows } = await knex.raw(
    `${aboutServer},
      (select coalesce(json_agg(c.relname), '[]') from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = ? and c.relkind in ('r', 'p', 'v', 'm', 'f')) as tables`,
    [schema],
  )
  return rows[0]
}

/** Several processes may do so at once: the first does it, under the lock of all writers, and the others find it done. */
export async function migrateSchema(settings: PostgresLedgerSettings, address: Address, lock: bigint): Promise<void> {
  const knex = connect(settings, migrationLimits, 1)
  try {
    await knex.transaction(async transaction => {
      await transaction.raw(`select pg_advisory_xact_lock(${lock})`)
      if ((await standingOf(transaction, address)) === 'current') return
      await makeSchema(transaction, address.schema)
      await transaction.migrate.latest({ migrationSource: migrationSource(postgresFlavour) })
    })
  } finally {
    await knex.destroy()
  }
}

/** `if not exists` would ask for the right to create one where an administrator has made it already. */
async function makeSchema(transaction: Knex.Transaction, schema: string): Promise<void> {
  const there = await transaction('pg_namespace').withSchema('pg_catalog').where({ nspname: schema }).first('nspname')
  if (there === undefined) await transaction.raw('create schema ??', [schema])
}
