/** Writes down what a plan decides, before anything of it leaves; and tells the plans that follow in the same night. */

import type { Planned } from '../plan/planner.ts'
import { decisionStatements, selectReservations } from '../plan/record.ts'
import { execute, writeScratch } from '../plan/stage.ts'
import type { StateRelations } from '../plan/state-tables.ts'
import { isCommunication } from '../project/communication.ts'
import type { Sync } from '../project/project.ts'
import { render, sql } from '../warehouse/sql.ts'
import type { Night } from './night.ts'
import { rememberNight } from './policies.ts'

/** One transaction; repeating it for the same run changes nothing. */
export async function recordDecisions(
  night: Night,
  sync: Sync,
  run: { readonly runId: string; readonly asOf: number },
  planned: Planned,
  state: StateRelations,
): Promise<void> {
  const { warehouse } = night
  const { outbox, exposures, ineligible, drawing } = planned
  await rememberNight(night, run.runId)
  const statements = decisionStatements(warehouse.dialect, {
    ...{ sync, runId: run.runId, asOf: new Date(run.asOf).toISOString(), tables: state.tables },
    ...{ outbox, exposures, ineligible, holdouts: drawing },
  })
  await warehouse.transaction(statements.map(statement => render(statement, warehouse.dialect.placeholder)))
}

/** What this plan sends counts under caps for the later plans of the night, whatever becomes of it: so a dry run is the run. */
export async function announceSends(
  night: Night,
  sync: Sync,
  runId: string,
  { outbox }: Pick<Planned, 'outbox'>,
): Promise<void> {
  if (!isCommunication(sync)) return
  const { warehouse, tonight } = night
  const sends = selectReservations(warehouse.dialect, { runId, sync, outbox, asOf: new Date(night.asOf).toISOString() })
  if (tonight.relation === undefined) tonight.relation = await writeScratch(warehouse, `tonight__${night.name}`, sends)
  else await execute(warehouse, sql`insert into ${tonight.relation} ${sends}`)
}
