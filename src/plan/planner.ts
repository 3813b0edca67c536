/**
 * Computes a plan through the warehouse port: diff, decide, summarise. Every statement comes from the pure builders beside
 * this file; a dry run differs from a run only in where the outbox is written.
 */
import { isCommunication } from '../project/communication.ts'
import type { Json, Sync } from '../project/project.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'
import type { Row, Warehouse } from '../warehouse/warehouse.ts'
import { selectChanges } from './diff.ts'
import { judge } from './guard.ts'
import { type MappingChange, mappingChange, mappingFingerprint } from './mapping.ts'
import { sampleOutbox, selectOutbox, summariseOutbox } from './outbox.ts'
import { type Decision, decisions, type Operation, operations, type Plan, type Sample } from './plan.ts'
import { rules } from './rules/index.ts'
import { execute, query, type StagedPopulation, writeScratch } from './stage.ts'
import {
  createTable,
  outboxName,
  type StateTable,
  snapshotColumns,
  snapshotRelation,
  stateRelation,
  stateTables,
} from './state.ts'
import { type DeliveryShape, estimateRequests, estimateSeconds, type OutboxSummary, readSummary } from './summary.ts'

export interface PlanInput {
  readonly warehouse: Warehouse
  readonly project: string
  readonly sync: Sync
  /** Unique per plan; part of the names of scratch tables and of the outbox. */
  readonly runId: string
  /** ISO 8601 in UTC. */
  readonly asOf: string
  /** What people wrote beside the sync itself and decides what a plan does: the model's SQL, policies, the destination's settings. */
  readonly configuration: unknown
  readonly population: StagedPopulation
  readonly shape: DeliveryShape
  readonly fullResync: boolean
  readonly limit: number | undefined
  readonly samples: number
  /** `run` keeps the outbox until it is settled; `dry-run` writes it to a scratch table. */
  readonly keepOutbox: boolean
  readonly sha256: (text: string) => string
}

export interface Planned {
  readonly plan: Plan
  readonly outbox: Fragment
  readonly mapping: string
  /** The configuration that the last settled run went by; undefined before the first. */
  readonly lastConfigHash: string | undefined
}

/** What the last settled run of a sync left for the next one to compare with. */
interface LastRun {
  readonly mapping: string
  readonly plan: { readonly config_hash?: string; readonly rows?: { readonly model?: number } }
}

/** The relations of a sync's state. */
export interface StateRelations {
  readonly snapshot: Fragment
  readonly tables: Readonly<Record<StateTable, Fragment>>
}

/** Creates the state tables that are missing. Creating them changes nothing that a plan sees. */
export async function prepareState(warehouse: Warehouse, sync: string): Promise<StateRelations> {
  const { dialect, state } = warehouse
  const snapshot = snapshotRelation(dialect, state, sync)
  await execute(warehouse, createTable(dialect, snapshot, snapshotColumns))
  const tables = Object.entries(stateTables).map(([name, columns]) => {
    const relation = stateRelation(dialect, state, name as StateTable)
    return { name, columns, relation }
  })
  for (const { relation, columns } of tables) await execute(warehouse, createTable(dialect, relation, columns))
  return {
    snapshot,
    tables: Object.fromEntries(tables.map(({ name, relation }) => [name, relation])) as Record<StateTable, Fragment>,
  }
}

export async function buildPlan(input: PlanInput, state: StateRelations): Promise<Planned> {
  const { warehouse, sync, runId } = input
  const mapping = mappingFingerprint(sync)
  const last = await lastRun(warehouse, state, sync.name)
  const changed = mappingChange(last?.mapping, mapping)
  const speaks = isCommunication(sync)
  const anew = changed !== undefined && (changed.moved || changed.modeChanged)
  const everyone = !speaks && (input.fullResync || anew)
  const keeps = changed !== undefined && !everyone && (speaks || sync.onMappingChange === 'keep')

  const changes = await writeScratch(
    warehouse,
    `change__${runId}`,
    selectChanges(warehouse.dialect, {
      population: input.population.select(),
      snapshot: state.snapshot,
      everyone,
      comparable: keeps ? changed.common : undefined,
    }),
  )
  const outbox = await writeOutbox(input, state, changes, { firstRun: last === undefined, everyone })
  const summary = readSummary(await query(warehouse, summariseOutbox(warehouse.dialect, outbox)))
  const snapshotRows = await countMembers(warehouse, state)
  const warnings = [
    ...mappingWarnings(sync, changed, { everyone, keeps }),
    ...(last === undefined && summary.reasons['first_run.baseline'] !== undefined
      ? [`first run: ${summary.reasons['first_run.baseline']} are remembered as a baseline and nobody is sent to`]
      : []),
    ...(input.fullResync && speaks
      ? ['a full resync never repeats a communication: this sync is planned as usual']
      : []),
  ]
  const samples = await readSamples(warehouse, outbox, summary, input.samples)
  const plan = assemble(input, mapping, summary, snapshotRows, samples, warnings)
  return { plan, outbox, mapping, lastConfigHash: last?.plan.config_hash }
}

function assemble(
  input: PlanInput,
  mapping: string,
  summary: OutboxSummary,
  snapshotRows: number,
  samples: readonly Sample[],
  warnings: readonly string[],
): Plan {
  const { sync, population, shape } = input
  const rows = {
    model: population.modelRows,
    quarantined: population.quarantined,
    ineligible: 0,
    population: population.modelRows - population.quarantined,
    unchanged: population.modelRows - population.quarantined - summary.changes.enter - summary.changes.change,
  }
  const requests = estimateRequests(summary.sends, shape)
  const guard = judge(sync, { rows, changes: summary.changes, decisions: summary.decisions, snapshotRows })
  const configHash = hashConfiguration(input, mapping)
  return {
    sync: sync.name,
    plan_hash: input.sha256(JSON.stringify([configHash, rows, summary.marks])),
    config_hash: configHash,
    model: sync.model,
    destination: sync.destination,
    action: sync.action,
    mode: sync.mode,
    rows,
    changes: summary.changes,
    decisions: summary.decisions,
    reasons: summary.reasons,
    requests,
    seconds_at_limit: estimateSeconds(requests, shape.limits),
    guard,
    samples,
    warnings,
  }
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

async function writeOutbox(
  input: PlanInput,
  state: StateRelations,
  changes: Fragment,
  night: { readonly firstRun: boolean; readonly everyone: boolean },
): Promise<Fragment> {
  const { warehouse, sync, runId } = input
  const select = selectOutbox(warehouse.dialect, {
    project: input.project,
    sync,
    asOf: input.asOf,
    ...night,
    rules,
    limit: input.limit,
    changes,
    population: input.population.select(sql`select key from ${changes} where op <> 'leave'`),
    snapshot: state.snapshot,
    deliveries: state.tables.deliveries,
    rejections: state.tables.rejections,
    unresolved: state.tables.unresolved,
  })
  if (!input.keepOutbox) return writeScratch(warehouse, outboxName(runId), select)
  const relation = warehouse.dialect.relation([...warehouse.state, outboxName(runId)])
  await execute(warehouse, warehouse.dialect.createTableAs(relation, select, { scratch: false }))
  return raw(relation)
}

async function lastRun(warehouse: Warehouse, state: StateRelations, sync: string): Promise<LastRun | undefined> {
  const [row] = await query(
    warehouse,
    sql`select mapping, plan from ${state.tables.runs} where sync = ${sync} order by settled_at desc, run_id desc limit 1`,
  )
  return row === undefined ? undefined : { mapping: String(row.mapping), plan: JSON.parse(String(row.plan)) }
}

async function countMembers(warehouse: Warehouse, state: StateRelations): Promise<number> {
  const [row] = await query(warehouse, sql`select count(*) as n from ${state.snapshot} where standing <> 'left'`)
  return Number(row?.n)
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

async function readSamples(
  warehouse: Warehouse,
  outbox: Fragment,
  summary: OutboxSummary,
  limit: number,
): Promise<readonly Sample[]> {
  if (limit === 0) return []
  const samples: Sample[] = []
  for (const op of operations)
    for (const decision of decisions) {
      if (!summary.marks.some(mark => mark.startsWith(`${op} ${decision} `))) continue
      const rows = await query(warehouse, sampleOutbox(outbox, op, decision, limit))
      samples.push(...rows.map(row => sample(row, op, decision)))
    }
  return samples
}

function sample(row: Row, op: Operation, decision: Decision): Sample {
  const fields = (payload: unknown) =>
    typeof payload === 'string' ? (JSON.parse(payload) as Readonly<Record<string, Json>>) : null
  return {
    key: String(row.key),
    op,
    decision,
    ...(typeof row.reason === 'string' ? { reason: row.reason } : {}),
    before: fields(row.previous),
    after: op === 'leave' ? null : fields(row.payload),
  }
}
