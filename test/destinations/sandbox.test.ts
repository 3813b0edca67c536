import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Change } from '../../src/delivery/destination.ts'
import type { OpenDestination } from '../../src/delivery/open-destination.ts'
import { openDestination } from '../../src/delivery/registry.ts'
import { destinations } from '../../src/destinations/index.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts'

let sandbox: Sandbox
let now = 0
const opened: OpenDestination[] = []
beforeEach(async () => {
  now = 0
  sandbox = await startSandbox({ port: 0, faults: {}, seed: 1, token: 's3same', requestsPerSecond: 3, now: () => now })
})
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
  await sandbox.close()
})

async function open(
  type: 'crm' | 'messaging',
  token = 's3same',
  more: Readonly<Record<string, unknown>> = {},
): Promise<OpenDestination> {
  const place = { file: 'activate.yml', line: 1, column: 1 }
  const settings = { base_url: sandbox.url, token: `\${env:TOKEN}`, ...more }
  const own = { name: type, type, place, places: {}, settings }
  const destination = await openDestination(own, {
    definitions: destinations,
    env: { TOKEN: token },
    readFile: () => '',
    root: '/',
  })
  opened.push(destination)
  return destination
}

function send(destination: OpenDestination, action: string, ...changes: readonly Change[]) {
  return destination.attempt(destination.prepare(action, changes, 'k'), 0)
}

const change = (key: string, fields: Change['fields'], op: Change['op'] = 'enter'): Change => ({
  key,
  changeId: `of-${key}-${op}`,
  op,
  fields,
})

describe('the CRM', () => {
  test('takes good contacts, refuses bad ones alone, and gives back only what was sent', async () => {
    const crm = await open('crm')
    expect(
      await send(
        crm,
        'upsert_contacts',
        change('c1', { email: 'ada@example.com', tier: 'gold' }),
        change('c2', { email: 'nope' }),
      ),
    ).toMatchObject({
      kind: 'each',
      outcomes: [
        { changeId: 'of-c1-enter', outcome: 'acked' },
        { changeId: 'of-c2-enter', outcome: 'rejected', code: 'invalid_email' },
      ],
    })
    expect(await send(crm, 'remove_contacts', change('c1', { tier: 'gold' }, 'leave'))).toMatchObject({
      outcomes: [{ outcome: 'acked' }],
    })
    expect(sandbox.state().contacts).toEqual({ c1: { email: 'ada@example.com' } })
    expect(await send(crm, 'update_contacts', change('c9', { tier: 'gold' }, 'change'))).toMatchObject({
      outcomes: [{ outcome: 'rejected', code: 'not_found' }],
    })
  })

  test('keeps lists', async () => {
    const crm = await open('crm')
    await send(crm, 'add_to_list', change('c1', { list: 'at_risk' }), change('c2', { list: 'at_risk' }))
    await send(crm, 'remove_from_list', change('c1', { list: 'at_risk' }, 'leave'))
    expect(sandbox.state().lists).toEqual({ at_risk: ['c2'] })
  })

  test('throttles, refuses a wrong token, and proves a right one', async () => {
    expect(await send(await open('crm', 'wrong'), 'upsert_contacts', change('c1', {}))).toMatchObject({
      kind: 'denied',
    })
    const crm = await open('crm')
    expect(await crm.probe(0)).toEqual({ kind: 'acked' })
    const verdicts = []
    for (let n = 0; n < 4; n++) verdicts.push(await send(crm, 'upsert_contacts', change('c1', { n })))
    expect(verdicts.at(-1)).toMatchObject({ kind: 'retry', code: 'rate_limited', after: expect.any(Number) })
  })
})

describe('the messenger', () => {
  test('sends an e-mail once for its change, however often it is repeated, and refuses what it cannot send', async () => {
    const messaging = await open('messaging')
    const reminder = change('c1', { to: 'ada@example.com', subject: 'Your plan renews', body: null })
    expect(await send(messaging, 'send_email', reminder)).toEqual({ kind: 'acked' })
    expect(await send(messaging, 'send_email', reminder)).toEqual({ kind: 'acked' })
    expect(sandbox.state().messages).toHaveLength(1)
    expect(await send(messaging, 'send_email', change('c2', { to: 'nobody', subject: 'x' }))).toMatchObject({
      kind: 'refused',
      code: 'invalid_recipient',
    })
  })

  test('says when a key was used for another message', async () => {
    const messaging = await open('messaging')
    await send(messaging, 'send_email', change('c1', { to: 'ada@example.com', subject: 'one' }))
    expect(await send(messaging, 'send_email', change('c1', { to: 'ada@example.com', subject: 'two' }))).toMatchObject({
      kind: 'refused',
      code: 'idempotency_mismatch',
    })
  })

  test('sends an SMS each time', async () => {
    const messaging = await open('messaging')
    const text = change('c1', { to: '+447700900123', text: 'Your payment failed' })
    await send(messaging, 'send_sms', text)
    await send(messaging, 'send_sms', text)
    expect(sandbox.state().messages).toHaveLength(2)
  })

  test('is asked whether it has an SMS, where the settings say so, and finds it a little later', async () => {
    const messaging = await open('messaging', 's3same', { look_up_sms: true })
    expect(messaging.action('send_sms').idempotency).toEqual({ kind: 'lookup', settle: 5_000 })
    const [sent, lost] = ['c1', 'c2'].map(key => change(key, { to: '+447700900123', text: 'Your payment failed' }))
    if (sent === undefined || lost === undefined) throw new TypeError('there are two')
    await send(messaging, 'send_sms', sent)
    const ask = async () => {
      const answer = await messaging.ask('send_sms', [sent, lost], now)
      return answer.kind === 'each' ? answer.findings.map(({ finding }) => finding) : answer
    }
    expect(await ask()).toEqual(['absent', 'absent'])
    now = 5_000
    expect(await ask()).toEqual(['found', 'absent'])
    const stranger = await open('messaging', 'wrong', { look_up_sms: true })
    expect(await stranger.ask('send_sms', [sent], now)).toMatchObject({ kind: 'denied' })
  })
})
