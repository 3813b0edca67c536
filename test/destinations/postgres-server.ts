/** A Postgres of the test's own, where the machine has the server's binaries; it listens on a socket in its folder only. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export interface PostgresServer {
  readonly url: string
  stop(): Promise<void>
}

/** The folder with `initdb` and `postgres`, or undefined when they are not installed. */
export function postgresBinaries(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).map(version => join(debian, version, 'bin')) : []
  const folders = [...versions, ...(process.env.PATH ?? '').split(delimiter)]
  return folders.find(folder => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}

export async function startPostgres(binaries: string): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'activate-pg-'))
  const data = join(folder, 'data')
  const owner = await ownerOf(folder)
  // Durability is not what these tests are about.
  execFileSync(join(binaries, 'initdb'), ['-D', data, '-U', 'activate', '-A', 'trust', '-E', 'UTF8', '--no-sync'], {
    ...owner,
    stdio: 'ignore',
  })
  const server = spawn(join(binaries, 'postgres'), ['-D', data, '-k', folder, '-c', 'listen_addresses=', '-F'], {
    ...owner,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await new Promise<void>((resolve, reject) => {
    let said = ''
    server.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes('ready to accept connections')) resolve()
    })
    server.once('exit', () => reject(new Error(`postgres did not start: ${said}`)))
  })
  return {
    url: `postgres://activate@${encodeURIComponent(folder)}/postgres`,
    stop: async () => {
      const gone = new Promise(resolve => server.once('exit', resolve))
      server.kill('SIGINT')
      await gone
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The server refuses to run as root, so root lends it another user. */
async function ownerOf(folder: string): Promise<{ readonly uid?: number; readonly gid?: number }> {
  if (process.getuid?.() !== 0) return {}
  const number = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  const owner = { uid: number('-u'), gid: number('-g') }
  await chown(folder, owner.uid, owner.gid)
  await chmod(folder, 0o700)
  return owner
}
