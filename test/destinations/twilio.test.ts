/** Nights against a Twilio that behaves like one: the whole engine, over real sockets, with crashes, lost answers and callbacks. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Listening } from '../../src/callbacks/listen.ts'
import { listenForCallbacks } from '../../src/callbacks/listen.ts'
import { signatureOf } from '../../src/destinations/twilio.ts'
import type { RunDocument } from '../../src/run.ts'
import type { Wired } from '../../src/wire.ts'
import { shell } from '../cli/activate.ts'
import { finish, activate as process_, start } from '../e2e/command-line.ts'
import { makeProject, type TestProject } from '../e2e/project.ts'
import { account, callOf, startTwilio, type Twilio } from '../vendors/twilio.ts'

const token = 's3cret-token'
/** As Twilio knows it; a proxy stands between it and the port. */
const url = 'https://hooks.example.com/callbacks/sms?team=crm'

let far: Twilio
let project: TestProject
const env = { SECRET_TOKEN: token, NO_COLOR: '1' }
const activate = (...args: readonly string[]) => shell(() => project.root, env)(...args)

const settings = () => `
name: acme
sources:
  people: { csv: data/people.csv, columns: { id: { type: string }, phone: { type: string } } }
destinations:
  sms:
    type: twilio
    account_sid: ${account}
    auth_token: \${env:SECRET_TOKEN}
    from: "+15005550006"
    whatsapp_from: "+14155238886"
    status_callback: ${url}
    base_url: ${far.url}
    allow_private_network: true
    requests_per_second: 1000
identity:
  entity: customer
  key: id
  identifiers: { phone: { normalise: e164 } }
  links: [links]
`

const ada = '+447700900101'
const bob = '+447700900102'
const cy = '+447700900103'
const people = (...rows: readonly (readonly [string, string])[]) =>
  `id,phone\n${rows.map(([id, phone]) => `${id},${phone}`).join('\n')}\n`

const sync = (name: string, action = 'sms', more = '') => `
model: everyone
destination: sms
action: ${action}
mode: trigger
trigger: { on: enter, reentry: never, first_run: send }
channel: sms
purpose: service
fields:
  to: phone
  body: { value: "Hello from ${name}" }
${more}`

beforeEach(async () => {
  far = await startTwilio(token)
  project = await makeProject({
    'activate.yml': settings(),
    'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, phone from {{source "people"}}\n',
    'models/links.sql':
      "/*---\nkey: left_value\n---*/\nselect 'id' as left_type, id as left_value, 'phone' as right_type, phone as right_value from {{source \"people\"}}\n",
    'syncs/hello.yml': sync('hello'),
    'data/people.csv': people(['ada', ada], ['bob', bob], ['cy', cy]),
  })
})

afterEach(async () => {
  await project.remove()
  await far.close()
})

async function run(...args: readonly string[]): Promise<RunDocument['runs'][number]> {
  const { stdout, stderr } = await activate('run', '--json', ...args)
  const [summary] = (JSON.parse(stdout || '{"runs":[]}') as RunDocument).runs
  if (summary === undefined) throw new Error(stderr)
  return summary
}

const sent = () => far.messages.map(({ to }) => to).sort()

describe('messages', () => {
  test('go out once each, and say where to report to and when they are stale', async () => {
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 3 }, requests: 3 })
    expect(sent()).toEqual([ada, bob, cy])
    expect(Object.fromEntries(far.messages[0]?.form ?? [])).toEqual({
      ...{ To: far.messages[0]?.to, From: '+15005550006', Body: 'Hello from hello', ValidityPeriod: '14400' },
      StatusCallback: url,
    })
    expect(await run()).toMatchObject({ requests: 0 })
  })

  test('by WhatsApp go to the same number under its own scheme', async () => {
    await project.write({ 'syncs/hello.yml': sync('hello', 'whatsapp') })
    await run()
    expect(sent()).toEqual([ada, bob, cy].map(number => `whatsapp:${number}`))
    expect(far.messages[0]?.form.get('From')).toBe('whatsapp:+14155238886')
  })

  test('that were refused because of too many at once, or a full queue, were not processed and go again', async () => {
    far.busy = 2
    expect(await run()).toMatchObject({ outcomes: { acked: 3, parked: 0 } })
    expect(sent()).toEqual([ada, bob, cy])
  })

  test('leave no faster than their sender takes them, whichever sync sends them, and other senders go on', async () => {
    far.quotas = [{ of: ({ body }) => body.includes('15005550006'), requests: 4, milliseconds: 3_600_000 }]
    const limited = settings().replace(
      '    requests_per_second: 1000\n',
      '    requests_per_second: 1000\n    limits_of: { sms: [{ requests: 4, per: 1h }] }\n',
    )
    await project.write({
      'activate.yml': limited,
      'syncs/again.yml': sync('again'),
      'syncs/chat.yml': sync('chat', 'whatsapp'),
    })
    const { stdout } = await activate('run', '--json')
    const { runs } = JSON.parse(stdout) as RunDocument
    const acked = Object.fromEntries(runs.map(({ sync: name, outcomes }) => [name, outcomes.acked]))
    expect((acked.hello ?? 0) + (acked.again ?? 0)).toBe(4)
    expect(acked.chat).toBe(3)
    expect([far.messages.length, far.refused.length]).toEqual([7, 0])
  })

  test('to numbers that are none are refused for good, and the others go out', async () => {
    await project.write({ 'data/people.csv': people(['ada', ada], ['bad', '+447700900000']) })
    expect(await run()).toMatchObject({ outcomes: { acked: 1, rejected: 1 } })
    expect((await activate('inspect', 'bad')).stdout).toContain('21211')
  })

  test('whose answers were lost are parked, and nobody gets two', async () => {
    far.fault = ({ method, body }) => (method === 'POST' && body.includes('0102') ? 'lost' : undefined)
    expect(await run()).toMatchObject({ outcomes: { acked: 2, parked: 1 } })
    far.fault = () => undefined
    await run()
    expect(sent()).toEqual([ada, bob, cy])
  })

  test.each([
    'send.after=kill',
    'ledger.conclude.after:2=kill',
  ])('nobody gets two after a run that died at %s', async place => {
    process.env.ACTIVATE_FAILPOINT = place
    try {
      expect((await process_(project.root, 'run')).code).toBeNull()
    } finally {
      delete process.env.ACTIVATE_FAILPOINT
    }
    const next = await run()
    const parked = next.plan?.reasons['unresolved.parked'] ?? 0
    const keys = far.messages.map(({ to }) => to)
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys.length).toBeGreaterThanOrEqual(3 - parked)
  })

  test('stop where the credentials are wrong, and nothing counts as refused', async () => {
    await project.write({
      'activate.yml': settings().replace(`account_sid: ${account}`, `account_sid: AC${'b'.repeat(32)}`),
    })
    expect(await run()).toMatchObject({ outcomes: { acked: 0, rejected: 0, pending: 3 } })
  })
})

test('the doctor tries the credentials without sending anything', async () => {
  expect((await activate('doctor')).stdout).toContain('reachable, credentials accepted')
  const wrong = shell(() => project.root, { SECRET_TOKEN: 'another', NO_COLOR: '1' })
  expect((await wrong('doctor')).stdout).toContain('check its credentials')
  expect(far.messages).toEqual([])
})

describe('somebody who answered STOP', () => {
  test('is suppressed as soon as Twilio refuses a message for it: no sync of the channel writes to them again', async () => {
    far.stopped.add(bob)
    expect(await run()).toMatchObject({ outcomes: { acked: 2, rejected: 1 } })
    await project.write({ 'syncs/again.yml': sync('again') })
    far.stopped.delete(bob)
    const again = await run('--select', 'again')
    expect(again.outcomes).toMatchObject({ acked: 2 })
    expect(sent().filter(number => number === bob)).toEqual([])
    const { stdout } = await activate('audit', '--json')
    expect(stdout).toContain('"by": "destination:sms"')
    expect(stdout).not.toContain(bob)
  })
})

describe('callbacks', () => {
  let wired: Wired
  let listening: Listening
  let said: string[]

  beforeEach(async () => {
    await run()
    said = []
    wired = await project.open({ env })
    const context = {
      project: wired.project,
      callbacks: wired.callbacks(),
      ledger: await wired.ledger(),
      now: () => Date.now(),
      log: (destination: string, message: string) => said.push(`${destination}: ${message}`),
    }
    listening = await listenForCallbacks(context, { host: '127.0.0.1', port: 0 })
  })
  afterEach(async () => {
    await listening.close()
    await wired.close()
  })

  const call = (parameters: Readonly<Record<string, string>>, signed = token) =>
    fetch(`${listening.url}/callbacks/sms`, callOf({ url, token: signed }, parameters))
  const sidOf = (number: string) => far.messages.find(({ to }) => to === number)?.sid ?? ''
  const statusOf = (number: string, status: string, more: Readonly<Record<string, string>> = {}) => ({
    ...{ AccountSid: account, MessageSid: sidOf(number), MessageStatus: status, To: number, From: '+15005550006' },
    ...more,
  })

  test('stand with the change that they are about, in inspect and history', async () => {
    expect((await call(statusOf(ada, 'sent'))).status).toBe(204)
    expect((await call(statusOf(ada, 'delivered'))).status).toBe(204)
    expect((await call(statusOf(bob, 'undelivered', { ErrorCode: '30003' }))).status).toBe(204)
    expect((await activate('inspect', 'ada')).stdout).toContain('acknowledged; reported sent, delivered')
    expect((await activate('inspect', 'bob')).stdout).toContain('acknowledged; reported undelivered (30003)')
    const history = (await activate('history', '--json')).json() as { runs: readonly { reports: unknown }[] }
    expect(history.runs[0]?.reports).toEqual({ delivered: 1, undelivered: 1 })
    expect((await activate('history')).stdout).toContain('1 reported delivered; 1 reported undelivered')
    // What was acknowledged stays so: a message that did not arrive is not sent again by itself.
    expect(await run()).toMatchObject({ requests: 0 })
  })

  test('that come twice count once', async () => {
    await call(statusOf(ada, 'delivered'))
    await call(statusOf(ada, 'delivered'))
    expect((await activate('inspect', 'ada')).stdout).toMatch(/reported delivered\n?$/m)
  })

  test.each([
    ['another token', (parameters: Readonly<Record<string, string>>) => call(parameters, 'guessed')],
    [
      'no signature',
      (parameters: Readonly<Record<string, string>>) =>
        fetch(`${listening.url}/callbacks/sms`, { method: 'POST', body: new URLSearchParams(parameters) }),
    ],
    [
      'the signature of another call',
      (parameters: Readonly<Record<string, string>>) => {
        const { headers } = callOf({ url, token }, { ...parameters, MessageStatus: 'sent' })
        return fetch(`${listening.url}/callbacks/sms`, {
          method: 'POST',
          headers,
          body: new URLSearchParams(parameters),
        })
      },
    ],
  ])('with %s are refused, and nothing of them is written', async (_what, forged) => {
    const inbound = { From: bob, To: '+15005550006', Body: 'STOP', OptOutType: 'STOP', MessageSid: 'SM1' }
    expect((await forged(statusOf(ada, 'delivered'))).status).toBe(403)
    if (_what !== 'the signature of another call') expect((await forged(inbound)).status).toBe(403)
    expect((await activate('inspect', 'ada')).stdout).not.toContain('reported')
    expect(await (await wired.ledger()).newestSuppression()).toBe(0)
  })

  test.each([
    ['the number that wrote STOP', 'by-twilio'],
    ['a number that a person suppressed', 'by-hand'],
  ])('a START of %s lifts nothing by itself, and is told to whoever watches', async (_whose, by) => {
    const inbound = { From: bob, To: '+15005550006', MessageSid: 'SM9' }
    if (by === 'by-hand') expect((await activate('suppress', bob)).code).toBe(0)
    else await call({ ...inbound, OptOutType: 'STOP' })
    expect((await call({ ...inbound, OptOutType: 'START', Body: 'Unstop' })).status).toBe(204)
    expect(said.join()).toContain('took back an opt-out')
    expect(said.join()).not.toContain(bob)
    await project.write({ 'syncs/again.yml': sync('again') })
    await activate('run', '--select', 'again')
    expect(sent().filter(number => number === bob)).toHaveLength(1)
    // A START that comes once more, or late, changes as little.
    await call({ ...inbound, OptOutType: 'START' })
    const channel = by === 'by-hand' ? [] : ['--channel', 'sms']
    const lifted = await activate('suppress', bob, ...channel, '--lift')
    expect(lifted.code).toBe(0)
    await project.write({ 'syncs/later.yml': sync('later') })
    await activate('run', '--select', 'later')
    expect(sent().filter(number => number === bob)).toHaveLength(2)
  })

  test('to a destination that does not exist, or that cannot be read, are refused', async () => {
    const elsewhere = await fetch(`${listening.url}/callbacks/mail`, { method: 'POST', body: 'a=b' })
    expect(elsewhere.status).toBe(404)
    expect((await call({ MessageStatus: 'delivered' })).status).toBe(400)
    expect((await call({ From: bob, Body: 'thanks!', SmsStatus: 'received', MessageSid: 'SM1' })).status).toBe(204)
  })

  test.each([
    ['a STOP', () => ({ From: bob, To: '+15005550006', Body: 'Stop', OptOutType: 'STOP', MessageSid: 'SM9' })],
    [
      'a STOP on WhatsApp',
      () => ({ From: `whatsapp:${bob}`, To: 'whatsapp:+1', OptOutType: 'STOP', MessageSid: 'SM9' }),
    ],
    ['a message that failed because of one', () => statusOf(bob, 'failed', { ErrorCode: '21610' })],
  ])('%s keeps the person from being written to again', async (_what, parameters) => {
    expect((await call(parameters())).status).toBe(204)
    await project.write({ 'syncs/again.yml': sync('again') })
    expect((await run('--select', 'again')).outcomes).toMatchObject({ acked: 2 })
    expect(
      far.messages
        .slice(3)
        .map(({ to }) => to)
        .sort(),
    ).toEqual([ada, cy])
    expect(said.join()).not.toContain(bob)
  })
})

describe('activate callbacks', () => {
  test('says where it listens, takes calls until it is stopped, and ends well', async () => {
    await run()
    const child = start(project.root, 'callbacks', '--port', '0', '--json')
    const finished = finish(child)
    const address = await new Promise<string>(resolve => {
      child.stdout?.once('data', chunk => resolve((JSON.parse(String(chunk)) as { paths: string[] }).paths[0] ?? ''))
    })
    const parameters = { MessageSid: far.messages[0]?.sid ?? '', MessageStatus: 'delivered' }
    expect((await fetch(address, callOf({ url, token }, parameters))).status).toBe(204)
    child.kill('SIGTERM')
    expect((await finished).code).toBe(0)
    const reached = Object.entries({ ada, bob, cy }).find(([, number]) => number === far.messages[0]?.to)?.[0] ?? ''
    expect((await activate('inspect', reached)).stdout).toContain('reported delivered')
  })

  test.each([
    ['A5032', () => settings().replace(`    status_callback: ${url}\n`, ''), 'status_callback'],
    ['A5030', () => settings().replace('{ phone: { normalise: e164 } }', '{ phone: {} }'), 'identity'],
    [
      'A5031',
      () => settings().replace(/ {2}sms:[\s\S]*identity:/, '  out: { type: file, path: out, format: csv }\nidentity:'),
      '',
    ],
  ])('listens for nothing that could not be believed or kept: %s', async (code, yml, says) => {
    await project.write({ 'activate.yml': yml(), 'syncs/hello.yml': sync('hello').replace('enabled', '') })
    if (code === 'A5031')
      await project.write({
        'syncs/hello.yml': 'model: everyone\ndestination: out\naction: write\nmode: upsert\nfields: { phone: phone }\n',
      })
    const { code: exit, stderr } = await activate('callbacks', '--port', '0')
    expect(stderr).toContain(code)
    expect(stderr).toContain(says)
    expect(exit).toBe(7)
  })
})

test("signs as Twilio's documentation does", () => {
  // The worked example of "Security: validating requests", twilio.com/docs (read 2026-11).
  const parameters = new URLSearchParams({
    ...{ CallSid: 'CA1234567890ABCDE', Caller: '+12349013030', Digits: '1234' },
    ...{ From: '+12349013030', To: '+18005551212' },
  })
  const calledAt = 'https://mycompany.com/myapp.php?foo=1&bar=2'
  expect(signatureOf('12345', calledAt, parameters)).toBe('0/KCTR6DLpKmkAf8muzZqo1nDgQ=')
})

test('the settings of the project say which credentials and which senders there are', async () => {
  await project.write({ 'activate.yml': settings().replace(/ {4}auth_token.*\n/, '') })
  expect((await activate('validate')).stderr).toContain('give the token, or an API key')
  await project.write({ 'activate.yml': settings().replace(/ {4}from: .*\n/, '') })
  expect((await activate('validate')).stderr).toContain('has no action "sms"')
})
