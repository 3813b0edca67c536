/**
 * Having a refused row tried again, or letting it rest: what `activate dead-letters` changes in the warehouse. Nothing is
 * sent from here. A row that is due is planned, decided upon and sent by the next run of its sync like any other.
 */
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import type { Row } from '../warehouse/warehouse.ts'
import type { StateTable } from './state.ts'

type Tables = Readonly<Record<StateTable, Fragment>>

/** A date that does not come: the row rests until it changes. */
const never = '9999-12-31T00:00:00.000Z'

/** Those of the keys that are refused: `key`. */
export function selectRefused(
  { rejections }: Pick<Tables, 'rejections'>,
  sync: string,
  keys: readonly string[],
): Fragment {
  return sql`select key from ${rejections} where sync = ${sync} and key in (${list(keys)})`
}

/** Due as of the run that refused it, so that every later run finds it due, whatever its logical clock. `at` where that run is not known. */
export function makeDue(
  dialect: Dialect,
  { rejections, runs }: Tables,
  sync: string,
  keys: readonly string[],
  at: string,
): Fragment {
  return sql`update ${rejections} set next_attempt_at = coalesce(
  (select max(refused.as_of) from ${runs} refused where refused.run_id = ${rejections}.run_id), ${instant(dialect, at)})
where sync = ${sync} and key in (${list(keys)})`
}

export function letRest(dialect: Dialect, { rejections }: Tables, sync: string, keys: readonly string[]): Fragment {
  return sql`update ${rejections} set next_attempt_at = ${instant(dialect, never)} where sync = ${sync} and key in (${list(keys)})`
}

/** Those of the keys that these runs delivered: `key`. */
export function selectDelivered(
  { decisions }: Pick<Tables, 'decisions'>,
  runIds: readonly string[],
  keys: readonly string[],
): Fragment {
  return sql`select distinct key from ${decisions} where outcome = 'acked' and run_id in (${list(runIds)}) and key in (${list(keys)})`
}

/** What a plan would do with a row. */
export type Forecast =
  | { readonly kind: 'decided'; readonly op: string; readonly decision: string; readonly reason: string | undefined }
  /** The model returns it, and the destination has it as it is, or what it does is left alone. */
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'ineligible' | 'quarantined'; readonly reason: string }
  | { readonly kind: 'gone' }

export interface ForecastRelations {
  readonly outbox: Fragment
  /** The model's rows that are not quarantined, and the canonical key of one. */
  readonly rows: Fragment
  readonly key: Fragment
  readonly ineligible: Fragment | undefined
  readonly quarantine: Fragment | undefined
}

/** Rows of `key`, `place`, `op`, `decision`, `reason`; a key may have several, of which `forecastOf` knows the strongest. */
export function selectForecast(dialect: Dialect, relations: ForecastRelations, keys: readonly string[]): Fragment {
  const { outbox, rows, key, ineligible, quarantine } = relations
  const nothing = raw(dialect.castTo('null', 'string'))
  const from = (place: string, relation: Fragment, column: Fragment, reason: Fragment) =>
    sql`select ${column} as key, ${raw(`'${place}'`)} as place, ${nothing} as op, ${nothing} as decision, ${reason} as reason from ${relation} where ${column} in (${list(keys)})`
  const parts = [
    sql`select key, 'outbox' as place, op, decision, reason from ${outbox} where key in (${list(keys)})`,
    from('model', rows, key, nothing),
    ...(ineligible === undefined ? [] : [from('ineligible', ineligible, raw('key'), raw('reason'))]),
    ...(quarantine === undefined ? [] : [from('quarantine', quarantine, raw('key'), nothing)]),
  ]
  return join(parts, '\nunion all\n')
}

export function forecastOf(rows: readonly Row[]): Forecast {
  const at = (place: string) => rows.find(row => row.place === place)
  const [outbox, ineligible] = [at('outbox'), at('ineligible')]
  // Who may not take part leaves: the reason says more than the removal.
  if (ineligible !== undefined) return { kind: 'ineligible', reason: String(ineligible.reason) }
  if (outbox !== undefined) {
    const reason = outbox.reason === null ? undefined : String(outbox.reason)
    return { kind: 'decided', op: String(outbox.op), decision: String(outbox.decision), reason }
  }
  if (at('model') !== undefined) return { kind: 'unchanged' }
  if (at('quarantine') !== undefined) return { kind: 'quarantined', reason: 'its row breaks its contract' }
  return { kind: 'gone' }
}

function instant(dialect: Dialect, iso: string): Fragment {
  return raw(dialect.timestamp(dialect.literal(iso)))
}

function list(values: readonly string[]): Fragment {
  if (values.length === 0) return raw('null')
  return join(
    values.map(value => sql`${value}`),
    ', ',
  )
}
