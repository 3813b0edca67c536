/** Where a Postgres ledger is, and how that is said without its password. */
import { ledgerError } from './failure.ts'

export interface PostgresLedgerSettings {
  /** With its password: never shown. `sslmode`, `sslrootcert`, `sslcert` and `sslkey` in its query are the TLS options. */
  readonly url: string
  /** Of the ledger alone. */
  readonly schema: string
  /** How many connections this process opens at most. */
  readonly connections: number
  /** Where the url came from, such as `${env:LEDGER_URL}`, for messages. */
  readonly source: string
}

export interface Address {
  /** Such as `ada`; undefined when the url leaves it to the environment. */
  readonly user: string | undefined
  /** Server and database, such as `db.acme.example:5432/marketing`. */
  readonly server: string
  readonly schema: string
  readonly source: string
}

const protocols = ['postgres:', 'postgresql:', 'socket:']

/** Throws A5028, without the text itself, when it is no URL of a Postgres. */
export function addressOf({ url, schema, source }: PostgresLedgerSettings): Address {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !protocols.includes(parsed.protocol)) throw noUrl(source)
  const { username, hostname, port, pathname } = parsed
  const host = decode(hostname, source) || 'localhost'
  const user = decode(username, source) || undefined
  // A folder with a socket needs no port to be found.
  const place = port === '' || host.startsWith('/') ? host : `${host}:${port}`
  return { user, server: `${place}${decode(pathname, source)}`, schema, source }
}

function decode(text: string, source: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw noUrl(source)
  }
}

function noUrl(source: string) {
  return ledgerError('A5028', `the url of the ledger (${source}) is not one of a Postgres server`, {
    help: 'write postgres://user:password@host:5432/database, with characters such as @ / # ? % in the password as %40 %2F %23 %3F %25',
  })
}
