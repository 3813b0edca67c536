/** What most commands begin with: find the project, load it, choose its syncs, read the clock, open the wiring. */
import { resolve } from 'node:path'
import { checkDestinations } from '../delivery/registry.ts'
import { destinations as builtin } from '../destinations/index.ts'
import { loadOwnDestinations, type OwnDestinations } from '../destinations/own.ts'
import { dependencies } from '../models/compile.ts'
import { findProject, loadProject } from '../project/load.ts'
import { ActivateError } from '../project/problem.ts'
import type { Project, Sync } from '../project/project.ts'
import { selectSyncs } from '../project/select.ts'
import { bigqueryDialect } from '../warehouse/bigquery-dialect.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import { duckdbDialect } from '../warehouse/duckdb-dialect.ts'
import { postgresDialect } from '../warehouse/postgres-dialect.ts'
import { type Wired, type WireOptions, wire } from '../wire.ts'
import { parsePointInTime } from './as-of.ts'
import type { Invocation } from './invocation.ts'
import { printable } from './render/text.ts'
import { unknownName } from './unknown-name.ts'

/** The project's files, checked by themselves. Throws every problem of theirs at once. */
export async function readProject({ flags, io }: Invocation): Promise<Project> {
  const root = await findProject(resolve(io.cwd, flags.directory ?? '.'))
  return loadProject(root, { ...(flags.target === undefined ? {} : { target: flags.target }), env: io.env })
}

/** The project, its destinations checked as well. */
export async function openProject(invocation: Invocation): Promise<Project> {
  const project = await readProject(invocation)
  const { definitions, problems: own } = await knownDestinations(project)
  const problems = [...own, ...checkDestinations(project, definitions)]
  if (problems.length > 0) throw new ActivateError('invalid', problems)
  return project
}

/** The destinations that come with the tool, and those of the project; what is wrong with the latter. */
export async function knownDestinations({ root }: Pick<Project, 'root'>): Promise<OwnDestinations> {
  const { definitions, problems } = await loadOwnDestinations(root, builtin)
  return { definitions: [...builtin, ...definitions], problems }
}

/** The dialect that models are compiled to when no warehouse is opened. */
export function dialectOf({ warehouse }: Project): Dialect {
  if (warehouse.type === 'duckdb') return duckdbDialect
  if (warehouse.type === 'postgres') return postgresDialect({ state: warehouse.state, token: 'night' })
  return bigqueryDialect({ state: [warehouse.state], token: 'night' })
}

/** The sync of this name. Throws A8009. */
export function knownSync({ syncs }: Pick<Project, 'syncs'>, name: string): Sync {
  const sync = syncs.find(candidate => candidate.name === name)
  if (sync !== undefined) return sync
  const names = syncs.map(candidate => candidate.name)
  throw unknownName(`there is no sync "${name}"`, name, names, 'syncs')
}

/** Opens nothing yet; closes whatever the work opened, whether it succeeded or not. */
export async function withWired<Result>(
  { io, flags, terminal, secrets }: Invocation,
  project: Project,
  work: (wired: Wired) => Promise<Result>,
): Promise<Result> {
  const log: WireOptions['log'] = (sync, { kind, code, message }) => {
    if (flags.verbose) terminal.say(printable(`${sync}: ${kind} ${code}: ${message}`))
  }
  const { definitions } = await knownDestinations(project)
  const wired = wire(project, { env: io.env, log, secrets, definitions })
  try {
    return await work(wired)
  } finally {
    await wired.close()
  }
}

/** The syncs that --select and --exclude name; all of them without. `result:` asks the ledger for the last runs. */
export async function chosenSyncs({ flags }: Invocation, project: Project, wired: Wired): Promise<readonly Sync[]> {
  const selectors = [...flags.select, ...flags.exclude]
  const results = selectors.some(selector => selector.includes('result:')) ? await lastResults(project, wired) : {}
  return selectSyncs(project, {
    select: flags.select,
    exclude: flags.exclude,
    results,
    dependencies: dependencies(project),
  })
}

async function lastResults(project: Project, wired: Wired): Promise<Readonly<Record<string, string>>> {
  const ledger = await wired.ledger()
  const results: Record<string, string> = {}
  for (const sync of project.syncs) {
    const [last] = await ledger.runs({ sync: sync.name, limit: 1 })
    if (last !== undefined) results[sync.name] = last.status
  }
  return results
}

/** `--as-of`, or now. */
export function logicalClock({ flags }: Invocation, project: Project, now: number): number {
  return flags.asOf === undefined ? now : parsePointInTime(flags.asOf, project.timezone)
}
