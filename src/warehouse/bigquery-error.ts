/**
 * BigQuery's errors as the tool's, by the `reason` of a response or of a job (cloud.google.com/bigquery/docs/error-messages, read
 * 2026-08). What may be asked again is told apart by two questions: whether the *request* may be repeated under the same job
 * id, and whether a *job* that failed may be repeated under a new one.
 */
import { ActivateError, type ExitReason } from '../project/problem.ts'
import { grantOf, type Holding } from './bigquery-roles.ts'

/** What a failure is explained with. */
export interface Context {
  readonly project: string
  readonly state: string
  readonly location: string
  readonly identity: string
  /** As written in the settings. */
  readonly budget: string | undefined
}

/** An answer or a job of BigQuery that says no. */
export interface Refusal {
  readonly reason: string
  readonly message: string
  /** HTTP status; undefined when a job failed, or no answer came. */
  readonly status?: number
}

/** A job that ran and failed. */
export class JobFailure extends Error {
  readonly reason: string
  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

/** Why rows do not come over the Storage Read API. */
export class StorageRefusal extends Error {
  /** gRPC's, where it was asked. */
  readonly code: number | undefined
  readonly help: string | undefined
  constructor(code: number | undefined, message: string, help?: string) {
    super(message)
    this.code = code
    this.help = help
  }
}

/** What the client throws: `ApiError` for answers, errors of sockets, errors of Google's authentication. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof JobFailure) return { reason: error.reason, message: error.message }
  const { code, errors, message, status } = (error ?? {}) as {
    readonly code?: unknown
    readonly status?: unknown
    readonly errors?: readonly { readonly reason?: string; readonly message?: string }[]
    readonly message?: string
  }
  const http = [code, status].map(Number).find(number => Number.isInteger(number) && number >= 100 && number < 600)
  const [first] = errors ?? []
  const reason = first?.reason ?? (typeof code === 'string' ? code : '')
  return {
    reason,
    message: (first?.message ?? message ?? String(error)).trim(),
    ...(http === undefined ? {} : { status: http }),
  }
}

/** A request that may not have arrived, or that BigQuery was too busy for. */
export function isRequestWorthRepeating(error: unknown): boolean {
  const { reason, status } = refusalOf(error)
  if (['rateLimitExceeded', 'userRateLimitExceeded', 'backendError', 'internalError'].includes(reason)) return true
  if (status !== undefined) return status === 408 || status === 429 || status >= 500
  return isOffline(error)
}

function isOffline(error: unknown): boolean {
  const { reason, message } = refusalOf(error)
  return (
    /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|EAI_AGAIN|ENOTFOUND|ERR_STREAM_PREMATURE_CLOSE)/.test(reason) ||
    /socket hang up|network|premature close|fetch failed|ECONN|ETIMEDOUT/i.test(message)
  )
}

const passing = [
  'backendError',
  'internalError',
  'jobBackendError',
  'jobInternalError',
  'rateLimitExceeded',
  'jobRateLimitExceeded',
]

/** A job that failed for a reason that passes, and of which nothing took effect. Never a quota, nor too large a result. */
export function isJobWorthRepeating(error: unknown): boolean {
  if (!(error instanceof JobFailure)) return false
  return passing.includes(error.reason) || /due to concurrent update|too many DML statements/i.test(error.message)
}

function failure(exit: ExitReason, code: string, message: string, cause: unknown, help?: string): ActivateError {
  return new ActivateError(exit, { code, message, ...(help === undefined ? {} : { help }) }, { cause })
}

export function settingFailure(name: string, what: string, help: string): ActivateError {
  return failure('invalid', 'A3059', `warehouse.${name}: ${what}`, undefined, help)
}

export function credentialsFailure(cause: unknown, identity: string): ActivateError {
  const { message } = refusalOf(cause)
  const help = identity.startsWith('application default')
    ? 'run gcloud auth application-default login, set GOOGLE_APPLICATION_CREDENTIALS, or name a key in warehouse.credentials'
    : 'check the key, and that the service account is not disabled'
  return failure('credentials', 'A3051', `BigQuery does not accept ${identity}: ${message}`, cause, help)
}

export function closedFailure(): ActivateError {
  return failure('interrupted', 'A3013', 'the warehouse is closed', undefined)
}

/** Any error of a statement; one that is the tool's own stays as it is. */
export function bigqueryFailure(error: unknown, context: Context): ActivateError {
  if (error instanceof ActivateError) return error
  const { reason, message, status } = refusalOf(error)
  const { location, budget } = context
  if (status === 401 || isOfCredentials(message)) return credentialsFailure(error, context.identity)
  if (reason === 'stopped') return failure('interrupted', 'A3011', 'the statement was cancelled', error)
  if (reason === 'accessDenied' || (status === 403 && /permission|access denied/i.test(message)))
    return denied(message, error, context)
  if (reason === 'bytesBilledLimitExceeded')
    return failure(
      ...([
        'failed',
        'A3055',
        `the query would bill more than warehouse.maximum_bytes_billed allows (${budget}): ${message}`,
        error,
      ] as const),
      'select fewer columns or partitions in the model, or raise warehouse.maximum_bytes_billed',
    )
  if (reason === 'notFound' && /dataset .* was not found/i.test(message))
    return failure(
      ...(['failed', 'A3054', `BigQuery finds no such dataset in ${location}: ${message}`, error] as const),
      `a query reads datasets of one location, and the state's is ${location}: copy the source there, or put the state beside it (warehouse.location, another warehouse.state)`,
    )
  if (/quotaExceeded|rateLimitExceeded/i.test(reason))
    return failure(
      'failed',
      'A3056',
      `a quota of BigQuery is used up: ${message}`,
      error,
      'wait, or ask for a higher quota; the next run goes on where this one ended',
    )
  if (['resourcesExceeded', 'responseTooLarge', 'billingTierLimitExceeded'].includes(reason))
    return failure('failed', 'A3057', `the statement is too large for BigQuery: ${message}`, error)
  if (isRequestWorthRepeating(error))
    return failure(
      'failed',
      'A3050',
      `BigQuery cannot be reached: ${message}`,
      error,
      'check the network, and status.cloud.google.com',
    )
  return failure('failed', 'A3010', message, error)
}

/** Of the Storage Read API, whose errors have gRPC's codes (grpc.io/docs/guides/status-codes). */
export function storageFailure(error: unknown, context: Context): ActivateError {
  if (error instanceof ActivateError) return error
  const { code, details, message, help } = (error ?? {}) as {
    readonly code?: unknown
    readonly details?: string
    readonly message?: string
    readonly help?: string
  }
  const what = details ?? message ?? String(error)
  if (code === 7)
    return denied(/bigquery\.\w+\.\w+/.test(what) ? what : `${what} (bigquery.readsessions.create)`, error, context)
  if (code === 16 || isOfCredentials(what)) return credentialsFailure(error, context.identity)
  const why = `rows do not come over the Storage Read API: ${what}`
  return failure(
    'failed',
    'A3061',
    why,
    error,
    help ?? 'with warehouse.storage_read: auto, such rows are read in pages',
  )
}

function isOfCredentials(message: string): boolean {
  return /could not load the default credentials|invalid_grant|invalid_client|unauthorized_client|unable to impersonate|invalid jwt/i.test(
    message,
  )
}

/** Which role gives a permission, and on what. */
function denied(message: string, cause: unknown, { project, state, identity }: Context): ActivateError {
  const [, permission = ''] = /\b(bigquery\.[a-z]+\.[a-zA-Z]+)\b/.exec(message) ?? []
  const [, table] = /(?:Table|View) ([\w-]+[:.][\w$-]+)\./i.exec(message) ?? []
  const dataset = (table ?? /Dataset ([\w-]+[:.][\w$-]+)/i.exec(message)?.[1] ?? `${project}.${state}`).replace(
    ':',
    '.',
  )
  return failure(
    'failed',
    'A3053',
    `BigQuery does not allow ${identity} to do this: ${message}`,
    cause,
    grantOf(permission, holdingOf(permission, dataset, { project, state })),
  )
}

function holdingOf(
  permission: string,
  dataset: string,
  { project, state }: Pick<Context, 'project' | 'state'>,
): Holding {
  const ofProject = ['bigquery.jobs.', 'bigquery.readsessions.', 'bigquery.datasets.create']
  if (ofProject.some(start => permission.startsWith(start))) return { kind: 'project', project, state }
  return { kind: dataset === `${project}.${state}` ? 'state' : 'source', dataset }
}
