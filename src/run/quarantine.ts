/** Remembers what a run left out, so that `inspect` can tell since when a row has been broken. */
import { recordStatements } from '../plan/quarantine.ts'
import { render } from '../warehouse/sql.ts'
import { withoutErased } from './erased.ts'
import type { Night, PreparedSync } from './night.ts'

/** One transaction; repeating it changes nothing. A dry run does not come here. */
export async function recordQuarantine(night: Night, prepared: PreparedSync): Promise<void> {
  const { warehouse } = night
  const { sync, runId, state, sources, population } = prepared
  const common = { table: state.tables.quarantine, runId, asOf: new Date(night.asOf).toISOString() }
  const records = [
    ...sources.map(({ name, quarantine }) => ({
      scope: `source:${name}`,
      sync: undefined,
      found: quarantine?.relation,
    })),
    { scope: `model:${sync.model}`, sync: sync.name, found: population.quarantine?.relation },
  ]
  for (const { found } of records) await withoutErased(night, found)
  const statements = records.flatMap(record => recordStatements(warehouse.dialect, { ...common, ...record }))
  await warehouse.transaction(statements.map(statement => render(statement, warehouse.dialect.placeholder)))
}
