/** A vendor's API on a real socket: the behaviour is a function, and faults are played around it. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Call {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Bytes of the body. */
  readonly bytes: number
  readonly json: unknown
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: unknown
}

/** An answer in place of the vendor's own, with nothing applied; or its own, which is lost on the way after it was applied. */
export type Fault = Answer | 'lost'

export interface VendorServer {
  readonly url: string
  readonly calls: readonly Call[]
  /** Milliseconds that every answer takes. */
  slowness: number
  /** `index` counts calls from 0. */
  fault: (call: Call, index: number) => Fault | undefined
  close(): Promise<void>
}

export async function startVendor(behave: (call: Call) => Answer): Promise<VendorServer> {
  const calls: Call[] = []
  const http = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      const [path = ''] = (request.url ?? '').split('?')
      const json: unknown = body.length === 0 ? undefined : JSON.parse(body.toString('utf8'))
      const call = { method: request.method ?? '', path, headers: request.headers, bytes: body.length, json }
      const fault = server.fault(call, calls.length)
      calls.push(call)
      const answer = typeof fault === 'object' ? fault : behave(call)
      if (fault === 'lost') {
        request.socket.destroy()
        return
      }
      const say = () => {
        response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
        response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body))
      }
      if (server.slowness > 0) setTimeout(say, server.slowness)
      else say()
    })
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const server: VendorServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    calls,
    slowness: 0,
    fault: () => undefined,
    close() {
      http.closeAllConnections()
      return new Promise((resolve, reject) => http.close(error => (error ? reject(error) : resolve())))
    },
  }
  return server
}
