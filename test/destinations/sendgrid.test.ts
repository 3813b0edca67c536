/** Nights against a SendGrid that behaves like one: the whole engine, over real sockets, with crashes in between. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Listening, listenForCallbacks } from '../../src/callbacks/listen.ts'
import { eventWebhook } from '../../src/destinations/sendgrid-events.ts'
import type { PlanDocument, RunDocument } from '../../src/run.ts'
import type { Wired } from '../../src/wire.ts'
import { shell } from '../cli/activate.ts'
import { activate as process_ } from '../e2e/command-line.ts'
import { makeProject, type TestProject } from '../e2e/project.ts'
import { idOf, type Sendgrid, startSendgrid } from '../vendors/sendgrid.ts'

const key = 's3cret-token'
const list = 'a8f1c1de-9d0b-4d4e-8f57-3f0a5a3b1c11'

let far: Sendgrid
let project: TestProject
const activate = (...args: readonly string[]) =>
  shell(() => project.root, { SECRET_TOKEN: key, NO_COLOR: '1' })(...args)

const settings = (more = '') => `
name: acme
sources:
  people: { csv: data/people.csv }
destinations:
  mailer:
    type: sendgrid
    api_key: \${env:SECRET_TOKEN}
    base_url: ${far.url}
    allow_private_network: true
    requests_per_second: 1000
    job_poll: 50ms
    template_data: [first_name]
    custom_fields: { plan: w1_T }
${more}`

const people = (rows: readonly string[]) => `id,email,first_name,plan,template,contact_id\n${rows.join('\n')}\n`
const row = (name: string, plan = 'gold', email = `${name}@example.com`) =>
  `${name},${email},${name},${plan},d-1,${idOf(email)}`

const mailSync = `
model: everyone
destination: mailer
action: mail
mode: trigger
trigger: { on: enter, reentry: never, first_run: send }
fields:
  to: email
  template_id: template
  from: { value: hello@acme.example }
  first_name: first_name
`

const contactSync = (mode = 'audience') => `
model: everyone
destination: mailer
action: contacts
mode: ${mode}
guard: { max_leavers: 100% }
fields:
  email: email
  contact_id: contact_id
  list_id: { value: ${list} }
  plan: plan
`

beforeEach(async () => {
  far = await startSendgrid(key)
  project = await makeProject({
    'activate.yml': settings(),
    'models/everyone.sql':
      '/*---\nkey: id\n---*/\nselect id, email, first_name, nullif(plan, \'\') as plan, template, contact_id from {{source "people"}}\n',
    'data/people.csv': people(['ada', 'bob', 'cy'].map(name => row(name))),
  })
})

afterEach(async () => {
  await project.remove()
  await far.close()
})

async function run(): Promise<RunDocument['runs'][number]> {
  const { stdout, stderr } = await activate('run', '--json')
  const [summary] = (JSON.parse(stdout) as RunDocument).runs
  if (summary === undefined) throw new Error(stderr)
  return summary
}

/** A run in a process of its own, which dies at this place. */
async function dieAt(failpoint: string): Promise<void> {
  process.env.ACTIVATE_FAILPOINT = failpoint
  try {
    expect((await process_(project.root, 'run')).code).toBeNull()
  } finally {
    delete process.env.ACTIVATE_FAILPOINT
  }
}

const sent = () => far.mails.map(({ to }) => to.split('@')[0]).sort()

describe('mail', () => {
  beforeEach(() => project.write({ 'syncs/hello.yml': mailSync }))

  test('goes out once, many in one request, with the data of each', async () => {
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 3, pending: 0 }, requests: 1 })
    expect(far.mails.map(({ to, data }) => [to, data])).toEqual([
      ['ada@example.com', { first_name: 'ada' }],
      ['bob@example.com', { first_name: 'bob' }],
      ['cy@example.com', { first_name: 'cy' }],
    ])
    expect(await run()).toMatchObject({ requests: 0 })
  })

  test('to an address that SendGrid refuses goes to nobody else twice, and to everybody else once', async () => {
    const rows = [row('ada'), row('bad', 'gold', 'bad@x.invalid'), row('bob'), row('worse', 'gold', 'worse@x.invalid')]
    await project.write({ 'data/people.csv': people(rows) })
    expect(await run()).toMatchObject({ outcomes: { acked: 2, rejected: 2, parked: 0, pending: 0 }, requests: 2 })
    expect(sent()).toEqual(['ada', 'bob'])
    const { stdout } = await activate('inspect', 'bad')
    expect(stdout).toContain('personalizations.1.to: Does not contain a valid address.')
  })

  test('by two templates goes in two requests', async () => {
    await project.write({ 'data/people.csv': people([row('ada'), row('bob').replace('d-1', 'd-2')]) })
    expect(await run()).toMatchObject({ outcomes: { acked: 2 }, requests: 2 })
  })

  test('that SendGrid refuses whole, naming nobody, is refused record by record', async () => {
    await project.write({
      'data/people.csv': people([row('ada').replace('d-1', 'd-unknown'), row('bob').replace('d-1', 'd-unknown')]),
    })
    expect(await run()).toMatchObject({ outcomes: { acked: 0, rejected: 2 } })
    expect(far.mails).toEqual([])
  })

  test('whose answer was lost is never sent again by itself', async () => {
    far.fault = ({ path }) => (path === '/v3/mail/send' ? 'lost' : undefined)
    expect(await run()).toMatchObject({ outcomes: { acked: 0, parked: 3 } })
    far.fault = () => undefined
    await run()
    expect(sent()).toEqual(['ada', 'bob', 'cy'])
  })

  test('of a run that died before it could write the answer down is parked as well', async () => {
    await dieAt('send.after=kill')
    await run()
    expect(sent()).toEqual(['ada', 'bob', 'cy'])
    expect((await run()).plan?.reasons['unresolved.parked']).toBe(3)
  })

  test('waits where the headers say that nothing is left', async () => {
    far.remaining.mail = 0
    expect(await run()).toMatchObject({ outcomes: { acked: 3 } })
    expect(far.calls.length).toBe(2)
  })

  test('that has used up its own limit for an hour waits, and contacts do not wait for it', async () => {
    far.remaining.mail = 1
    far.resetIn = 3_600
    await project.write({
      'activate.yml': settings('    recipients_per_request: 1\n    concurrency: 1\n'),
      'syncs/list.yml': contactSync(),
    })
    const { runs } = JSON.parse((await activate('run', '--json')).stdout) as RunDocument
    const [hello, contacts] = ['hello', 'list'].map(name => runs.find(({ sync }) => sync === name))
    expect(hello).toMatchObject({ problems: [{ code: 'A6060' }], outcomes: { acked: 1, pending: 2 } })
    expect(contacts).toMatchObject({ status: 'succeeded', outcomes: { acked: 3 } })
  })

  test('keeps the rate that the project knows of its endpoint, and a dry-run says how long that takes', async () => {
    far.quotas = [{ of: ({ path }) => path === '/v3/mail/send', requests: 2, milliseconds: 3_600_000 }]
    await project.write({
      'activate.yml': settings('    recipients_per_request: 1\n    limits_of: { mail: [{ requests: 2, per: 1h }] }\n'),
      'data/people.csv': people(Array.from({ length: 9 }, (_, index) => row(`p${index}`))),
    })
    const planned = JSON.parse((await activate('dry-run', '--json')).stdout) as PlanDocument
    expect(planned.plans[0]).toMatchObject({ requests: 9, seconds_at_limit: 16_200 })
    const summary = await run()
    expect(summary).toMatchObject({ outcomes: { acked: 2, pending: 7 }, requests: 2, retries: 0 })
    expect(summary.problems).toMatchObject([{ code: 'A6060', message: expect.stringContaining('for mail/send, 2') }])
    expect(far.refused).toEqual([])
  })
})

describe('contacts', () => {
  beforeEach(() => project.write({ 'syncs/list.yml': contactSync() }))

  const members = () =>
    [...far.contacts].filter(([, { lists }]) => lists.has(list)).map(([email]) => email.split('@')[0])

  test('are acknowledged when their job has ended, not before', async () => {
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 3, pending: 0 }, requests: 1 })
    expect(members()).toEqual(['ada', 'bob', 'cy'])
    expect(far.contacts.get('ada@example.com')).toMatchObject({ custom: { w1_T: 'gold' }, fields: {} })
    expect(far.calls.map(({ method }) => method)).toEqual(['PUT', 'GET', 'GET'])
  })

  test('of a run that died while its job went on are asked about, not sent again', async () => {
    far.pendingPolls = 0
    await dieAt('ledger.conclude.after=kill')
    expect(far.calls.map(({ method }) => method)).toEqual(['PUT'])
    expect(await run()).toMatchObject({ status: 'succeeded', requests: 0 })
    expect(far.calls.map(({ method }) => method)).toEqual(['PUT', 'GET'])
    expect(members()).toEqual(['ada', 'bob', 'cy'])
    expect((await activate('inspect', 'ada')).stdout).toContain('acknowledged')
  })

  test('of a run that died before the job was written down are sent again, which changes nothing', async () => {
    far.pendingPolls = 0
    await dieAt('send.after=kill')
    await run()
    expect(far.jobs.size).toBe(2)
    expect(members()).toEqual(['ada', 'bob', 'cy'])
  })

  const refusedRows = (rows: readonly Record<string, unknown>[]) =>
    rows.map(({ email }) => [String(email), 'invalid email address'])

  test.each([
    ['CSV', (rows: readonly Record<string, unknown>[]) => `email,error\n${refusedRows(rows).join('\n')}\n`],
    [
      'JSON',
      (rows: readonly Record<string, unknown>[]) =>
        JSON.stringify(refusedRows(rows).map(([email, message]) => ({ contact: { email }, message }))),
    ],
    [
      'lines of JSON',
      (rows: readonly Record<string, unknown>[]) =>
        refusedRows(rows)
          .map(([email, reason]) => JSON.stringify({ email: String(email).toUpperCase(), reason }))
          .join('\n'),
    ],
  ])('that the job did not take are known from its file (%s), and nothing is sent twice', async (_form, file) => {
    far.pendingPolls = 0
    far.file = file
    const rows = [row('ada'), row('bad', 'gold', 'bad@x.invalid'), row('bob'), row('worse', 'gold', 'worse@x.invalid')]
    await project.write({ 'data/people.csv': people(rows) })
    expect(await run()).toMatchObject({ outcomes: { acked: 2, rejected: 2, pending: 0 }, requests: 1 })
    expect(members()).toEqual(['ada', 'bob'])
    expect([far.jobs.size, far.calls.filter(({ path }) => path.startsWith('/files/')).length]).toEqual([1, 1])
    const { stdout } = await activate('inspect', 'bad')
    expect(stdout).toContain('invalid email address')
    expect(stdout).not.toContain('signature=s3')
  })

  test.each([
    ['names a row instead of a contact', () => 'row,error\n2,invalid\n'],
    ['names fewer than the job refused', () => 'email,error\nbad@x.invalid,invalid\n'],
    ['names somebody else as well', () => 'email,other,error\nbad@x.invalid,ada@example.com,invalid\n'],
    ['is none that can be read', () => '\u0000\u0001"'],
    ['is empty', () => ''],
  ])('are found by halving where the file %s', async (_what, file) => {
    far.pendingPolls = 0
    far.file = file
    const rows = [row('ada'), row('bad', 'gold', 'bad@x.invalid'), row('bob'), row('worse', 'gold', 'worse@x.invalid')]
    await project.write({ 'data/people.csv': people(rows) })
    expect(await run()).toMatchObject({ outcomes: { acked: 2, rejected: 2, pending: 0 } })
    expect(members()).toEqual(['ada', 'bob'])
    expect(far.jobs.size).toBeGreaterThan(1)
  })

  test('that the job did not take are found by halving, and the others are taken', async () => {
    far.pendingPolls = 0
    await project.write({ 'data/people.csv': people([row('ada'), row('bad', 'gold', 'bad@x.invalid')]) })
    expect(await run()).toMatchObject({ outcomes: { acked: 1, rejected: 1, pending: 0 } })
    expect(members()).toEqual(['ada'])
  })

  test('whose job never ends stay pending, and are never acknowledged', async () => {
    far.stuck = true
    await project.write({ 'activate.yml': settings('    job_deadline: 1s\n') })
    expect(await run()).toMatchObject({ status: 'partial', outcomes: { acked: 0, pending: 3 } })
    far.stuck = false
    far.pendingPolls = 0
    expect(await run()).toMatchObject({ outcomes: { acked: 3 } })
  })

  test('keep what is not mapped, clear what is NULL, and leave their list by their id there', async () => {
    far.pendingPolls = 0
    await run()
    await project.write({ 'data/people.csv': people([row('ada', ''), row('bob')]) })
    await project.write({ 'syncs/list.yml': contactSync('mirror') })
    await run()
    expect(members()).toEqual(['ada', 'bob'])
    expect(far.contacts.get('ada@example.com')?.custom).toEqual({ w1_T: '' })
    expect(far.contacts.get('cy@example.com')).toMatchObject({ custom: { w1_T: 'gold' } })
    expect(far.calls.filter(({ method }) => method === 'DELETE')).toHaveLength(1)
  })
})

describe('what a project asks for', () => {
  test('is tried by the doctor, without any effect there', async () => {
    expect((await activate('doctor')).stdout).toContain('reachable, credentials accepted')
    const wrong = shell(() => project.root, { SECRET_TOKEN: 'another', NO_COLOR: '1' })
    expect((await wrong('doctor')).stdout).toContain('check its credentials')
    expect([far.mails.length, far.jobs.size]).toEqual([0, 0])
  })

  test('is checked before anything runs: an unknown field names the nearest, a missing one its sync', async () => {
    await project.write({
      'syncs/hello.yml': mailSync
        .replace('  first_name: first_name', '  frist_name: first_name')
        .replace('  to: email\n', ''),
    })
    const { code, stderr } = await activate('validate')
    expect(code).toBe(7)
    expect(stderr).toMatch(
      /"mail" has no field "frist_name"[\s\S]*syncs\/hello.yml:\d+[\s\S]*did you mean "first_name"/,
    )
    expect(stderr).toMatch(/"mail" needs the field "to"[\s\S]*syncs\/hello.yml:\d+/)
  })

  test('knows the custom fields of the project by their names', async () => {
    await project.write({ 'syncs/list.yml': contactSync().replace('  plan: plan', '  plam: plan') })
    expect((await activate('validate')).stderr).toMatch(/no field "plam"[\s\S]*did you mean "plan"/)
  })

  test('has what a leaver is taken off its list by, where leavers are taken off', async () => {
    await project.write({ 'syncs/list.yml': contactSync().replace('  contact_id: contact_id\n', '') })
    const { stderr } = await activate('validate')
    expect(stderr).toContain('leavers go to "list_removal", which needs the field "contact_id"')
    await project.write({ 'syncs/list.yml': contactSync('upsert').replace('  contact_id: contact_id\n', '') })
    expect((await activate('validate')).code).toBe(0)
  })

  test('may not give a field of its own the name of one that SendGrid has', async () => {
    await project.write({ 'activate.yml': settings().replace('[first_name]', '[to]') })
    expect((await activate('validate')).stderr).toContain('"to" is the name of a field already')
  })

  test('goes to the host of its region', async () => {
    const { sendgrid } = await import('../../src/destinations/sendgrid.ts')
    const of = (given: object) => sendgrid.baseUrl?.(sendgrid.settings.parse({ api_key: `\${env:K}`, ...given }))
    expect([of({}), of({ region: 'eu' })]).toEqual(['https://api.sendgrid.com', 'https://api.eu.sendgrid.com'])
  })
})

describe('events of mails', () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const publicKey = pair.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
  let wired: Wired
  let listening: Listening

  beforeEach(async () => {
    await project.write({
      'activate.yml': `${settings(`    event_webhook_key: ${publicKey}\n`)}
identity:
  entity: customer
  key: id
  identifiers: { email: { normalise: email } }
  links: [links]
`,
      'models/links.sql':
        "/*---\nkey: left_value\n---*/\nselect 'id' as left_type, id as left_value, 'email' as right_type, email as right_value from {{source \"people\"}}\n",
      'syncs/hello.yml': `${mailSync}channel: email\npurpose: service\n`,
    })
    await run()
    wired = await project.open({ env: { SECRET_TOKEN: key } })
    const context = { project: wired.project, callbacks: wired.callbacks(), ledger: await wired.ledger() }
    const more = { now: () => Date.now(), log: () => undefined }
    listening = await listenForCallbacks({ ...context, ...more }, { host: '127.0.0.1', port: 0 })
  })
  afterEach(async () => {
    await listening.close()
    await wired.close()
  })

  async function tell(events: readonly object[], signer = pair.privateKey): Promise<number> {
    const [at, body] = ['1588788367', JSON.stringify(events)]
    const headers = {
      'x-twilio-email-event-webhook-timestamp': at,
      'x-twilio-email-event-webhook-signature': sign('sha256', Buffer.from(at + body), signer).toString('base64'),
    }
    return (await fetch(`${listening.url}/callbacks/mailer`, { method: 'POST', headers, body })).status
  }
  const event = (name: string, outcome: string, more: object = {}) => {
    const mail = far.mails.find(({ to }) => to === `${name}@example.com`)
    return { email: mail?.to, event: outcome, activate_change_id: mail?.changeId, sg_message_id: 'x', ...more }
  }

  test('stand with the mail that they are about, and say nothing of who opened it', async () => {
    const bounce = event('bob', 'bounce', { status: '5.1.1', reason: '550 bob@example.com unknown' })
    expect(await tell([event('ada', 'processed'), event('ada', 'delivered'), event('ada', 'open'), bounce])).toBe(204)
    expect((await activate('inspect', 'ada')).stdout).toMatch(/acknowledged; reported processed, delivered\n?$/m)
    expect((await activate('inspect', 'bob')).stdout).toContain('reported bounce (5.1.1)')
  })

  test('that somebody unsubscribed, or complained, keep them from being mailed again', async () => {
    expect(await tell([event('bob', 'unsubscribe'), { email: 'cy@example.com', event: 'spamreport' }])).toBe(204)
    await project.write({ 'syncs/again.yml': `${mailSync}channel: email\npurpose: service\n` })
    expect((await activate('run', '--select', 'again')).code).toBe(0)
    expect(sent()).toEqual(['ada', 'ada', 'bob', 'cy'])
  })

  test('that SendGrid did not sign are refused, and nothing of them is written', async () => {
    const stranger = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    expect(await tell([event('ada', 'delivered'), event('ada', 'unsubscribe')], stranger.privateKey)).toBe(403)
    const bare = await fetch(`${listening.url}/callbacks/mailer`, { method: 'POST', body: '[]' })
    expect(bare.status).toBe(403)
    expect((await activate('inspect', 'ada')).stdout).not.toContain('reported')
    expect(await (await wired.ledger()).newestSuppression()).toBe(0)
  })

  test('are verified as SendGrid publishes it', () => {
    // The worked example in the tests of SendGrid's own library, sendgrid/sendgrid-nodejs (read 2026-11).
    const request = {
      headers: {
        'x-twilio-email-event-webhook-timestamp': '1588788367',
        'x-twilio-email-event-webhook-signature':
          'MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0=',
      },
      body: JSON.stringify({ category: 'example_payload', event: 'test_event', message_id: 'message_id' }),
    }
    const theirs =
      'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA=='
    expect(eventWebhook.verify({ event_webhook_key: theirs }, request)).toBe(true)
    expect(eventWebhook.verify({ event_webhook_key: theirs }, { ...request, body: `${request.body} ` })).toBe(false)
    expect(eventWebhook.verify({ event_webhook_key: publicKey }, request)).toBe(false)
  })

  test('need a key that is one', async () => {
    await project.write({ 'activate.yml': settings('    event_webhook_key: nonsense\n') })
    expect((await activate('validate')).stderr).toContain('the key as SendGrid shows it')
  })
})
