/** What the server does with one request: what it applies, and which bytes it sends how, and how that ends. */
import { gzipSync } from 'node:zlib'
import type { Apply } from './applied-record.ts'

export type Behaviour = {
  readonly apply: Apply
} & (
  | {
      readonly kind: 'reply'
      readonly status: number
      readonly body: string | Buffer
      readonly headers: Readonly<Record<string, string>>
      /** The connection is closed right after the reply, without having said so. */
      readonly hangsUp?: boolean
    }
  /** These bytes, then the connection is closed. */
  | { readonly kind: 'raw'; readonly bytes: string | Buffer }
  /** Never answers. */
  | { readonly kind: 'stall' }
  /** A TCP reset, after these bytes of a reply. */
  | { readonly kind: 'reset'; readonly bytes: string }
  /** These bytes at once, then those one by one, then silence; without end when `drops` is empty. */
  | { readonly kind: 'drip'; readonly bytes: string; readonly drops: string; readonly every: number }
  /** A head, and then as many bytes as the client takes. */
  | { readonly kind: 'endless' }
  /** One whole reply, and another one unasked: with it, or once the next request has arrived on the connection. */
  | { readonly kind: 'twice'; readonly first: string; readonly second: string; readonly late: boolean }
)

type Headers = Readonly<Record<string, string>>

/** Applied unless the status says otherwise. */
export function reply(status: number, body: unknown = '', headers: Headers = {}): Behaviour {
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  return { kind: 'reply', status, body: text, headers, apply: status >= 200 && status < 300 }
}

/** The bytes of a whole reply in JSON. */
export function replyBytes(status: number, body: unknown): string {
  const text = JSON.stringify(body)
  return `HTTP/1.1 ${status} Status\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
}

export const ok = (): Behaviour => reply(200, { ok: true })
export const stall = (): Behaviour => ({ kind: 'stall', apply: false })
export const reset = (bytes = ''): Behaviour => ({ kind: 'reset', bytes, apply: false })
/** Closes the connection in good order, after these bytes. */
export const fin = (bytes: string | Buffer = ''): Behaviour => ({ kind: 'raw', bytes, apply: false })

const chunkedHead = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n'

/** A head, and then a byte of the body now and then, without end. */
export const drip = (every = 5): Behaviour => ({ kind: 'drip', bytes: chunkedHead, drops: '', every, apply: false })
/** Not even the head is ever whole. */
export const dripHead = (every = 5): Behaviour => ({
  kind: 'drip',
  bytes: 'HTTP/1.1 200 OK\r\n',
  drops: 'x-slow: '.padEnd(4_000, 'z'),
  every,
  apply: false,
})
export const endless = (): Behaviour => ({ kind: 'endless', apply: false })
/** A whole head that promises more body than comes. */
export const truncated = (): Behaviour =>
  fin('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"results": [')
/** Two replies to one request. A late one looks like the answer to the next request. */
export const twice = (first: unknown, second: unknown, late = false): Behaviour => ({
  kind: 'twice',
  first: replyBytes(200, first),
  second: replyBytes(200, second),
  late,
  apply: true,
})

/** A reply in chunks that go wrong. */
export const chunked = (text: string, end: 'bad size' | 'cut' | 'whole'): Behaviour => {
  const size = Buffer.byteLength(text).toString(16)
  const endings = { 'bad size': 'zz\r\n', cut: '', whole: '0\r\n\r\n' }
  return fin(`${chunkedHead}${size}\r\n${text}\r\n${endings[end]}`)
}

/** A body of less than half a megabyte that would be a hundred once unpacked. */
export function gzipBomb(): Behaviour {
  bomb ??= gzipSync(Buffer.alloc(100 * 1024 * 1024, 0x20), { level: 1 })
  return reply(200, bomb, { 'content-encoding': 'gzip' })
}
let bomb: Buffer | undefined

/** Says that the body is packed, and it is not. */
export const falselyPacked = (body: unknown): Behaviour => reply(200, body, { 'content-encoding': 'gzip' })

/** The same, but its records are applied, all or some: what a lost reply looks like from the other side. */
export const applied = (behaviour: Behaviour, which: Apply = true): Behaviour => ({ ...behaviour, apply: which })
/** The same, but the connection is closed right after the reply. */
export const hangingUp = (behaviour: Behaviour): Behaviour =>
  behaviour.kind === 'reply' ? { ...behaviour, hangsUp: true } : behaviour
