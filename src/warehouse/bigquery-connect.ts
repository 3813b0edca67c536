/** From settings to the official client: whose credentials it uses, and which endpoint it talks to. */
import { createRequire } from 'node:module'
import type { BigQuery, BigQueryOptions } from '@google-cloud/bigquery'
import { ActivateError } from '../project/problem.ts'
import type { SecretText, WarehouseSettings } from '../project/project.ts'
import { resolveSecretText, type SecretReaders } from '../project/secret.ts'
import { credentialsFailure, settingFailure } from './bigquery-error.ts'

export type BigquerySettings = Extract<WarehouseSettings, { type: 'bigquery' }>

export interface Connection {
  readonly client: BigQuery
  /** Whose credentials the client sends. */
  readonly authClient: unknown
  /** Where load jobs send their rows. */
  readonly uploadUrl: string
  /** Above all projects, for those that are not billed. */
  readonly apiUrl: string
  /** Where the Resource Manager answers. */
  readonly resourcesUrl: string
  /** The root of the Storage Read API; undefined where BigQuery has a private endpoint and this one is not named. */
  readonly storage: string | undefined
  readonly project: string
  /** Whom messages name: `application default credentials`, `the key in ${env:KEY}`, each perhaps `as <service account>`. */
  readonly identity: string
}

/** The second is for asking which permissions there are, and reads nothing but what a project is called. */
const scopes = [
  'https://www.googleapis.com/auth/bigquery',
  'https://www.googleapis.com/auth/cloudplatformprojects.readonly',
]

/** Without it nobody acts as somebody else (cloud.google.com/iam/docs/reference/credentials/rest, `generateAccessToken`, read 2026-11). */
const scopesToImpersonate = ['https://www.googleapis.com/auth/cloud-platform']

/** The part of `google-auth-library` that is used; it is the official client's own, and comes with it. */
interface AuthLibrary {
  readonly GoogleAuth: new (options: object) => { getClient(): Promise<unknown> }
  readonly Impersonated: new (options: object) => unknown
  readonly PassThroughClient: new () => unknown
}

/** Loads the client. Throws A3051 for credentials that cannot be used, A3059 for a setting. */
export async function connectBigquery(settings: BigquerySettings, readers: SecretReaders): Promise<Connection> {
  const { env } = readers
  refuseEmulatorHost(env)
  const project = settings.project ?? env.GOOGLE_CLOUD_PROJECT
  if (project === undefined || project === '')
    throw settingFailure(
      'project',
      'no project is named',
      'name the one that is billed, there or in GOOGLE_CLOUD_PROJECT',
    )
  const endpoint = settings.endpoint ?? env.ACTIVATE_BIGQUERY_ENDPOINT
  const root = endpoint === undefined ? 'https://bigquery.googleapis.com' : rootOf(endpoint, 'endpoint')
  const storage = storageRoot(settings.storage_endpoint, endpoint)
  const identity = identityOf(settings)
  const { BigQuery: Client } = await import('@google-cloud/bigquery')
  const authClient = await authOf({ ...settings, project }, root, identity, readers)
  // Retries are `bigquery-jobs.ts`'s: it knows under which id a statement may be asked again.
  const options = {
    projectId: project,
    ...(endpoint === undefined ? {} : { apiEndpoint: root }),
    ...{ authClient, autoRetry: false, maxRetries: 0, userAgent: 'activate' },
  }
  const client = new Client(options as BigQueryOptions)
  const apiUrl = `${root}/bigquery/v2`
  const uploadUrl = `${root}/upload/bigquery/v2/projects/${project}/jobs`
  const resourcesUrl = isLoopback(new URL(root)) ? root : 'https://cloudresourcemanager.googleapis.com'
  return { client, authClient, project, identity, apiUrl, storage, uploadUrl, resourcesUrl }
}

/** The client would send every request, and the token with it, to that host, and under paths that no BigQuery has. */
function refuseEmulatorHost(env: SecretReaders['env']): void {
  if (env.BIGQUERY_EMULATOR_HOST === undefined) return
  throw settingFailure(
    'endpoint',
    'BIGQUERY_EMULATOR_HOST is set',
    'unset it, and name the server in warehouse.endpoint',
  )
}

/** Rows that are to go by a private endpoint go by no other. */
function storageRoot(named: string | undefined, endpoint: string | undefined): string | undefined {
  if (named !== undefined) return rootOf(named, 'storage_endpoint')
  return endpoint === undefined ? 'https://bigquerystorage.googleapis.com' : undefined
}

function rootOf(endpoint: string, setting: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (url === undefined || url.pathname !== '/' || url.search !== '')
    throw settingFailure(setting, `${endpoint} is not the root of a server`, 'write https://host')
  if (url.protocol === 'https:' || isLoopback(url)) return url.origin
  throw settingFailure(setting, `${endpoint} would carry credentials unencrypted`, 'write https://host')
}

function isLoopback({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && /^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname)
}

function identityOf({ credentials, impersonate }: BigquerySettings): string {
  const own = credentials === undefined ? 'application default credentials' : `the key in ${writtenOf(credentials)}`
  return impersonate === undefined ? own : `${own} as ${impersonate}`
}

function writtenOf(text: SecretText): string {
  return text.map(part => (typeof part === 'string' ? part : `\${${part.secret}:${part.name}}`)).join('')
}

/** A server on this machine gets no credentials at all: a developer's real token must not reach a test. */
async function authOf(
  { credentials, impersonate, project }: BigquerySettings & { readonly project: string },
  root: string,
  identity: string,
  readers: SecretReaders,
): Promise<unknown> {
  const { GoogleAuth, Impersonated, PassThroughClient } = authLibrary()
  if (isLoopback(new URL(root))) return new PassThroughClient()
  const key = credentials === undefined ? undefined : keyOf(resolveSecretText(credentials, readers), identity)
  const auth = new GoogleAuth({
    projectId: project,
    scopes: impersonate === undefined ? scopes : scopesToImpersonate,
    ...(key === undefined ? {} : { credentials: key }),
  })
  try {
    const sourceClient = await auth.getClient()
    if (impersonate === undefined) return sourceClient
    return new Impersonated({ sourceClient, targetPrincipal: impersonate, targetScopes: scopes, lifetime: 3600 })
  } catch (error) {
    throw credentialsFailure(error, identity)
  }
}

function authLibrary(): AuthLibrary {
  const require = createRequire(import.meta.url)
  return createRequire(require.resolve('@google-cloud/bigquery'))('google-auth-library') as AuthLibrary
}

/** The JSON of a service account's key. */
function keyOf(text: string, identity: string): object {
  let key: unknown
  try {
    key = JSON.parse(text)
  } catch {
    throw credentialsFailure(new Error('it is not JSON'), identity)
  }
  if (typeof key === 'object' && key !== null && 'client_email' in key && 'private_key' in key) return key
  throw credentialsFailure(
    new Error('it is no key of a service account: client_email or private_key is missing'),
    identity,
  )
}

/** Bytes of `200GiB`; undefined when nothing is said. Throws A3059. */
export function bytesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([KMGTP]?i?)B$/i.exec(text) ?? []
  const power = ['', 'k', 'm', 'g', 't', 'p'].indexOf(unit.replace(/i$/i, '').toLowerCase())
  if (number === '' || power < 0)
    throw new ActivateError('invalid', {
      code: 'A3059',
      message: `${text} is no number of bytes`,
      help: 'write 200GiB',
    })
  return Math.floor(Number(number) * (/i$/i.test(unit) ? 1024 : 1000) ** power)
}
