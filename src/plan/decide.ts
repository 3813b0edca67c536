/**
 * What policies say of one night: who may not take part, whom a holdout releases, what is known of each change, and which
 * clocks are shut. Computed in the warehouse, in the order in which planning needs it.
 */
import { concerns, isCommunication } from '../project/communication.ts'
import type { Holdout, Identity, Policies } from '../project/policies.ts'
import { ActivateError, type Problem } from '../project/problem.ts'
import type { Model, Sync } from '../project/project.ts'
import type { Column } from '../warehouse/dialect.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import { type AboutParams, selectAbout, selectZonesNamed } from './about.ts'
import { missingColumn } from './columns.ts'
import { countIneligible, hasEligibility, selectIneligible } from './policies/eligibility.ts'
import { isOver, selectDraws, selectReleased } from './policies/holdout.ts'
import { localTime, startOfDay } from './policies/local-time.ts'
import type { PolicyRelations } from './policies/relations.ts'
import { type Subject, subjectOf } from './policies/subject.ts'
import { type Hours, judgeZones, quietHoursOf, selectZones, sendWindowOf } from './policies/zones.ts'
import { isCapped } from './rules/cap.ts'
import { holdoutsOf } from './rules/index.ts'
import type { ZoneRelation } from './rules/rule.ts'
import { query, type StagedPopulation, writeScratch } from './stage.ts'
import type { StateRelations } from './state-tables.ts'

export interface PolicyInput {
  readonly warehouse: Warehouse
  readonly sync: Sync
  readonly runId: string
  /** ISO 8601 in UTC. */
  readonly asOf: string
  /** Zone of the project. */
  readonly timezone: string
  readonly model: Pick<Model, 'name' | 'key' | 'place'>
  readonly identity: Identity | undefined
  readonly policies: Policies
  readonly relations: PolicyRelations
  readonly population: StagedPopulation
}

export interface Today {
  readonly date: string
  readonly began: string
}

export function todayOf({ asOf, timezone }: Pick<PolicyInput, 'asOf' | 'timezone'>): Today {
  const at = Date.parse(asOf)
  return { date: localTime(timezone, at).date, began: new Date(startOfDay(timezone, at)).toISOString() }
}

/** Under which kind opt-outs know the person's own key. */
export function personKindOf(identity: Identity | undefined): string {
  return identity?.key ?? 'key'
}

/** Whom rows are about. Throws A4021 where a policy holds for people and the model does not say who they are. */
export function findSubject({ warehouse, identity, sync, model, population, policies }: PolicyInput): Subject {
  const { columns } = population.stage
  const key = population.key.texts[0] ?? ''
  const subject = subjectOf(warehouse.dialect, { identity, sync, model, columns, fields: population.fields, key })
  const needed = personalPolicies(sync, policies)
  if (subject.knowsPerson || needed.length === 0) return subject
  const why =
    identity === undefined
      ? `its key is ${model.key.join(', ')}`
      : `it returns no column "${identity.key}", the key of ${identity.entity}`
  throw new ActivateError('invalid', {
    code: 'A4021',
    message: `model "${model.name}" does not say whom a row is about, which ${needed.join(' and ')} must know: ${why}`,
    place: model.place,
    help:
      identity === undefined
        ? 'name the column with the person in activate.yml, such as identity: { key: customer_id }, and return it'
        : `return ${identity.key} from the model`,
  })
}

function personalPolicies(sync: Sync, policies: Policies): readonly string[] {
  return [
    ...(policies.consent !== undefined && (isCommunication(sync) || sync.channel !== undefined) ? ['consent'] : []),
    ...(policies.suppression.some(({ appliesTo }) => concerns(appliesTo, sync)) ? ['suppression'] : []),
    ...(policies.caps.some(cap => isCapped(sync, cap)) ? ['caps'] : []),
    ...(policies.holdouts.some(({ appliesTo }) => concerns(appliesTo, sync)) ? ['holdouts'] : []),
  ]
}

/** A4025 for a communication on which a suppression list could have no effect, whomever it names. */
function refuseIdleLists({ sync, policies, relations, identity, model }: PolicyInput, subject: Subject): void {
  if (!isCommunication(sync) || relations.identifiers !== undefined) return
  const [idle] = policies.suppression.filter(
    ({ appliesTo, identifier }) =>
      concerns(appliesTo, sync) &&
      identifier !== undefined &&
      identifier !== identity?.key &&
      !subject.identifiers.some(({ name }) => name === identifier),
  )
  if (idle === undefined) return
  throw new ActivateError('failed', {
    code: 'A4025',
    message: `the suppression list of reason ${idle.reason} is by ${idle.identifier}, and nothing in the model ${model.name} tells a person's ${idle.identifier}`,
    place: idle.place,
    help: `return ${idle.identifier} from the model, or say in identity.links whose it is`,
  })
}

export interface Ineligible {
  /** Scratch relation of `key`, `reason`. */
  readonly relation: Fragment
  readonly rows: number
  readonly reasons: Readonly<Record<string, number>>
}

/** Rows in quarantine stay as they are, but for people who may not take part any more: those leave all the same. */
export function frozenKeys(
  { population, warehouse }: Pick<PolicyInput, 'population' | 'warehouse'>,
  ineligible: Ineligible | undefined,
): Fragment | undefined {
  const quarantine = population.quarantine?.relation
  if (quarantine === undefined || ineligible === undefined) return quarantine
  const staying = warehouse.dialect.absentFrom(raw('key'), ineligible.relation, 'key')
  return sql`(select key from ${quarantine} where ${staying}) frozen`
}

export async function findIneligible(input: PolicyInput, subject: Subject): Promise<Ineligible | undefined> {
  if (!hasEligibility(input)) return undefined
  refuseIdleLists(input, subject)
  const { warehouse, sync, policies, relations, population, identity, runId } = input
  const { key, quarantine } = population
  const stage = population.stage.relation
  const personKind = personKindOf(identity)
  const select = selectIneligible(warehouse.dialect, {
    ...{ sync, policies, relations, subject, stage, key, personKind },
    keysRepeat: quarantine !== undefined,
  })
  const relation = await writeScratch(warehouse, `ineligible__${runId}`, select)
  const counts = await query(warehouse, countIneligible(warehouse.dialect, relation, quarantine?.relation))
  const reasons = Object.fromEntries(counts.map(({ reason, n }) => [String(reason), Number(n)]))
  return { relation, reasons, rows: Object.values(reasons).reduce((sum, n) => sum + n, 0) }
}

/** The holdouts that draw tonight, and what to say of them. Throws A4031 when a salt changed within its epoch. */
export async function openHoldouts(
  { warehouse, sync, policies }: PolicyInput,
  registry: Fragment,
  today: Today,
): Promise<{ readonly drawing: readonly Holdout[]; readonly warnings: readonly string[] }> {
  const concerned = holdoutsOf(sync, policies).filter(({ appliesTo }) => concerns(appliesTo, sync))
  const drawing = concerned.filter(holdout => !isOver(holdout, today.date))
  const over = concerned
    .filter(holdout => isOver(holdout, today.date))
    .map(({ name, expires }) => `the holdout ${name} expired on ${expires}: nobody is withheld by it any more`)
  if (drawing.length === 0) return { drawing, warnings: over }
  const rows = await query(warehouse, selectDraws(registry, drawing))
  const known = rows.map(({ holdout, epoch, salt, share }) => ({
    ...{ name: String(holdout), epoch: String(epoch), salt: String(salt) },
    share: Number(share),
  }))
  const problems = drawing.flatMap(holdout => saltProblem(holdout, known) ?? [])
  if (problems.length > 0) throw new ActivateError('invalid', problems)
  return { drawing, warnings: [...over, ...drawing.flatMap(holdout => drawWarning(holdout, known))] }
}

type KnownDraw = Pick<Holdout, 'name' | 'epoch' | 'salt' | 'share'>

function saltProblem({ name, epoch, salt, place }: Holdout, known: readonly KnownDraw[]): Problem | undefined {
  const before = known.find(draw => draw.name === name && draw.epoch === epoch)
  if (before === undefined || before.salt === salt) return undefined
  return {
    code: 'A4031',
    message: `the salt of holdout "${name}" changed within its epoch "${epoch}", from "${before.salt}" to "${salt}"`,
    place,
    help: 'a new salt draws lots anew, which needs a new epoch: change both, or write the old salt again',
  }
}

function drawWarning({ name, epoch, share }: Holdout, known: readonly KnownDraw[]): readonly string[] {
  const percent = (value: number) => `${Number((value * 100).toFixed(4))}%`
  const before = known.find(draw => draw.name === name && draw.epoch === epoch)
  if (before === undefined)
    return known.some(draw => draw.name === name)
      ? [`the holdout ${name} begins its epoch "${epoch}": lots are drawn anew`]
      : []
  if (share < before.share)
    return [
      `the share of holdout ${name} fell from ${percent(before.share)} to ${percent(share)}: those between are withheld no more, and its figures stop being comparable`,
    ]
  if (share > before.share)
    return [
      `the share of holdout ${name} grew from ${percent(before.share)} to ${percent(share)}: more are withheld from now on`,
    ]
  return []
}

/** Whom the snapshot of a data sync has as withheld and no holdout withholds; a communication that was withheld is past. */
export async function findReleased(
  { warehouse, sync, relations, runId }: PolicyInput,
  { snapshot, tables }: Pick<StateRelations, 'snapshot' | 'tables'>,
  { drawing, withheld }: { readonly drawing: readonly Holdout[]; readonly withheld: number },
): Promise<Fragment | undefined> {
  if (isCommunication(sync) || withheld === 0) return undefined
  return writeScratch(
    warehouse,
    `released__${runId}`,
    selectReleased({ dialect: warehouse.dialect, relations, state: tables }, snapshot, drawing),
  )
}

export interface About {
  readonly relation: Fragment
  readonly quietHours: ZoneRelation | undefined
  readonly sendWindow: ZoneRelation | undefined
  readonly warnings: readonly string[]
}

/** What is known of tonight's changes, and the clocks of the people behind them. */
export async function describeChanges(
  input: PolicyInput,
  subject: Subject,
  changes: Fragment,
  today: Today,
  rows: Pick<AboutParams, 'stage' | 'ahead' | 'within'>,
): Promise<About> {
  const { warehouse, sync, policies, population, runId, asOf, identity } = input
  const columns = population.stage.columns
  const byName = new Map(columns.map(column => [column.name, column]))
  const [quiet, window] = isCommunication(sync) ? [quietHoursOf(sync, policies), sendWindowOf(sync)] : []
  const column = (hours: Hours | undefined) => (hours?.column === undefined ? undefined : byName.get(hours.column))
  const holdouts = holdoutsOf(sync, policies)
  const expires = expiryColumn(sync, byName)
  const select = selectAbout(warehouse.dialect, {
    ...{ ...rows, key: population.key, columns, fields: population.fields, changes, subject },
    ...{ personKind: personKindOf(identity), quietZone: column(quiet), windowZone: column(window) },
    ...{ expires, asOf, date: today.date, holdouts },
  })
  // Read once by the outbox, unless clocks or strata are asked about as well.
  const readAgain = quiet !== undefined || window !== undefined || holdouts.length > 0
  const relation = readAgain ? await writeScratch(warehouse, `about__${runId}`, select) : sql`(${select})`
  const quietHours = await readZones(input, relation, 'quiet_zone', quiet, column(quiet))
  const sendWindow = await readZones(input, relation, 'window_zone', window, column(window))
  return {
    relation,
    quietHours: quietHours?.zones,
    sendWindow: sendWindow?.zones,
    warnings: [...new Set([...(quietHours?.warnings ?? []), ...(sendWindow?.warnings ?? [])])],
  }
}

function expiryColumn({ expires, places, place }: Sync, columns: ReadonlyMap<string, Column>): Column | undefined {
  if (expires === undefined) return undefined
  const column = columns.get(expires.column)
  const at = places?.['expires.column'] ?? place
  if (column === undefined) throw new ActivateError('failed', { ...missingColumn(expires.column, columns), place: at })
  if (column.type === 'date' || column.type === 'timestamp') return column
  throw new ActivateError('failed', {
    code: 'A4022',
    message: `expires: the column "${column.name}" is ${column.native}, and not a date or timestamp`,
    place: at,
    help: 'cast it in the model, for instance cast(renews_on as date)',
  })
}

async function readZones(
  { warehouse, asOf, runId, model }: PolicyInput,
  about: Fragment,
  name: 'quiet_zone' | 'window_zone',
  hours: Hours | undefined,
  column: Column | undefined,
): Promise<{ readonly zones: ZoneRelation; readonly warnings: readonly string[] } | undefined> {
  if (hours === undefined) return undefined
  const rows = column === undefined ? [] : await query(warehouse, selectZonesNamed(about, name))
  const { verdicts, unknown } = judgeZones(
    hours,
    rows.map(({ zone }) => String(zone)),
    Date.parse(asOf),
  )
  const relation = await writeScratch(warehouse, `${name}__${runId}`, selectZones(warehouse.dialect, verdicts))
  const missing = hours.column !== undefined && column === undefined
  return {
    zones: { relation, default: hours.default },
    warnings: [
      ...(missing
        ? [
            `the model ${model.name} returns no column "${hours.column}": everybody's clock is taken to be ${hours.default}`,
          ]
        : []),
      ...(unknown.length === 0
        ? []
        : [
            `${unknown.length === 1 ? 'a time zone is' : `${unknown.length} time zones are`} unknown (${unknown
              .slice(0, 3)
              .map(zone => JSON.stringify(zone))
              .join(', ')}): ${hours.default} is taken instead`,
          ]),
    ],
  }
}
