/**
 * PostgreSQL's errors as the tool's, by SQLSTATE (postgresql.org/docs/18/errcodes-appendix.html) and by the codes of Node's
 * sockets and TLS, read 2026-11. A lost connection is never silence: whatever was asked over it fails.
 */
import { ActivateError, type ExitReason, type Place } from '../project/problem.ts'

/** Whom and what a connection was for. */
export interface Endpoint {
  readonly user: string
  readonly database: string
  /** `db.example:5432`, or the folder of a socket. */
  readonly server: string
  /** Where the settings name it, and from which variable or file it comes. */
  readonly place: Place | undefined
  readonly origin: string
}

interface ServerError {
  readonly code: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
  readonly schema?: string
  /** The server's own function that complained. */
  readonly routine?: string
  /** Of the server's source. */
  readonly file?: string
}

export function sqlState(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  // With a digit, unlike EPIPE.
  return code !== undefined && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** "Already exists" from behind the check of `if not exists`: somebody made it in between. */
const afterTheCheck: ReadonlyMap<string, string> = new Map([
  ['42710', 'TypeCreate'],
  ['42P07', 'heap_create_with_catalog'],
  ['42P06', 'NamespaceCreate'],
])

/**
 * What is worth doing again at once: transactions that another one made impossible and that the server has taken back, and two
 * runners that make the same table at the same moment, one of whom trips over the catalog.
 */
export function isWorthRepeating(error: unknown): boolean {
  const code = sqlState(error)
  if (code === '40001' || code === '40P01') return true
  const { schema, routine } = (error ?? {}) as Partial<ServerError>
  const isCatalogs = schema === 'pg_catalog'
  if (routine !== undefined && afterTheCheck.get(code ?? '') === routine) return true
  return (code === '23505' && isCatalogs) || (code === 'XX000' && /concurrently/.test(String(error)))
}

/**
 * Whether processes that share a statement found no room for what they share: the server has disk and memory, but its /dev/shm is
 * small, as that of a container is unless it is told otherwise (64 MB).
 */
export function lacksSharedMemory(error: unknown): boolean {
  const { file } = (error ?? {}) as Partial<ServerError>
  const isShared = file === 'dsm_impl.c' || /shared memory segment/.test(String(error))
  return isShared && (sqlState(error) ?? '').startsWith('53')
}

/** Whether a server is only not ready yet: starting up, or without a free slot. */
export function isWorthWaitingFor(error: unknown): boolean {
  return ['57P03', '53300'].includes(sqlState(error) ?? '')
}

/** Whether the session is gone, with whatever it was doing. */
export function isLoss(error: unknown): boolean {
  const code = sqlState(error)
  if (code !== undefined) return /^(08|57P0[1-5])/.test(code)
  const name = error instanceof Error && 'code' in error ? String(error.code) : ''
  return (
    /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET)/.test(name) ||
    /Connection terminated|Client has encountered a connection error|Client was closed/.test(String(error))
  )
}

function failure(
  exit: ExitReason,
  code: string,
  message: string,
  cause: unknown,
  more: { readonly help?: string; readonly place?: Place | undefined } = {},
): ActivateError {
  const { help, place } = more
  const problem = { code, message, ...(help === undefined ? {} : { help }), ...(place === undefined ? {} : { place }) }
  return new ActivateError(exit, problem, { cause })
}

function sentence(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim()
}

/** Why no session came about. */
export function openFailure(error: unknown, endpoint: Endpoint): ActivateError {
  if (error instanceof ActivateError) return error
  const { user, database, server, place, origin } = endpoint
  const code = sqlState(error)
  if (code?.startsWith('28') || /password must be a string|no password supplied/i.test(String(error))) {
    const help = `check user and password in ${origin}; the server says: ${sentence(error)}`
    const message = `PostgreSQL at ${server} does not let the user "${user}" into the database "${database}"`
    return failure('credentials', 'A3031', message, error, { help, place })
  }
  if (code === '3D000') {
    const message = `PostgreSQL at ${server} has no database "${database}"`
    return failure('failed', 'A3032', message, error, { help: `check the end of the URL in ${origin}`, place })
  }
  if (code === '42501') {
    const message = `the user "${user}" may not connect to the database "${database}"`
    const help = `let an administrator run: grant connect on database ${quoted(database)} to ${quoted(user)}`
    return failure('failed', 'A3033', message, error, { help, place })
  }
  if (isTlsProblem(error)) {
    const help =
      'name the certificate of its authority in warehouse.tls.ca; warehouse.tls.mode: unverified encrypts without asking who answers, off does neither'
    return failure('failed', 'A3038', `no TLS with PostgreSQL at ${server}: ${sentence(error)}`, error, { help, place })
  }
  const message = `PostgreSQL at ${server} cannot be reached: ${sentence(error) || 'no answer'}`
  return failure('failed', 'A3030', message, error, { help: `check host and port in ${origin}`, place })
}

function isTlsProblem(error: unknown): boolean {
  const name = error instanceof Error && 'code' in error ? String(error.code) : ''
  return (
    /CERT|ERR_TLS|ERR_SSL|EPROTO|UNABLE_TO_VERIFY/.test(name) ||
    /does not support SSL|SSL connection/i.test(String(error))
  )
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** What was being done, for the message. */
export interface Doing {
  readonly endpoint: Endpoint
  /** Schema of the state. */
  readonly state: string
  readonly closed: boolean
  /** How long the statement ran, and how long it may; milliseconds. */
  readonly took: number
  readonly timeout: number | undefined
}

/** What a failed statement becomes; an error that is one of ours already stays as it is. */
export function statementFailure(error: unknown, doing: Doing): ActivateError {
  if (error instanceof ActivateError) return error
  if (doing.closed) return cancelled(error)
  if (isLoss(error)) return lossFailure(error, doing.endpoint)
  const code = sqlState(error)
  switch (code) {
    case '57014':
      return doing.timeout !== undefined && doing.took >= doing.timeout * 0.95
        ? timedOut(error, doing.timeout)
        : failure('failed', 'A3040', 'an administrator of PostgreSQL cancelled a statement of this run', error, {
            help: 'nothing of the statement took effect; run it again when the server is free',
          })
    case '42501':
      return denied(error, doing)
    case '40001':
    case '40P01':
    case '55P03':
      return failure('failed', 'A3042', `another session holds what this run needs: ${sentence(error)}`, error, {
        help: 'run it again; `select * from pg_stat_activity` shows who else works on the state or the sources',
      })
    default:
      return code !== undefined && /^(53|54|58)/.test(code) ? exhausted(error) : refused(error)
  }
}

export function cancelled(cause: unknown): ActivateError {
  return failure('interrupted', 'A3011', 'the statement was cancelled', cause)
}

export function closedFailure(): ActivateError {
  return failure('interrupted', 'A3013', 'the warehouse has been closed', undefined)
}

export function lossFailure(error: unknown, { server }: Endpoint): ActivateError {
  const killed = sqlState(error) === '57P01'
  const message = killed
    ? `an administrator of PostgreSQL at ${server} ended a session of this run`
    : `the connection to PostgreSQL at ${server} was lost: ${sentence(error)}`
  return failure('failed', 'A3034', message, error, {
    help: 'what was under way did not take effect, or is found out by the next run before it sends anything; run it again',
  })
}

/** A server that came back after a crash has emptied its unlogged tables, and an empty stage would look like an empty model. */
export function scratchLost({ server }: Endpoint): ActivateError {
  return failure('failed', 'A3041', `PostgreSQL at ${server} lost the scratch tables of this run`, undefined, {
    help: 'it was restarted or failed over; nothing was planned from what was lost: run it again',
  })
}

function timedOut(error: unknown, timeout: number): ActivateError {
  return failure('failed', 'A3035', `a statement took longer than ${timeout / 1000} s`, error, {
    help: 'raise warehouse.statement_timeout, or make the model cheaper: `activate compile` prints its SQL',
  })
}

function exhausted(error: unknown): ActivateError {
  return failure('failed', 'A3043', `PostgreSQL ran out of room: ${sentence(error)}`, error, {
    help: 'free disk, memory or connections on the server; warehouse.work_mem and warehouse.pool say how much a run takes',
  })
}

function denied(error: unknown, { endpoint: { user }, state }: Doing): ActivateError {
  const [, kind = '', name = ''] = /^permission denied for (\w+(?: \w+)*) (\S+)$/.exec(sentence(error)) ?? []
  const own = /^must be owner of (\w+(?: \w+)*) (\S+)$/.exec(sentence(error))
  const grants: Readonly<Record<string, string>> = {
    schema: `grant usage on schema ${quoted(name)} to ${quoted(user)}`,
    table: `grant select on ${name} to ${quoted(user)}`,
    view: `grant select on ${name} to ${quoted(user)}`,
    function: `grant execute on function ${name} to ${quoted(user)}`,
  }
  const grant =
    own === null ? grants[kind] : `alter ${own[1]} ${quoted(state)}.${quoted(own[2] ?? '')} owner to ${quoted(user)}`
  const help =
    grant === undefined ? 'docs/guides/postgres.md lists what the role needs' : `let an administrator run: ${grant}`
  return failure('failed', 'A3033', `the user "${user}" may not: ${sentence(error)}`, error, { help })
}

function refused(error: unknown): ActivateError {
  const { detail, hint } = error as Partial<ServerError>
  const message = [sentence(error), ...(detail === undefined ? [] : [detail])].join(': ')
  const help = /relation .*seed__.* does not exist/.test(message)
    ? 'load the CSV file with `activate seed`: a view outlives the night, and reads its table'
    : hint
  return failure('failed', 'A3010', message, error, help === undefined ? {} : { help })
}

export function stateDenied(user: string, state: string, database: string, exists: boolean): ActivateError {
  const message = exists
    ? `the user "${user}" may not make tables in the schema "${state}", which holds the state`
    : `there is no schema "${state}" for the state, and the user "${user}" may not make one in the database "${database}"`
  const grant = exists
    ? `grant usage, create on schema ${quoted(state)} to ${quoted(user)}`
    : `create schema ${quoted(state)} authorization ${quoted(user)}`
  return failure('failed', 'A3033', message, undefined, { help: `let an administrator run: ${grant}` })
}

export function unfitServer(message: string, help: string): ActivateError {
  return failure('failed', 'A3037', message, undefined, { help })
}

export function settingFailure(name: string, message: string, cause: unknown, help: string): ActivateError {
  return failure('invalid', 'A3039', `warehouse.${name}: ${message}`, cause, { help })
}
