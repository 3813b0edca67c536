/** What the fakes of vendors have in common: an HTTP server that can lose an answer after it did the work. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

export interface Call {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** JSON, or nothing. */
  readonly body?: unknown
}

export interface Vendor {
  readonly url: string
  readonly calls: readonly Call[]
  /** Whether the answer to this call, which was processed, is lost. */
  loses: (call: Call) => boolean
  close(): Promise<void>
}

export async function startVendor(answer: (call: Call) => Answer): Promise<Vendor> {
  const calls: Call[] = []
  const server = createServer((request, response) => {
    receive(request)
      .then(call => {
        calls.push(call)
        const answered = answer(call)
        if (vendor.loses(call)) response.destroy()
        else send(response, answered)
      })
      .catch((error: unknown) => send(response, { status: 500, body: { message: String(error) } }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const vendor: Vendor = { url: urlOf(server), calls, loses: () => false, close: () => close(server) }
  return vendor
}

async function receive(request: IncomingMessage): Promise<Call> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const url = new URL(request.url ?? '/', 'http://vendor')
  const { method = 'GET', headers } = request
  return { method, path: url.pathname, query: url.searchParams, headers, body: Buffer.concat(chunks).toString() }
}

function send(response: ServerResponse, { status, headers = {}, body }: Answer): void {
  const text = body === undefined ? '' : JSON.stringify(body)
  response.writeHead(status, { ...(text !== '' && { 'content-type': 'application/json' }), ...headers }).end(text)
}

function urlOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  return `http://127.0.0.1:${address.port}`
}

function close(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
