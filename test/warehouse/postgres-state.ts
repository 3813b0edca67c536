/** Warehouses on a test's server, each with a state of its own. */
import { openPostgres } from '../../src/warehouse/postgres.ts'
import type { PostgresSettings } from '../../src/warehouse/postgres-connect.ts'
import type { OpenedWarehouse } from '../conformance/warehouse/trial.ts'
import type { PostgresServer } from '../postgres-server.ts'

let count = 0

export function settingsFor(
  server: Pick<PostgresServer, 'url'>,
  more: Partial<PostgresSettings> = {},
): PostgresSettings {
  return { type: 'postgres', url: [server.url], state: 'activate', pool: 4, workMem: '64MB', ...more }
}

export const noSecrets = { env: {}, readFile: () => '' }

/** Opens a state that is not there yet. */
export async function openState(
  server: Pick<PostgresServer, 'url'>,
  more: Partial<PostgresSettings> = {},
): Promise<OpenedWarehouse> {
  count += 1
  const warehouse = await openPostgres(settingsFor(server, { state: `state_${count}`, ...more }), noSecrets)
  return { warehouse, cleanup: () => warehouse.close() }
}
