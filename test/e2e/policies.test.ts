import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Story } from '../../src/report/story.ts'
import type { PlanDocument, RunDocument } from '../../src/run.ts'
import { command as activate, finish, start, until } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

let far: Receiver
let project: TestProject

const projectFile = (policies: string) => `
name: acme
timezone: Europe/London
sources:
  people: { csv: data/people.csv }
  consents: { csv: data/consents.csv }
  links: { csv: data/links.csv }
destinations:
  hook:${receiverSettings(far.url).replace('concurrency: 4', 'concurrency: 1')}
identity:
  entity: customer
  key: customer_id
  identifiers: { email: { normalise: email }, phone: { normalise: e164, region: GB } }
  links: [identity_links]
policies:
${policies}
`

const all = `
  consent: { model: consents, default: { communications: deny, data: allow } }
  suppression:
    - { model: fraud_cases, reason: fraud }
    - { csv: lists/do_not_contact.csv, column: email, identifier: email, reason: do_not_contact }
  caps:
    - { name: marketing_email, channel: email, purposes: [marketing], max: 1, per: 7d }
`

const message = (name: string, priority: number) => `
model: ${name}
destination: hook
action: send
mode: trigger
trigger: { on: enter, reentry: always, first_run: send }
channel: email
purpose: marketing
priority: ${priority}
fields: { to: email, subject: { value: ${name} } }
`

const model = (name: string) => `/*---
key: customer_id
---*/
select customer_id, email, '${name}' as programme from {{source "people"}} where customer_id <= {{var "until"}}
`

const files = () => ({
  'activate.yml': `${projectFile(all)}vars: { until: z }\n`,
  'models/win_back.sql': model('win_back'),
  'models/checkout.sql': model('checkout'),
  'models/consents.sql':
    '/*---\nkey: [customer_id, channel, purpose]\n---*/\nselect customer_id, channel, purpose, status, updated_at::timestamp as updated_at, basis from {{source "consents"}}\n',
  'models/fraud_cases.sql': `/*---\nkey: customer_id\n---*/\nselect 'f' as customer_id\n`,
  'models/identity_links.sql':
    '/*---\nkey: left_value\n---*/\nselect left_type, left_value, right_type, right_value from {{source "links"}}\n',
  'syncs/win_back.yml': message('win_back', 10),
  'syncs/checkout.yml': message('checkout', 50),
  'syncs/crm.yml':
    'model: win_back\ndestination: hook\naction: upsert\nmode: mirror\nchannel: email\npurpose: marketing\nfields: { email: email }\n',
  'data/people.csv': `customer_id,email
a,a@acme.example
b,b@acme.example
d,D@Acme.example
e,e@acme.example
f,f@acme.example
g,g@acme.example
h,h@acme.example
`,
  'data/consents.csv': `customer_id,channel,purpose,status,updated_at,basis
a,email,marketing,granted,2026-01-01,consent
b,email,marketing,denied,2026-01-01,
d,email,marketing,granted,2026-01-01,consent
f,email,marketing,granted,2026-01-01,consent
g,email,marketing,granted,2026-01-01,consent
h,email,marketing,granted,2026-01-01,consent
`,
  'data/links.csv': `left_type,left_value,right_type,right_value
customer_id,g,phone,020 7946 0001
customer_id,h,phone,+44 20 7946 0001
`,
  'lists/do_not_contact.csv': 'name,email\nDora, d@acme.EXAMPLE\n',
})

beforeEach(async () => {
  far = await startReceiver()
  project = await makeProject(files())
})

afterEach(async () => {
  await project.remove()
  await far.close()
})

async function dryRun(asOf: string, ...args: readonly string[]) {
  const { stdout, stderr, json } = await activate(
    project.root,
    'dry-run',
    '--json',
    '--as-of',
    asOf,
    '--sample',
    '5',
    ...args,
  )
  if (stdout === '') throw new Error(stderr)
  return json<PlanDocument>().plans
}

async function run(asOf: string, ...args: readonly string[]) {
  const { code, json } = await activate(project.root, 'run', '--json', '--as-of', asOf, ...args)
  return { code, runs: json<RunDocument>().runs }
}

const mailed = () =>
  far.received.filter(({ path }) => path === '/messages').map(({ key, fields }) => `${key} ${fields.subject}`)

describe('a night with policies', () => {
  test('shows a reason per person, sends exactly what the dry run showed, and lets the sync of higher priority go first', async () => {
    const plans = await dryRun('2026-03-02T10:00:00Z')
    const [checkout, winBack] = plans
    expect(plans.map(({ sync }) => sync)).toEqual(['checkout', 'win_back', 'crm'])
    expect(checkout?.rows).toEqual({ model: 7, quarantined: 0, ineligible: 4, population: 3, unchanged: 0 })
    expect(checkout?.reasons).toEqual({
      'consent.denied': 1,
      'consent.missing': 1,
      'suppression.do_not_contact': 1,
      'suppression.fraud': 1,
      'duplicate.person': 1,
    })
    expect(checkout?.ineligible).toContainEqual({ key: 'd', reason: 'suppression.do_not_contact' })
    expect(winBack?.reasons['priority.outranked']).toBe(2)

    const { code, runs } = await run('2026-03-02T10:00:00Z')
    expect(code).toBe(0)
    expect(runs.map(({ sync, plan }) => [sync, plan?.plan_hash])).toEqual(
      plans.map(({ sync, plan_hash }) => [sync, plan_hash]),
    )
    expect(mailed().sort()).toEqual(['a checkout', 'g checkout'])
    const outranked = runs.find(({ sync }) => sync === 'win_back')?.plan
    expect(outranked?.reasons['priority.outranked']).toBe(2)
    expect([...far.records.keys()].sort()).toEqual(['a', 'e', 'g', 'h'])
  })

  test('tells how many records are how many people', async () => {
    const { stdout, stderr } = await activate(project.root, 'dry-run', '--as-of', '2026-03-02', '--select', 'checkout')
    expect(stderr).toContain(
      'People: 2 linked records are 1, 1 of them of several records, 100% of identifiers lead to one',
    )
    expect(stdout).toContain('· d  may not take part, suppression.do_not_contact')
  })

  test('tells of each person why they did or did not get it', async () => {
    await run('2026-03-02T10:00:00Z')
    const story = async (key: string) => (await activate(project.root, 'inspect', key, '--json')).json<Story>()
    const told = await story('b')
    expect(told.ineligible.map(({ sync, reason, until }) => [sync, reason, until])).toContainEqual([
      'checkout',
      'consent.denied',
      null,
    ])
    const events = (await story('a')).events.map(({ sync, decision, reason, basis }) => [sync, decision, reason, basis])
    expect(events).toContainEqual(['checkout', 'send', null, 'consent'])
    expect(events).toContainEqual(['win_back', 'defer', 'priority.outranked', null])
    expect((await activate(project.root, 'inspect', 'd')).stdout).toContain('because suppression.do_not_contact')
    expect((await activate(project.root, 'inspect', 'h')).stdout).toContain('is one person with g, known as g')
  })

  test('removes from the mirror who withdrew consent, and mails the deferred once the cap has room', async () => {
    await run('2026-03-02T10:00:00Z')
    const consents = files()['data/consents.csv']
    await project.write({ 'data/consents.csv': `${consents}a,email,marketing,denied,2026-03-03,\n` })
    await run('2026-03-10T10:00:00Z')
    expect([...far.records.keys()].sort()).toEqual(['e', 'g', 'h'])
    expect(mailed().sort()).toEqual(['a checkout', 'g checkout', 'g win_back'])
  })

  test('a merge keeps two records that became one from being mailed twice', async () => {
    await project.write({
      'data/links.csv': 'left_type,left_value,right_type,right_value\ncustomer_id,g,email,g@acme.example\n',
    })
    await run('2026-03-02T10:00:00Z', '--select', 'checkout')
    expect(mailed().sort()).toEqual(['a checkout', 'g checkout', 'h checkout'])
    await project.write({
      'data/people.csv': `${files()['data/people.csv']}i,i@acme.example\n`,
      'data/consents.csv': `${files()['data/consents.csv']}i,email,marketing,granted,2026-03-03,consent\n`,
      'data/links.csv':
        'left_type,left_value,right_type,right_value\ncustomer_id,g,email,shared@acme.example\ncustomer_id,i,email, Shared@Acme.example\n',
    })
    const { runs } = await run('2026-03-20T10:00:00Z', '--select', 'checkout')
    expect(runs[0]?.plan?.reasons['duplicate.person']).toBe(1)
    expect(mailed().length).toBe(3)
  })
})

describe('while a run is under way', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => `p${String(index).padStart(2, '0')}`)

  /** The destination takes the first request, and answers none before the gate is opened. */
  async function slowProgramme(): Promise<() => void> {
    const people = many(12)
    await project.write({
      'data/people.csv': `customer_id,email\n${people.map(key => `${key},${key}@acme.example\n`).join('')}`,
      'data/consents.csv': `customer_id,channel,purpose,status,updated_at,basis\n${people
        .map(key => `${key},email,marketing,granted,2026-01-01,consent\n`)
        .join('')}`,
    })
    let open = () => {}
    far.gate = new Promise(resolve => {
      open = resolve
    })
    return open
  }

  test('who opts out is not sent to any more, by whatever identifier', async () => {
    const open = await slowProgramme()
    const running = finish(
      start(project.root, 'run', '--json', '--as-of', '2026-03-02T10:00:00Z', '--select', 'checkout'),
    )
    await until(() => far.received.length > 0)
    for (const [value, identifier, reason] of [
      ['p11', 'customer_id', 'opt_out'],
      [' P10@Acme.example', 'email', 'complaint'],
    ] as const) {
      const args = ['suppress', value, '--identifier', identifier, '--reason', reason]
      expect((await activate(project.root, ...args)).code).toBe(0)
    }
    open()
    const { code, json } = await running
    const [run] = json<RunDocument>().runs
    expect([code, run?.status, run?.outcomes.acked, run?.outcomes.pending]).toEqual([0, 'succeeded', 10, 2])
    expect(mailed()).not.toContain('p11 checkout')
    expect(mailed()).not.toContain('p10 checkout')
    const [plan] = await dryRun('2026-03-09T11:00:00Z', '--select', 'checkout')
    expect(plan?.reasons).toEqual({ 'suppression.opt_out': 1, 'suppression.complaint': 1 })
  })

  test('a hold stops it, and a release lets the next run go on where it stood', async () => {
    const open = await slowProgramme()
    const running = finish(
      start(project.root, 'run', '--json', '--as-of', '2026-03-02T10:00:00Z', '--select', 'checkout'),
    )
    await until(() => far.received.length > 0)
    await activate(project.root, 'hold', 'checkout', '--reason', 'wrong price')
    open()
    const { code, json } = await running
    const [run] = json<RunDocument>().runs
    const sent = mailed().length
    expect([code, run?.status, run?.outcomes.acked]).toEqual([5, 'held', sent])
    expect(sent).toBeLessThan(12)
    expect((await again('2026-03-02T11:00:00Z')).code).toBe(5)
    await activate(project.root, 'release', 'checkout', '--reason', 'mended')
    expect((await again('2026-03-02T12:00:00Z')).code).toBe(0)
    expect(new Set(mailed()).size).toBe(12)
    expect(mailed().length).toBe(12)
  })

  test('a run that is killed leaves no room under a cap for what it may have sent', async () => {
    const open = await slowProgramme()
    const child = start(project.root, 'run', '--as-of', '2026-03-02T10:00:00Z', '--select', 'checkout')
    const killed = finish(child)
    await until(() => far.received.length > 0)
    child.kill('SIGKILL')
    expect((await killed).code).toBeNull()
    open()
    const other = await run('2026-03-02T11:00:00Z', '--select', 'win_back')
    expect(other.runs[0]?.plan?.reasons['priority.outranked']).toBe(12)
    expect(mailed().length).toBe(1)
    await again('2026-03-02T12:00:00Z')
    await run('2026-03-02T13:00:00Z', '--select', 'win_back')
    const people = mailed().map(text => text.split(' ')[0])
    expect(people.length, 'each of them once, by one programme').toBe(12)
    expect(new Set(people).size).toBe(12)
  })

  const again = (asOf: string) => run(asOf, '--select', 'checkout')
})

describe('bad policies', () => {
  const fails = async (changed: Readonly<Record<string, string>>) => {
    await project.write(changed)
    const answer = await activate(project.root, 'run', '--as-of', '2026-03-02', '--select', 'checkout')
    expect(mailed()).toEqual([])
    return answer
  }

  test('a consent that is neither yes nor no stops everything', async () => {
    const { code, stderr } = await fails({
      'data/consents.csv': `${files()['data/consents.csv']}a,email,marketing,maybe,2026-02-01,\n`,
    })
    expect(code).toBe(1)
    expect(stderr).toMatch(/A4026.*1 answers whose status is neither granted nor denied/s)
  })

  test('a suppression list that is gone is not an empty list', async () => {
    const { code, stderr } = await fails({
      'activate.yml': `${projectFile(all.replace('do_not_contact.csv', 'gone.csv'))}vars: { until: z }\n`,
    })
    expect(code).toBe(1)
    expect(stderr).toMatch(/A4024.*gone\.csv/s)
  })

  test('a model that does not say whom it is about is refused where a policy must know', async () => {
    const { code, stderr } = await fails({
      'models/checkout.sql': '/*---\nkey: email\n---*/\nselect email from {{source "people"}}\n',
    })
    expect(code).toBe(7)
    expect(stderr).toMatch(/A4021.*customer_id/s)
  })

  test('consents from the future and the same answer twice are no obstacle, and are told', async () => {
    await project.write({
      'data/consents.csv': `${files()['data/consents.csv']}e,email,marketing,granted,2027-01-01,\na,email,marketing,granted,2026-01-01,consent\n`,
    })
    const [plan] = await dryRun('2026-03-02T10:00:00Z', '--select', 'checkout')
    expect(plan?.warnings).toContain("1 consent is from the future of the run's clock and not counted yet")
    expect(plan?.reasons['consent.missing']).toBe(1)
  })
})
