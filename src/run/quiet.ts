/**
 * Nights in which nothing can have changed. Where the warehouse says without a query when tables last changed, a run whose plan was empty
 * remembers what it rested on; as long as all of that is the same, the plan would be the same, and is not computed again.
 *
 * It is a proof or nothing: whatever reads a clock, lies elsewhere, or was not thought of here has the night computed as usual
 * (docs/decisions/0062).
 */
import type { Ledger, Run } from '../ledger/ledger.ts'
import type { CompiledProject } from '../models/compile.ts'
import { isSteady } from '../models/steady.ts'
import type { Plan } from '../plan/plan.ts'
import { holdoutsOf } from '../plan/rules/index.ts'
import { markOfSnapshot } from '../plan/snapshot-mark.ts'
import { concerns } from '../project/communication.ts'
import { ActivateError } from '../project/problem.ts'
import type { Source, Sync } from '../project/project.ts'
import type { Metadata } from '../warehouse/warehouse.ts'
import { configurationOf, modelNamed, type Night } from './night.ts'

/** What a plan rests on, as it was before anything of it was computed. */
export interface Grounds {
  /** SHA-256 of all that people wrote and that decides what a plan is. */
  readonly written: string
  /** Of each table that the models read. */
  readonly marks: Readonly<Record<string, string>>
  /** Opt-outs, lifts, erasures, approvals: each is an entry of the audit trail. */
  readonly auditLength: number
}

/** The same with what the run left behind. */
interface Remembered extends Grounds {
  readonly snapshot: string
  /** The run that computed the plan; undefined for that run itself. */
  readonly since?: string
}

/** What a run keeps in the ledger: its plan, and what the plan rests on where it was empty. */
type KeptPlan = Plan & { readonly grounds?: Remembered }

/** The plan of an earlier run, and which run computed it. */
export interface UnchangedPlan {
  readonly plan: KeptPlan
  readonly since: string
}

/** Undefined where nothing can be proven of this sync, or not now. */
export async function groundsOf(
  night: Night,
  sync: Sync,
  { fullResync, limit, saved }: { fullResync: boolean; limit?: number | undefined; saved?: unknown },
): Promise<Grounds | undefined> {
  const { warehouse, wired } = night
  const { metadata } = warehouse
  if (metadata === undefined || fullResync || limit !== undefined || saved !== undefined) return undefined
  const reading = steadyReading(night, sync)
  const ledger = await wired.knownLedger()
  if (reading === undefined || ledger === undefined) return undefined
  // Tombstones end some day, and whom they kept out comes back.
  if ((await ledger.tombstones(wired.clock.now())).length > 0) return undefined
  const auditLength = await ledger.auditLength()
  const written = wired.sha256(JSON.stringify([wired.project.name, sync, configurationOf(night, sync), reading]))
  const known = (await lastKept(ledger, sync))?.plan.grounds?.written === written
  const isKnown = known || (await unlessRefused(() => readsOnly(metadata, reading))) === true
  const marks = isKnown ? await unlessRefused(() => metadata.marksOf(reading.tables)) : undefined
  return marks === undefined ? undefined : { written, marks, auditLength }
}

/** The plan of the run that came before, when the same would come out again; undefined when it might not. */
export async function unchangedPlan(
  { warehouse, wired }: Night,
  sync: Sync,
  current: string,
  grounds: Grounds | undefined,
): Promise<UnchangedPlan | undefined> {
  if (grounds === undefined) return undefined
  const last = await lastKept(await wired.ledger(), sync, current)
  const before = last?.plan.grounds
  if (last === undefined || before === undefined) return undefined
  const { snapshot, since = last.runId, ...theirs } = before
  if (asText(theirs) !== asText(grounds) || snapshot !== (await markOfSnapshot(warehouse, sync.name))) return undefined
  return { plan: { ...last.plan, grounds: { ...before, since } }, since }
}

/** What to keep of a run that has been settled: its plan with its grounds, where it was empty and warned of nothing; else nothing more. */
export async function keptPlan(
  { warehouse }: Pick<Night, 'warehouse'>,
  sync: Sync,
  plan: Plan,
  grounds: Grounds | undefined,
): Promise<{ readonly plan?: KeptPlan }> {
  if (grounds === undefined || !isEmpty(plan)) return {}
  const snapshot = await markOfSnapshot(warehouse, sync.name)
  return snapshot === undefined ? {} : { plan: { ...plan, grounds: { ...grounds, snapshot } } }
}

/** The run whose plan this one took over because nothing had changed; undefined for one that computed its own. */
export function unchangedSince({ plan }: Pick<Run, 'plan'>): string | undefined {
  return (plan as Partial<KeptPlan> | undefined)?.grounds?.since
}

/** The run before `current`, if it ended well and all of it is settled. */
async function lastKept(
  ledger: Ledger,
  sync: Sync,
  current?: string,
): Promise<{ readonly runId: string; readonly plan: KeptPlan } | undefined> {
  const runs = await ledger.runs({ sync: sync.name, limit: 2 })
  const last = runs.find(({ runId, status }) => runId !== current && !(current === undefined && status === 'running'))
  if (last?.status !== 'succeeded' || !last.settled || last.plan === undefined) return undefined
  return { runId: last.runId, plan: last.plan as KeptPlan }
}

function isEmpty({ changes, decisions, rows, guard, approval, warnings }: Plan): boolean {
  const counts = [...Object.values(changes), ...Object.values(decisions), rows.quarantined, warnings.length]
  return counts.every(count => count === 0) && guard.verdict === 'pass' && !approval.needed
}

function asText({ written, marks, auditLength }: Grounds): string {
  return JSON.stringify([written, Object.entries(marks).sort(), auditLength])
}

/** Whatever is wrong here, the night that is computed as usual meets it and says so. */
async function unlessRefused<Result>(ask: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof ActivateError) return undefined
    throw error
  }
}

/** Selects, and all that they read: sources that are tables. */
interface Reading {
  readonly selects: readonly string[]
  readonly tables: readonly string[]
  /** Of the models and sources: what is asked of them. */
  readonly contracts: readonly unknown[]
}

/** Undefined unless whom the sync concerns, and with what, follows from tables and from what people wrote alone. */
function steadyReading(night: Night, sync: Sync): Reading | undefined {
  const { identity, policies, sources } = night.wired.project
  const lists = policies.suppression.filter(({ appliesTo }) => concerns(appliesTo, sync))
  const ofLists = lists.flatMap(({ from }) => ('model' in from ? [from.model] : []))
  const ends = holdoutsOf(sync, policies).some(({ appliesTo }) => concerns(appliesTo, sync))
  // Consents begin at their time, holdouts end at theirs, links remember when they were seen, and files are no tables.
  if (policies.consent !== undefined || ends || (identity?.links ?? []).length > 0) return undefined
  if (ofLists.length < lists.length) return undefined
  const roots = [sync.model, ...(sync.qaAudience === undefined ? [] : [sync.qaAudience]), ...ofLists]
  const models = [...closureOf(night.compiled, roots)]
  const read = new Set(models.flatMap(name => [...night.compiled.sourcesOf(name)]))
  const theirs = sources.filter(({ name }) => read.has(name))
  if (!theirs.every(source => isSteadySource(night, source))) return undefined
  if (!models.every(name => isSteadyModel(night, name, theirs))) return undefined
  const tables = theirs.flatMap(({ from }) =>
    'table' in from && night.warehouse.metadata !== undefined ? [night.warehouse.metadata.nameOf(from.table)] : [],
  )
  return {
    selects: roots.map(name => night.compiled.model(name).sql),
    tables: [...new Set(tables)].sort(),
    contracts: [models.map(name => [modelNamed(night, name), night.compiled.model(name)]), theirs],
  }
}

/** The models, and all that they refer to. */
function closureOf(compiled: CompiledProject, names: readonly string[]): ReadonlySet<string> {
  const all = new Set<string>()
  const waiting = [...names]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (all.has(name)) continue
    all.add(name)
    waiting.push(...compiled.model(name).dependsOn.models)
  }
  return all
}

/** Freshness runs out, files change unseen, and tests may look into anything. */
function isSteadySource({ compiled }: Night, source: Source): boolean {
  const looked = compiled.lookedInto(source)
  const looksElsewhere = looked.models.length + looked.sources.length + source.tests.length > 0
  return 'table' in source.from && source.freshness === undefined && !looksElsewhere && source.onViolation === 'fail'
}

/** A model that is a table is made anew each night, and so never stays as it was. */
function isSteadyModel(night: Night, name: string, sources: readonly Source[]): boolean {
  const { compiled, timeless, warehouse } = night
  const { dialect } = warehouse
  const model = modelNamed(night, name)
  const { sql, materialised, dependsOn } = compiled.model(name)
  const looked = compiled.lookedInto(model)
  if (looked.models.length + looked.sources.length > 0 || model.tests.some(({ test }) => test === 'sql')) return false
  if (materialised === 'table' || sql !== timeless.model(name).sql) return false
  const upstream = [...closureOf(compiled, dependsOn.models)].flatMap(each => compiled.model(each).relation ?? [])
  const tables = sources.flatMap(({ from }) => ('table' in from ? [dialect.relation(from.table)] : []))
  return isSteady(sql, dialect.name, new Set([...upstream, ...tables]))
}

/** Whether the engine sees no other tables behind the selects than the project names: a view would hide where its rows come from. */
async function readsOnly(metadata: Metadata, { selects, tables }: Reading): Promise<boolean> {
  const found = new Set<string>()
  for (const select of selects) {
    const behind = await metadata.tablesOf(select)
    if (behind === undefined) return false
    for (const name of behind) found.add(name)
  }
  return JSON.stringify([...found].sort()) === JSON.stringify(tables)
}
