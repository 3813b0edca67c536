/** Warehouses on a test's server, each with a state of its own. */
import { openBigquery } from '../../src/warehouse/bigquery.ts'
import type { BigquerySettings } from '../../src/warehouse/bigquery-connect.ts'
import { type StorageLimits, storageLimits } from '../../src/warehouse/bigquery-storage.ts'
import type { OpenedWarehouse } from '../conformance/warehouse/trial.ts'
import { type BigqueryServer, testProject } from './server.ts'

let count = 0

export function settingsFor(
  { url }: Pick<BigqueryServer, 'url'>,
  more: Partial<BigquerySettings> = {},
): BigquerySettings {
  return { type: 'bigquery', project: testProject, endpoint: url, state: 'activate', ...more }
}

export const noSecrets = { env: {}, readFile: () => '' }

/** Opens a state that is not there yet. */
export async function openState(
  server: Pick<BigqueryServer, 'url'>,
  more: Partial<BigquerySettings> = {},
  limits: Partial<StorageLimits> = {},
): Promise<OpenedWarehouse> {
  count += 1
  const settings = settingsFor(server, { state: `state_${count}`, ...more })
  const warehouse = await openBigquery(settings, noSecrets, { ...storageLimits, ...limits })
  return { warehouse, cleanup: () => warehouse.close() }
}
