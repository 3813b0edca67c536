/**
 * Asks BigQuery for every permission that a night needs, before it needs them: of the project by the Resource Manager's
 * `projects.testIamPermissions`, of tables by `tables.testIamPermissions` (cloud.google.com/resource-manager/reference/rest/v1/projects/
 * testIamPermissions and cloud.google.com/bigquery/docs/reference/rest/v2/tables/testIamPermissions, read 2026-11). A dataset has no such
 * method: a table is made in it for the purpose, asked about, and dropped. Google says that these answers "may fail open"; what they deny
 * is sure, what they grant is tried for real by the night itself.
 */
import { randomBytes } from 'node:crypto'
import { ActivateError } from '../project/problem.ts'
import type { Connection } from './bigquery-connect.ts'
import { type Refusal, refusalOf } from './bigquery-error.ts'
import type { RestRequest } from './bigquery-jobs.ts'
import { scratchPrefix } from './bigquery-name.ts'
import { grantsOf, type Holding } from './bigquery-roles.ts'

export interface Wanted {
  readonly connection: Pick<Connection, 'project' | 'apiUrl' | 'resourcesUrl'>
  /** The dataset of the state. */
  readonly state: string
  /** Whether copies for undo are made, which needs more. */
  readonly keepsCopies: boolean
  /** Paths of tables and views that are read. */
  readonly sources: readonly (readonly string[])[]
}

/** What came of asking, of one project, dataset or table. */
export type PermissionAnswer = { readonly on: string } & (
  | { readonly kind: 'granted'; readonly permissions: readonly string[] }
  | { readonly kind: 'missing'; readonly permissions: readonly string[]; readonly grants: readonly string[] }
  /** The question itself was refused: nothing is known. */
  | { readonly kind: 'unknown'; readonly because: string; readonly help: string | undefined }
)

type Send = (request: RestRequest) => Promise<unknown>

const toRead = ['bigquery.tables.get', 'bigquery.tables.getData']
const toKeepState = [...toRead, ...['bigquery.tables.update', 'bigquery.tables.updateData', 'bigquery.tables.delete']]
const toKeepCopies = ['bigquery.tables.createSnapshot', 'bigquery.tables.deleteSnapshot']

/** A table that is left behind because it may not be dropped ends by itself, in milliseconds. */
const trialEnds = 3_600_000

/** Asks for each; none of the answers is an error. `now` in milliseconds. */
export async function askPermissions(wanted: Wanted, send: Send, now: number): Promise<readonly PermissionAnswer[]> {
  const { connection, sources } = wanted
  const dataset = await findDataset(wanted, send)
  const answers = [await askProject(wanted, send, dataset === 'absent')]
  if (dataset !== 'absent') answers.push(dataset === 'present' ? await askState(wanted, send, now) : dataset)
  for (const path of sources) {
    const [project = '', own = '', table = ''] = path.length < 3 ? [connection.project, ...path] : path
    const name = `${project}.${own}.${table}`
    const holding: Holding = { kind: 'source', dataset: `${project}.${own}` }
    answers.push(await ask(name, holding, toRead, () => testTable(connection, [project, own, table], toRead, send)))
  }
  return answers
}

async function findDataset(
  { connection, state }: Wanted,
  send: Send,
): Promise<'present' | 'absent' | PermissionAnswer> {
  try {
    await send({ uri: `/datasets/${encodeURIComponent(state)}` })
    return 'present'
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal.status === 404) return 'absent'
    const dataset = `${connection.project}.${state}`
    return isDenied(refusal)
      ? missing(dataset, ['bigquery.datasets.get'], { kind: 'state', dataset })
      : unknown(dataset, refusal)
  }
}

function askProject({ connection, state }: Wanted, send: Send, makesDataset: boolean): Promise<PermissionAnswer> {
  const { project, resourcesUrl } = connection
  const permissions = ['bigquery.jobs.create', ...(makesDataset ? ['bigquery.datasets.create'] : [])]
  const uri = `${resourcesUrl}/v1/projects/${encodeURIComponent(project)}:testIamPermissions`
  return ask(`project ${project}`, { kind: 'project', project, state }, permissions, () =>
    send({ method: 'POST', uri, json: { permissions } }),
  )
}

async function askState(wanted: Wanted, send: Send, now: number): Promise<PermissionAnswer> {
  const { connection, state, keepsCopies } = wanted
  const { project } = connection
  const dataset = `${project}.${state}`
  const holding: Holding = { kind: 'state', dataset }
  const permissions = [...toKeepState, ...(keepsCopies ? toKeepCopies : [])]
  const tableId = `${scratchPrefix}${randomBytes(5).toString('hex')}__permissions`
  const tables = `/datasets/${encodeURIComponent(state)}/tables`
  const table = {
    ...{ tableReference: { projectId: project, datasetId: state, tableId }, labels: { tool: 'activate' } },
    ...{ schema: { fields: [{ name: 'n', type: 'INT64' }] }, expirationTime: String(now + trialEnds) },
  }
  try {
    await send({ method: 'POST', uri: tables, json: table })
  } catch (error) {
    const refusal = refusalOf(error)
    if (!isDenied(refusal)) return unknown(dataset, refusal)
    // Without it none of the others can be asked; the grant is one that gives them all.
    const lacking = ['bigquery.tables.create']
    return {
      kind: 'missing',
      on: dataset,
      permissions: lacking,
      grants: grantsOf([...lacking, ...permissions], holding),
    }
  }
  const answer = await ask(dataset, holding, ['bigquery.tables.create', ...permissions], async () => {
    const held = await testTable(connection, [project, state, tableId], permissions, send)
    return { permissions: ['bigquery.tables.create', ...permissionsOf(held)] }
  })
  // Who may not drop it has been told so.
  await send({ method: 'DELETE', uri: `${tables}/${tableId}` }).catch(() => undefined)
  return answer
}

function testTable(
  { apiUrl }: Pick<Connection, 'apiUrl'>,
  path: readonly [string, string, string],
  permissions: readonly string[],
  send: Send,
): Promise<unknown> {
  const [project, dataset, table] = path.map(encodeURIComponent)
  const uri = `${apiUrl}/projects/${project}/datasets/${dataset}/tables/${table}:testIamPermissions`
  return send({ method: 'POST', uri, json: { permissions } })
}

async function ask(
  on: string,
  holding: Holding,
  permissions: readonly string[],
  test: () => Promise<unknown>,
): Promise<PermissionAnswer> {
  try {
    const held = permissionsOf(await test())
    const lacking = permissions.filter(permission => !held.includes(permission))
    return lacking.length === 0 ? { kind: 'granted', on, permissions } : missing(on, lacking, holding)
  } catch (error) {
    return unknown(on, refusalOf(error))
  }
}

/** None at all are left out of the answer. */
function permissionsOf(answer: unknown): readonly string[] {
  const { permissions = [] } = (answer ?? {}) as { readonly permissions?: readonly string[] }
  return permissions
}

function missing(on: string, permissions: readonly string[], holding: Holding): PermissionAnswer {
  return { kind: 'missing', on, permissions, grants: grantsOf(permissions, holding) }
}

function unknown(on: string, { message }: Refusal): PermissionAnswer {
  const isDisabled = /cloudresourcemanager|Cloud Resource Manager API/i.test(message)
  const help = isDisabled
    ? 'to have it asked: gcloud services enable cloudresourcemanager.googleapis.com; runs do not need it'
    : undefined
  return { kind: 'unknown', on, because: message, help }
}

function isDenied({ reason, status }: Refusal): boolean {
  return reason === 'accessDenied' || status === 403
}

/** A failure for want of a permission, with all that are missing in its help, so that they are granted at once. Every other failure as it is. */
export async function namingMissing(
  failure: ActivateError,
  ask: () => Promise<readonly PermissionAnswer[]>,
): Promise<ActivateError> {
  const [problem] = failure.problems
  if (problem.code !== 'A3053') return failure
  // What cannot be asked leaves the failure as it is.
  const answers: readonly PermissionAnswer[] = await ask().catch(() => [])
  const lacking = answers.filter(answer => answer.kind === 'missing')
  if (lacking.length === 0) return failure
  const what = lacking.map(({ on, permissions }) => `${permissions.join(', ')} on ${on}`).join('; ')
  const grants = new Set([
    ...(problem.help === undefined ? [] : [problem.help]),
    ...lacking.flatMap(each => each.grants),
  ])
  const help = `missing are ${what}: ${[...grants].join('; ')}`
  return new ActivateError(failure.exit, { ...problem, help }, { cause: failure.cause })
}
