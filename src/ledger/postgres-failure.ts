/**
 * What Postgres's errors mean for the ledger, by SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html, read
 * 2026-11), by Node's codes for sockets and TLS, and where the driver gives neither by its words (pg 8.23).
 */
import { ActivateError } from '../project/problem.ts'
import type { LedgerCode } from './codes.ts'
import { codeOf, ledgerError } from './failure.ts'
import type { Address } from './postgres-address.ts'

interface Meaning {
  readonly code: LedgerCode
  /** Of the code that the server, the socket or TLS gave. */
  readonly by: RegExp
  /** What "the ledger at …" does, or is. */
  readonly what: string
  readonly help?: string
}

const look = 'is the server up, and does `ledger.url` name it? what was recorded is intact; run again'

const meanings: readonly Meaning[] = [
  {
    code: 'A5026',
    by: /^ERR_SSL_UNSUPPORTED$/,
    what: 'does not speak TLS, which the url asks for',
    help: 'switch it on at the server, or write `sslmode=disable` where nobody else can listen',
  },
  {
    code: 'A5026',
    by: /^(CERT_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/,
    what: 'cannot be reached over TLS',
    help: 'name the authority that signed its certificate with `sslrootcert=/path/ca.pem` in the url; the host must be the one the certificate names',
  },
  {
    code: 'A5020',
    by: /^(ECONN\w+|EPIPE|ENOTFOUND|EAI_\w+|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|ENOENT|EACCES|08\w{3}|57P0[1-5]|25P03)$/,
    what: 'cannot be reached, or the connection was lost',
    help: look,
  },
  { code: 'A5021', by: /^28\w{3}$/, what: 'refuses the credentials' },
  {
    code: 'A5024',
    by: /^3D000$/,
    what: 'has no such database',
    help: 'create it, or correct the url',
  },
  {
    code: 'A5024',
    by: /^25006$/,
    what: 'can only be read: it is a standby, or set to read-only',
    help: 'name the primary server in `ledger.url`',
  },
  {
    code: 'A5025',
    by: /^53300$/,
    what: 'has no connection to spare',
    help: 'lower `connections` of the ledger, or raise max_connections of the server',
  },
  {
    code: 'A5004',
    by: /^(55P03|57014|40001|40P01)$/,
    what: 'is locked by another session',
    help: 'look for the session that holds it in pg_stat_activity, and run again',
  },
  {
    code: 'A5005',
    by: /^(53\w{3}|58\w{3})$/,
    what: 'cannot be written: the server has no room or its disk fails',
    help: 'free some space or mend the disk of the server, and run again: what was recorded is intact',
  },
  {
    code: 'A5027',
    by: /^(XX00[12]|42P01|42703|3F000)$/,
    what: 'is damaged: tables are not as they were made',
    help: 'restore the schema from a backup',
  },
]

/** What the driver says without a code. */
const words: readonly (readonly [RegExp, string])[] = [
  [
    /^(Connection terminated|Client has encountered a connection error|Client was closed|Query read timeout|timeout expired)/,
    '08006',
  ],
  [/does not support SSL|error establishing an SSL connection/i, 'ERR_SSL_UNSUPPORTED'],
  [/client password must be|SASL|SCRAM/, '28P01'],
]

function stateOf(error: unknown): string {
  const code = codeOf(error)
  // The file of a certificate, not that of a socket.
  if (code === 'ENOENT' && error instanceof Error && 'syscall' in error && error.syscall === 'open')
    return 'ERR_TLS_FILE'
  if (code !== '') return code
  if (!(error instanceof Error)) return ''
  if (error.name === 'KnexTimeoutError') return '53300'
  const said = wordsOf(error)
  return words.find(([pattern]) => pattern.test(said))?.[1] ?? ''
}

/** Whether the connection is gone, so that nobody knows what became of the last statement. */
export function isLost(error: unknown): boolean {
  return !(error instanceof ActivateError) && meaningOf(error)?.code === 'A5020'
}

/** Whether the transaction was taken back for another's sake, or no connection was to be had: the same again may pass. */
export function isPassing(error: unknown): boolean {
  return /^(40001|40P01|53300)$/.test(stateOf(error))
}

/** Whether one statement was refused for the rows that it was given. */
export function isRefusedRow(error: unknown): boolean {
  return /^(22|23)\w{3}$/.test(codeOf(error))
}

/** Whether the role may lack a grant: a schema that it may not use is left out of the search path, and its tables are not found. */
export function mayLackGrant(error: unknown): boolean {
  return /^(42501|42P01|3F000)$/.test(codeOf(error))
}

function meaningOf(error: unknown): Meaning | undefined {
  const state = stateOf(error)
  return meanings.find(({ by }) => by.test(state))
}

/** An error of Postgres, its driver or knex as the user should see it; any other error as it is. */
export function explainPostgres(error: unknown, address: Address): unknown {
  if (error instanceof ActivateError) return error
  const meaning = meaningOf(error)
  if (meaning === undefined) return error
  const { server, schema, user, source } = address
  const said = `${stateOf(error)}: ${wordsOf(error)}`
  if (meaning.code === 'A5021') {
    const message = `${server} refuses the credentials of ${user === undefined ? 'the ledger' : `"${user}"`} (${said})`
    return ledgerError('A5021', message, { help: `correct the user and password in ${source}`, cause: error })
  }
  const message = `the ledger at ${server}, schema ${schema}, ${meaning.what} (${said})`
  return ledgerError(meaning.code, message, {
    ...(meaning.help === undefined ? {} : { help: meaning.help }),
    cause: error,
  })
}

/** Knex puts the whole statement before ` - `, and a failed attempt on several addresses says nothing itself. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message === '' && error instanceof AggregateError) return wordsOf(error.errors[0])
  const end = error.message.lastIndexOf(' - ')
  const isStatement = /^(insert|update|delete|select|with|begin|commit|set|create|alter|drop)\b/i.test(error.message)
  return (end > 0 && isStatement ? error.message.slice(end + 3) : error.message).slice(0, 300)
}
