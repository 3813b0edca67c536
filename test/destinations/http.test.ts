import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Change, HttpReply, Verdict } from '../../src/delivery/destination.ts'
import { settleVerdict } from '../../src/delivery/interpret.ts'
import type { OpenDestination } from '../../src/delivery/open-destination.ts'
import { openDestination } from '../../src/delivery/registry.ts'
import { destinations } from '../../src/destinations/index.ts'
import { readOutcomes } from '../../src/destinations/record-outcomes.ts'
import { type Far, type FarReply, startFar } from './far-end.ts'

const place = { file: 'activate.yml', line: 1, column: 1 }
const at = Date.UTC(2026, 2, 1, 2)
const ada: Change = { key: 'c1', changeId: 'a1', op: 'enter', fields: { email: 'ada@example.com', ltv: 120.5 } }
const bob: Change = { key: 'c2', changeId: 'b1', op: 'change', fields: { email: null } }

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function hook(
  reply: FarReply,
  settings: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>> = {},
) {
  const far = await startFar(() => reply)
  opened.push(far)
  return { far, hook: await open(far.url, settings, env) }
}

async function open(
  url: string,
  settings: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>> = {},
) {
  const destination = await openDestination(
    {
      name: 'hook',
      type: 'http',
      place,
      places: {},
      settings: { base_url: url, allow_private_network: true, ...settings },
    },
    { definitions: destinations, env, readFile: () => '', root: '/' },
  )
  opened.unshift(destination)
  return destination
}

function send(
  destination: OpenDestination,
  changes: readonly Change[],
  action = 'push',
  key = 'request-key',
): Promise<Verdict> {
  return destination.attempt(destination.prepare(action, changes, key), at)
}

const batch = { max_records: 100, wrap: 'records' }
const push = { method: 'POST', path: '/customers', idempotency: 'natural' }
const outcomes = { list: 'results', id: 'key', ok: { field: 'status', equals: 'ok' }, error: 'error' }
const ok = { status: 200, body: '{}' }

async function received(
  action: Readonly<Record<string, unknown>>,
  changes: readonly Change[],
  more: Readonly<Record<string, unknown>> = {},
): Promise<Far['requests'][number]> {
  const { far, hook: destination } = await hook(ok, { actions: { push: { ...push, ...action } }, ...more })
  expect(await send(destination, changes)).toEqual({ kind: 'acked' })
  const [request] = far.requests
  if (request === undefined) throw new Error('nothing arrived')
  return request
}

describe('what arrives', () => {
  test('a bare record when there is no batch', async () => {
    const { method, path, body } = await received({}, [ada])
    expect([method, path]).toEqual(['POST', '/customers'])
    expect(JSON.parse(body)).toEqual({
      key: 'c1',
      change_id: 'a1',
      op: 'enter',
      fields: { email: 'ada@example.com', ltv: 120.5 },
    })
  })

  test('records under the wrapping name', async () => {
    const { body } = await received({ batch }, [ada, bob])
    expect(JSON.parse(body)).toMatchObject({
      records: [{ key: 'c1' }, { key: 'c2', op: 'change', fields: { email: null } }],
    })
  })

  test('a JSON array when nothing wraps the batch', async () => {
    const { body } = await received({ batch: { max_records: 100 } }, [ada])
    expect(JSON.parse(body)).toMatchObject([{ key: 'c1' }])
  })

  test('just the fields when there is no envelope', async () => {
    const { body } = await received({ envelope: 'none' }, [ada])
    expect(JSON.parse(body)).toEqual({ email: 'ada@example.com', ltv: 120.5 })
  })

  test('the change id of each record in the field that the destination deduplicates by', async () => {
    const { body } = await received({ batch, idempotency: { field: 'id', window: '24h' }, envelope: 'none' }, [
      ada,
      bob,
    ])
    expect(JSON.parse(body)).toEqual({
      records: [
        { email: 'ada@example.com', ltv: 120.5, id: 'a1' },
        { email: null, id: 'b1' },
      ],
    })
  })

  test('the change id as the key of a single record', async () => {
    const { headers } = await received({ idempotency: { header: 'Idempotency-Key', window: '24h' } }, [ada])
    expect(headers['idempotency-key']).toBe('a1')
  })

  test("the request's key for a batch", async () => {
    const { headers } = await received({ batch, idempotency: { header: 'Idempotency-Key' } }, [ada, bob])
    expect(headers['idempotency-key']).toBe('request-key')
  })

  test('the key in the path, encoded', async () => {
    const { path, body } = await received({ method: 'PUT', path: '/customers/{key}' }, [{ ...ada, key: 'a/b?c=ü&$&' }])
    expect(path).toBe('/customers/a%2Fb%3Fc%3D%C3%BC%26%24%26')
    expect(JSON.parse(body)).toMatchObject({ key: 'a/b?c=ü&$&' })
  })

  test('no body with a DELETE that names the record in its path', async () => {
    const { method, body } = await received({ method: 'DELETE', path: '/customers/{key}' }, [ada])
    expect([method, body]).toEqual(['DELETE', ''])
  })

  test('headers with their secrets', async () => {
    const { far, hook: destination } = await hook(
      ok,
      { headers: { authorization: `Bearer \${env:HOOK_TOKEN}` }, actions: { push } },
      { HOOK_TOKEN: 't0p' },
    )
    await send(destination, [ada])
    expect(far.requests[0]?.headers.authorization).toBe('Bearer t0p')
    expect(JSON.stringify(destination.prepare('push', [ada], 'k'))).not.toContain('t0p')
  })

  test('a signature that a receiver can verify, and the same message id on every attempt', async () => {
    const key = Buffer.from('a very secret key indeed')
    const env = { HOOK_SECRET: `whsec_${key.toString('base64')}` }
    const signing = { standard_webhooks: `\${env:HOOK_SECRET}` }
    const { far, hook: destination } = await hook(ok, { signing, actions: { push } }, env)
    const prepared = destination.prepare('push', [ada], 'request-key')
    await destination.attempt(prepared, at)
    await destination.attempt(prepared, at + 60_000)

    const [first, second] = far.requests
    const id = first?.headers['webhook-id']
    const expected = createHmac('sha256', key)
      .update(`${id}.${at / 1000}.${first?.body}`)
      .digest('base64')
    expect(first?.headers['webhook-timestamp']).toBe(String(at / 1000))
    expect(first?.headers['webhook-signature']).toBe(`v1,${expected}`)
    expect(second?.headers['webhook-id']).toBe(id)
    expect(second?.headers['webhook-timestamp']).toBe(String(at / 1000 + 60))
    expect(second?.body).toBe(first?.body)
  })
})

describe('what must not leave', () => {
  test.each(['', '.', '..'])('the key %j in a path, because it would address something else', async key => {
    const { far, hook: destination } = await hook(ok, {
      actions: { push: { ...push, method: 'DELETE', path: '/customers/{key}' } },
    })
    expect(() => destination.prepare('push', [{ ...ada, key }], 'k')).toThrow(/A6510/)
    expect(far.requests).toEqual([])
  })

  test('anything under a signing secret that is not base64', async () => {
    const signing = { standard_webhooks: `\${env:HOOK_SECRET}` }
    await expect(
      open('http://127.0.0.1:9', { signing, actions: { push } }, { HOOK_SECRET: 'whsec_not base64' }),
    ).rejects.toThrow(/A6511/)
  })

  test('anything to a private address, unless that is meant', async () => {
    const refused = open('http://127.0.0.1:9', { allow_private_network: false, actions: { push } })
    await expect(refused).rejects.toThrow(/A6007/)
  })
})

const each = (...list: readonly Readonly<Record<string, unknown>>[]) => JSON.stringify({ results: list })
const acked = (changeId: string) => ({ changeId, outcome: 'acked' })

describe('how answers per record are read', () => {
  const cases: readonly (readonly [string, FarReply, unknown])[] = [
    [
      'by key, whatever their order',
      { status: 200, body: each({ key: 'c2', status: 'error', error: 'no such plan' }, { key: 'c1', status: 'ok' }) },
      {
        kind: 'each',
        outcomes: [
          { changeId: 'b1', outcome: 'rejected', code: 'record_refused', message: 'no such plan' },
          acked('a1'),
        ],
      },
    ],
    [
      'by change id',
      { status: 200, body: each({ key: 'a1', status: 'ok' }, { key: 'b1', status: 'ok' }) },
      { kind: 'each', outcomes: [acked('a1'), acked('b1')] },
    ],
    ['from a 207', { status: 207, body: each({ key: 'c1', status: 'ok' }) }, { kind: 'each', outcomes: [acked('a1')] }],
    [
      'from a 400 that carries the list',
      { status: 400, body: each({ key: 'c1', status: 'ok' }, { key: 'c2', status: 'bad' }) },
      {
        kind: 'each',
        outcomes: [
          acked('a1'),
          { changeId: 'b1', outcome: 'rejected', code: 'record_refused', message: '"status" is "bad"' },
        ],
      },
    ],
    [
      'an item that says neither yes nor no leaves its record uncertain',
      { status: 200, body: each({ key: 'c1' }, { key: 'c2', error: 'bad' }) },
      {
        kind: 'each',
        outcomes: [
          {
            changeId: 'a1',
            outcome: 'uncertain',
            code: 'unreadable_outcome',
            message: 'the record\'s answer has no "status"',
          },
          { changeId: 'b1', outcome: 'rejected', code: 'record_refused', message: 'bad' },
        ],
      },
    ],
    [
      'strangers are passed over',
      { status: 200, body: each({ key: 'c9', status: 'ok' }, { status: 'ok' }) },
      { kind: 'each', outcomes: [] },
    ],
  ]
  test.each(cases)('%s', async (_name, reply, verdict) => {
    const { hook: destination } = await hook(reply, { actions: { push: { ...push, batch, outcomes } } })
    expect(await send(destination, [ada, bob])).toEqual(verdict)
  })

  const whole: readonly (readonly [string, FarReply, unknown])[] = [
    [
      'a 200 that is not JSON proves nothing',
      { status: 200, body: '<html>' },
      { kind: 'uncertain', code: 'unreadable_reply' },
    ],
    [
      'a 200 without the list proves nothing',
      { status: 200, body: '{"data":[]}' },
      { kind: 'uncertain', code: 'unreadable_reply' },
    ],
    ['an empty 204 proves nothing', { status: 204, body: '' }, { kind: 'uncertain', code: 'unreadable_reply' }],
    ['a 422 without the list is refused whole', { status: 422, body: '{"error":"bad"}' }, { kind: 'refused' }],
    [
      'a 400 with a list of others is refused whole',
      { status: 400, body: each({ key: 'c9', status: 'bad' }) },
      { kind: 'refused' },
    ],
    [
      'a 401 is about credentials, whatever it lists',
      { status: 401, body: each({ key: 'c1', status: 'ok' }) },
      { kind: 'denied' },
    ],
    [
      'a 429 names its time',
      { status: 429, headers: { 'retry-after': '7' }, body: '' },
      { kind: 'retry', after: 7000 },
    ],
    ['a 503 may have been processed', { status: 503, body: each({ key: 'c1', status: 'ok' }) }, { kind: 'uncertain' }],
    [
      'a cut reply may have been processed',
      { status: 200, body: each({ key: 'c1', status: 'ok' }), cut: true },
      { kind: 'uncertain' },
    ],
  ]
  test.each(whole)('%s', async (_name, reply, verdict) => {
    const { hook: destination } = await hook(reply, { actions: { push: { ...push, batch, outcomes } } })
    expect(await send(destination, [ada, bob])).toMatchObject(verdict as object)
  })

  test('below a dotted path, by a number and a boolean', async () => {
    const reply = { status: 200, body: '{"data":{"items":[{"ref":{"id":42},"ok":true}]}}' }
    const paths = { list: 'data.items', id: 'ref.id', ok: { field: 'ok', equals: true } }
    const { hook: destination } = await hook(reply, { actions: { push: { ...push, batch, outcomes: paths } } })
    expect(await send(destination, [{ ...ada, key: '42' }])).toEqual({ kind: 'each', outcomes: [acked('a1')] })
  })

  test('a composite key, sent back as text or as a list', async () => {
    const key = '["c1","2026-03-01"]'
    for (const echoed of [key, ['c1', '2026-03-01']]) {
      const { hook: destination } = await hook(
        { status: 200, body: each({ key: echoed, status: 'ok' } as never) },
        { actions: { push: { ...push, batch, outcomes } } },
      )
      expect(await send(destination, [{ ...ada, key }])).toEqual({ kind: 'each', outcomes: [acked('a1')] })
    }
  })

  test('never acknowledges a record that was not told ok, whatever else the list holds', () => {
    const keys = ['c1', 'c2', 'c3', 'c4']
    const changes = keys.map(key => ({ key, changeId: `of-${key}`, op: 'enter', fields: {} }) as const)
    const item = fc.record(
      { key: fc.constantFrom(...keys, 'c9', 7, null), status: fc.constantFrom('ok', 'error', 'OK', true, null, 0) },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(item, fc.constant(null), fc.constant('ok')), { maxLength: 12 }), list => {
        const reply: HttpReply = { status: 200, headers: {}, text: '', json: { results: list } }
        const named = readOutcomes(reply, changes, outcomes) ?? []
        const settled = settleVerdict({ kind: 'each', outcomes: named }, changes).outcomes
        for (const [index, { key }] of changes.entries()) {
          const said = list.flatMap(one =>
            typeof one === 'object' && one !== null && one.key === key ? [one.status] : [],
          )
          const yes = said.length > 0 && said.every(status => status === 'ok')
          expect(settled[index]?.outcome === 'acked').toBe(yes)
        }
      }),
    )
  })
})

describe('without outcomes', () => {
  test('a 2xx acknowledges every record', async () => {
    const { hook: destination } = await hook({ status: 204, body: '' }, { actions: { push: { ...push, batch } } })
    expect(await send(destination, [ada, bob])).toEqual({ kind: 'acked' })
  })

  test('a status that the action accepts does too', async () => {
    const gone = { ...push, method: 'DELETE', path: '/customers/{key}', accepts: [404, 410] }
    const { hook: destination } = await hook({ status: 404, body: '' }, { actions: { push: gone } })
    expect(await send(destination, [ada])).toEqual({ kind: 'acked' })
  })

  test('a destination that is down was sent nothing', async () => {
    const far = await startFar(() => ok)
    await far.close()
    const destination = await open(far.url, { actions: { push } })
    expect(await send(destination, [ada])).toMatchObject({ kind: 'retry' })
  })
})

describe('the action that takes leavers', () => {
  test('is the one marked so, for all others', async () => {
    const leave = { ...push, path: '/customers/delete', for: 'leavers' }
    const destination = await open('http://127.0.0.1:9', { actions: { push, leave } })
    expect(destination.action('push')).toMatchObject({ leavers: 'leave', takesLeavers: false })
    expect(destination.action('leave')).toMatchObject({ takesLeavers: true, modes: [] })
  })

  test('must be named where there are several', async () => {
    const leave = { ...push, for: 'leavers' }
    await expect(open('http://127.0.0.1:9', { actions: { push, leave, forget: leave } })).rejects.toThrow(
      /several actions/,
    )
    const destination = await open('http://127.0.0.1:9', {
      actions: { push: { ...push, leavers: 'forget' }, leave, forget: leave },
    })
    expect(destination.action('push').leavers).toBe('forget')
  })
})

describe('OAuth client credentials', () => {
  const env = { SECRET: 's:cr&t' }

  /** An issuer that numbers its tokens, and a destination beside it. */
  async function issuing(more: Readonly<Record<string, unknown>> = {}, answer?: (n: number) => FarReply) {
    let issued = 0
    const far = await startFar(({ path }) => {
      if (path !== '/oauth/token') return ok
      issued += 1
      return answer?.(issued) ?? { status: 200, body: JSON.stringify({ access_token: `t${issued}`, expires_in: 3600 }) }
    })
    opened.push(far)
    const oauth2 = { token_url: `${far.url}/oauth/token`, client_id: 'me', client_secret: `\${env:SECRET}`, ...more }
    const destination = await open(far.url, { auth: { oauth2 }, actions: { push } }, env)
    return { far, destination }
  }

  test('ask for a token once, with the client in the header, and send it with every request', async () => {
    const { far, destination } = await issuing({ scope: 'a b' })
    expect(await Promise.all([send(destination, [ada]), send(destination, [bob])])).toEqual([
      { kind: 'acked' },
      { kind: 'acked' },
    ])
    const asked = far.requests.filter(({ path }) => path === '/oauth/token')
    expect(asked).toHaveLength(1)
    expect(asked[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:s%3Acr%26t').toString('base64')}`)
    expect(asked[0]?.body).toBe('grant_type=client_credentials&scope=a+b')
    const sent = far.requests.filter(({ path }) => path !== '/oauth/token')
    expect(sent.map(({ headers }) => headers.authorization)).toEqual(['Bearer t1', 'Bearer t1'])
  })

  test('go into the body where the issuer wants them there', async () => {
    const { far, destination } = await issuing({ client_auth: 'body' })
    await send(destination, [ada])
    expect(far.requests[0]?.headers.authorization).toBeUndefined()
    expect(far.requests[0]?.body).toBe('grant_type=client_credentials&client_id=me&client_secret=s%3Acr%26t')
  })

  test('renew a token before it expires', async () => {
    const { far, destination } = await issuing()
    await send(destination, [ada])
    const prepared = destination.prepare('push', [bob], 'k')
    expect(await destination.attempt(prepared, at + 3_600_000 - 59_000)).toEqual({ kind: 'acked' })
    expect(far.requests.at(-1)?.headers.authorization).toBe('Bearer t2')
  })

  test.each([
    ['the issuer refuses', { status: 401, body: '{"error":"invalid_client"}' }, 'denied', /HTTP 401/],
    ['its reply holds no token', { status: 200, body: '{"access_token": ""}' }, 'denied', /holds no access token/],
    ['the issuer has a fault', { status: 503, body: '' }, 'retry', /HTTP 503/],
  ] as const)('send nothing when %s, and do not quote what it said', async (_name, reply, kind, says) => {
    const { far, destination } = await issuing({}, () => reply)
    const verdict = await send(destination, [ada])
    expect(verdict).toMatchObject({ kind, message: expect.stringMatching(says) })
    expect(far.requests.every(({ path }) => path === '/oauth/token')).toBe(true)
    expect(JSON.stringify(verdict)).not.toContain('invalid_client')
  })

  test('are not sent to a private address, unless that is meant', async () => {
    const oauth2 = { token_url: 'http://127.0.0.1:9/token', client_id: 'me', client_secret: `\${env:SECRET}` }
    const settings = { allow_private_network: false, base_url: 'https://api.example.com', auth: { oauth2 } }
    await expect(open('', { ...settings, actions: { push } }, env)).rejects.toThrow(/\(token\) may not be spoken to/)
  })

  test('need their secret by reference, and no second header', async () => {
    const oauth2 = { token_url: 'https://a.example/token', client_id: 'me', client_secret: 'literal' }
    await expect(open('https://a.example', { auth: { oauth2 }, actions: { push } })).rejects.toMatchObject({
      problems: [{ code: 'A1140' }],
    })
    const good = { ...oauth2, client_secret: `\${env:SECRET}` }
    const settings = { auth: { oauth2: good }, headers: { Authorization: 'x' }, actions: { push } }
    await expect(open('https://a.example', settings, env)).rejects.toMatchObject({ problems: [{ code: 'A1160' }] })
  })
})
