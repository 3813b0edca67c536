/** What the fakes of vendors have in common: an API on a real socket whose behaviour is a function, and faults around it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Call {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** Bytes of the body. */
  readonly bytes: number
  /** Undefined when the body is none. */
  readonly json: unknown
  /** Wall time in milliseconds. */
  readonly at: number
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** A text as it is, anything else as JSON, or nothing. */
  readonly body?: unknown
}

/** An answer in place of the vendor's own, with nothing applied; or its own, which is lost on the way after it was applied. */
export type Fault = Answer | 'lost'

/** So many calls of a kind in any window; what is more is refused with 429. */
export interface Quota {
  readonly of: (call: Call) => boolean
  readonly requests: number
  readonly milliseconds: number
}

export interface Vendor {
  readonly url: string
  readonly calls: readonly Call[]
  /** Milliseconds that every answer takes. */
  slowness: number
  quotas: readonly Quota[]
  /** Calls that were more than a quota takes. */
  readonly refused: readonly Call[]
  /** `index` counts calls from 0. */
  fault: (call: Call, index: number) => Fault | undefined
  close(): Promise<void>
}

export async function startVendor(behave: (call: Call) => Answer): Promise<Vendor> {
  const calls: Call[] = []
  const refused: Call[] = []
  const isTooMuch = (call: Call) =>
    vendor.quotas.some(({ of, requests, milliseconds }) => {
      const counted = calls.filter(one => of(one) && !refused.includes(one) && one.at > call.at - milliseconds)
      return of(call) && counted.length >= requests
    })
  const answerTo = (call: Call): Answer => {
    if (!isTooMuch(call)) return behave(call)
    refused.push(call)
    return { status: 429, body: { message: 'too many requests' } }
  }
  const server = createServer((request, response) => {
    receive(request)
      .then(call => {
        const fault = vendor.fault(call, calls.length)
        const answer = typeof fault === 'object' ? fault : answerTo(call)
        calls.push(call)
        if (fault === 'lost') response.destroy()
        else if (vendor.slowness > 0) setTimeout(() => send(response, answer), vendor.slowness)
        else send(response, answer)
      })
      .catch((error: unknown) => send(response, { status: 500, body: { message: String(error) } }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const vendor: Vendor = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ calls, refused, slowness: 0, quotas: [] },
    fault: () => undefined,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return vendor
}

async function receive(request: IncomingMessage): Promise<Call> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const url = new URL(request.url ?? '/', 'http://vendor')
  const { method = 'GET', headers } = request
  const body = Buffer.concat(chunks)
  const text = body.toString()
  return {
    ...{ method, path: url.pathname, query: url.searchParams, headers },
    ...{ body: text, bytes: body.length, json: parsed(text), at: Date.now() },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // a form, or nothing
  }
}

function send(response: ServerResponse, { status, headers = {}, body }: Answer): void {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  const type = body === undefined || typeof body === 'string' ? {} : { 'content-type': 'application/json' }
  response.writeHead(status, { ...type, ...headers }).end(text)
}
