/** TLS in front of a Postgres, with a certificate made for the test. */
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { addressOf } from './cutting-proxy.ts'

/** Node makes no certificates; openssl does, where it is installed. */
export const canMakeCertificates = spawnSync('openssl', ['version']).status === 0

/** What a client asks before it speaks TLS (postgresql.org/docs/current/protocol-message-formats.html, SSLRequest). */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

/** The certificate names `localhost` and nothing else, and signs itself. */
export async function startTlsProxy(target: string) {
  const folder = mkdtempSync(join(tmpdir(), 'activate-tls-'))
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      key,
      '-out',
      certificate,
      ...names,
    ],
    { stdio: 'ignore' },
  )
  const secrets = { key: readFileSync(key), cert: readFileSync(certificate) }
  const open = new Set<Socket>()
  let encrypted = 0

  const listener = createServer(async client => {
    open.add(client)
    client.on('error', () => undefined)
    const [first] = (await once(client, 'data')) as [Buffer]
    if (!first.equals(sslRequest)) {
      client.destroy()
      return
    }
    client.write('S')
    const secure = new TLSSocket(client, { isServer: true, ...secrets })
    const server = connect(addressOf(target))
    open.add(server)
    for (const socket of [secure, server])
      socket.on('error', () => client.destroy()).on('close', () => server.destroy())
    secure.on('secure', () => {
      encrypted += 1
    })
    secure.pipe(server).pipe(secure)
  })
  listener.listen(0, 'localhost')
  await once(listener, 'listening')
  const address = listener.address()
  if (typeof address !== 'object' || address === null) throw new Error('the proxy has no port')
  const { username, pathname } = new URL(target)

  return {
    authority: certificate,
    urlOf: (host: string) => `postgres://${username}@${host}:${address.port}${pathname}`,
    get encrypted() {
      return encrypted
    },
    async close() {
      for (const socket of open) socket.destroy()
      listener.close()
      await once(listener, 'close')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
