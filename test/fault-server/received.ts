/** Enough of HTTP/1.1 to read requests whose bodies have a length; those of one connection are served one after the other. */
import type { Socket } from 'node:net'

export interface Head {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

export interface Received extends Head {
  /** Counts requests from 0. */
  readonly index: number
  readonly body: string
  readonly records: readonly ReceivedRecord[]
}

export interface ReceivedRecord {
  readonly key: string
  readonly change_id: string
  readonly op: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface Reader {
  /** `answered`: the rest of the connection is thrown away. */
  readonly onHead: (head: Head) => Promise<'read on' | 'answered'>
  readonly onRequest: (request: Omit<Received, 'index'>) => Promise<void>
}

export function readRequests(socket: Socket, { onHead, onRequest }: Reader): void {
  let buffer = Buffer.alloc(0)
  let open: { readonly head: Head; readonly length: number } | undefined
  let busy = false
  let deaf = false

  async function next(): Promise<void> {
    if (busy) return
    busy = true
    while (!deaf && (await step())) {}
    busy = false
  }

  /** Whether there may be more to do. */
  async function step(): Promise<boolean> {
    if (open === undefined) {
      open = takeHead()
      if (open === undefined) return false
      deaf = (await onHead(open.head)) === 'answered'
      return !deaf
    }
    const { head, length } = open
    if (buffer.length < length) return false
    const body = buffer.subarray(0, length).toString()
    buffer = buffer.subarray(length)
    open = undefined
    await onRequest({ ...head, body, records: recordsOf(body) })
    return true
  }

  function takeHead(): typeof open {
    const end = buffer.indexOf('\r\n\r\n')
    if (end < 0) return undefined
    const [start = '', ...lines] = buffer.subarray(0, end).toString('latin1').split('\r\n')
    buffer = buffer.subarray(end + 4)
    const headers = Object.fromEntries(
      lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const [method = '', path = ''] = start.split(' ')
    return { head: { method, path, headers }, length: Number(headers['content-length'] ?? 0) }
  }

  socket.on('data', chunk => {
    if (deaf) return
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
