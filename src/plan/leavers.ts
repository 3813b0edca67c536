/**
 * What is sent of those who leave, where looking up what they had bills the payloads of everybody (decision 68): many a request names a
 * leaver, and the fields to be cleared, and no value.
 */
import { isCommunication } from '../project/communication.ts'
import type { Sync } from '../project/project.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import type { MappedField } from './mapping.ts'
import { query } from './stage.ts'

export interface LeaverParams {
  readonly sync: Sync
  readonly fields: readonly MappedField[]
  /** The fields whose values the action uses; undefined: all. */
  readonly needed: readonly string[] | undefined
  readonly mapping: string
  /** The state table of runs. */
  readonly runs: Fragment
}

/**
 * A payload that does for every leaver: the mapped fields, constants as they are and null for the rest; undefined where what each of them had
 * must be read. Rows that were sent by another mapping had other fields and constants, and may have stayed as they were since: so the
 * mapping must be that of every run before.
 */
export async function standInForLeavers(warehouse: Warehouse, params: LeaverParams): Promise<Fragment | undefined> {
  const { sync, fields, needed, mapping, runs } = params
  if (needed === undefined || isCommunication(sync)) return undefined
  const constant = new Set(sync.fields.flatMap(({ field, from }) => ('value' in from ? [field] : [])))
  if (fields.some(({ name }) => needed.includes(name) && !constant.has(name))) return undefined
  const [others] = await query(
    warehouse,
    sql`select count(*) as n from ${runs} where sync = ${sync.name} and mapping <> ${mapping}`,
  )
  if (Number(others?.n) > 0) return undefined
  const { dialect } = warehouse
  const none = { expression: dialect.castTo('null', 'string'), column: { type: 'string', native: 'STRING' } } as const
  return raw(
    dialect.jsonObject(fields.map(field => (constant.has(field.name) ? field : { name: field.name, ...none }))),
  )
}
