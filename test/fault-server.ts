/**
 * An HTTP server on raw TCP that misbehaves on request, and keeps its own record of what was applied: the truth that tests
 * compare the ledger with. A record is an object with a `change_id`, bare or under `records`.
 */
import { createServer, type Socket } from 'node:net'

export interface Received {
  /** Counts requests from 0. */
  readonly index: number
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly records: readonly ReceivedRecord[]
}

export interface ReceivedRecord {
  readonly key: string
  readonly change_id: string
  readonly op: string
  readonly fields: Readonly<Record<string, unknown>>
}

export type Behaviour =
  | {
      readonly kind: 'reply'
      readonly status: number
      readonly body: string
      readonly headers: Readonly<Record<string, string>>
      readonly apply: boolean
    }
  /** These bytes, then the connection is closed. */
  | { readonly kind: 'raw'; readonly bytes: string; readonly apply: boolean }
  /** Never answers. */
  | { readonly kind: 'stall'; readonly apply: boolean }
  /** A TCP reset, after these bytes of a reply. */
  | { readonly kind: 'reset'; readonly bytes: string; readonly apply: boolean }
  /** A head, and then a byte of the body now and then, without end. */
  | { readonly kind: 'drip'; readonly every: number; readonly apply: boolean }
  /** A head, and then as many bytes as the client takes. */
  | { readonly kind: 'endless'; readonly apply: boolean }

export type Script = (request: Received) => Behaviour | Promise<Behaviour>

/** Applied unless the status says otherwise. */
export function reply(status: number, body: unknown = '', headers: Readonly<Record<string, string>> = {}): Behaviour {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return { kind: 'reply', status, body: text, headers, apply: status >= 200 && status < 300 }
}

export const ok = (): Behaviour => reply(200, { ok: true })
export const stall = (): Behaviour => ({ kind: 'stall', apply: false })
export const reset = (bytes = ''): Behaviour => ({ kind: 'reset', bytes, apply: false })
export const drip = (every = 5): Behaviour => ({ kind: 'drip', every, apply: false })
export const endless = (): Behaviour => ({ kind: 'endless', apply: false })
/** A whole head that promises more body than comes. */
export const truncated = (): Behaviour => ({
  kind: 'raw',
  bytes: 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"results": [',
  apply: false,
})
/** The same, but its records are applied: what a lost reply looks like from the other side. */
export const applied = (behaviour: Behaviour): Behaviour => ({ ...behaviour, apply: true })

export interface FaultServer {
  readonly url: string
  readonly port: number
  readonly requests: readonly Received[]
  /** Change ids in the order in which they took effect; one that took effect twice is here twice. */
  readonly applied: readonly string[]
  /** The most requests that were under way at once. */
  readonly busiest: number
  close(): Promise<void>
}

export interface FaultServerOptions {
  /** A header by which repeated requests are recognised and not applied again. */
  readonly keyHeader?: string
  readonly port?: number
}

export async function startFaultServer(script: Script, options: FaultServerOptions = {}): Promise<FaultServer> {
  const sockets = new Set<Socket>()
  const requests: Received[] = []
  const appliedIds: string[] = []
  const seenKeys = new Set<string>()
  let underWay = 0
  let busiest = 0

  async function serve(socket: Socket, request: Received): Promise<void> {
    requests.push(request)
    underWay += 1
    busiest = Math.max(busiest, underWay)
    const behaviour = await script(request)
    underWay -= 1
    if (behaviour.apply) apply(request)
    if (!socket.destroyed) await answer(socket, behaviour)
  }

  function apply({ headers, records }: Received): void {
    const key = options.keyHeader === undefined ? undefined : headers[options.keyHeader]
    if (key !== undefined && seenKeys.has(key)) return
    if (key !== undefined) seenKeys.add(key)
    for (const { change_id } of records) appliedIds.push(change_id)
  }

  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // A client that gives up resets; that is what these tests provoke.
    socket.on('error', () => socket.destroy())
    readRequests(socket, parsed => serve(socket, { index: requests.length, ...parsed }))
  })
  await new Promise<void>(resolve => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('the server has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    requests,
    applied: appliedIds,
    get busiest() {
      return busiest
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

type Parsed = Omit<Received, 'index'>

/** Enough of HTTP/1.1 for bodies with a length; requests on a connection are served one after the other. */
function readRequests(socket: Socket, serve: (request: Parsed) => Promise<void>): void {
  let buffer = Buffer.alloc(0)
  let busy = false

  async function next(): Promise<void> {
    if (busy) return
    busy = true
    for (let parsed = take(); parsed !== undefined; parsed = take()) await serve(parsed)
    busy = false
  }

  function take(): Parsed | undefined {
    const end = buffer.indexOf('\r\n\r\n')
    if (end < 0) return undefined
    const [start = '', ...lines] = buffer.subarray(0, end).toString('latin1').split('\r\n')
    const headers = Object.fromEntries(
      lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const length = Number(headers['content-length'] ?? 0)
    if (buffer.length < end + 4 + length) return undefined
    const body = buffer.subarray(end + 4, end + 4 + length).toString()
    buffer = buffer.subarray(end + 4 + length)
    const [method = '', path = ''] = start.split(' ')
    return { method, path, headers, body, records: recordsOf(body) }
  }

  socket.on('data', chunk => {
    buffer = Buffer.concat([buffer, chunk])
    next().catch((error: unknown) => socket.destroy(error instanceof Error ? error : undefined))
  })
}

function recordsOf(body: string): readonly ReceivedRecord[] {
  if (!body.startsWith('{') && !body.startsWith('[')) return []
  const json: unknown = JSON.parse(body)
  const list = Array.isArray(json) ? json : isObject(json) && Array.isArray(json.records) ? json.records : [json]
  return list.filter((record): record is ReceivedRecord => isObject(record) && typeof record.change_id === 'string')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

async function answer(socket: Socket, behaviour: Behaviour): Promise<void> {
  switch (behaviour.kind) {
    case 'reply': {
      const { status, body, headers } = behaviour
      const all = { 'content-type': 'application/json', 'content-length': `${Buffer.byteLength(body)}`, ...headers }
      const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
      socket.write(`HTTP/1.1 ${status} Status\r\n${lines.join('\r\n')}\r\n\r\n${body}`)
      return
    }
    case 'raw':
      socket.end(behaviour.bytes)
      return
    case 'stall':
      return
    case 'reset':
      if (behaviour.bytes === '') socket.resetAndDestroy()
      else socket.write(behaviour.bytes, () => socket.resetAndDestroy())
      return
    case 'drip': {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n')
      const timer = setInterval(() => socket.write('1\r\n \r\n'), behaviour.every)
      socket.once('close', () => clearInterval(timer))
      return
    }
    case 'endless': {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n')
      const chunk = Buffer.alloc(64 * 1024, 0x20)
      const fill = () => {
        while (!socket.destroyed && socket.write(chunk)) {}
      }
      socket.on('drain', fill)
      fill()
      return
    }
  }
}
