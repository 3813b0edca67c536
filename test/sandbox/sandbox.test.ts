import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { parseFaults } from '../../src/sandbox/faults.ts'
import { type Sandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/sandbox.ts'

const open: Sandbox[] = []
const folders: string[] = []

afterEach(async () => {
  for (const sandbox of open.splice(0)) await sandbox.close()
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})

async function start(options: Partial<SandboxOptions> = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({ port: 0, faults: {}, seed: 1, ...options })
  open.push(sandbox)
  return sandbox
}

async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'activate-sandbox-'))
  folders.push(folder)
  return folder
}

function post(sandbox: Sandbox, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${sandbox.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer sandbox', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

const upsert = '/crm/contacts/batch/upsert'
const remove = '/crm/contacts/batch/remove'
const contact = (id: string, properties: Record<string, unknown>) => ({ id, change_id: `ch-${id}`, properties })
const mail = (reference: string, more: Record<string, unknown> = {}) => ({
  to: 'ada@example.com',
  subject: 'Hi',
  reference,
  ...more,
})

/** A request with a Host header of one's own, which `fetch` does not allow. */
function getAs(
  sandbox: Sandbox,
  path: string,
  headers: Record<string, string>,
  method = 'GET',
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port: sandbox.port, path, method, headers }, reply => {
      reply.resume()
      resolve(reply.statusCode)
    })
    sent.on('error', reject)
    sent.end()
  })
}

test('merges contacts and clears what is null', async () => {
  const sandbox = await start()
  await post(sandbox, upsert, { records: [contact('c1', { email: 'ada@example.com', tier: 'gold' })] })
  const reply = await post(sandbox, upsert, {
    records: [contact('c1', { tier: null, ltv: 120.5 }), contact('c2', { ok: true })],
  })
  expect(reply.status).toBe(200)
  expect(await reply.json()).toEqual({
    results: [
      { id: 'c1', status: 'ok' },
      { id: 'c2', status: 'ok' },
    ],
  })
  expect(sandbox.state().contacts).toEqual({ c1: { email: 'ada@example.com', ltv: 120.5 }, c2: { ok: true } })
  expect(sandbox.state().writes).toEqual({ c1: 2, c2: 1 })
})

test('refuses bad records one by one and applies the others', async () => {
  const sandbox = await start()
  const records = [
    contact('bad-mail', { email: 'nope' }),
    contact('bad-phone', { phone: '07700 900123' }),
    contact('bad-value', { tags: ['a'] }),
    contact('bad-name', { 'first name': 'x' }),
    contact('', { email: 'a@example.com' }),
    contact('good', { email: 'ünï@exämple.org', phone: '+447700900123' }),
  ]
  const { results } = (await (await post(sandbox, upsert, { records })).json()) as {
    results: { id: string; code?: string }[]
  }
  expect(results.map(({ id, code }) => [id, code])).toEqual([
    ['bad-mail', 'invalid_email'],
    ['bad-phone', 'invalid_phone'],
    ['bad-value', 'invalid_property'],
    ['bad-name', 'invalid_property'],
    ['', 'invalid_id'],
    ['good', undefined],
  ])
  expect(Object.keys(sandbox.state().contacts)).toEqual(['good'])
})

test('updates only contacts that exist', async () => {
  const sandbox = await start()
  await post(sandbox, upsert, { records: [contact('c1', { tier: 'gold' })] })
  const reply = await post(sandbox, '/crm/contacts/batch/update', {
    records: [contact('c1', { tier: 'new' }), contact('c9', {})],
  })
  expect(await reply.json()).toMatchObject({ results: [{ status: 'ok' }, { status: 'error', code: 'not_found' }] })
  expect(sandbox.state().contacts).toEqual({ c1: { tier: 'new' } })
})

test('removes the named properties, and the contact with its memberships when none is left', async () => {
  const sandbox = await start()
  await post(sandbox, upsert, {
    records: [contact('c1', { a: 1, b: 2 }), contact('c2', { a: 1 }), contact('c3', { a: 1 })],
  })
  await post(sandbox, '/crm/lists/members/batch/add', {
    records: [
      { list: 'vip', id: 'c2' },
      { list: 'vip', id: 'c1' },
    ],
  })
  const records = [{ id: 'c1', properties: ['a'] }, { id: 'c2', properties: ['a'] }, { id: 'c3' }, { id: 'gone' }]
  const reply = await post(sandbox, remove, { records })
  expect(((await reply.json()) as { results: { status: string }[] }).results.map(({ status }) => status)).toEqual([
    'ok',
    'ok',
    'ok',
    'ok',
  ])
  expect(sandbox.state()).toMatchObject({ contacts: { c1: { b: 2 } }, lists: { vip: ['c1'] } })
})

test('keeps lists as sets and forgets empty ones', async () => {
  const sandbox = await start()
  const record = { list: 'vip', id: 'c1' }
  await post(sandbox, '/crm/lists/members/batch/add', { records: [record, record, { list: '', id: 'c1' }] })
  expect(sandbox.state().lists).toEqual({ vip: ['c1'] })
  await post(sandbox, '/crm/lists/members/batch/remove', { records: [record, record] })
  expect(sandbox.state().lists).toEqual({})
})

test('makes one task for a change, however often it is asked for', async () => {
  const sandbox = await start({ now: () => Date.UTC(2026, 2, 2, 2) })
  const call = { id: 'L1', change_id: 't1', title: 'Call Ada', owner: 'maya', due_on: '2026-03-02', note: null }
  const ask = (records: unknown[]) => post(sandbox, '/crm/tasks/batch/create', { records })
  await ask([call])
  const bad = [
    { ...call, change_id: 't2', title: '' },
    { ...call, change_id: 't3', due_on: 'soon' },
  ]
  expect(await (await ask([call, ...bad])).json()).toMatchObject({
    results: [{ status: 'ok' }, { code: 'invalid_title' }, { code: 'invalid_due_on' }],
  })
  const { note: _, ...kept } = call
  expect(sandbox.state().tasks).toEqual([{ ...kept, received_at: '2026-03-02T02:00:00.000Z' }])
  expect(sandbox.state().counts.tasks).toBe(1)
})

test.each([
  ['not JSON', upsert, '{', 400, 'bad_request'],
  ['another shape', upsert, { contacts: [] }, 400, 'bad_request'],
  ['no record', upsert, { records: [] }, 400, 'bad_request'],
  [
    'too many records',
    upsert,
    { records: Array.from({ length: 101 }, (_, n) => contact(`c${n}`, {})) },
    400,
    'batch_too_large',
  ],
  ['too many bytes', upsert, { records: [contact('c1', { a: 'x'.repeat(1_000_000) })] }, 413, 'body_too_large'],
  ['no such route', '/crm/contacts', {}, 404, 'not_found'],
  ['a recipient that is no address', '/messages/email', { to: 'nope', subject: 'Hi' }, 422, 'invalid_recipient'],
  [
    'a mailbox that is gone',
    '/messages/email',
    { to: 'x@bounced.example.org', subject: 'Hi' },
    422,
    'bounced_recipient',
  ],
  ['an empty subject', '/messages/email', { to: 'a@example.com', subject: '' }, 422, 'invalid_subject'],
  ['a number that is not E.164', '/messages/sms', { to: '0123', text: 'Hi' }, 422, 'invalid_recipient'],
  ['an empty text', '/messages/sms', { to: '+447700900123', text: '' }, 422, 'invalid_text'],
])('refuses a request with %s whole', async (_what, path, body, status, code) => {
  const sandbox = await start()
  const reply = await post(sandbox, path, body)
  expect(reply.status).toBe(status)
  expect(await reply.json()).toMatchObject({ error: { code } })
  expect(sandbox.state().counts).toMatchObject({ contacts: 0, emails: 0, sms: 0 })
})

test('lets nobody in without the token', async () => {
  const sandbox = await start({ token: 'other' })
  expect((await post(sandbox, upsert, { records: [contact('c1', {})] })).status).toBe(401)
  expect((await fetch(`${sandbox.url}/account`)).status).toBe(401)
  expect((await fetch(`${sandbox.url}/account`, { headers: { authorization: 'Bearer other' } })).status).toBe(200)
  expect(sandbox.state().counts.contacts).toBe(0)
})

test('throttles with Retry-After and lets requests in again later', async () => {
  let now = 0
  const sandbox = await start({ requestsPerSecond: 2, now: () => now })
  const send = () => post(sandbox, upsert, { records: [contact('c1', {})] })
  expect([(await send()).status, (await send()).status]).toEqual([200, 200])
  const refused = await send()
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
  expect((await post(sandbox, '/messages/sms', { to: '+447700900123', text: 'other area' })).status).toBe(202)
  now += 1_000
  expect((await send()).status).toBe(200)
  expect(sandbox.state().counts.throttled).toBe(1)
})

test('answers a known idempotency key from memory for a day and refuses other bytes under it', async () => {
  let now = 0
  const sandbox = await start({ now: () => now })
  const send = (body: unknown) => post(sandbox, '/messages/email', body, { 'idempotency-key': 'k1' })
  const first = await (await send(mail('r1'))).json()
  const again = await send(mail('r1'))
  expect([again.status, await again.json(), again.headers.get('idempotent-replay')]).toEqual([202, first, 'true'])
  expect((await send(mail('r2'))).status).toBe(409)
  expect(sandbox.state().counts).toMatchObject({ emails: 1, duplicates: 0, replays: 1 })
  now += 24 * 3_600_000
  expect((await send(mail('r1'))).status).toBe(202)
  expect(sandbox.state().counts).toMatchObject({ emails: 2, duplicates: 1 })
  expect(sandbox.state().duplicates).toEqual([{ shared: 'r1', messages: ['m_1', 'm_2'] }])
})

test('counts an SMS that was sent twice as a duplicate, key or no key', async () => {
  const sandbox = await start()
  for (const _ of [1, 2])
    await post(
      sandbox,
      '/messages/sms',
      { to: '+447700900123', text: 'Hi', reference: 's1' },
      { 'idempotency-key': 'k' },
    )
  expect(sandbox.state().counts).toMatchObject({ sms: 2, duplicates: 1 })
})

test('a lost answer was applied, a reset was not, and both end the connection', async () => {
  const sandbox = await start({ faults: { lost: 1 } })
  await expect(post(sandbox, '/messages/email', mail('r1'))).rejects.toThrow()
  expect(sandbox.state().counts).toMatchObject({ emails: 1, faults: 1 })
  sandbox.chooseFaults({ reset: 1 })
  await expect(post(sandbox, '/messages/email', mail('r2'))).rejects.toThrow()
  expect(sandbox.state().counts).toMatchObject({ emails: 1, faults: 2 })
})

test('a timeout is never answered, is not applied, and does not keep the sandbox from closing', async () => {
  const sandbox = await start({ faults: { timeout: 1 } })
  const waiting = post(sandbox, '/messages/email', mail('r1')).then(
    () => 'answered',
    () => 'cut off',
  )
  while (sandbox.state().faults.timeout === 0) await new Promise(resolve => setTimeout(resolve, 5))
  await open.splice(0)[0]?.close()
  expect(await waiting).toBe('cut off')
  expect(sandbox.state().counts.emails).toBe(0)
})

test('server errors and refusals come with the API’s error body', async () => {
  const sandbox = await start({ faults: { '429': 1 } })
  const refused = await post(sandbox, upsert, { records: [contact('c1', {})] })
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
  expect(sandbox.state().counts.contacts).toBe(0)
  sandbox.chooseFaults({ '5xx': 1 })
  const failed = await post(sandbox, upsert, { records: [contact('c1', {})] })
  expect([500, 503]).toContain(failed.status)
  expect(await failed.json()).toMatchObject({ error: { message: 'a fault was chosen for this request' } })
})

test('the same seed meets the same requests with the same answers', async () => {
  const faults = parseFaults('5xx=20%,429=20%,lost=10%,reset=10%')
  const night = async (seed: number) => {
    const sandbox = await start({ faults, seed })
    const answers: (number | string)[] = []
    for (let n = 0; n < 30; n++) {
      answers.push(
        await post(sandbox, '/messages/email', mail(`r${n}`)).then(
          reply => reply.status,
          () => 'none',
        ),
      )
    }
    return [answers, sandbox.state().faults, sandbox.state().counts.emails]
  }
  const first = await night(5)
  expect(await night(5)).toEqual(first)
  expect(await night(6)).not.toEqual(first)
})

test('a memory file carries contacts, lists, tasks, messages and keys to the next process', async () => {
  const statePath = join(await tempFolder(), 'sandbox.db')
  const before = await start({ statePath })
  await post(before, upsert, { records: [contact('c1', { tier: 'gold' }), contact('c2', {}), contact('c3', { a: 1 })] })
  await post(before, remove, { records: [{ id: 'c3' }] })
  await post(before, '/crm/lists/members/batch/add', {
    records: [
      { list: 'vip', id: 'c1' },
      { list: 'vip', id: 'c2' },
    ],
  })
  await post(before, '/crm/lists/members/batch/remove', { records: [{ list: 'vip', id: 'c2' }] })
  await post(before, '/messages/email', mail('r1'), { 'idempotency-key': 'k1' })
  await post(before, '/crm/tasks/batch/create', { records: [{ id: 'c1', change_id: 't1', title: 'Call' }] })
  const remembered = before.state()
  await open.splice(0)[0]?.close()

  const after = await start({ statePath })
  expect(after.state()).toEqual(remembered)
  expect(
    (await post(after, '/messages/email', mail('r1'), { 'idempotency-key': 'k1' })).headers.get('idempotent-replay'),
  ).toBe('true')
  await fetch(`${after.url}/reset`, { method: 'POST' })
  await open.splice(0)[0]?.close()
  expect((await start({ statePath })).state().counts).toMatchObject({ contacts: 0, emails: 0, requests: 0 })
})

test('says so when the memory file is not one, or the port is taken', async () => {
  const path = join(await tempFolder(), 'not-a-database')
  await writeFile(path, 'just some text, long enough to be read as a header')
  await expect(start({ statePath: path })).rejects.toMatchObject({ problems: [{ code: 'A8503' }] })
  const { port } = await start()
  await expect(start({ port })).rejects.toMatchObject({
    problems: [{ code: 'A8502', message: `port ${port} is in use` }],
  })
})

test('shows its page and state only to local names, and takes a reset from no other site', async () => {
  const sandbox = await start()
  for (const path of ['/', '/state']) {
    expect(await getAs(sandbox, path, { host: 'evil.example' })).toBe(403)
    expect(await getAs(sandbox, path, { host: `localhost:${sandbox.port}` })).toBe(200)
  }
  const reset = (headers: Record<string, string>) => getAs(sandbox, '/reset', headers, 'POST')
  expect(await reset({ host: '127.0.0.1', origin: 'https://evil.example' })).toBe(403)
  expect(await reset({ host: '127.0.0.1', origin: 'null' })).toBe(403)
  expect(await reset({ host: '127.0.0.1' })).toBe(204)
})

test('GET /state is the document that the API describes', async () => {
  const sandbox = await start({ now: () => Date.UTC(2026, 2, 1, 2) })
  await post(sandbox, '/messages/email', mail('r1', { template: 'renewal', data: { days: 7 } }), {
    'idempotency-key': 'k1',
  })
  const state = await (await fetch(`${sandbox.url}/state`)).json()
  expect(state).toMatchObject({
    counts: {
      requests: 1,
      contacts: 0,
      lists: 0,
      members: 0,
      emails: 1,
      sms: 0,
      throttled: 0,
      faults: 0,
      replays: 0,
      duplicates: 0,
    },
    messages: [
      {
        id: 'm_1',
        channel: 'email',
        to: 'ada@example.com',
        subject: 'Hi',
        reference: 'r1',
        data: { days: 7 },
        idempotency_key: 'k1',
        received_at: '2026-03-01T02:00:00.000Z',
      },
    ],
  })
})
