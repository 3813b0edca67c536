/**
 * The one way out of the process by HTTP. It sends once and says which of three things happened; it follows no redirect,
 * takes no proxy from the environment, and limits time and size of what comes back.
 */
import { type Dispatcher, Pool } from 'undici'
import type { HttpReply } from './destination.ts'
import {
  AddressRefusedError,
  addressRefused,
  guardedLookup,
  isReservedAddress,
  literalAddress,
  type ResolveAll,
} from './egress.ts'

export type Sent =
  | { readonly kind: 'reply'; readonly reply: HttpReply }
  /** Not one byte of the request left. */
  | { readonly kind: 'not_sent'; readonly code: string; readonly message: string }
  /** It may have arrived; whatever came back is not a whole reply. */
  | { readonly kind: 'lost'; readonly code: string; readonly message: string }

export interface HttpSend {
  readonly method: string
  /** Path and query on the client's origin; starts with a slash. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  /** Called when the request is about to be written to a connection; says whether it may still leave. */
  readonly onLeaving?: () => boolean
}

export interface HttpClientOptions {
  /** Scheme, host and port; everything is sent there. */
  readonly origin: string
  readonly connections: number
  /** Milliseconds for one attempt: connecting, sending, headers and the whole body. */
  readonly timeout: number
  readonly allowPrivateNetwork: boolean
  /** Bytes of a reply's body; longer ones are lost. */
  readonly maxReplyBytes?: number
  /** How names become addresses; the system's resolver by default. */
  readonly resolve?: ResolveAll
}

export interface HttpClient {
  /** Never throws. */
  send(request: HttpSend): Promise<Sent>
  /** What is sent from now on goes over new connections; what is under way ends on the old ones. */
  renew(): void
  close(): Promise<void>
}

export const defaultReplyBytes = 10 * 1024 * 1024

/** Longer than this, and a connection will not come about. */
const longestConnect = 10_000

/** Codes of `not_sent` that no repetition mends. */
export const misconfigured: ReadonlySet<string> = new Set([addressRefused, 'invalid_request'])

class ReplyFault extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Throws AddressRefusedError when the origin is a literal address that may not be spoken to. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { origin, timeout, allowPrivateNetwork, connections } = options
  const literal = literalAddress(new URL(origin).hostname)
  if (!allowPrivateNetwork && literal !== undefined && isReservedAddress(literal)) {
    throw new AddressRefusedError(literal, literal)
  }
  const openPool = () =>
    new Pool(origin, {
      connections,
      pipelining: 1,
      // The deadline below covers the whole attempt; undici's own timers would only be shorter or later.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: {
        timeout: Math.min(timeout, longestConnect),
        ...(allowPrivateNetwork ? {} : { lookup: guardedLookup(options.resolve) }),
      },
    })
  let pool = openPool()
  const retired = new Set<Pool>()
  const maxReplyBytes = options.maxReplyBytes ?? defaultReplyBytes
  return {
    send: request =>
      new Promise(resolve => {
        new Exchange(request, timeout, maxReplyBytes, resolve).start(pool)
      }),
    renew() {
      const old = pool
      pool = openPool()
      retired.add(old)
      // Closing waits for what is under way, and fails only when `close` below was faster.
      old.close().then(
        () => retired.delete(old),
        () => retired.delete(old),
      )
    },
    // A connection whose reply we gave up on may never become idle, so there is nothing to wait for.
    close: async () => {
      await Promise.all([pool, ...retired].map(one => one.destroy()))
    },
  }
}

/** One request and what comes back. A handler of undici's own kind spares a stream per reply, which halves the cost. */
class Exchange implements Dispatcher.DispatchHandler {
  private readonly request: HttpSend
  private readonly timeout: number
  private readonly maxReplyBytes: number
  private readonly resolve: (sent: Sent) => void
  private timer: NodeJS.Timeout | undefined
  private controller: Dispatcher.DispatchController | undefined
  private settled = false
  private status = 0
  private headers: Record<string, string> = {}
  private readonly chunks: Buffer[] = []
  private bytes = 0

  constructor(request: HttpSend, timeout: number, maxReplyBytes: number, resolve: (sent: Sent) => void) {
    this.request = request
    this.timeout = timeout
    this.maxReplyBytes = maxReplyBytes
    this.resolve = resolve
  }

  start(dispatcher: Dispatcher): void {
    const { method, path, headers, body } = this.request
    const fault = findFault(path, headers)
    if (fault !== undefined) {
      this.settle({ kind: 'not_sent', code: 'invalid_request', message: fault })
      return
    }
    this.timer = setTimeout(() => this.expire(), this.timeout)
    try {
      dispatcher.dispatch({ method, path, headers, body: body ?? null }, this)
    } catch (error) {
      this.onResponseError(this.controller, error)
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    // The deadline may have passed while this waited for a connection. Aborting here keeps every byte from leaving.
    if (this.settled) controller.abort(new ReplyFault('timeout', 'the deadline had passed'))
    else if (this.request.onLeaving?.() === false) {
      const message = 'it may not leave any more'
      this.settle({ kind: 'not_sent', code: 'too_late', message })
      controller.abort(new ReplyFault('too_late', message))
    }
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200) return
    this.status = status
    for (const name in headers) {
      const value = headers[name]
      if (value !== undefined) this.headers[name] = typeof value === 'string' ? value : value.join(', ')
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.bytes += chunk.length
    if (this.bytes > this.maxReplyBytes) {
      controller.abort(new ReplyFault('reply_too_large', `the reply is longer than ${this.maxReplyBytes} bytes`))
    } else {
      this.chunks.push(chunk)
    }
  }

  onResponseEnd(): void {
    const text = this.chunks.length === 1 ? (this.chunks[0]?.toString() ?? '') : Buffer.concat(this.chunks).toString()
    this.settle({ kind: 'reply', reply: { status: this.status, headers: this.headers, text, json: parseJson(text) } })
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: unknown): void {
    const { code, message } = describe(error)
    // Bytes written prove nothing, but a request that never got as far as a connection has not left.
    this.settle({ kind: this.controller === undefined ? 'not_sent' : 'lost', code, message })
  }

  private expire(): void {
    const message = `no whole reply within ${this.timeout} ms`
    if (this.controller === undefined)
      this.settle({ kind: 'not_sent', code: 'timeout', message: 'no connection in time' })
    else this.controller.abort(new ReplyFault('timeout', message))
  }

  private settle(sent: Sent): void {
    if (this.settled) return
    this.settled = true
    clearTimeout(this.timer)
    this.resolve(sent)
  }
}

function findFault(path: string, headers: Readonly<Record<string, string>>): string | undefined {
  if (!/^\/[\x21-\x7e]*$/.test(path)) return 'the path holds a character that HTTP forbids'
  for (const name of Object.keys(headers)) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return 'a header name holds a character that HTTP forbids'
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(headers[name] ?? '')) {
      return `the value of the header ${name} holds a line break or another character that HTTP forbids`
    }
  }
  return undefined
}

function parseJson(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON, which is an answer too: `interpret` sees undefined and the text.
    return undefined
  }
}

function describe(error: unknown): { readonly code: string; readonly message: string } {
  if (!(error instanceof Error)) return { code: 'unknown', message: String(error) }
  // A name with several addresses fails with one error for each.
  if (error instanceof AggregateError && error.errors.length > 0) return describe(error.errors[0])
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  return { code, message: error.message }
}
