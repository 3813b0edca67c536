/** A server that reads and answers, in a process of its own: `tsx bench/sink.ts`. Sends its port to the parent. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** With a limit (`sink.ts REQUESTS MILLISECONDS`) it counts every sliding window and answers 429 to what is too much. */
const [limit = Number.POSITIVE_INFINITY, window = 0] = process.argv.slice(2).map(Number)
const accepted: number[] = []
let refused = 0
let received = 0

const server = createServer((request, response) => {
  const now = performance.now()
  received += 1
  const full = accepted.length >= limit && now - (accepted[accepted.length - limit] ?? 0) < window
  if (full) refused += 1
  else if (window > 0) accepted.push(now)
  request.on('data', () => undefined)
  request.on('end', () =>
    response.writeHead(full ? 429 : 200, { 'content-type': 'application/json' }).end('{"ok":true}'),
  )
})
process.on('message', () => process.send?.({ received, refused, span: (accepted.at(-1) ?? 0) - (accepted[0] ?? 0) }))
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit(0))
