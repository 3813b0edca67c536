/**
 * Computes a plan through the warehouse port: diff, decide, summarise. Every statement comes from the pure builders beside
 * this file; a dry run differs from a run only in where the outbox is written.
 */
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
import { outboxName, type StateTable, snapshotColumns, snapshotRelation, stateRelation, stateTables } from './state.ts'
import { prepareTable } from './state-tables.ts'
import { type DeliveryShape, estimateRequests, estimateSeconds, type OutboxSummary, readSummary } from './summary.ts'

export interface PlanInput {
  readonly warehouse: Warehouse
  readonly project: string
  readonly sync: Sync
  /** Unique per plan; part of the names of scratch tables and of the outbox. */
  readonly runId: string
  /** ISO 8601 in UTC. */
  readonly asOf: string
  readonly compiled: string
  readonly population: StagedPopulation
  /** What was noticed on the way to the population. */
  readonly notes: readonly string[]
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
}

/** The relations of a sync's state. */
export interface StateRelations {
  readonly snapshot: Fragment
  readonly tables: Readonly<Record<StateTable, Fragment>>
}

/** Creates the state tables and columns that are missing. Creating them changes nothing that a plan sees. */
export async function prepareState(warehouse: Warehouse, sync: string): Promise<StateRelations> {
  const { dialect, state } = warehouse
  const snapshot = snapshotRelation(dialect, state, sync)
  await prepareTable(warehouse, snapshot, snapshotColumns)
  const tables = Object.entries(stateTables).map(([name, columns]) => {
    const relation = stateRelation(dialect, state, name as StateTable)
    return { name, columns, relation }
  })
  for (const { relation, columns } of tables) await prepareTable(warehouse, relation, columns)
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
  const isCommunication = sync.mode === 'trigger'
  const everyone = !isCommunication && (input.fullResync || changed?.moved === true)
  const keeps = changed !== undefined && !everyone && (isCommunication || sync.onMappingChange === 'keep')

  const changes = await writeScratch(
    warehouse,
    `change__${runId}`,
    selectChanges(warehouse.dialect, {
      population: input.population.select(),
      snapshot: state.snapshot,
      everyone,
      comparable: keeps ? changed.common : undefined,
      ...(input.population.quarantine === undefined ? {} : { frozen: input.population.quarantine.relation }),
    }),
  )
  const outbox = await writeOutbox(input, state, changes, { firstRun: last === undefined, everyone })
  const summary = readSummary(await query(warehouse, summariseOutbox(warehouse.dialect, outbox)))
  const snapshotRows = await countMembers(warehouse, state)
  const warnings = [
    ...input.notes,
    ...mappingWarnings(sync, changed, { everyone, keeps }),
    ...(last === undefined && summary.reasons['first_run.baseline'] !== undefined
      ? [`first run: ${summary.reasons['first_run.baseline']} are remembered as a baseline and nobody is sent to`]
      : []),
    ...(input.fullResync && isCommunication
      ? ['a full resync never repeats a communication: this sync is planned as usual']
      : []),
  ]
  const samples = await readSamples(warehouse, outbox, summary, input.samples)
  return { plan: assemble(input, mapping, summary, snapshotRows, samples, warnings), outbox, mapping }
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
  const quarantined = population.quarantine?.rows ?? 0
  const rows = {
    model: population.modelRows,
    quarantined,
    ineligible: 0,
    population: population.modelRows - quarantined,
    unchanged: population.modelRows - quarantined - summary.changes.enter - summary.changes.change,
  }
  const requests = estimateRequests(summary.sends, shape)
  const guard = judge(sync, { rows, changes: summary.changes, decisions: summary.decisions, snapshotRows })
  const { place: _place, fields: _fields, ...settings } = sync
  return {
    sync: sync.name,
    plan_hash: input.sha256(
      JSON.stringify([input.project, settings, mapping, input.compiled, input.asOf, rows, summary.marks]),
    ),
    model: sync.model,
    destination: sync.destination,
    action: sync.action,
    mode: sync.mode,
    rows,
    changes: summary.changes,
    decisions: summary.decisions,
    reasons: { ...population.quarantine?.reasons, ...summary.reasons },
    requests,
    seconds_at_limit: estimateSeconds(requests, shape.limits),
    guard,
    samples,
    warnings,
  }
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

async function lastRun(
  warehouse: Warehouse,
  state: StateRelations,
  sync: string,
): Promise<{ readonly mapping: string } | undefined> {
  const [row] = await query(
    warehouse,
    sql`select mapping from ${state.tables.runs} where sync = ${sync} order by settled_at desc, run_id desc limit 1`,
  )
  return row === undefined ? undefined : { mapping: String(row.mapping) }
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
  const what = `the mapping changed since the last run (${changed.changed.join(', ') || 'destination or action'})`
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
