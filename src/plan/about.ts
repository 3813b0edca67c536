/**
 * Tonight's changed rows with all that planning needs to know of them: their fields, whom they are about, where they go, by
 * which clock the person lives, whether they are worthless by now. Computed for changed rows alone.
 */
import type { Holdout } from '../project/policies.ts'
import type { Column, Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import type { MappedField } from './mapping.ts'
import { optOutHash } from './policies/eligibility.ts'
import type { Subject } from './policies/subject.ts'
import { type Ahead, digestExpression, payloadExpression } from './population.ts'

export interface AboutParams {
  readonly stage: Fragment
  /** The payload and the digest, where the stage has those of every changed row. */
  readonly ahead: Pick<Ahead, 'changed' | 'digest'> | undefined
  readonly key: Fragment
  readonly columns: readonly Column[]
  readonly fields: readonly MappedField[]
  readonly changes: Fragment
  /** Holds for the rows of all changes, and lets the engine leave others out. */
  readonly within?: Fragment | undefined
  readonly subject: Subject
  readonly personKind: string
  /** Columns of the model; undefined where nobody asks, or the model has none of that name. */
  readonly quietZone: Column | undefined
  readonly windowZone: Column | undefined
  readonly expires: Column | undefined
  readonly asOf: string
  /** The local date of the logical clock. */
  readonly date: string
  readonly holdouts: readonly Holdout[]
}

/**
 * `key`, `payload`, `digest`, `person`, `topic`, `address` (hashed), `subjects`, `quiet_zone`, `window_zone`, `expired`, and `stratum_<index>` of
 * each holdout that stratifies.
 */
export function selectAbout(dialect: Dialect, params: AboutParams): Fragment {
  const { subject, stage, key, changes, ahead } = params
  const payload = ahead?.changed ?? payloadExpression(dialect, params.fields)
  const digest = ahead?.digest ?? digestExpression(dialect, params.fields)
  const text = (expression: string | undefined) => raw(expression ?? dialect.castTo('null', 'string'))
  const zone = (column: Column | undefined) =>
    text(column === undefined ? undefined : dialect.trim(dialect.asText(dialect.quote(column.name), column)))
  const address = subject.address === undefined ? undefined : dialect.sha256(`nullif(${subject.address}, '')`)
  const byName = new Map(params.columns.map(column => [column.name, column]))
  const strata = params.holdouts.flatMap(({ stratify }, index) => {
    const column = stratify === undefined ? undefined : byName.get(stratify)
    if (stratify === undefined) return []
    return [
      sql`, ${text(column === undefined ? undefined : dialect.asText(dialect.quote(column.name), column))} as ${raw(`stratum_${index}`)}`,
    ]
  })
  return sql`select ${key} as key, ${payload} as payload, ${digest} as digest,
  ${raw(subject.person)} as person, ${raw(subject.topic)} as topic, ${text(address)} as address,
  ${raw(subjectHashes(dialect, params))} as subjects, ${zone(params.quietZone)} as quiet_zone, ${zone(params.windowZone)} as window_zone,
  ${expired(dialect, params)} as expired${join(strata, '')}
from ${dialect.rowsWhere(stage, sql`${params.within === undefined ? raw('') : sql`${params.within} and `}${key} in (select key from ${changes} where op <> 'leave')`)}`
}

function subjectHashes(dialect: Dialect, { subject, personKind }: AboutParams): string {
  const hashes = [
    optOutHash(dialect, personKind, subject.person),
    ...subject.identifiers.map(({ name, expression }) => optOutHash(dialect, name, expression)),
  ]
  return dialect.jsonTextArray(hashes.map(hash => `coalesce(${hash}, '')`))
}

/** A date is over on the day after it, an instant when it has come. */
function expired(dialect: Dialect, { expires, asOf, date }: AboutParams): Fragment {
  if (expires === undefined) return raw('false')
  const column = dialect.quote(expires.name)
  const over =
    expires.type === 'date'
      ? `${column} < ${dialect.literal({ date })}`
      : `${dialect.castTo(column, 'timestamp')} <= ${dialect.timestamp(dialect.literal(asOf))}`
  return raw(`coalesce(${over}, false)`)
}

/** `zone`: every time zone that tonight's rows name in this column. */
export function selectZonesNamed(about: Fragment, column: 'quiet_zone' | 'window_zone'): Fragment {
  return sql`select distinct ${raw(column)} as zone from ${about} where ${raw(column)} is not null and ${raw(column)} <> '' order by 1 limit 2000`
}
