/** A run dies with a message on its way; before the next one, the person withdraws in the warehouse. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runSyncs } from '../../src/run.ts'
import { start as startArmed } from '../torture/child.ts'
import { makeProject, runOptions, type TestProject, withProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

let far: Receiver
let project: TestProject

const consents = (ofAnna: string) => `customer_id,channel,purpose,status,updated_at
anna,email,marketing,${ofAnna},2026-01-02
ben,email,marketing,granted,2026-01-01
`

const message = (action: string, more = '') => `
model: people
destination: hook
action: ${action}
mode: trigger
trigger: { on: enter, reentry: never, first_run: send }
channel: email
purpose: marketing
fields: { to: email }
${more}`

beforeEach(async () => {
  far = await startReceiver()
  project = await makeProject({
    'activate.yml': `
name: acme
sources:
  people: { csv: data/people.csv }
  consents: { csv: data/consents.csv }
destinations:
  hook:${receiverSettings(far.url).replace('concurrency: 4', 'concurrency: 1')}
identity: { entity: customer, key: customer_id, identifiers: { email: { normalise: email } } }
policies:
  consent: { model: consents, default: { communications: deny, data: allow } }
  suppression: [{ csv: lists/do_not_contact.csv, column: email, identifier: email, reason: do_not_contact }]
`,
    'models/people.sql': '/*---\nkey: customer_id\n---*/\nselect customer_id, email from {{source "people"}}\n',
    'models/consents.sql':
      '/*---\nkey: [customer_id, channel, purpose]\n---*/\nselect customer_id, channel, purpose, status, updated_at::timestamp as updated_at from {{source "consents"}}\n',
    'data/people.csv': 'customer_id,email\nanna,Anna@acme.example\nben,ben@acme.example\n',
    'data/consents.csv': consents('granted'),
    'lists/do_not_contact.csv': 'email\nnobody@acme.example\n',
  })
})

afterEach(async () => {
  await project.remove()
  await far.close()
})

/** The intent for the first request is on disk, and nothing has left. */
async function die(): Promise<void> {
  const run = ['run', '--as-of', '2026-03-01']
  const { signal } = await startArmed(project.root, run, { ACTIVATE_FAILPOINT: 'send.before=kill' }).ended
  expect(signal).toBe('SIGKILL')
  expect(far.received).toEqual([])
}

async function recover() {
  const { runs } = await withProject(project, wired => runSyncs(wired, wired.project.syncs, runOptions('2026-03-02')))
  return runs[0]
}

const told = () => far.received.map(({ key }) => key).sort()

const actions = [
  ['upsert', 'that may be sent again', ''],
  ['send_keyed', 'under a key', ''],
  ['send_lookup', 'that is asked about first', ''],
  ['send', 'that nothing protects, where the sync wants it resent', 'on_uncertain: resend\n'],
] as const

test.each(
  actions,
)('%s, a message %s, is not sent to somebody who withdrew consent since the run died', async (action, _, more) => {
  await project.write({ 'syncs/news.yml': message(action, more) })
  await die()
  await project.write({ 'data/consents.csv': consents('denied') })
  const run = await recover()
  expect([run?.status, told()]).toEqual(['succeeded', ['ben']])
})

test('who did not withdraw is sent to', async () => {
  await project.write({ 'syncs/news.yml': message('send_keyed') })
  await die()
  await recover()
  expect(told()).toEqual(['anna', 'ben'])
})

test('a list of addresses that has grown since the run died is heeded', async () => {
  await project.write({ 'syncs/news.yml': message('send_keyed') })
  await die()
  await project.write({ 'lists/do_not_contact.csv': 'email\nanna@ACME.example\n' })
  await recover()
  expect(told()).toEqual(['ben'])
})

test('a batch under a key that somebody in it withdrew from is parked whole, as its bytes cannot change', async () => {
  await project.write({ 'syncs/news.yml': message('send_keyed_batch') })
  await die()
  await project.write({ 'data/consents.csv': consents('denied') })
  const run = await recover()
  expect(run?.plan?.reasons).toMatchObject({ 'unresolved.parked': 1 })
  expect(told()).toEqual([])
})

test('consents that cannot be read stop the recovery, and nothing is sent', async () => {
  await project.write({ 'syncs/news.yml': message('send_keyed') })
  await die()
  await project.write({ 'data/consents.csv': consents('perhaps') })
  const run = await recover()
  expect([run?.status, run?.problems?.[0]?.code, told()]).toEqual(['failed', 'A4026', []])
  await project.write({ 'data/consents.csv': consents('granted') })
  await recover()
  expect(told()).toEqual(['anna', 'ben'])
})
