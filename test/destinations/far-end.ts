/** The far end of a destination: a real server on loopback that keeps what it received and answers as it is told. */
import { createServer, type IncomingHttpHeaders } from 'node:http'

export interface FarReply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
  /** Promises the whole body, sends half of it and hangs up. */
  readonly cut?: boolean
}

export interface FarRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Far {
  readonly url: string
  readonly requests: readonly FarRequest[]
  close(): Promise<void>
}

export async function startFar(answer: (request: FarRequest) => FarReply): Promise<Far> {
  const requests: FarRequest[] = []
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const request = {
        method: incoming.method ?? '',
        path: incoming.url ?? '',
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString(),
      }
      requests.push(request)
      const { status, headers, body, cut } = answer(request)
      if (!cut) {
        response.writeHead(status, headers).end(body)
        return
      }
      response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
      response.write(body.slice(0, body.length / 2), () => response.destroy())
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the far end has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
