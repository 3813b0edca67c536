import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  type Change,
  type DestinationDefinition,
  defineDestination,
  type HttpRequest,
  type Session,
} from '../../src/delivery/destination.ts'
import {
  type OpenDestination,
  openHttpDestination,
  openSessionDestination,
} from '../../src/delivery/open-destination.ts'
import { ActivateError } from '../../src/project/problem.ts'
import { type FaultServer, ok, reply, type Script, startFaultServer } from '../fault-server.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close()
})

async function serve(script: Script): Promise<FaultServer> {
  const server = await startFaultServer(script)
  open.push(server)
  return server
}

const change: Change = { key: 'k', changeId: 'c', op: 'enter', fields: { name: 'Zoë' } }

function definitionWith(more: Partial<DestinationDefinition>, request?: HttpRequest): DestinationDefinition {
  return defineDestination({
    name: 'far',
    summary: '',
    settings: z.object({}),
    allowPrivateNetwork: () => true,
    limits: () => [],
    concurrency: () => 1,
    actions: () => ({
      send: {
        summary: '',
        modes: ['upsert'],
        idempotency: { kind: 'natural' },
        request: () => request ?? { method: 'POST', path: '/r', json: change },
      },
      bare: { summary: '', modes: ['upsert'], idempotency: { kind: 'natural' } },
    }),
    ...more,
  })
}

function opened(more: Partial<DestinationDefinition>, request?: HttpRequest): OpenDestination {
  const destination = openHttpDestination(definitionWith(more, request), {}, { name: 'crm' })
  open.push(destination)
  return destination
}

describe('a destination over HTTP', () => {
  test('joins paths to the base URL, and adds its headers and its signature over the frozen body', async () => {
    const server = await serve(ok)
    const destination = opened({
      baseUrl: () => `${server.url}/v3/`,
      headers: () => ({ authorization: 'Bearer t' }),
      sign: (_settings, { id, at, body }) => ({ 'x-signature': `${id}.${at}.${body.length}` }),
    })
    const prepared = destination.prepare('send', [change], 'key')
    expect(await destination.attempt(prepared, 42)).toEqual({ kind: 'acked' })
    const body = JSON.stringify(change)
    expect(server.requests).toMatchObject([
      {
        path: '/v3/r',
        body,
        headers: {
          authorization: 'Bearer t',
          'content-type': 'application/json',
          'x-signature': `key.42.${body.length}`,
        },
      },
    ])
  })

  test('sends forms, and escapes what a path may not hold', async () => {
    const server = await serve(ok)
    const destination = opened(
      { baseUrl: () => server.url },
      { method: 'POST', path: 'zoë b?x=%20', form: { a: '1 & 2' } },
    )
    await destination.attempt(destination.prepare('send', [change], 'key'), 0)
    expect(server.requests).toMatchObject([
      {
        path: '/zo%C3%AB%20b?x=%20',
        body: 'a=1+%26+2',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      },
    ])
  })

  test('prepares the same bytes for the same changes, and credentials are not among what is compared', () => {
    const one = opened({ baseUrl: () => 'http://127.0.0.1:1', headers: () => ({ authorization: 'old' }) }).prepare(
      'send',
      [change],
      'key',
    )
    const other = opened({ baseUrl: () => 'http://127.0.0.1:1', headers: () => ({ authorization: 'new' }) }).prepare(
      'send',
      [change],
      'key',
    )
    expect(other).toEqual(one)
    const different = opened({ baseUrl: () => 'http://127.0.0.1:1' }, { method: 'POST', path: '/r', json: 1 }).prepare(
      'send',
      [change],
      'key',
    )
    expect(different.bodyHash).not.toBe(one.bodyHash)
  })

  test('a header value with a line break stops the run before anything is sent', async () => {
    const server = await serve(ok)
    const destination = opened({ baseUrl: () => server.url, headers: () => ({ authorization: 'Bearer t\n' }) })
    const verdict = await destination.attempt(destination.prepare('send', [change], 'key'), 0)
    expect(verdict).toMatchObject({ kind: 'denied', code: 'invalid_request' })
    expect(server.requests).toEqual([])
  })

  test('a name that resolves to a private address stops the run', async () => {
    const definition = definitionWith({ baseUrl: () => 'http://crm.example', allowPrivateNetwork: () => false })
    const destination = openHttpDestination(
      definition,
      {},
      { name: 'crm', resolve: (_name, done) => done(null, [{ address: '10.0.0.1', family: 4 }]) },
    )
    open.push(destination)
    expect(await destination.attempt(destination.prepare('send', [change], 'key'), 0)).toMatchObject({
      kind: 'denied',
      code: 'address_refused',
    })
  })

  test('probes with its harmless request', async () => {
    const server = await serve(() => reply(401))
    expect(
      await opened({ baseUrl: () => server.url, probe: () => ({ method: 'GET', path: '/account' }) }).probe(0),
    ).toMatchObject({ kind: 'denied' })
    expect(await opened({ baseUrl: () => server.url }).probe(0)).toBeUndefined()
    expect(server.requests).toMatchObject([{ method: 'GET', path: '/account' }])
  })

  test.each([
    ['A6009', 'not a URL', {}],
    ['A6009', 'ftp://crm.example', {}],
    ['A6009', 'https://user:pass@crm.example', {}],
    ['A6009', 'https://crm.example/?token=1', {}],
    ['A6007', 'http://169.254.169.254', { allowPrivateNetwork: () => false }],
    ['A6007', 'http://2130706433', { allowPrivateNetwork: () => false }],
  ])('%s for the base URL %s', (code, url, more) => {
    expect(codeOf(() => opened({ baseUrl: () => url, ...more }))).toBe(code)
  })

  test('A6010 for an action that it does not have, whatever its name', () => {
    const destination = opened({ baseUrl: () => 'http://127.0.0.1:1' })
    expect(codeOf(() => destination.action('nothing'))).toBe('A6010')
    expect(codeOf(() => destination.action('constructor'))).toBe('A6010')
  })

  test('A6011 for a definition that has no base URL, or an action without a request', () => {
    expect(codeOf(() => opened({}))).toBe('A6011')
    expect(codeOf(() => opened({ baseUrl: () => 'http://127.0.0.1:1' }).prepare('bare', [change], 'key'))).toBe('A6011')
  })
})

describe('a destination over a session', () => {
  async function over(session: Session): Promise<OpenDestination> {
    return openSessionDestination(definitionWith({ open: async () => session }), {}, { name: 'file', root: '/' })
  }

  test('hands the changes to the session, and closes it', async () => {
    const calls: unknown[] = []
    const destination = await over({
      deliver: async (action, batch) => {
        calls.push([action, batch])
        return { kind: 'acked' }
      },
      close: async () => {
        calls.push('closed')
      },
    })
    expect(await destination.attempt(destination.prepare('bare', [change], 'key'), 0)).toEqual({ kind: 'acked' })
    await destination.close()
    expect(calls).toEqual([['bare', [change]], 'closed'])
  })

  test('does not know how far a session came that threw', async () => {
    const destination = await over({
      deliver: () => Promise.reject(new Error('the disk is full')),
      close: async () => undefined,
    })
    expect(await destination.attempt(destination.prepare('bare', [change], 'key'), 0)).toEqual({
      kind: 'uncertain',
      code: 'session_failed',
      message: 'the disk is full',
    })
  })
})

function codeOf(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return error instanceof ActivateError ? error.problems[0].code : String(error)
  }
}
