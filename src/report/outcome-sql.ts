/**
 * What happened to the people of an experiment, summed up in the warehouse: no row leaves it. Two passes, means first and then
 * sums about them, because sums of squares lose their digits.
 *
 * What counts: events of the person strictly after their first trigger and no later than the window after it, of people whose
 * window is over. Rows without a person or a time, and values that are null or not finite, do not count, in whichever arm;
 * negative values do, negative divisors do not. Rows of the same key (without a key: of the same person, time and value) count once, by the earliest.
 */
import type { Measure, Outcome } from '../project/outcomes.ts'
import type { Column, Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'

export interface EventsParams {
  /** Relation of the outcome's model. */
  readonly stage: Fragment
  /** Columns of that relation. */
  readonly unit: Column
  readonly at: Column
  readonly value: Column | undefined
  /** What the sum of `value` is divided by: `event` stands for 1. */
  readonly per?: Column | 'event' | undefined
  /** Those of the model's key; empty when it has none. */
  readonly key: readonly Column[]
  /** Relation of `key`, `entity`. */
  readonly members: Fragment | undefined
}

/** `entity`, `happened_at`, `value`, the `divisor` of a quotient, and `nth` among the rows that are the same event. */
export function everyEvent(dialect: Dialect, params: EventsParams): Fragment {
  const { stage, unit, at, value, per, key, members } = params
  const text = (column: Column) => dialect.asText(dialect.quote(column.name), column)
  const amount = value === undefined ? '1' : dialect.quote(value.name)
  const divisor = dialect.castTo(per === undefined || per === 'event' ? '1' : dialect.quote(per.name), 'number')
  /** Nothing where there is no quotient. */
  const divided = (before: string, written: string, after: string) =>
    raw(per === undefined ? '' : before + written + after)
  const same = key.length === 0 ? undefined : raw(dialect.jsonTextArray(key.map(text)))
  const read = sql`(select nullif(${raw(text(unit))}, '') as person, ${raw(dialect.castTo(dialect.quote(at.name), 'timestamp'))} as happened_at,
    ${raw(dialect.castTo(amount, 'number'))} as value, ${divided('', divisor, ' as divisor, ')}${same ?? raw(dialect.castTo('null', 'string'))} as same from ${stage}) e`
  const entity = members === undefined ? raw('e.person') : sql`coalesce(own.entity, e.person)`
  const joined = members === undefined ? read : sql`${read} left join ${members} own on own.key = e.person`
  // Rows without a key are told apart by what they say.
  const unkeyed = (column: string) => `case when same is null then ${column} end`
  const told = ['entity', 'happened_at', 'value', ...(per === undefined ? [] : ['divisor'])]
  const identity = raw(['same', ...told.map(unkeyed)].join(', '))
  return sql`select entity, happened_at, value, ${divided('', 'divisor', ', ')}row_number() over (partition by ${identity} order by case when ${counts(dialect, params)} then 0 else 1 end, happened_at, value) as nth
from (select ${entity} as entity, e.happened_at as happened_at, e.value as value, ${divided('', 'e.divisor as divisor', ', ')}e.same as same from ${joined}) read_events`
}

/** Whether a row of `everyEvent` can count at all. */
export function counts(dialect: Dialect, params: Pick<EventsParams, 'per'>): Fragment {
  return raw(`entity is not null and happened_at is not null and ${usable(dialect, params)}`)
}

function usable(dialect: Dialect, { per }: Pick<EventsParams, 'per'>): string {
  const finite = (column: string) => `${column} is not null and ${dialect.isFinite(column)}`
  return per === undefined ? finite('value') : `${finite('value')} and ${finite('divisor')} and divisor >= 0`
}

/** `entity`, `happened_at`, `value`, and the `divisor` of a quotient, of every event that counts. */
export function selectEvents(dialect: Dialect, params: EventsParams): Fragment {
  const divisor = raw(params.per === undefined ? '' : ', divisor')
  return sql`select entity, happened_at, value${divisor} from (${everyEvent(dialect, params)}) events where ${counts(dialect, params)} and nth = 1`
}

/** One row: `n` rows of the model, and of them `nobody`, `undated`, `unusable` and `repeated`, which do not count. */
export function countEvents(dialect: Dialect, params: EventsParams): Fragment {
  const when = (condition: string) => raw(`coalesce(sum(case when ${condition} then 1 else 0 end), 0)`)
  const sound = usable(dialect, params)
  return sql`select count(*) as n, ${when('entity is null')} as nobody, ${when('entity is not null and happened_at is null')} as undated,
  ${when(`entity is not null and happened_at is not null and not (${sound})`)} as unusable,
  ${when(`entity is not null and happened_at is not null and ${sound} and nth > 1`)} as repeated
from (${everyEvent(dialect, params)}) events`
}

export interface ValuesParams {
  /** Relation of `selectUnits`, and of `selectEvents`. */
  readonly units: Fragment
  readonly events: Fragment
  readonly outcome: Pick<Outcome, 'window' | 'value' | 'per' | 'cap' | 'covariate'>
  /** ISO 8601. */
  readonly asOf: string
  /** Columns of `units` that are carried along, for breakdowns. */
  readonly carried?: readonly string[]
}

/**
 * `arm`, `y`, `x` (what a quotient divides by; else the covariate, 0 when there is none) and what is carried along of each person whose window
 * is over.
 */
export function selectValues(dialect: Dialect, { units, events, outcome, asOf, carried = [] }: ValuesParams): Fragment {
  const { window, value, per, cap, covariate = 0 } = outcome
  const later = (instant: string, milliseconds: number) => raw(dialect.addMilliseconds(instant, milliseconds))
  const now = raw(dialect.timestamp(dialect.literal(asOf)))
  const after = 'e.happened_at > u.triggered_at'
  const measured = (condition: string) =>
    value === undefined
      ? `cast(coalesce(max(case when ${condition} then 1 else 0 end), 0) as ${dialect.stateType('double')})`
      : `coalesce(sum(case when ${condition} then e.value else 0 end), 0)`
  const y = cap === undefined ? measured(after) : `least(${measured(after)}, ${dialect.literal(cap)})`
  const before = covariate === 0 ? dialect.castTo('0', 'number') : measured('e.happened_at <= u.triggered_at')
  const x = per === undefined ? before : `coalesce(sum(case when ${after} then e.divisor else 0 end), 0)`
  const from = covariate === 0 ? raw(after) : sql`${later('e.happened_at', covariate)} > u.triggered_at`
  const also = raw(carried.map(name => `, u.${name} as ${name}`).join(''))
  const grouped = raw(carried.map(name => `, u.${name}`).join(''))
  return sql`select u.arm as arm, ${raw(y)} as y, ${raw(x)} as x${also}
from ${units} u left join ${events} e on e.entity = u.entity and ${from} and e.happened_at <= ${later('u.triggered_at', window)}
where ${later('u.triggered_at', window)} <= ${now}
group by u.entity, u.arm, u.triggered_at${grouped}`
}

/** The powers of (x − x̄) and (y − ȳ) that are summed, by the name of their column. */
const moments: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ...{ myy: [0, 2], myyy: [0, 3], mxx: [2, 0], mxy: [1, 1] },
  ...{ mxxx: [3, 0], mxxy: [2, 1], mxyy: [1, 2] },
}

/** Whether a unit is one of those of which `non_zero` is the number. */
function isCounted(measure: Measure): Fragment {
  return raw(measure === 'ratio' ? 'v.y <> 0 or v.x <> 0' : 'v.y <> 0')
}

function product(i: number, j: number): string {
  return [...Array.from({ length: i }, () => '(v.x - m.x)'), ...Array.from({ length: j }, () => '(v.y - m.y)')].join(
    ' * ',
  )
}

/** One row for each arm: `n`, `non_zero` (units with a value; of a `ratio` those with anything in it), `sum_y`, `sum_x`, and the centred sums. */
export function selectAggregates(values: Fragment, measure: Measure): Fragment {
  const sums = Object.entries(moments).map(([name, [i, j]]) => raw(`sum(${product(i, j)}) as ${name}`))
  return sql`select v.arm as arm, count(*) as n, sum(case when ${isCounted(measure)} then 1 else 0 end) as non_zero,
  sum(v.y) as sum_y, sum(v.x) as sum_x,
  ${join(sums, ', ')}
from ${values} v inner join (select arm, avg(y) as y, avg(x) as x from ${values} means group by arm) m on m.arm = v.arm
group by v.arm order by v.arm`
}

/** The same of each value of a column that `selectValues` carried along: one row for each arm and `part`. NULL is a part of its own, an empty text. */
export function selectAggregatesBy(dialect: Dialect, values: Fragment, column: string, measure: Measure): Fragment {
  const part = `coalesce(${dialect.castTo(`v.${column}`, 'string')}, '')`
  const parted = sql`(select v.arm as arm, v.y as y, v.x as x, ${raw(part)} as part from ${values} v)`
  const sums = Object.entries(moments).map(([name, [i, j]]) => raw(`sum(${product(i, j)}) as ${name}`))
  return sql`select v.arm as arm, v.part as part, count(*) as n, sum(case when ${isCounted(measure)} then 1 else 0 end) as non_zero,
  sum(v.y) as sum_y, sum(v.x) as sum_x,
  ${join(sums, ', ')}
from ${parted} v inner join (select arm, part, avg(y) as y, avg(x) as x from ${parted} means group by arm, part) m on m.arm = v.arm and m.part = v.part
group by v.arm, v.part order by v.part, v.arm`
}
