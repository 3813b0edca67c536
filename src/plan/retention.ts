/**
 * What is old enough to go. Exposures, the snapshot, rejections and doubts stay, whatever their age: they are what the next
 * plan goes by. Deliveries go by age and sync, but never sooner than the policies and reports that read them allow. Pure.
 */
import { concerns } from '../project/communication.ts'
import { formatDuration } from '../project/duration.ts'
import type { Project, Retention, Sync } from '../project/project.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import { isCapped } from './rules/cap.ts'
import { holdoutsOf } from './rules/index.ts'
import type { StateTable } from './state.ts'

/** How long a sync's deliveries are needed, and by what. */
export interface Need {
  /** Milliseconds; Infinity for good. */
  readonly age: number
  readonly by: string
}

/** The longest that any policy looks back on what this sync delivered, or that a report has to. */
export function needOf(sync: Sync, { policies }: Pick<Project, 'policies'>): Need {
  const { trigger } = sync
  const holdouts = holdoutsOf(sync, policies).filter(({ appliesTo }) => concerns(appliesTo, sync))
  const needs: Need[] = [
    { age: 0, by: 'nothing' },
    ...policies.caps.filter(cap => isCapped(sync, cap)).map(({ name, per }) => ({ age: per, by: `cap ${name}` })),
    ...holdouts.map(({ name }) => ({ age: Number.POSITIVE_INFINITY, by: `holdout ${name}` })),
  ]
  if (trigger !== undefined && trigger.reentry !== 'always') {
    const age = trigger.reentry === 'never' ? Number.POSITIVE_INFINITY : trigger.reentry.after
    needs.push({ age, by: 'reentry' })
  }
  return needs.reduce((longest, need) => (need.age > longest.age ? need : longest))
}

/** Instants before which rows go, in milliseconds. */
export interface Cutoffs {
  readonly decisions?: number
  readonly samples?: number
  readonly requests?: number
  readonly quarantine?: number
  /** By sync; what is not listed stays. */
  readonly deliveries: ReadonlyMap<string, number>
  /** Of syncs that the project has no more: as long as any cap may count them. */
  readonly otherDeliveries?: number
  /** What is kept longer than the project asks for, and why. */
  readonly notes: readonly string[]
}

export function cutoffsOf(project: Pick<Project, 'policies' | 'syncs' | 'retention'>, now: number): Cutoffs {
  const { retention, syncs, policies } = project
  const before = (age: number | undefined) => (age === undefined ? undefined : now - age)
  const simple = {
    decisions: before(retention.decisions),
    samples: before(retention.samples),
    requests: before(retention.requests),
    quarantine: before(retention.quarantine),
  }
  const given = Object.fromEntries(Object.entries(simple).filter(([, instant]) => instant !== undefined))
  const { deliveries } = retention
  if (deliveries === undefined) return { ...given, deliveries: new Map(), notes: [] }
  const needs = syncs.map(sync => ({ sync: sync.name, need: needOf(sync, project) }))
  const finite = needs.filter(({ need }) => need.age !== Number.POSITIVE_INFINITY)
  const longestCap = Math.max(0, ...policies.caps.map(({ per }) => per))
  return {
    ...given,
    deliveries: new Map(finite.map(({ sync, need }) => [sync, now - Math.max(deliveries, need.age)])),
    otherDeliveries: now - Math.max(deliveries, longestCap),
    notes: needs.filter(({ need }) => need.age > deliveries).map(({ sync, need }) => noteOf(sync, need)),
  }
}

function noteOf(sync: string, { age, by }: Need): string {
  const howLong = age === Number.POSITIVE_INFINITY ? 'for good' : `for ${formatDuration(age)}`
  return `deliveries of ${sync} are kept ${howLong}: ${by} needs them`
}

/** Whether the project asks for anything but what goes by itself. */
export function isAsked(retention: Retention): boolean {
  const { deadLetters: _letters, erasures: _erasures, ...asked } = retention
  return Object.values(asked).some(age => age !== undefined)
}

/** Rows that go: a table, and a condition over it. */
export interface OldRows {
  readonly what: string
  readonly relation: Fragment
  readonly where: Fragment
}

/**
 * Runs are old by the clock on the wall, at which they were settled: nights that were replayed with `--as-of` are as young as
 * the day on which they were. What policies count by the logical clock must be old by both.
 */
export function oldRows(
  dialect: Dialect,
  tables: Readonly<Record<StateTable, Fragment>>,
  cutoffs: Cutoffs,
  syncs: readonly string[],
): readonly OldRows[] {
  const instant = (at: number) => raw(dialect.timestamp(dialect.literal(new Date(at).toISOString())))
  const settledBefore = (at: number) =>
    sql`run_id in (select run_id from ${tables.runs} where settled_at < ${instant(at)})`
  const { decisions, quarantine, deliveries, otherDeliveries } = cutoffs
  const delivered = (sync: Fragment, at: number) =>
    sql`(${sync} and as_of < ${instant(at)} and delivered_at < ${instant(at)})`
  const known = join(
    syncs.map(sync => sql`${sync}`),
    ', ',
  )
  const old = [
    ...[...deliveries].map(([sync, at]) => delivered(sql`sync = ${sync}`, at)),
    ...(otherDeliveries === undefined
      ? []
      : [delivered(syncs.length === 0 ? sql`1 = 1` : sql`sync not in (${known})`, otherDeliveries)]),
  ]
  return [
    ...(decisions === undefined
      ? []
      : [
          { what: 'decisions', relation: tables.decisions, where: settledBefore(decisions) },
          {
            what: 'ineligible',
            relation: tables.ineligible,
            where: sql`until is not null and until < ${instant(decisions)} and ${settledBefore(decisions)}`,
          },
        ]),
    ...(old.length === 0 ? [] : [{ what: 'deliveries', relation: tables.deliveries, where: join(old, ' or ') }]),
    ...(quarantine === undefined
      ? []
      : [
          {
            what: 'quarantine',
            relation: tables.quarantine,
            where: sql`until is not null and until < ${instant(quarantine)}`,
          },
        ]),
  ]
}

/** `run_id`, `plan` of runs that were settled before, and whose plans have samples. */
export function selectOldPlans(dialect: Dialect, runs: Fragment, before: number): Fragment {
  const instant = raw(dialect.timestamp(dialect.literal(new Date(before).toISOString())))
  const holds = (name: string) => sql`strpos(plan, ${`"${name}":[{`}) > 0`
  return sql`select run_id, plan from ${runs} where settled_at < ${instant} and (${holds('samples')} or ${holds('ineligible')})`
}

/** The plan without its samples. */
export function withoutSamples(plan: string): string {
  return JSON.stringify({ ...(JSON.parse(plan) as object), samples: [], ineligible: [] })
}
