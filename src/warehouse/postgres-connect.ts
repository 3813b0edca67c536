/** From settings to a connected client: the URL's secrets, TLS, and what every session is set to. */

import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import pg from 'pg'
import type { Place } from '../project/problem.ts'
import type { SecretText, WarehouseSettings } from '../project/project.ts'
import { resolveSecretText, type SecretReaders } from '../project/secret.ts'
import { type Endpoint, isWorthWaitingFor, openFailure, settingFailure, sqlState } from './postgres-error.ts'
import { quoteName } from './postgres-name.ts'

export type PostgresSettings = Extract<WarehouseSettings, { type: 'postgres' }>

export interface Connector {
  readonly endpoint: Endpoint
  connect(): Promise<pg.Client>
}

/** Resolves the URL. Throws A1150 or A1151 for a secret that is missing, A3039 for a URL that is none. */
export function connectorOf(settings: PostgresSettings, readers: SecretReaders): Connector {
  const config = configOf(settings, resolveSecretText(settings.url, readers))
  // The driver has read the URL, a socket's folder and the defaults of the environment included.
  const probe = new pg.Client(config)
  const { host, port, user = '', database = '' } = probe as pg.Client & Readonly<Record<'user' | 'database', string>>
  const server = host.startsWith('/') ? host : `${host}:${port}`
  const endpoint = { user: settings.role ?? user, database, server, ...originOf(settings.url) }
  return { endpoint, connect: () => connect(config, settings, { ...endpoint, user }) }
}

function configOf(settings: PostgresSettings, url: string): pg.ClientConfig {
  const { tls } = settings
  const help = 'write postgres://user:password@host:5432/database'
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch (error) {
    throw settingFailure('url', 'is not a URL', error, help)
  }
  if (!['postgres:', 'postgresql:'].includes(parsed.protocol))
    throw settingFailure('url', `begins with ${parsed.protocol}`, undefined, help)
  const saysTls = [...parsed.searchParams.keys()].some(name => name.startsWith('ssl'))
  if (saysTls && tls !== undefined)
    throw settingFailure('tls', 'the URL speaks of TLS as well', undefined, 'say it in one place')
  const ssl = saysTls ? {} : { ssl: tlsOf(tls, isLocal(parsed.hostname)) }
  return {
    connectionString: url,
    ...ssl,
    application_name: 'activate',
    keepAlive: true,
    connectionTimeoutMillis: 15_000,
  }
}

function isLocal(host: string): boolean {
  return host === '' || /^(%2f|localhost$|127\.|\[::1\]$)/i.test(host)
}

/** What is not on this machine is encrypted, and asked for its certificate, unless the settings say otherwise. */
function tlsOf(tls: PostgresSettings['tls'], local: boolean): pg.ClientConfig['ssl'] {
  const mode = tls?.mode ?? (local && tls === undefined ? 'off' : 'verify')
  if (mode === 'off') return false
  return {
    rejectUnauthorized: mode === 'verify',
    ...(tls?.ca === undefined ? {} : { ca: fileOf('ca', tls.ca) }),
    ...(tls?.cert === undefined ? {} : { cert: fileOf('cert', tls.cert) }),
    ...(tls?.key === undefined ? {} : { key: fileOf('key', tls.key) }),
    ...(tls?.servername === undefined ? {} : identifiedAs(tls.servername)),
  }
}

/** The driver puts the host of the URL in place of `servername`, unless it is an address; so the certificate is held to the name here. */
function identifiedAs(servername: string) {
  return {
    servername,
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => checkServerIdentity(servername, certificate),
  }
}

function fileOf(name: 'ca' | 'cert' | 'key', path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw settingFailure(`tls.${name}`, `${path} cannot be read`, error, 'name a PEM file, from activate.yml')
  }
}

function originOf(url: SecretText): Pick<Endpoint, 'origin' | 'place'> {
  const refs = url.flatMap(part => (typeof part === 'string' ? [] : [part]))
  const names = refs.map(({ secret, name }) => `\${${secret}:${name}}`)
  const place: Place | undefined = refs.find(ref => ref.place !== undefined)?.place
  return { origin: names.length === 0 ? 'warehouse.url' : `warehouse.url (${names.join(', ')})`, place }
}

/** So long a server that is starting up, or has no free slot, is waited for. */
const waits = [100, 300, 1000, 3000]

async function connect(config: pg.ClientConfig, settings: PostgresSettings, endpoint: Endpoint): Promise<pg.Client> {
  for (let attempt = 0; ; attempt += 1) {
    const client = new pg.Client(config)
    // Without a listener, a connection that is lost while nobody asks anything would end the process.
    client.on('error', () => undefined)
    try {
      await client.connect()
      await setUp(client, settings)
      return client
    } catch (error) {
      await client.end().catch(() => undefined)
      const wait = waits[attempt]
      if (wait === undefined || !isWorthWaitingFor(error)) throw openFailure(error, endpoint)
      await delay(wait)
    }
  }
}

/** Values cross as texts, and digests hash texts, so what texts look like must not hang on the server's settings. */
const styles: Readonly<Record<string, string>> = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
  xmloption: 'content',
  standard_conforming_strings: 'on',
  client_min_messages: 'warning',
  // A result that is read to its end is planned as such.
  cursor_tuple_fraction: '1',
  // Plans over a night's tables need to know how many rows and keys there are, and no fine histogram: looking at 9,000 rows
  // instead of 30,000 takes a third of the time (measured).
  default_statistics_target: '30',
}

/** The settings' sizes are written as DuckDB's; the server knows fewer units. */
function kilobytes(size: string): string {
  const [, amount = '0', unit = ''] = /^([\d.]+)\s*([KMGT]?)i?B$/i.exec(size) ?? []
  const power = ['', 'K', 'M', 'G', 'T'].indexOf(unit.toUpperCase())
  return `${Math.max(64, Math.round(Number(amount) * 1024 ** (power - 1)))}kB`
}

async function setUp(client: pg.Client, { role, workMem, statementTimeout }: PostgresSettings): Promise<void> {
  const settings = { ...styles, statement_timeout: `${statementTimeout ?? 0}` }
  await client.query(
    `select ${Object.entries(settings)
      .map(([name, value]) => `set_config('${name}', '${value}', false)`)
      .join(', ')}`,
  )
  await client.query("select set_config('work_mem', $1, false)", [kilobytes(workMem)]).catch((error: unknown) => {
    throw settingFailure('work_mem', `${workMem} is refused: ${String(error)}`, error, 'write a size such as 256MB')
  })
  if (role === undefined) return
  await client.query(`set role ${quoteName(role)}`).catch((error: unknown) => {
    if (!['22023', '42704', '42501'].includes(sqlState(error) ?? '')) throw error
    const help = `let an administrator run: grant ${quoteName(role)} to ${quoteName(String(client.user))}`
    throw settingFailure('role', `cannot become "${role}": ${error instanceof Error ? error.message : ''}`, error, help)
  })
}
