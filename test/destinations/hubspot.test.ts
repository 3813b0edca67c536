import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { faultsOf } from '../../src/delivery/example-faults.ts'
import { checkDestinations } from '../../src/delivery/registry.ts'
import { hubspot as definition } from '../../src/destinations/hubspot.ts'
import { destinations } from '../../src/destinations/index.ts'
import { loadProject } from '../../src/project/load.ts'
import { type RunDocument, runSyncs } from '../../src/run.ts'
import { shell } from '../cli/activate.ts'
import { command, finish, start, until } from '../e2e/command-line.ts'
import { makeProject, runOptions, type TestProject, withProject } from '../e2e/project.ts'
import { quickClock } from '../e2e/quick-clock.ts'
import { type Hubspot, startHubspot } from '../vendors/hubspot.ts'

const token = 's3cret-token'
let hubspot: Hubspot
let project: TestProject

beforeEach(async () => {
  hubspot = await startHubspot(token)
  project = await makeProject({
    'activate.yml': activateYml(),
    'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, email, tier, score, record_id from {{source "people"}}\n',
    'data/people.csv': people([]),
  })
})

afterEach(async () => {
  await project.remove()
  await hubspot.close()
})

const activateYml = (objects = 'contacts: { upsert_by: customer_id }', more = '') => `
name: acme
sources:
  people:
    csv: data/people.csv
    columns: { id: { type: string }, score: { type: number }, record_id: { type: string }, tier: { type: string } }
destinations:
  crm:
    type: hubspot
    token: \${env:SECRET_TOKEN}
    base_url: ${hubspot.url}
    allow_private_network: true
    objects: { ${objects} }
${more}`

interface Person {
  readonly tier?: string
  readonly score?: number
  readonly record?: string
}

function people(rows: readonly (readonly [string, Person])[]): string {
  const lines = rows.map(([id, { tier = '', score = '', record = '' }]) =>
    [id, `${id}@example.com`, tier, score, record].join(','),
  )
  return `${['id,email,tier,score,record_id', ...lines].join('\n')}\n`
}

const some = (amount: number, person: (index: number) => Person = () => ({ tier: 'gold', score: 1 })) =>
  people(Array.from({ length: amount }, (_, index) => [`c${index}`, person(index)] as const))

const sync = (action: string, mode: string, fields: string) =>
  project.write({
    'syncs/everyone.yml': `model: everyone\ndestination: crm\naction: ${action}\nmode: ${mode}\nfields: { ${fields} }\n`,
  })

async function run(...[yes]: readonly '--yes'[]): Promise<RunDocument['runs'][number]> {
  const options = runOptions('2026-03-01T02:00:00Z', { yes: yes !== undefined })
  const document = await withProject(project, wired => runSyncs(wired, wired.project.syncs, options), {
    env: { SECRET_TOKEN: token },
    clock: quickClock(10),
  })
  const [summary] = document.runs
  if (summary === undefined) throw new TypeError('there is one sync')
  return summary
}

const contactOf = (id: string) => [...hubspot.contacts.values()].find(contact => contact.customer_id === id)
const properties = 'tier: tier, score: score, email: email'

describe('upserting contacts', () => {
  test.each([
    'trace',
    'nobody',
  ] as const)('writes changes, empties what is NULL and what a leaver had, when results name %s', async names => {
    hubspot.names = names
    await sync('upsert_contacts', 'mirror', properties)
    await project.write({ 'data/people.csv': some(150) })
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 150 }, requests: 2 })
    expect(contactOf('c7')).toEqual({ customer_id: 'c7', email: 'c7@example.com', tier: 'gold', score: '1' })
    await project.write({ 'data/people.csv': some(149, index => ({ tier: index === 7 ? '' : 'gold', score: 1 })) })
    expect(await run()).toMatchObject({ outcomes: { acked: 2 }, requests: 2 })
    expect(contactOf('c7')).toMatchObject({ tier: '', score: '1' })
    expect(contactOf('c149')).toEqual({ customer_id: 'c149', email: '', tier: '', score: '' })
    expect(await run()).toMatchObject({ outcomes: { acked: 0 }, requests: 0 })
  })

  test('rejects the one record that is refused by name inside a 200', async () => {
    await sync('upsert_contacts', 'mirror', properties)
    await project.write({ 'data/people.csv': some(120, index => ({ tier: index === 50 ? 'brass' : 'gold' })) })
    expect(await run()).toMatchObject({ status: 'partial', outcomes: { acked: 119, rejected: 1, pending: 0 } })
    expect([hubspot.contacts.size, contactOf('c50'), hubspot.calls.length]).toEqual([119, undefined, 2])
  })

  test('finds the one record for which a whole batch is refused', async () => {
    hubspot.mode = 'whole'
    await sync('upsert_contacts', 'mirror', properties)
    await project.write({ 'data/people.csv': some(40, index => ({ tier: index === 13 ? 'brass' : 'gold' })) })
    expect(await run()).toMatchObject({ status: 'partial', outcomes: { acked: 39, rejected: 1, pending: 0 } })
    expect([hubspot.contacts.size, contactOf('c13')]).toEqual([39, undefined])
  })

  test('finds those who are refused without being named, and takes nobody for refused or written by guess', async () => {
    hubspot.blames = false
    await sync('upsert_contacts', 'mirror', properties)
    await project.write({ 'data/people.csv': some(120, index => ({ tier: index % 50 === 7 ? 'brass' : 'gold' })) })
    expect(await run()).toMatchObject({ status: 'partial', outcomes: { acked: 117, rejected: 3, pending: 0 } })
    expect([hubspot.contacts.size, contactOf('c7'), contactOf('c57')]).toEqual([117, undefined, undefined])
  })

  test('never puts two records that mean the same into one batch', async () => {
    await sync('upsert_contacts', 'upsert', `customer_id: { column: email }, ${properties}`)
    const twins = ['a', 'b'].map(id => `${id},same@example.com,gold,1,`)
    await project.write({ 'data/people.csv': `id,email,tier,score,record_id\n${twins.join('\n')}\n` })
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 2 }, requests: 2 })
    expect(hubspot.contacts.size).toBe(1)
  })

  test('repeats what was lost after it was written, and what was locked, moved or behind a gateway', async () => {
    await sync('upsert_contacts', 'mirror', properties)
    await project.write({ 'data/people.csv': some(30) })
    const faults = [
      'lost',
      { status: 502 },
      { status: 524 },
      { status: 423, headers: { 'retry-after': '0' } },
      { status: 477, headers: { 'retry-after': '0' } },
    ]
    hubspot.fault = (_call, index) => faults[index] as ReturnType<Hubspot['fault']>
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 30, parked: 0 }, retries: 5 })
    expect(hubspot.contacts.size).toBe(30)
  })
})

test('who leaves and is gone at HubSpot counts as done, also where nobody is named', async () => {
  await project.write({ 'activate.yml': activateYml('contacts: {}'), 'data/people.csv': some(3) })
  for (const index of [0, 1, 2]) hubspot.contacts.set(String(index), { email: `c${index}@example.com` })
  await sync('update_contacts', 'mirror', properties)
  await run()
  hubspot.mode = 'whole'
  hubspot.contacts.delete('1')
  await project.write({ 'data/people.csv': some(1) })
  expect(await run('--yes')).toMatchObject({ status: 'succeeded', outcomes: { acked: 2, rejected: 0 } })
  expect(hubspot.contacts.get('2')).toMatchObject({ tier: '', score: '' })
})

test('updating by e-mail address refuses who is not there, and empties who leaves', async () => {
  await project.write({ 'activate.yml': activateYml('contacts: {}'), 'data/people.csv': some(3) })
  hubspot.contacts.set('1', { email: 'C0@Example.com' }).set('2', { email: 'c2@example.com' })
  await sync('update_contacts', 'mirror', properties)
  expect(await run()).toMatchObject({ status: 'partial', outcomes: { acked: 2, rejected: 1 } })
  expect(hubspot.contacts.get('1')).toMatchObject({ tier: 'gold', score: '1' })
  await project.write({ 'data/people.csv': some(2) })
  expect(await run()).toMatchObject({ outcomes: { acked: 1 } })
  expect(hubspot.contacts.get('2')).toEqual({ email: 'c2@example.com', tier: '', score: '' })
})

describe('archiving who leaves', () => {
  const archived = 'contacts: { upsert_by: customer_id, leavers: archive }'
  const mapped = `${properties}, hs_object_id: record_id`
  const ids = () => [...hubspot.contacts.keys()].sort()

  beforeEach(async () => {
    await project.write({ 'activate.yml': activateYml(archived) })
    await sync('upsert_contacts', 'mirror', mapped)
    const known = (index: number) => ({ tier: 'gold', record: index === 3 ? '' : String(9001 + index) })
    await project.write({ 'data/people.csv': some(5, known) })
    await run()
    expect(ids()).toEqual(['9001', '9002', '9003', '9004', '9005'])
    // Of five, one stays.
    await project.write({ 'data/people.csv': some(1, () => ({ tier: 'gold', record: '9001' })) })
  })

  test('takes their records away by id, never sends the id as a property, and refuses who has none', async () => {
    expect(contactOf('c1')).toEqual({ customer_id: 'c1', email: 'c1@example.com', tier: 'gold', score: '' })
    expect(await run('--yes')).toMatchObject({ status: 'partial', outcomes: { acked: 3, rejected: 1, pending: 0 } })
    expect([ids(), [...hubspot.archived.keys()].sort()]).toEqual([
      ['9001', '9004'],
      ['9002', '9003', '9005'],
    ])
  })

  test.each(['part', 'whole'] as const)('leaves those that HubSpot keeps, told in %s', async mode => {
    hubspot.mode = mode
    hubspot.held.add('9003')
    expect(await run('--yes')).toMatchObject({ status: 'partial', outcomes: { acked: 2, rejected: 2, parked: 0 } })
    expect(ids()).toEqual(['9001', '9003', '9004'])
  })

  test('counts one that is gone as done, and repeats what was lost without harm', async () => {
    hubspot.contacts.delete('9002')
    hubspot.fault = (_call, index) => (index === hubspot.calls.length && index === 1 ? 'lost' : undefined)
    expect(await run('--yes')).toMatchObject({ outcomes: { acked: 3, rejected: 1, parked: 0 }, retries: 1 })
    expect(ids()).toEqual(['9001', '9004'])
  })

  test('is said by a dry-run while it can still be stopped, with what cannot be taken back', async () => {
    const { stdout } = await shell(() => project.root, { SECRET_TOKEN: token })('dry-run')
    expect(stdout).toContain('4, those that are sent to archive_contacts')
    expect(stdout).toMatch(/warning +4 leavers go to archive_contacts: .*deletes them after 90 days/)
    expect(hubspot.archived.size).toBe(0)
  })

  test('happens to nobody who did not ask for it', async () => {
    const before = definition.settings.parse({ token: `\${env:TOKEN}`, objects: { contacts: { upsert_by: 'id' } } })
    expect(Object.keys(definition.actions(before)).filter(name => name.startsWith('archive'))).toEqual([])
    expect(definition.actions(before).upsert_contacts?.leavers).toBe('clear_contacts')
  })
})

describe('limits', () => {
  test('ten seconds that are used up are waited for', async () => {
    hubspot.burst = 1
    await sync('upsert_contacts', 'mirror', properties)
    await project.write({ 'data/people.csv': some(250) })
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 250 } })
  })

  test.each([
    ['told by headers', true],
    ['told by the reply alone', false],
  ])('a day that is used up, %s, ends the run at once; the rest waits', async (_name, headers) => {
    hubspot.daily = 1
    if (!headers) {
      hubspot.daily = Number.POSITIVE_INFINITY
      const body = { status: 'error', errorType: 'RATE_LIMIT', policyName: 'DAILY', message: 'daily limit' }
      hubspot.fault = (_call, index) => (index === 0 ? undefined : { status: 429, body })
    }
    await sync('upsert_contacts', 'mirror', properties)
    await project.write({ 'data/people.csv': some(250) })
    const summary = await run()
    expect(summary).toMatchObject({ status: 'partial', problems: [{ code: 'A6060' }] })
    const { acked, rejected, parked, pending } = summary.outcomes
    expect([rejected, parked, acked + pending, hubspot.contacts.size]).toEqual([0, 0, 250, acked])
    expect(Date.parse(summary.resumes_at ?? '') - Date.now()).toBeGreaterThan(50 * 60_000)
  })
})

describe('lists', () => {
  const members = 'list_id: { value: "42" }, record_id: record_id'

  test('gain and lose members by record id; unknown ones are refused, and a repetition changes nothing', async () => {
    for (const id of ['9001', '9002', '9003']) hubspot.contacts.set(id, {})
    hubspot.lists.set('42', new Set(['9002', '7']))
    await sync('add_to_list', 'audience', members)
    const with4 = (...ids: string[]) => people(ids.map(id => [`p${id}`, { record: id }] as const))
    await project.write({ 'data/people.csv': with4('9001', '9002', '9003', '666') })
    expect(await run()).toMatchObject({ status: 'partial', outcomes: { acked: 3, rejected: 1, parked: 0 } })
    expect([...(hubspot.lists.get('42') ?? [])].sort()).toEqual(['7', '9001', '9002', '9003'])
    await project.write({ 'data/people.csv': with4('9001', '9002') })
    expect(await run()).toMatchObject({ outcomes: { acked: 1 } })
    expect([...(hubspot.lists.get('42') ?? [])].sort()).toEqual(['7', '9001', '9002'])
  })

  test('one that does not exist ends the run, and nobody is refused for it', async () => {
    await sync('add_to_list', 'audience', members)
    await project.write({ 'data/people.csv': some(20, index => ({ record: String(index + 1) })) })
    expect(await run()).toMatchObject({
      status: 'failed',
      problems: [{ code: 'A5062' }],
      outcomes: { rejected: 0, pending: 20 },
    })
  })
})

test('a run that is killed is taken up, and the far end has everything once it is through', async () => {
  hubspot.slowness = 5
  // Of a day a hundredth is set aside at a time, and lost with the process; a small day makes that a small part of ten seconds.
  const day = activateYml('contacts: { upsert_by: customer_id }', '    requests_per_day: 2000\n')
  await project.write({ 'activate.yml': day, 'data/people.csv': some(2_000) })
  await sync('upsert_contacts', 'mirror', properties)
  const child = start(project.root, 'run')
  const finished = finish(child)
  await until(() => hubspot.calls.length >= 4 || child.exitCode !== null)
  child.kill('SIGKILL')
  expect((await finished).code).toBe(null)
  const resumed = await command(project.root, 'run', '--json')
  expect(resumed.json<RunDocument>().runs[0]).toMatchObject({ outcomes: { rejected: 0, parked: 0, pending: 0 } })
  expect(hubspot.contacts.size).toBe(2_000)
  expect((await command(project.root, 'run', '--json')).json<RunDocument>().runs[0]).toMatchObject({ requests: 0 })
})

test('doctor says whether the token is taken', async () => {
  const crm = async () => {
    const { json } = await shell(() => project.root, { SECRET_TOKEN: token })('doctor', '--json')
    const { checks } = json() as { checks?: readonly { check: string; status: string; found: string }[] }
    return checks?.find(({ check }) => check === 'destination crm')
  }
  expect(await crm()).toMatchObject({ status: 'ok', found: 'reachable, credentials accepted' })
  hubspot.fault = () => ({ status: 401, body: { status: 'error', message: 'expired' } })
  expect(await crm()).toMatchObject({ status: 'fail', found: expect.stringContaining('http_401') })
})

describe('what cannot work is found when the project is loaded', () => {
  const problems = async () => checkDestinations(await loadProject(project.root, { env: {} }), destinations)

  test('an upsert by e-mail address, with the way out', async () => {
    await project.write({ 'activate.yml': activateYml('contacts: { upsert_by: email }') })
    expect(await problems()).toEqual([
      {
        code: 'A5060',
        message: expect.stringContaining('partial upserts by e-mail'),
        place: expect.objectContaining({ file: 'activate.yml', line: 13 }),
        help: expect.stringContaining('update_by'),
      },
    ])
  })

  test('leavers that are to be archived, and nothing by which HubSpot could know them', async () => {
    await project.write({ 'activate.yml': activateYml('contacts: { upsert_by: customer_id, leavers: archive }') })
    await sync('upsert_contacts', 'mirror', properties)
    expect(await problems()).toEqual([
      {
        code: 'A6507',
        message: 'sync "everyone": leavers go to "archive_contacts", which needs the field "hs_object_id"',
        place: expect.objectContaining({ file: 'syncs/everyone.yml' }),
        help: 'add "hs_object_id" under fields',
      },
    ])
    await sync('upsert_contacts', 'upsert', properties)
    expect(await problems()).toEqual([])
  })

  test('an action, a field and a setting that are misspelt; a field that is missing', async () => {
    await sync('upsert_contact', 'mirror', properties)
    expect(await problems()).toMatchObject([{ code: 'A6504', help: 'did you mean "upsert_contacts"?' }])
    await sync('add_to_list', 'audience', 'list_id: { value: "42" }, recordid: record_id')
    expect(await problems()).toMatchObject([
      { code: 'A6506', help: 'did you mean "record_id"?' },
      { code: 'A6507', place: { file: 'syncs/everyone.yml', line: 5 } },
    ])
    await project.write({
      'activate.yml': activateYml('contacts: { upsert_by: customer_id }', '    plans: enterprise\n'),
    })
    await sync('upsert_contacts', 'mirror', properties)
    expect(await problems()).toMatchObject([{ code: 'A6502', help: 'did you mean "plan"?' }])
  })
})

describe('objects', () => {
  const objects = {
    contacts: { upsert_by: 'customer_id', update_by: 'email' },
    deals: {},
    visits: { type: '2-345', upsert_by: 'visit_no' },
  }

  test('have the actions that their settings allow, and examples that hold for each', () => {
    const settings = { token: `\${env:TOKEN}`, objects }
    expect(Object.keys(definition.actions(definition.settings.parse(settings)))).toEqual([
      ...['upsert_contacts', 'clear_contacts', 'update_contacts', 'clear_contacts_by_email'],
      ...['update_deals', 'clear_deals', 'upsert_visits', 'clear_visits', 'update_visits'],
      ...['add_to_list', 'remove_from_list'],
    ])
    expect(faultsOf(definition, settings)).toEqual([])
  })

  test.each([
    ['starter', false, [100, 250_000]],
    ['professional', false, [190, 625_000]],
    ['enterprise', false, [190, 1_000_000]],
    ['enterprise', true, [250, 2_000_000]],
  ] as const)('are written within the limits of the plan %s (increase: %s)', (plan, limit_increase, most) => {
    const settings = definition.settings.parse({ token: `\${env:TOKEN}`, plan, limit_increase })
    expect(definition.limits(settings).map(({ requests }) => requests)).toEqual(most)
  })

  test('leave to others what the headers say is left', () => {
    const headers = {
      'x-hubspot-ratelimit-remaining': '3',
      'x-hubspot-ratelimit-interval-milliseconds': '10000',
      'x-hubspot-ratelimit-daily-remaining': '0',
    }
    expect(definition.readLimits?.(headers, 1_000)).toEqual([
      { name: 'interval', remaining: 3, until: 11_000 },
      { name: 'day', remaining: 0, until: 3_601_000 },
    ])
    expect(definition.readLimits?.({ 'x-hubspot-ratelimit-remaining': 'many' }, 0)).toEqual([])
  })
})
