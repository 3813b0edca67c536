/**
 * Computes a plan through the warehouse port: who may take part, what changed, what is decided, and the summary. Every
 * statement comes from the pure builders beside this file; a dry run differs from a run only in where the outbox is written.
 */
import { isCommunication } from '../project/communication.ts'
import type { Holdout } from '../project/policies.ts'
import type { Sync } from '../project/project.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import { approvalNeed } from './approval.ts'
import { type Candidates, countStandings, findCandidates, trustedComparison } from './candidates.ts'
import {
  type About,
  describeChanges,
  findIneligible,
  findReleased,
  findSubject,
  frozenKeys,
  type Ineligible,
  openHoldouts,
  type PolicyInput,
  type Today,
  todayOf,
} from './decide.ts'
import { judge } from './guard.ts'
import { standInForLeavers } from './leavers.ts'
import { type MappingChange, mappingChange, mappingFingerprint } from './mapping.ts'
import { type OutboxParams, selectOutbox, summariseOutbox } from './outbox.ts'
import type { IneligibleSample, Plan, Sample } from './plan.ts'
import { selectExposures } from './policies/holdout.ts'
import { holdoutsOf, rulesFor } from './rules/index.ts'
import { actsOn, removesLeavers } from './rules/mode.ts'
import type { Rule, RuleContext } from './rules/rule.ts'
import { readIneligibleSamples, readSamples } from './samples.ts'
import { query, writeScratch, writeTable } from './stage.ts'
import { outboxName, wholeSnapshot } from './state.ts'
import type { StateRelations } from './state-tables.ts'
import { type DeliveryShape, estimateDelivery, type OutboxSummary, readSummary } from './summary.ts'

export interface PlanInput extends PolicyInput {
  readonly project: string
  /** What people wrote beside the sync itself and decides what a plan does: the model's SQL, policies, the destination's settings. */
  readonly configuration: unknown
  readonly shape: DeliveryShape
  readonly fullResync: boolean
  readonly limit: number | undefined
  readonly samples: number
  /** `run` keeps the outbox until it is settled; `dry-run` writes it to a scratch table. */
  readonly keepOutbox: boolean
  /** What was found out on the way to the plan, for its warnings. */
  readonly notes: readonly string[]
  /** The clock on the wall, ISO 8601 in UTC. */
  readonly recordedAt: string
  readonly sha256: (text: string) => string
  /** A run that the warehouse remembers and the ledger does not; `repeatable` when sending everything again harms nobody. */
  readonly lostRun?: { readonly runId: string; readonly repeatable: boolean }
}

export interface Planned {
  readonly plan: Plan
  readonly outbox: Fragment
  readonly mapping: string
  /** Scratch relations for `recordStatements`. */
  readonly ineligible: Fragment | undefined
  readonly exposures: Fragment | undefined
  readonly drawing: readonly Holdout[]
  /** Bytes that were billed for samples: what a dry run shows, and no night reads. */
  readonly aside: number
}

/** What the last settled run of a sync left for the next one to compare with. */
interface LastRun {
  readonly mapping: string
  readonly plan: { readonly config_hash?: string; readonly rows?: { readonly model?: number } }
}

export async function buildPlan(input: PlanInput, state: StateRelations): Promise<Planned> {
  const { warehouse, sync } = input
  const { dialect } = warehouse
  const today = todayOf(input)
  const mapping = mappingFingerprint(sync)
  const last = await lastRun(warehouse, state, sync.name)
  const changed = mappingChange(last?.mapping, mapping)
  const reach = reachOf(input, changed)

  const subject = findSubject(input)
  const { drawing, warnings: ofHoldouts } = await openHoldouts(input, state.tables.holdouts, today)
  const ineligible = await findIneligible(input, subject)
  const trusted = await trustedComparison(warehouse, sync, input.population, ineligible?.relation)
  const standings = await countStandings(warehouse, state.snapshot, input.population, trusted)
  const candidates = await findCandidates(
    warehouse,
    {
      ...{ sync, runId: input.runId, population: input.population, snapshotRows: state.snapshot },
      snapshot: reach.keeps ? wholeSnapshot(state.snapshot, state.payloads) : state.snapshot,
      removesLeavers: removesLeavers(sync),
      ineligible: ineligible?.relation,
      frozen: frozenKeys(input, ineligible),
      released: await findReleased(input, state, { drawing, withheld: standings.withheld }),
      everyone: reach.everyone,
      comparable: reach.keeps ? changed?.common : undefined,
    },
    trusted,
  )
  const about = await describeChanges(input, subject, candidates.changes, today, candidates.rows)
  const night = { candidates, about, today, firstRun: last === undefined, changed, reach }
  const decided = await decide(input, state, night)
  const summary = readSummary(await query(warehouse, summariseOutbox(dialect, decided.outbox)))
  const exposures = await writeExposures(input, state, decided, about, drawing)
  const before = warehouse.bill?.billed() ?? 0
  const samples = await readSamples(warehouse, decided.outbox, summary, input.samples, state)
  const aside = (warehouse.bill?.billed() ?? 0) - before

  const plan = assemble(
    input,
    { mapping, last, changed },
    {
      ...{ summary, ineligible, snapshotRows: standings.member + standings.withheld },
      samples,
      ineligibleSamples: await readIneligibleSamples(warehouse, ineligible?.relation, input.samples),
      warnings: [
        ...mappingWarnings(sync, changed, reach),
        ...runWarnings(input, last, summary),
        ...ofHoldouts,
        ...about.warnings,
        ...input.notes,
      ],
    },
  )
  const left = { mapping, ineligible: ineligible?.relation, exposures, drawing, aside }
  return { plan, outbox: decided.outbox, ...left }
}

/** How far a change of the mapping goes, or a resync. */
interface Reach {
  /** Every member of a data sync is sent again. */
  readonly everyone: boolean
  /** Rows that differ by the mapping alone stay as they are. */
  readonly keeps: boolean
}

function reachOf({ sync, fullResync }: PlanInput, changed: MappingChange | undefined): Reach {
  const speaks = isCommunication(sync)
  const anew = changed !== undefined && (changed.moved || changed.modeChanged)
  const everyone = !speaks && (fullResync || anew)
  return { everyone, keeps: changed !== undefined && !everyone && (speaks || sync.onMappingChange === 'keep') }
}

interface Found {
  readonly summary: OutboxSummary
  readonly ineligible: Ineligible | undefined
  readonly snapshotRows: number
  readonly samples: readonly Sample[]
  readonly ineligibleSamples: readonly IneligibleSample[]
  readonly warnings: readonly string[]
}

/** With what the plan is compared: the mapping, and how it differs from that of the last run. */
interface Comparison {
  readonly mapping: string
  readonly last: LastRun | undefined
  readonly changed: MappingChange | undefined
}

function assemble(input: PlanInput, { mapping, last, changed }: Comparison, found: Found): Plan {
  const { sync, population, shape } = input
  const { summary, ineligible } = found
  const configHash = hashConfiguration(input, mapping)
  const quarantined = population.quarantine?.rows ?? 0
  const inPopulation = population.modelRows - quarantined - (ineligible?.rows ?? 0)
  const rows = {
    model: population.modelRows,
    quarantined,
    ineligible: ineligible?.rows ?? 0,
    population: inPopulation,
    unchanged: inPopulation - summary.changes.enter - summary.changes.change,
  }
  const { requests, seconds } = estimateDelivery(summary.sends, shape)
  const { snapshotRows } = found
  const guard = judge(sync, {
    ...{ rows, changes: summary.changes, decisions: summary.decisions, snapshotRows },
    ...{ firstRun: last === undefined, lastModelRows: last?.plan.rows?.model, mappingChanged: changed !== undefined },
    lostRun: input.lostRun?.repeatable === false ? input.lostRun.runId : undefined,
  })
  const approval = approvalNeed(
    sync.requireApproval,
    { config_hash: configHash, decisions: summary.decisions },
    last?.plan.config_hash,
  )
  return {
    sync: sync.name,
    plan_hash: input.sha256(JSON.stringify([configHash, rows, ineligible?.reasons, summary.marks])),
    config_hash: configHash,
    model: sync.model,
    destination: sync.destination,
    action: sync.action,
    mode: sync.mode,
    rows,
    changes: summary.changes,
    decisions: summary.decisions,
    reasons: { ...population.quarantine?.reasons, ...ineligible?.reasons, ...summary.reasons },
    ...(summary.sends.leave > 0 && shape.leaversTo && { leavers_to: shape.leaversTo.action }),
    requests,
    seconds_at_limit: seconds,
    guard,
    approval,
    samples: found.samples,
    ineligible: found.ineligibleSamples,
    warnings: [...leaverWarnings(summary.sends.leave, shape), ...found.warnings],
  }
}

/** Whoever reviews a plan learns what cannot be taken back while it can still be stopped. */
function leaverWarnings(leavers: number, { leaversTo }: DeliveryShape): readonly string[] {
  if (leavers === 0 || leaversTo?.irrevocable === undefined) return []
  return [
    `${leavers === 1 ? '1 leaver goes' : `${leavers} leavers go`} to ${leaversTo.action}: ${leaversTo.irrevocable}`,
  ]
}

/** What is only for people to read, or says when to run, decides nothing about a plan. */
function hashConfiguration({ sha256, project, sync, configuration }: PlanInput, mapping: string): string {
  const {
    place: _place,
    places: _places,
    fields: _fields,
    owners: _owners,
    tags: _tags,
    schedule: _schedule,
    ...rest
  } = sync
  return sha256(JSON.stringify([project, rest, mapping, configuration]))
}

interface Decided {
  readonly outbox: Fragment
  readonly rules: readonly Rule[]
}

async function decide(
  input: PlanInput,
  state: StateRelations,
  night: {
    readonly candidates: Candidates
    readonly about: About
    readonly today: Today
    readonly firstRun: boolean
    readonly changed: MappingChange | undefined
    readonly reach: Reach
  },
): Promise<Decided> {
  const { warehouse, sync, runId, policies, relations, asOf } = input
  const { dialect } = warehouse
  const { about, today, firstRun, reach } = night
  const { changes, known, leavers } = night.candidates
  const context: RuleContext = {
    ...{ dialect, sync, policies, relations, asOf, today, firstRun, changes },
    ...{ quietHours: about.quietHours, sendWindow: about.sendWindow },
    moved: night.changed?.moved ?? false,
    snapshot: state.snapshot,
    state: state.tables,
  }
  const rules = rulesFor(sync, policies).filter(rule => rule.concerns(context))
  const select = selectOutbox(dialect, {
    ...{ project: input.project, context, rules, limit: input.limit, everyone: reach.everyone },
    ...{ about: about.relation, known },
    apart: await payloadsApart(input, state, leavers),
  })
  if (!input.keepOutbox) return { outbox: await writeScratch(warehouse, outboxName(runId), select), rules }
  const relation = dialect.relation([...warehouse.state, outboxName(runId)])
  await writeTable(warehouse, relation, select, { scratch: false })
  return { outbox: raw(relation), rules }
}

/** What leavers had is read where they are told to the destination, and it uses that. */
async function payloadsApart(
  { warehouse, sync, population, shape }: PlanInput,
  { payloads, tables }: StateRelations,
  leavers: boolean,
): Promise<OutboxParams['apart']> {
  if (payloads === undefined) return undefined
  if (!leavers || !actsOn(sync).includes('leave')) return { ofLeavers: undefined }
  const asked = { fields: population.fields, needed: shape.leaverFields, mapping: mappingFingerprint(sync) }
  const standIn = await standInForLeavers(warehouse, { ...asked, sync, runs: tables.runs })
  return standIn === undefined ? { ofLeavers: payloads } : { ofLeavers: undefined, standIn }
}

async function writeExposures(
  { warehouse, sync, runId, asOf, relations, policies, recordedAt }: PlanInput,
  state: StateRelations,
  { outbox, rules }: Decided,
  about: About,
  drawing: readonly Holdout[],
): Promise<Fragment | undefined> {
  if (drawing.length === 0) return undefined
  const all = holdoutsOf(sync, policies)
  const select = selectExposures(warehouse.dialect, {
    ...{ sync: sync.name, runId, asOf, recordedAt, outbox, relations, exposures: state.tables.exposures },
    holdouts: drawing.map(holdout => ({
      holdout,
      stratum: all.indexOf(holdout),
      rule: rules.findIndex(({ reason }) => reason === `holdout.${holdout.name}`) + 1,
    })),
    about: about.relation,
    operations: actsOn(sync).filter(op => isCommunication(sync) || op !== 'leave'),
  })
  return writeScratch(warehouse, `exposures__${runId}`, select)
}

async function lastRun(warehouse: Warehouse, state: StateRelations, sync: string): Promise<LastRun | undefined> {
  const [row] = await query(
    warehouse,
    sql`select mapping, plan from ${state.tables.runs} where sync = ${sync} order by settled_at desc, run_id desc limit 1`,
  )
  return row === undefined ? undefined : { mapping: String(row.mapping), plan: JSON.parse(String(row.plan)) }
}

function mappingWarnings(
  sync: Sync,
  changed: MappingChange | undefined,
  { everyone, keeps }: { readonly everyone: boolean; readonly keeps: boolean },
): readonly string[] {
  if (changed === undefined) return []
  if (changed.moved && everyone)
    return [`the sync now sends to ${sync.destination}.${sync.action}: everyone is sent again`]
  if (changed.modeChanged && everyone) return [`the sync is now in mode ${sync.mode}: everyone is sent again`]
  const what = `the mapping changed since the last run (${changed.changed.join(', ') || 'destination, action or mode'})`
  return [
    keeps
      ? `${what}: rows that differ only in it are kept as they are`
      : `${what}: rows that differ in it are sent again`,
  ]
}

function runWarnings(
  { sync, fullResync, lostRun }: PlanInput,
  last: LastRun | undefined,
  { reasons }: OutboxSummary,
): readonly string[] {
  const baseline = reasons['first_run.baseline']
  const what = last === undefined ? 'first run' : 'rolled out to more people'
  return [
    ...(lostRun === undefined
      ? []
      : [
          `the ledger does not know the run ${lostRun.runId}: it was lost or restored from an older copy, and with it opt-outs, holds and what was uncertain`,
        ]),
    ...(baseline === undefined ? [] : [`${what}: ${baseline} are remembered as a baseline and not sent to`]),
    ...(fullResync && isCommunication(sync)
      ? ['a full resync never repeats a communication: this sync is planned as usual']
      : []),
  ]
}
