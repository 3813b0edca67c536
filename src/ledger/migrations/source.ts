/**
 * The migrations in their order. They are imported, not looked up in a folder, because the tool ships as a bundle. A
 * published migration is never changed; a new one is added at the end.
 */
import type { Knex } from 'knex'
import { tables } from './0001-tables.ts'
import { governance } from './0002-governance.ts'
import { deadLetters } from './0003-dead-letters.ts'
import { usage } from './0004-usage.ts'
import { erasures } from './0005-erasures.ts'
import { keyHashes } from './0006-key-hashes.ts'
import { jobs } from './0008-jobs.ts'
import { receipts } from './0009-receipts.ts'
import type { Flavour } from './flavour.ts'

interface Migration {
  readonly name: string
  readonly statements: (flavour: Flavour) => readonly string[]
}

const migrations: readonly Migration[] = [
  { name: '0001-tables', statements: tables },
  { name: '0002-governance', statements: governance },
  { name: '0003-dead-letters', statements: deadLetters },
  { name: '0004-usage', statements: usage },
  { name: '0005-erasures', statements: erasures },
  { name: '0006-key-hashes', statements: keyHashes },
  { name: '0008-jobs', statements: jobs },
  { name: '0009-receipts', statements: receipts },
]

export const migrationNames: readonly string[] = migrations.map(migration => migration.name)

export function migrationSource(flavour: Flavour): Knex.MigrationSource<Migration> {
  return {
    getMigrations: async () => [...migrations],
    getMigrationName: migration => migration.name,
    getMigration: async migration => ({
      up: async knex => {
        for (const statement of migration.statements(flavour)) await knex.schema.raw(statement)
      },
      down: async () => {
        throw new TypeError(
          `migration ${migration.name} cannot be taken back: the ledger is the record of what was sent`,
        )
      },
    }),
  }
}
