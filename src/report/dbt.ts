/** The state's tables as dbt sources, and the syncs as dbt exposures: `activate schema dbt`. Pure. */
import { stringify } from 'yaml'
import type { Sync } from '../project/project.ts'
import { biTables } from './bi-tables.ts'

/** `state`: the schema of the state, without or with its database. Source: docs.getdbt.com, "Source properties" and "Exposure properties" (2026). */
export function dbtDocument(project: string, state: readonly string[], syncs: readonly Sync[]): string {
  const [schema = 'activate', database] = state.toReversed()
  const document = {
    version: 2,
    sources: [
      {
        name: 'activate',
        description: `What activate did in project ${project}, and what it was worth.`,
        ...(database === undefined ? {} : { database }),
        schema,
        tables: Object.entries(biTables).map(([name, { about, columns }]) => ({
          name,
          description: about,
          columns: Object.entries(columns).map(([column, description]) => ({ name: column, description })),
        })),
      },
    ],
    exposures: syncs.map(exposureOf),
  }
  return `# Made by \`activate schema dbt\`; make it again rather than edit it.\n${stringify(document, { lineWidth: 0 })}`
}

function exposureOf({ name, model, destination, action, mode, owners, enabled }: Sync) {
  const [owner = 'unowned'] = owners
  return {
    name: `activate_${name.replaceAll(/[^A-Za-z0-9_]/g, '_')}`,
    label: name,
    type: 'application',
    description: `Model ${model} to ${destination}.${action}, ${mode}${enabled ? '' : ' (disabled)'}.`,
    owner: owner.includes('@') ? { email: owner } : { name: owner },
    depends_on: ['exposures', 'deliveries', 'decisions', 'results'].map(table => `source('activate', '${table}')`),
  }
}
