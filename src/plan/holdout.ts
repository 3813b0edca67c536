/**
 * Holdouts in the warehouse: who is withheld, whom a holdout no longer withholds, and what is remembered of a draw. The
 * draw is that of assignment.ts. A person whom records were merged into is withheld when any of those records is: nobody
 * whom a holdout withholds is sent to because two records became one.
 */
import type { Holdout } from '../project/policies.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import { type PolicyRelations, withEntity } from './policy-relations.ts'
import type { RuleContext } from './rules/rule.ts'

/** From its `expires` on a holdout withholds nobody. `date` is local to the project. */
export function isOver(holdout: Pick<Holdout, 'expires'>, date: string): boolean {
  return holdout.expires !== undefined && date >= holdout.expires
}

function draw(dialect: Dialect, salt: string, key: string): string {
  return dialect.unitInterval(dialect.literal(salt), key)
}

interface Withheld {
  /** Join to `change`. */
  readonly join: Fragment
  readonly condition: Fragment
}

/** `name` is the alias under which the draws of merged people are joined to `change.entity`. */
export function withheldCondition(
  { dialect, relations }: Pick<RuleContext, 'dialect' | 'relations'>,
  { salt, share }: Holdout,
  name: string,
): Withheld {
  const alone = raw(draw(dialect, salt, 'change.entity'))
  const limit = raw(dialect.literal(share))
  const { members } = relations
  if (members === undefined) return { join: sql``, condition: sql`${alone} < ${limit}` }
  const least = sql`select entity, min(${raw(draw(dialect, salt, 'key'))}) as u from ${members} group by 1`
  return {
    join: sql`left join (${least}) ${raw(name)} on ${raw(name)}.entity = change.entity`,
    condition: sql`coalesce(${raw(name)}.u, ${alone}) < ${limit}`,
  }
}

/** Keys that the snapshot of a data sync has as withheld and that none of these holdouts withholds: they are sent now. */
export function selectReleased(
  dialect: Dialect,
  snapshot: Fragment,
  relations: PolicyRelations,
  holdouts: readonly Holdout[],
): Fragment {
  const own = withEntity(relations, sql`${snapshot} s`, sql`coalesce(s.person, s.key)`)
  const change = sql`(select s.key as key, ${own.entity} as entity from ${own.from} where s.standing = 'withheld') change`
  const asked = holdouts.map((holdout, index) => withheldCondition({ dialect, relations }, holdout, `draw_${index}`))
  const conditions = asked.map(({ condition }) => condition)
  const released = conditions.length === 0 ? raw('') : sql` where not (${join(conditions, ' or ')})`
  return sql`select change.key as key from ${change} ${join(
    asked.map(part => part.join),
    ' ',
  )}${released}`
}

/** `holdout`, `epoch`, `salt`, `share` of every draw that was ever made under these names. */
export function selectDraws(registry: Fragment, holdouts: readonly Holdout[]): Fragment {
  const names = join(
    holdouts.map(({ name }) => sql`${name}`),
    ', ',
  )
  return sql`select holdout, epoch, salt, share from ${registry} where holdout in (${names})`
}

export interface ExposureParams {
  readonly sync: string
  readonly runId: string
  readonly asOf: string
  readonly recordedAt: string
  readonly outbox: Fragment
  readonly exposures: Fragment
  readonly relations: PolicyRelations
  /** With the number of the rule that each one is tonight, and that of its stratum. */
  readonly holdouts: readonly { readonly holdout: Holdout; readonly rule: number; readonly stratum: number }[]
  /** Relation of `selectAbout`. */
  readonly about: Fragment
  /** Only these operations are triggers. */
  readonly operations: readonly string[]
}

/**
 * The first triggers of tonight, one row per holdout that was asked about them, in the shape of `exposures`. Asked are
 * those whom no earlier rule has claimed: what later rules say of the treated is part of the treatment (Johnson, Lewis and
 * Nubbemeyer, "Ghost Ads", JMR 2017: both arms are taken at the moment at which they would have been sent to).
 */
export function selectExposures(dialect: Dialect, params: ExposureParams): Fragment {
  const own = withEntity(params.relations, sql`${params.outbox} o`, sql`coalesce(o.person, o.key)`)
  const instant = (iso: string) => raw(dialect.timestamp(dialect.literal(iso)))
  const operations = join(
    params.operations.map(op => sql`${op}`),
    ', ',
  )
  const parts = params.holdouts.map(({ holdout, rule, stratum: index }) => {
    const number = raw(String(rule))
    const stratum =
      holdout.stratify === undefined ? raw(dialect.castTo('null', 'string')) : raw(`about.stratum_${index}`)
    return sql`select ${params.sync} as sync, o.key as key, coalesce(o.person, o.key) as person, ${own.entity} as entity,
  ${holdout.name} as holdout, ${holdout.epoch} as epoch,
  case when o.rule = ${number} then 'withheld' else 'treated' end as arm,
  ${stratum} as stratum, case when o.rule = ${number} then o.payload end as payload
from ${own.from} left join ${params.about} about on about.key = o.key
where (o.rule = 0 or o.rule >= ${number}) and o.op in (${operations})`
  })
  const before = withEntity(params.relations, sql`${params.exposures} e`, sql`coalesce(e.person, e.key)`)
  const known = sql`select e.holdout as holdout, e.epoch as epoch, ${before.entity} as entity from ${before.from} where e.sync = ${params.sync}`
  return sql`select sync, key, person, holdout, epoch, arm, ${instant(params.asOf)} as triggered_at,
  ${instant(params.recordedAt)} as recorded_at, ${params.runId} as run_id, stratum, payload
from (
  select triggers.*, row_number() over (partition by triggers.holdout, triggers.entity order by triggers.key) as nth
  from (${join(parts, '\nunion all\n')}) triggers
  left join (${known}) known
    on known.holdout = triggers.holdout and known.epoch = triggers.epoch and known.entity = triggers.entity
  where known.entity is null
) firsts where nth = 1`
}
