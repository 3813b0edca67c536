import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly path: string
  readonly key: string
  readonly changeId: string
  readonly op: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** One request as it came over the wire, before anybody made sense of it. */
export interface Exchange {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A destination that applies what it is told and remembers all of it: the truth that tests compare with. */
export interface Receiver {
  readonly url: string
  /** What a mirror holds now, by key. */
  readonly records: Map<string, Readonly<Record<string, unknown>>>
  /** Everything that was applied, in the order of arrival. */
  readonly received: Received[]
  readonly exchanges: Exchange[]
  requests: number
  /** Milliseconds that every answer takes. */
  slowness: number
  /** No answer is given before this resolves. */
  gate: Promise<void>
  /** Answers a record with an error when this returns a text. */
  refuse: (record: Received) => string | undefined
  /** Answers the whole request with this status, or does not answer at all, when set. */
  fault: ((path: string) => number | 'drop' | undefined) | undefined
  close(): Promise<void>
}

interface WireRecord {
  readonly key: string
  readonly change_id: string
  readonly op: string
  readonly fields: Readonly<Record<string, unknown>>
}

export async function startReceiver(): Promise<Receiver> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      receiver.requests += 1
      const path = request.url ?? ''
      const text = Buffer.concat(chunks).toString('utf8')
      if (request.method === 'GET') {
        const asked = new Set((new URL(path, receiver.url).searchParams.get('ids') ?? '').split(','))
        const items = receiver.received.filter(({ changeId }) => asked.has(changeId))
        response.writeHead(200).end(JSON.stringify({ items: items.map(({ changeId }) => ({ id: changeId })) }))
        return
      }
      receiver.exchanges.push({ path, headers: request.headers, body: text })
      const fault = receiver.fault?.(path)
      if (typeof fault === 'number') {
        response.writeHead(fault).end()
        return
      }
      const body = JSON.parse(text) as { records: readonly WireRecord[] } | WireRecord
      const records = 'records' in body ? body.records : [body]
      const results = records.map(record => apply(path, record))
      if (fault === 'drop') {
        request.socket.destroy()
        return
      }
      const answer = () =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ results }))
      if (receiver.slowness > 0) setTimeout(answer, receiver.slowness)
      else receiver.gate.then(answer, answer)
    })
  })
  const apply = (path: string, record: WireRecord) => {
    const received = { path, key: record.key, changeId: record.change_id, op: record.op, fields: record.fields }
    const error = receiver.refuse(received)
    if (error !== undefined) return { key: record.key, status: 'error', error }
    receiver.received.push(received)
    if (path.endsWith('/delete')) receiver.records.delete(record.key)
    else receiver.records.set(record.key, record.fields)
    return { key: record.key, status: 'ok' }
  }
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    records: new Map(),
    received: [],
    exchanges: [],
    requests: 0,
    slowness: 0,
    gate: Promise.resolve(),
    refuse: () => undefined,
    fault: undefined,
    close: () => closeServer(server),
  }
  return receiver
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve, reject) => server.close(error => (error ? reject(error) : resolve())))
}

/** The `http` destination that speaks with a receiver, as it stands in `activate.yml`. */
export function receiverSettings(url: string): string {
  return `
    type: http
    base_url: ${url}
    allow_private_network: true
    concurrency: 4
    actions:
      upsert:
        method: POST
        path: /customers
        batch: { max_records: 100, wrap: records }
        idempotency: natural
        outcomes: { list: results, id: key, ok: { field: status, equals: ok }, error: error }
      delete:
        method: POST
        path: /customers/delete
        for: leavers
        batch: { max_records: 100, wrap: records }
        idempotency: natural
        outcomes: { list: results, id: key, ok: { field: status, equals: ok }, error: error }
      send:
        method: POST
        path: /messages
        idempotency: none
      send_lookup:
        method: POST
        path: /messages
        idempotency: { lookup: { path: "/messages?ids={change_ids}", settle: 500ms, list: items, id: id } }
      send_keyed:
        method: POST
        path: /keyed
        idempotency: { header: Idempotency-Key, window: 24h }
      send_keyed_batch:
        method: POST
        path: /keyed
        batch: { max_records: 100, wrap: records }
        idempotency: { header: Idempotency-Key, window: 24h }
`
}
