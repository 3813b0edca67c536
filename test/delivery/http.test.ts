import { createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createHttpClient, type HttpClient, type HttpClientOptions } from '../../src/delivery/http.ts'
import {
  drip,
  endless,
  type FaultServer,
  ok,
  reply,
  reset,
  type Script,
  stall,
  startFaultServer,
  truncated,
} from '../fault-server.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close()
})

async function serve(script: Script): Promise<FaultServer> {
  const server = await startFaultServer(script)
  open.push(server)
  return server
}

function clientOf(origin: string, options: Partial<HttpClientOptions> = {}): HttpClient {
  const client = createHttpClient({ origin, connections: 2, timeout: 5_000, allowPrivateNetwork: true, ...options })
  open.push(client)
  return client
}

const post = { method: 'POST', path: '/things', headers: { 'content-type': 'application/json' }, body: '{"a":1}' }

describe('the HTTP client', () => {
  test('returns the whole reply, with its JSON', async () => {
    const server = await serve(() => reply(201, { done: [1] }, { 'x-one': '1' }))
    const sent = await clientOf(server.url).send(post)
    expect(sent).toMatchObject({
      kind: 'reply',
      reply: { status: 201, json: { done: [1] }, text: '{"done":[1]}', headers: { 'x-one': '1' } },
    })
    expect(server.requests).toMatchObject([{ method: 'POST', path: '/things', body: '{"a":1}' }])
  })

  test('keeps connections alive', async () => {
    const server = await serve(ok)
    const client = clientOf(server.url, { connections: 1 })
    for (let i = 0; i < 5; i++) expect((await client.send(post)).kind).toBe('reply')
    expect(server.requests).toHaveLength(5)
  })

  test('gives a reply that is not JSON as text', async () => {
    const server = await serve(() => reply(200, '<html>', { 'content-type': 'text/html' }))
    expect(await clientOf(server.url).send(post)).toMatchObject({ reply: { text: '<html>', json: undefined } })
  })

  test('does not follow a redirect', async () => {
    const elsewhere = await serve(ok)
    const server = await serve(() => reply(307, '', { location: `${elsewhere.url}/stolen` }))
    expect(await clientOf(server.url).send(post)).toMatchObject({ kind: 'reply', reply: { status: 307 } })
    expect(elsewhere.requests).toEqual([])
  })

  test.each([
    ['never answers', stall, 'timeout'],
    ['drips a body for ever', () => drip(), 'timeout'],
    ['resets before the reply', () => reset(), undefined],
    ['resets within the head', () => reset('HTTP/1.1 200 O'), undefined],
    ['resets within the body', () => reset('HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"a"'), undefined],
    ['truncates the body', truncated, undefined],
    ['closes without a word', () => ({ kind: 'raw', bytes: '', apply: false }) as const, undefined],
    ['does not speak HTTP', () => ({ kind: 'raw', bytes: 'SSH-2.0-OpenSSH\r\n', apply: false }) as const, undefined],
    ['never stops talking', endless, 'reply_too_large'],
  ])('loses the reply of a server that %s', async (_name, behaviour, code) => {
    const server = await serve(behaviour)
    const client = clientOf(server.url, { timeout: 300, maxReplyBytes: 1_000_000 })
    expect(await client.send(post)).toMatchObject({ kind: 'lost', ...(code && { code }) })
    expect(server.requests).toHaveLength(1)
  })

  test('loses a reply wherever it is cut', async () => {
    const whole = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}'
    const server = await serve(({ index }) => ({ kind: 'raw', bytes: whole.slice(0, index), apply: true }))
    const client = clientOf(server.url, { connections: 1 })
    for (let length = 0; length < whole.length; length++) expect((await client.send(post)).kind).toBe('lost')
    expect((await client.send(post)).kind).toBe('reply')
  })

  test('is usable after a fault', async () => {
    const server = await serve(({ index }) => (index === 0 ? reset() : ok()))
    const client = clientOf(server.url, { connections: 1 })
    expect((await client.send(post)).kind).toBe('lost')
    expect((await client.send(post)).kind).toBe('reply')
  })

  test('knows that nothing was sent when the connection is refused', async () => {
    const server = await startFaultServer(ok)
    await server.close()
    expect(await clientOf(server.url).send(post)).toMatchObject({ kind: 'not_sent', code: 'ECONNREFUSED' })
  })

  test('knows that nothing was sent when the handshake fails', async () => {
    const server = createServer(socket => {
      socket.on('error', () => socket.destroy())
      socket.resume()
      socket.end('this is not TLS')
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    open.push({ close: () => new Promise<void>(resolve => server.close(() => resolve())) })
    expect((await clientOf(`https://127.0.0.1:${port}`).send(post)).kind).toBe('not_sent')
  })

  test('sends nothing once the deadline has passed while it waited for a connection', async () => {
    let received: () => void = () => {}
    const first = new Promise<void>(resolve => {
      received = resolve
    })
    const server = await serve(({ index }) => {
      received()
      return index === 0 ? stall() : ok()
    })
    const client = clientOf(server.url, { connections: 1, timeout: 200 })
    const sending = [client.send(post), client.send({ ...post, path: '/second' })]
    await first
    // Both deadlines pass while nothing can happen in between.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250)
    expect(await Promise.all(sending)).toMatchObject([{ kind: 'lost' }, { kind: 'not_sent', code: 'timeout' }])
    expect((await client.send({ ...post, path: '/third' })).kind).toBe('reply')
    expect(server.requests.map(({ path }) => path)).toEqual(['/things', '/third'])
  })

  test.each([
    ['a header with a line break', { ...post, headers: { 'x-a': 'one\r\nx-b: two' } }],
    ['a header with NUL', { ...post, headers: { 'x-a': 'a\u0000' } }],
    ['a header name with a space', { ...post, headers: { 'x a': 'a' } }],
    ['a path with a space', { ...post, path: '/a b' }],
    ['a path with a line break', { ...post, path: '/a\r\nx-b: two' }],
    ['another origin for a path', { ...post, path: 'http://elsewhere.example/' }],
  ])('sends nothing for %s', async (_name, request) => {
    const server = await serve(ok)
    expect(await clientOf(server.url).send(request)).toMatchObject({ kind: 'not_sent', code: 'invalid_request' })
    expect(server.requests).toEqual([])
  })

  test('says when a request leaves, and not when it never does', async () => {
    const server = await serve(ok)
    let left = 0
    const onLeaving = () => {
      left += 1
      return true
    }
    await clientOf(server.url).send({ ...post, onLeaving })
    expect(left).toBe(1)
    await server.close()
    await clientOf(server.url).send({ ...post, onLeaving })
    expect(left).toBe(1)
  })

  test('keeps every byte from leaving when it is told to at the last moment, and goes on with the next request', async () => {
    const server = await serve(ok)
    const client = clientOf(server.url)
    const sent = await client.send({ ...post, onLeaving: () => false })
    expect(sent).toEqual({ kind: 'not_sent', code: 'too_late', message: 'it may not leave any more' })
    expect(await client.send({ ...post, onLeaving: () => true })).toMatchObject({ kind: 'reply' })
    expect(server.requests).toHaveLength(1)
  })
})
