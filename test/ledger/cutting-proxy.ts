/** A TCP proxy in front of a Postgres that cuts connections at a moment of the test's choice. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface CuttingProxy {
  /** The server's url, by way of the proxy. */
  readonly url: string
  /** Connections that were cut. */
  readonly cuts: number
  /** Lets the next message that holds `text` through, waits for the answer, and cuts instead of handing it on. */
  cutAnswerTo(text: string): void
  /** Cuts as soon as the next message that holds `text` has been handed on, whether or not it is answered. */
  cutAfter(text: string): void
  /** Cuts instead of handing the next message that holds `text` on. */
  cutBefore(text: string): void
  /** Hands no answer on any more, and keeps the connection, from the next message that holds `text`. */
  muteAfter(text: string): void
  cutAll(): void
  /** New connections lead to another server, as after a failover. */
  divert(target: string): void
  /** Nobody is let in any more until it is opened again. */
  shut(): void
  reopen(): void
  close(): Promise<void>
}

type Order = { readonly kind: 'answer' | 'after' | 'before' | 'mute'; readonly text: string }

export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  let order: Order | undefined
  let destination = target
  let cuts = 0
  let isShut = false
  const open = new Set<Socket>()

  const listener = createServer(client => {
    if (isShut) {
      client.destroy()
      return
    }
    const server = connect(addressOf(destination))
    let dropsAnswers: 'cut' | 'mute' | undefined
    const cut = () => {
      cuts += 1
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) {
      open.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        open.delete(socket)
        client.destroy()
        server.destroy()
      })
    }
    client.on('data', chunk => {
      const isMeant = order !== undefined && chunk.includes(order.text)
      const kind = isMeant ? order?.kind : undefined
      if (isMeant) order = undefined
      if (kind === 'before') return cut()
      if (kind === 'answer') dropsAnswers = 'cut'
      if (kind === 'mute') dropsAnswers = 'mute'
      server.write(chunk, () => {
        if (kind === 'after') cut()
      })
    })
    server.on('data', chunk => {
      if (dropsAnswers === 'cut') cut()
      else if (dropsAnswers === undefined) client.write(chunk)
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (typeof address !== 'object' || address === null) throw new Error('the proxy has no port')
  const url = new URL(target)
  const credentials = url.password === '' ? url.username : `${url.username}:${url.password}`

  return {
    url: `postgres://${credentials}@127.0.0.1:${address.port}${url.pathname}`,
    get cuts() {
      return cuts
    },
    cutAnswerTo: text => {
      order = { kind: 'answer', text }
    },
    cutAfter: text => {
      order = { kind: 'after', text }
    },
    cutBefore: text => {
      order = { kind: 'before', text }
    },
    muteAfter: text => {
      order = { kind: 'mute', text }
    },
    cutAll() {
      for (const socket of open) socket.destroy()
    },
    divert(target) {
      destination = target
    },
    shut() {
      isShut = true
      for (const socket of open) socket.destroy()
    },
    reopen() {
      isShut = false
    },
    async close() {
      for (const socket of open) socket.destroy()
      listener.close()
      await once(listener, 'close')
    },
  }
}

/** Where the server of a url listens: a socket or a port. */
export function addressOf(target: string) {
  const { hostname, port } = new URL(target)
  const host = decodeURIComponent(hostname)
  return host.startsWith('/')
    ? { path: `${host}/.s.PGSQL.${port === '' ? 5432 : port}` }
    : { host, port: Number(port === '' ? 5432 : port) }
}
