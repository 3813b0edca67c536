/**
 * What is written down of a plan that is about to be executed, in one transaction and before anything leaves: the
 * reservations that other runs count under caps, the exposures of both arms, the draws of holdouts, and who may not take
 * part. None of it depends on what the destination answers; repeating it for the same run changes nothing.
 */
import { isCommunication } from '../project/communication.ts'
import type { Holdout } from '../project/policies.ts'
import type { Sync } from '../project/project.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'
import { rememberIneligible } from './policies/eligibility.ts'
import { type StateTable, stateTables } from './state.ts'

export interface RecordParams {
  readonly sync: Sync
  readonly runId: string
  readonly asOf: string
  readonly outbox: Fragment
  readonly tables: Readonly<Record<StateTable, Fragment>>
  /** Scratch relations of tonight; undefined where nobody is exposed, or nothing makes a row ineligible. */
  readonly exposures: Fragment | undefined
  readonly ineligible: Fragment | undefined
  /** Holdouts that are drawn with tonight. */
  readonly holdouts: readonly Holdout[]
}

export function decisionStatements(dialect: Dialect, params: RecordParams): readonly Fragment[] {
  const { tables, runId, sync, asOf } = params
  const at = raw(dialect.timestamp(dialect.literal(asOf)))
  return [
    ...(isCommunication(sync) ? reserve(dialect, params) : []),
    ...(params.exposures === undefined
      ? []
      : [
          sql`delete from ${tables.exposures} where run_id = ${runId}`,
          sql`insert into ${tables.exposures} (${columns('exposures')}) select ${columns('exposures')} from ${params.exposures}`,
        ]),
    ...params.holdouts.flatMap(holdout => rememberDraw(tables.holdouts, holdout, at, runId)),
    ...rememberIneligible({ sync: sync.name, runId, at, known: tables.ineligible }, params.ineligible),
  ]
}

function columns(table: StateTable): Fragment {
  return raw(Object.keys(stateTables[table]).join(', '))
}

function reserve(dialect: Dialect, { tables, runId, sync, outbox, asOf }: RecordParams): readonly Fragment[] {
  return [
    sql`delete from ${tables.reservations} where run_id = ${runId}`,
    sql`insert into ${tables.reservations} (${columns('reservations')}) ${selectReservations(dialect, { runId, sync, outbox, asOf })}`,
  ]
}

/** The communications that a plan will send, in the shape of `reservations`. */
export function selectReservations(
  dialect: Dialect,
  { runId, sync, outbox, asOf }: Pick<RecordParams, 'runId' | 'sync' | 'outbox' | 'asOf'>,
): Fragment {
  const text = (value: string | undefined) => raw(dialect.castTo(dialect.literal(value ?? null), 'string'))
  return sql`select ${runId} as run_id, ${sync.name} as sync, key, person, ${text(sync.channel)} as channel, ${text(sync.purpose)} as purpose,
  change_id, ${raw(dialect.castTo(String(sync.priority), 'integer'))} as priority, ${raw(dialect.timestamp(dialect.literal(asOf)))} as as_of
from ${outbox} where seq is not null`
}

/** The salt of an epoch is written once; its share may move, and the newest one counts. */
function rememberDraw(registry: Fragment, holdout: Holdout, at: Fragment, runId: string): readonly Fragment[] {
  const { name, epoch, salt, share } = holdout
  return [
    sql`update ${registry} set share = ${share} where holdout = ${name} and epoch = ${epoch}`,
    sql`insert into ${registry} (${columns('holdouts')})
select ${name}, ${epoch}, ${salt}, ${share}, ${at}, ${runId} from (select 1 as one) once
where not exists (select 1 from ${registry} known where known.holdout = ${name} and known.epoch = ${epoch})`,
  ]
}
