/**
 * Holdouts in the warehouse: who is withheld, whom a holdout no longer withholds, and what is remembered of a draw. The
 * draw is that of assignment.ts. A person of several records is withheld when any of those records is: nobody whom a
 * holdout withholds is sent to because two records became one, or because one became two again.
 */
import type { Holdout } from '../../project/policies.ts'
import type { Dialect } from '../../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../../warehouse/sql.ts'
import type { RuleContext } from '../rules/rule.ts'
import { type PolicyRelations, withEntity } from './relations.ts'

/** From its `expires` on a holdout withholds nobody. `date` is local to the project. */
export function isOver(holdout: Pick<Holdout, 'expires'>, date: string): boolean {
  return holdout.expires !== undefined && date >= holdout.expires
}

/** Where a draw is made. */
interface DrawContext extends Pick<RuleContext, 'dialect' | 'relations'> {
  readonly state: Pick<RuleContext['state'], 'exposures'>
}

interface Drawn {
  /** Joins to `change`. */
  readonly join: Fragment
  /** The least `u` of the records that are the person now, or were when a holdout of this epoch withheld them. */
  readonly u: Fragment
}

/**
 * `name` is part of the aliases under which draws are joined to `change.entity`. What was drawn for somebody who was
 * withheld stays with them: when records that were one person part again, the one is not sent to because it was the
 * other's draw that withheld both.
 */
export function drawOf(
  { dialect, relations, state }: DrawContext,
  { name: holdout, epoch, salt }: Holdout,
  name: string,
): Drawn {
  const drawn = (key: string) => raw(dialect.unitInterval(dialect.literal(salt), key))
  const [least, before] = [raw(`${name}_least`), raw(`${name}_before`)]
  const { members } = relations
  const known = withEntity(relations, sql`${state.exposures} e`, sql`coalesce(e.person, e.key)`)
  const joinKnown = sql`left join (
    select ${known.entity} as entity, min(e.draw) as u from ${known.from}
    where e.holdout = ${holdout} and e.epoch = ${epoch} and e.arm = 'withheld' group by 1
  ) ${before} on ${before}.entity = change.entity`
  const now = members === undefined ? drawn('change.entity') : sql`coalesce(${least}.u, ${drawn('change.entity')})`
  const joinLeast =
    members === undefined
      ? sql``
      : sql`left join (select entity, min(${drawn('key')}) as u from ${members} group by 1) ${least} on ${least}.entity = change.entity
  `
  const u = sql`case when ${before}.u < ${now} then ${before}.u else ${now} end`
  return { join: sql`${joinLeast}${joinKnown}`, u }
}

/** Keys that the snapshot of a data sync has as withheld and that none of these holdouts withholds: they are sent now. */
export function selectReleased(context: DrawContext, snapshot: Fragment, holdouts: readonly Holdout[]): Fragment {
  const { dialect, relations } = context
  const own = withEntity(relations, sql`${snapshot} s`, sql`coalesce(s.person, s.key)`)
  const change = sql`(select s.key as key, ${own.entity} as entity from ${own.from} where s.standing = 'withheld') change`
  const asked = holdouts.map((holdout, index) => ({
    share: holdout.share,
    ...drawOf(context, holdout, `draw_${index}`),
  }))
  const conditions = asked.map(({ u, share }) => sql`${u} < ${raw(dialect.literal(share))}`)
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

/**
 * One row: `n` communications of a sync that reached somebody after one of these holdouts had withheld them from it in its
 * present epoch and share. Not a statistic but an error: there must be none.
 */
export function countReached(
  dialect: Dialect,
  tables: Readonly<Record<'deliveries' | 'exposures', Fragment>>,
  holdouts: readonly Holdout[],
): Fragment {
  const drawing = holdouts.map(
    ({ name, epoch, share }) =>
      sql`(e.holdout = ${name} and e.epoch = ${epoch} and e.draw < ${raw(dialect.literal(share))})`,
  )
  return sql`select count(distinct d.change_id) as n from ${tables.exposures} e
inner join ${tables.deliveries} d on d.sync = e.sync and coalesce(d.person, d.key) = coalesce(e.person, e.key)
where e.arm = 'withheld' and d.communication and d.as_of >= e.triggered_at and (${join(drawing, ' or ')})`
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
 * The first triggers of tonight, one row per record and holdout that was asked about it, in the shape of `exposures`: should
 * the records of one person part again, each still knows its arm. A report counts a person once, by the first. Asked are
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
  const change = sql`(select o.*, ${own.entity} as entity from ${own.from}) change`
  const context = { dialect, relations: params.relations, state: { exposures: params.exposures } }
  const parts = params.holdouts.map(({ holdout, rule, stratum }, index) => {
    const number = raw(String(rule))
    const drawn = drawOf(context, holdout, `draw_${index}`)
    const value = raw(holdout.stratify === undefined ? dialect.castTo('null', 'string') : `about.stratum_${stratum}`)
    return sql`select ${params.sync} as sync, change.key as key, coalesce(change.person, change.key) as person, change.entity as entity,
  ${holdout.name} as holdout, ${holdout.epoch} as epoch,
  case when change.rule = ${number} then 'withheld' else 'treated' end as arm,
  ${value} as stratum, case when change.rule = ${number} then change.payload end as payload, ${drawn.u} as draw,
  ${raw(dialect.literal(holdout.share))} as share
from ${change}
  left join ${params.about} about on about.key = change.key
  ${drawn.join}
where (change.rule = 0 or change.rule >= ${number}) and change.op in (${operations})`
  })
  return sql`select sync, key, person, holdout, epoch, arm, ${instant(params.asOf)} as triggered_at,
  ${instant(params.recordedAt)} as recorded_at, ${params.runId} as run_id, stratum, payload, draw, share
from (
  select triggers.*, row_number() over (partition by triggers.holdout, triggers.person order by triggers.key) as nth
  from (${join(parts, '\nunion all\n')}) triggers
  left join (select holdout, epoch, coalesce(person, key) as person from ${params.exposures} where sync = ${params.sync}) known
    on known.holdout = triggers.holdout and known.epoch = triggers.epoch and known.person = triggers.person
  where known.person is null
) firsts where nth = 1`
}
