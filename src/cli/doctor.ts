/** The set-up check: each part is tried for real, and one that fails does not keep the others from being tried. */
import { readFile, stat } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import type { AuditVerdict, Hold } from '../ledger/governance.ts'
import { countReached, isOver } from '../plan/policies/holdout.ts'
import { localTime } from '../plan/policies/local-time.ts'
import { stateRelation } from '../plan/state.ts'
import { ActivateError } from '../project/problem.ts'
import type { Project } from '../project/project.ts'
import { safeLength } from '../project/scrubber.ts'
import { listSecretRefs, resolveSecrets } from '../project/secret.ts'
import { describeHold } from '../run/permission.ts'
import type { PermissionAnswer } from '../warehouse/bigquery-permissions.ts'
import { render, sql } from '../warehouse/sql.ts'
import type { Wired } from '../wire.ts'
import type { Invocation } from './invocation.ts'
import { counted } from './render/text.ts'
import { openProject, withWired } from './session.ts'

/** What one check found; `help` says how to mend it. */
export interface Finding {
  readonly check: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly found: string
  readonly help: string | null
}

export async function findProblems(invocation: Invocation): Promise<readonly Finding[]> {
  const findings: Finding[] = [nodeVersion(process.versions.node)]
  let project: Project | undefined
  findings.push(
    await attempt('project', async () => {
      project = await openProject(invocation)
      const { name, target, models, syncs } = project
      return `${name} (target ${target}): ${counted(models.length, 'model')}, ${counted(syncs.length, 'sync')}`
    }),
  )
  if (project !== undefined) findings.push(...(await checkWiring(invocation, project)))
  return findings
}

/** engines.node of package.json: 20.19 is the first with everything that the bundle uses. */
export function nodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const enough = major > 20 || (major === 20 && minor >= 19)
  return {
    check: 'node',
    status: enough ? 'ok' : 'fail',
    found: version,
    help: enough ? null : 'install Node 20.19 or newer',
  }
}

async function checkWiring(invocation: Invocation, project: Project): Promise<readonly Finding[]> {
  return withWired(invocation, project, async wired => {
    const findings = [clock(project, wired.clock.now())]
    findings.push(await attempt('warehouse', () => openWarehouse(wired)))
    findings.push(...(await checkPermissions(wired)))
    findings.push(...(await checkLargeReads(wired)))
    findings.push(...(await checkSources(wired)))
    findings.push(await attempt('ledger', () => openLedger(wired)))
    findings.push(...(await checkLedgerClock(wired)))
    findings.push(...(await checkModes(project)))
    findings.push(...(await checkGovernance(wired)))
    findings.push(...(await checkErasures(wired)))
    findings.push(...(await checkHoldouts(wired)))
    findings.push(...(await checkSecrets(invocation, project)))
    for (const { name } of project.destinations) findings.push(await checkDestination(name, wired))
    return findings
  })
}

function clock(project: Project, now: number): Finding {
  const local = new Intl.DateTimeFormat('sv-SE', {
    timeZone: project.timezone,
    dateStyle: 'short',
    timeStyle: 'medium',
  }).format(now)
  // A machine without a battery clock wakes up in 1970 or at its firmware's date; caps and schedules would be wrong.
  const plausible = now > Date.UTC(2026, 0, 1)
  const help = plausible ? null : 'set the clock of this machine; schedules, caps and consent depend on it'
  return { check: 'clock', status: plausible ? 'ok' : 'fail', found: `${local} in ${project.timezone}`, help }
}

async function openWarehouse(wired: Wired): Promise<string> {
  const warehouse = await wired.warehouse()
  await warehouse.query(render(sql`select 1 as one`, warehouse.dialect.placeholder))
  return `${warehouse.dialect.name} opened, state in ${warehouse.state.join('.')}`
}

/** What the warehouse answers when it is asked for permissions; also where it could not be opened for want of one. */
async function checkPermissions(wired: Wired): Promise<readonly Finding[]> {
  // Credentials that are not accepted have been told.
  const answers = await wired.permissions().catch(() => [])
  return answers.map(permissionFinding)
}

export function permissionFinding(answer: PermissionAnswer): Finding {
  const check = `permissions on ${answer.on}`
  switch (answer.kind) {
    case 'granted':
      return { check, status: 'ok', found: `granted: ${answer.permissions.join(', ')}`, help: null }
    case 'missing':
      return {
        ...{ check, status: 'fail' },
        ...{ found: `A3053: missing: ${answer.permissions.join(', ')}`, help: answer.grants.join('; ') },
      }
    case 'unknown':
      return { check, status: 'warn', found: `cannot be asked: ${answer.because}`, help: answer.help ?? null }
  }
}

/**
 * Whether the tables of BigQuery that are sources may be read from where the state is: a dry run asks for the same permissions and the
 * same location as the query, and costs nothing. Nothing where the warehouse cannot be opened, which has been told.
 */
async function checkSources({ project, warehouse: open }: Wired): Promise<readonly Finding[]> {
  const warehouse = project.warehouse.type === 'bigquery' ? await open().catch(() => undefined) : undefined
  if (warehouse === undefined) return []
  const findings: Finding[] = []
  for (const { name, from } of project.sources) {
    if (!('table' in from)) continue
    const relation = warehouse.dialect.relation(from.table)
    findings.push(
      await attempt(`source ${name}`, async () => {
        await warehouse.describe(`select 1 as one from ${relation}`).catch((error: unknown) => {
          // Said of a table that may be read, whose queries have to choose partitions.
          if (!(error instanceof Error && /without a filter over column/.test(error.message))) throw error
        })
        return `${from.table.join('.')} can be read`
      }),
    )
  }
  return findings
}

/** By which way large outboxes come; nothing where there is one way, or the warehouse cannot be opened, which has been told. */
async function checkLargeReads({ project, warehouse: open }: Wired): Promise<readonly Finding[]> {
  const warehouse = project.warehouse.type === 'bigquery' ? await open().catch(() => undefined) : undefined
  const reads = await warehouse?.tryLargeReads?.()
  if (reads === undefined) return []
  const { found, help = null, isAmiss } = reads
  return [{ check: 'large outboxes', status: isAmiss ? 'warn' : 'ok', found, help }]
}

async function openLedger(wired: Wired): Promise<string> {
  const ledger = await wired.ledger()
  const [last] = await ledger.runs({ limit: 1 })
  const since = last === undefined ? 'no runs yet' : `last run ${new Date(last.startedAt).toISOString()}`
  const { ledger: settings } = wired.project
  const where = settings.type === 'sqlite' ? '' : `, schema ${settings.schema}`
  return `${settings.type} opened${where}, ${since}`
}

/** Leases run on the ledger's clock, but what is recorded carries this machine's. */
const bearableSkew = 5_000

/** Nothing where the ledger has this machine's clock, or cannot be opened. */
async function checkLedgerClock({ ledger: open, clock, project }: Wired): Promise<readonly Finding[]> {
  const ledger = project.ledger.type === 'sqlite' ? undefined : await open().catch(() => undefined)
  if (ledger === undefined) return []
  const check = 'ledger clock'
  try {
    const ahead = await ledger.clockAhead(clock.now())
    const found = `${(Math.abs(ahead) / 1_000).toFixed(1)} s ${ahead < 0 ? 'behind' : 'ahead of'} this machine`
    if (Math.abs(ahead) <= bearableSkew) return [{ check, status: 'ok', found, help: null }]
    const help = 'set both clocks (NTP); leases are safe, but the order of runs and the times in reports are not'
    return [{ check, status: 'warn', found, help }]
  } catch (error) {
    return [failure(check, error)]
  }
}

/** The audit trail, and what is on hold; nothing where the ledger cannot be opened, which has been told. */
async function checkGovernance(wired: Wired): Promise<readonly Finding[]> {
  const ledger = await wired.ledger().catch(() => undefined)
  if (ledger === undefined) return []
  try {
    return [auditFinding(await ledger.verifyAudit()), ...(await ledger.holds()).map(holdFinding)]
  } catch (error) {
    return [failure('audit trail', error)]
  }
}

/** Files that hold keys of people, or secrets, and that others on this machine may read. */
async function checkModes({ root, warehouse, ledger, destinations }: Project): Promise<readonly Finding[]> {
  if (process.platform === 'win32') return []
  const state = [
    ...(warehouse.type === 'duckdb' ? [warehouse.path] : []),
    ...(ledger.type === 'sqlite' ? [ledger.path, `${ledger.path}.key`] : []),
  ]
  const folders = [...new Set(state.map(path => dirname(path)))].filter(folder => resolve(folder) !== resolve(root))
  const secrets = listSecretRefs(destinations.map(({ settings }) => settings))
    .filter(({ secret }) => secret === 'file')
    .map(({ name }) => resolve(root, name))
  const open: string[] = []
  for (const path of [...folders, ...state, ...secrets]) {
    const found = await stat(path).catch(() => undefined) // a file that is missing is told elsewhere
    if (found !== undefined && (found.mode & 0o077) !== 0)
      open.push(`${relative(root, path) || '.'} (${(found.mode & 0o777).toString(8)})`)
  }
  if (open.length === 0)
    return [{ check: 'file modes', status: 'ok', found: 'state is for its owner alone', help: null }]
  const help = 'chmod 700 the folders and 600 the files, unless others are meant to read them'
  return [{ check: 'file modes', status: 'warn', found: `others may read ${open.join(', ')}`, help }]
}

/** People whom the next runs remove from destinations, and who have yet to be forgotten. */
async function checkErasures(wired: Wired): Promise<readonly Finding[]> {
  const ledger = await wired.ledger().catch(() => undefined)
  if (ledger === undefined) return []
  try {
    const waiting = (await ledger.tombstones(wired.clock.now())).filter(({ state }) => state === 'removing')
    const [first] = waiting.map(({ erasedAt }) => erasedAt).sort((left, right) => left - right)
    if (first === undefined) return []
    const found = `${counted(waiting.length, 'key')} to be erased once removed from destinations, since ${new Date(first).toISOString().slice(0, 10)}`
    return [{ check: 'erasures', status: 'warn', found, help: 'run, then `activate erase` with the same key again' }]
  } catch (error) {
    return [failure('erasures', error)]
  }
}

/** Whether anybody was reached whom a holdout withholds; nothing where none is drawing. */
async function checkHoldouts({ project, clock, warehouse: open }: Wired): Promise<readonly Finding[]> {
  const check = 'holdouts'
  const { date } = localTime(project.timezone, clock.now())
  const all = [...project.policies.holdouts, ...project.syncs.flatMap(({ holdout }) => holdout ?? [])]
  const drawing = all.filter(holdout => !isOver(holdout, date))
  if (drawing.length === 0) return []
  try {
    const warehouse = await open()
    const { dialect, state } = warehouse
    const present = await warehouse.tables(state, '')
    if (!present.includes('exposures')) return []
    const tables = {
      deliveries: stateRelation(dialect, state, 'deliveries'),
      exposures: stateRelation(dialect, state, 'exposures'),
    }
    const [row] = await warehouse.query(render(countReached(dialect, tables, drawing), dialect.placeholder))
    const reached = Number(row?.n)
    if (reached === 0) return [{ check, status: 'ok', found: 'nobody was reached while withheld', help: null }]
    const code = 'A4032'
    const found = `${code}: ${counted(reached, 'communication')} reached people who were withheld`
    return [{ check, status: 'fail', found, help: `activate explain ${code}` }]
  } catch (error) {
    return [failure(check, error)]
  }
}

function auditFinding(verdict: AuditVerdict): Finding {
  const check = 'audit trail'
  if (verdict.kind === 'ok') {
    const end = verdict.entries === 0 ? '' : `, head ${verdict.head}`
    return { check, status: 'ok', found: `${counted(verdict.entries, 'entry', 'entries')}${end}`, help: null }
  }
  const code = 'A5010'
  const found = `${code}: broken at entry ${verdict.ordinal}: ${verdict.because}`
  return { check, status: 'fail', found, help: `activate explain ${code}` }
}

function holdFinding(hold: Hold): Finding {
  return { check: 'hold', status: 'warn', found: describeHold(hold), help: 'activate release, when it may run again' }
}

/** Names only; a value is never shown. */
async function checkSecrets({ io, secrets }: Invocation, project: Project): Promise<readonly Finding[]> {
  const { ledger, warehouse } = project
  const ofLedger = [...(ledger.type === 'postgres' ? ledger.url : []), ...(ledger.key ?? [])]
  const ofWarehouse = warehouse.type === 'bigquery' ? (warehouse.credentials ?? []) : []
  const used = [
    ...[...ofLedger, ...ofWarehouse].filter(part => typeof part !== 'string'),
    ...listSecretRefs(project.destinations.map(({ settings }) => settings)),
  ]
  const references = [...new Map(used.map(reference => [`${reference.secret}:${reference.name}`, reference])).values()]
  const files = new Map<string, string>()
  for (const { secret, name } of references) {
    if (secret === 'file') await readSecretFile(resolve(project.root, name), text => files.set(name, text))
  }
  const read = (path: string) => files.get(path) ?? missing(path)
  const readers = { env: io.env, readFile: read, onSecret: secrets.register }
  return Promise.all(
    references.map(({ secret, name }) =>
      attempt(`secret ${secret}:${name}`, async () => {
        const value = String(resolveSecrets(`\${${secret}:${name}}`, readers))
        return value.length < safeLength
          ? `present, but shorter than ${safeLength} characters: too short to be taken out of every message`
          : 'present'
      }),
    ),
  )
}

function missing(path: string): never {
  throw Object.assign(new Error(`${path} cannot be read`), { code: 'ENOENT' })
}

async function readSecretFile(file: string, found: (text: string) => void): Promise<void> {
  try {
    found(await readFile(file, 'utf8'))
  } catch {
    return // reported as missing by name
  }
}

async function checkDestination(name: string, wired: Wired): Promise<Finding> {
  const check = `destination ${name}`
  try {
    const destination = await wired.destination(name)
    const verdict = await destination.probe(wired.clock.now())
    if (verdict === undefined)
      return { check, status: 'ok', found: 'ready; it has no harmless request to try', help: null }
    if (verdict.kind === 'acked' || verdict.kind === 'each' || verdict.kind === 'accepted')
      return { check, status: 'ok', found: 'reachable, credentials accepted', help: null }
    const help =
      verdict.kind === 'denied'
        ? 'check its credentials and their permissions'
        : 'is the address right, and does it answer?'
    return {
      check,
      status: verdict.kind === 'retry' ? 'warn' : 'fail',
      found: `${verdict.code}: ${verdict.message}`,
      help,
    }
  } catch (error) {
    return failure(check, error)
  }
}

async function attempt(check: string, work: () => Promise<string>): Promise<Finding> {
  try {
    return { check, status: 'ok', found: await work(), help: null }
  } catch (error) {
    return failure(check, error)
  }
}

function failure(check: string, error: unknown): Finding {
  if (!(error instanceof ActivateError)) {
    return { check, status: 'fail', found: error instanceof Error ? error.message : String(error), help: null }
  }
  const [first, ...more] = error.problems
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`
  const help = first.help ?? `activate explain ${first.code}`
  return {
    check,
    status: 'fail',
    found: `${first.code}: ${first.message}${others}`,
    help: more.length === 0 ? help : 'activate validate',
  }
}
