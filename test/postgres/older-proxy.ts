/**
 * A TCP proxy in front of a Postgres that makes it say an older version: no server older than the tool takes can be had from
 * npm. It replaces text of equal length in whole messages of the server (a letter and a length: postgresql.org/docs/current/
 * protocol-message-formats.html), so that the protocol stays as it is.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { addressOf } from '../ledger/cutting-proxy.ts'

export interface OlderProxy {
  /** The server's url, by way of the proxy. */
  readonly url: string
  /** Messages in which something was replaced. */
  readonly replaced: number
  close(): Promise<void>
}

/** `replacements`: what the server says, and what is said instead. */
export async function startOlderProxy(
  target: string,
  replacements: Readonly<Record<string, string>>,
): Promise<OlderProxy> {
  const open = new Set<Socket>()
  let replaced = 0

  function rewrite(message: Buffer): Buffer {
    let text = message.toString('latin1')
    for (const [from, to] of Object.entries(replacements)) {
      if (from.length !== to.length) throw new TypeError(`${from} and ${to} are not as long as each other`)
      if (!text.includes(from)) continue
      text = text.replaceAll(from, to)
      replaced += 1
    }
    return Buffer.from(text, 'latin1')
  }

  const listener = createServer(client => {
    const server = connect(addressOf(target))
    for (const socket of [client, server]) {
      open.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        open.delete(socket)
        client.destroy()
        server.destroy()
      })
    }
    client.pipe(server)
    let read = Buffer.alloc(0)
    server.on('data', chunk => {
      read = Buffer.concat([read, chunk])
      const whole: Buffer[] = []
      for (let length = lengthOf(read); length <= read.length; length = lengthOf(read)) {
        whole.push(rewrite(read.subarray(0, length)))
        read = read.subarray(length)
      }
      if (whole.length > 0) client.write(Buffer.concat(whole))
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (typeof address !== 'object' || address === null) throw new Error('the proxy has no port')
  const url = new URL(target)
  return {
    url: `postgres://${url.username}@127.0.0.1:${address.port}${url.pathname}`,
    get replaced() {
      return replaced
    },
    async close() {
      for (const socket of open) socket.destroy()
      listener.close()
      await once(listener, 'close')
    },
  }
}

/** Of the first message; its length counts itself, and not the letter before it. */
function lengthOf(read: Buffer): number {
  return read.length < 5 ? Number.POSITIVE_INFINITY : 1 + read.readUInt32BE(1)
}
