import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { faultsOf } from '../../src/delivery/example-faults.ts'
import { checkDestinations } from '../../src/delivery/registry.ts'
import { braze as definition } from '../../src/destinations/braze.ts'
import { destinations } from '../../src/destinations/index.ts'
import { loadProject } from '../../src/project/load.ts'
import { planSyncs, type RunDocument, runSyncs } from '../../src/run.ts'
import { shell } from '../cli/activate.ts'
import { command, finish, start, until } from '../e2e/command-line.ts'
import { makeProject, planOptions, runOptions, type TestProject, withProject } from '../e2e/project.ts'
import { type Braze, startBraze } from '../vendors/braze.ts'

const key = 's3cret-token'
const campaign = '5ddf9b8e-2a2d-4a3a-8d24-7e0f8c1f6a11'
let braze: Braze
let project: TestProject

beforeEach(async () => {
  braze = await startBraze(key)
  project = await makeProject({
    'activate.yml': activateYml(),
    'models/everyone.sql':
      '/*---\nkey: id\n---*/\nselect id, tier, score, timestamp \'2026-02-28 12:00:00\' as due_at from {{source "people"}}\n',
    'data/people.csv': some(0),
  })
})

afterEach(async () => {
  await project.remove()
  await braze.close()
})

const activateYml = (more = '') => `
name: acme
sources:
  people: { csv: data/people.csv, columns: { id: { type: string }, tier: { type: string }, score: { type: string } } }
destinations:
  braze:
    type: braze
    api_key: \${env:SECRET_TOKEN}
    base_url: ${braze.url}
    allow_private_network: true
${more}`

interface Person {
  readonly tier?: string
  readonly score?: string
}

/** A score that is a text of letters stands for an attribute that Braze refuses. */
function some(amount: number, person: (index: number) => Person = () => ({ tier: 'gold' })): string {
  const rows = Array.from({ length: amount }, (_, index) => {
    const { tier = '', score = '' } = person(index)
    return `u${index},${tier},${score}\n`
  })
  return `id,tier,score\n${rows.join('')}`
}

const sync = (action: string, mode: string, fields: string) =>
  project.write({
    'syncs/everyone.yml': `model: everyone\ndestination: braze\naction: ${action}\nmode: ${mode}\nfields: { ${fields} }\n${
      mode === 'trigger' ? 'trigger: { on: enter, reentry: never, first_run: send }\n' : ''
    }`,
  })

async function run(): Promise<RunDocument['runs'][number]> {
  const document = await withProject(
    project,
    wired => runSyncs(wired, wired.project.syncs, runOptions('2026-03-01T02:00:00Z')),
    { env: { SECRET_TOKEN: key } },
  )
  const [summary] = document.runs
  if (summary === undefined) throw new TypeError('there is one sync')
  return summary
}

const send = `campaign_id: { value: ${campaign} }, tier: tier`

describe('attributes', () => {
  test('are set, removed where they are NULL and for who leaves, fifty at a time', async () => {
    await sync('track_attributes', 'mirror', 'tier: tier, level: score')
    await project.write({ 'data/people.csv': some(120, () => ({ tier: 'gold', score: '1' })) })
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 120 }, requests: 3 })
    expect(braze.users.get('u7')).toEqual({ tier: 'gold', level: '1' })
    await project.write({
      'data/people.csv': some(119, index => ({ tier: 'gold', score: index === 7 ? '' : '1' })),
    })
    expect(await run()).toMatchObject({ outcomes: { acked: 2 } })
    expect([braze.users.get('u7'), braze.users.get('u119')]).toEqual([{ tier: 'gold' }, {}])
    expect(await run()).toMatchObject({ requests: 0 })
  })

  test('are refused one by one, by their place in the request', async () => {
    await sync('track_attributes', 'mirror', 'tier: tier, score: score')
    await project.write({
      'data/people.csv': some(60, index => (index % 25 === 3 ? { score: 'x' } : { tier: 'gold' })),
    })
    expect(await run()).toMatchObject({ status: 'partial', outcomes: { acked: 57, rejected: 3, parked: 0 } })
    expect([...braze.users.keys()].filter(id => ['u3', 'u28', 'u53'].includes(id))).toEqual([])
    expect(braze.users.size).toBe(57)
  })

  test('are looked for where refusals have no place, and nobody is taken for refused or written by guess', async () => {
    braze.places = false
    await sync('track_attributes', 'mirror', 'tier: tier, score: score')
    await project.write({ 'data/people.csv': some(8, () => ({ score: 'x' })) })
    expect(await run()).toMatchObject({ status: 'partial', outcomes: { acked: 0, rejected: 8, pending: 0 } })
    expect(braze.users.size).toBe(0)
  })

  test('are sent again when an answer was lost', async () => {
    braze.fault = (_call, index) => (index === 0 ? 'lost' : index === 1 ? { status: 500 } : undefined)
    await sync('track_attributes', 'mirror', 'tier: tier')
    await project.write({ 'data/people.csv': some(10) })
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 10, parked: 0 }, retries: 2 })
  })

  test('of more than the contract takes are split, down to what it takes', async () => {
    await project.write({ 'activate.yml': activateYml('    objects_per_request: 60\n'), 'data/people.csv': some(60) })
    braze.fault = call => {
      const { attributes } = call.json as { readonly attributes: readonly unknown[] }
      return attributes.length > 20 ? { status: 413, body: { message: 'Request too large' } } : undefined
    }
    await sync('track_attributes', 'mirror', 'tier: tier')
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 60 } })
    expect(braze.users.size).toBe(60)
  })
})

describe('events and messages, of which nobody can tell a repetition', () => {
  const event = 'name: { value: renewal_due }, time: { column: due_at, as: timestamp }, tier: tier'

  test('are sent once each; what may have arrived is parked, with all that shared its request', async () => {
    braze.fault = (_call, index) => (index === 0 ? 'lost' : undefined)
    await project.write({ 'activate.yml': activateYml('    concurrency: 1\n'), 'data/people.csv': some(120) })
    await sync('track_event', 'trigger', event)
    expect(await run()).toMatchObject({ status: 'partial', outcomes: { acked: 70, parked: 50, rejected: 0 } })
    expect(await run()).toMatchObject({ requests: 0, plan: { reasons: { 'unresolved.parked': 50 } } })
    const happened = braze.events.map(({ external_id: id }) => id)
    expect([happened.length, new Set(happened).size]).toEqual([120, 120])
    expect(braze.events[0]).toMatchObject({ name: 'renewal_due', properties: { tier: 'gold' } })
  })

  test('wait where the limit says so, and go out once', async () => {
    braze.remaining = 1
    braze.resetAt = Math.ceil(Date.now() / 1000) + 1
    await project.write({ 'activate.yml': activateYml('    concurrency: 1\n'), 'data/people.csv': some(120) })
    await sync('trigger_campaign', 'trigger', send)
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 120, parked: 0 } })
    expect(new Set(braze.messages.map(({ external_user_id: id }) => id)).size).toBe(120)
    expect(braze.messages).toHaveLength(120)
  })

  test('carry the profile with them', async () => {
    await project.write({ 'data/people.csv': some(1) })
    await sync(
      'trigger_canvas',
      'trigger',
      `canvas_id: { value: ${campaign} }, attributes: { value: { vip: true } }, tier: tier`,
    )
    await run()
    expect(braze.messages).toEqual([
      {
        target: campaign,
        external_user_id: 'u0',
        attributes: { vip: true },
        canvas_entry_properties: { tier: 'gold' },
      },
    ])
  })
})

test('a transactional e-mail whose answer was lost is sent again under its id, and arrives once', async () => {
  braze.fault = (_call, index) => (index % 2 === 0 ? 'lost' : undefined)
  await project.write({ 'data/people.csv': some(4) })
  await sync('send_transactional_email', 'trigger', send)
  expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 4, parked: 0 } })
  expect([braze.messages.length, braze.calls.length > 4]).toEqual([4, true])
})

test('subscriptions follow the audience', async () => {
  await sync('subscribe', 'audience', `subscription_group_id: { value: ${campaign} }`)
  await project.write({ 'data/people.csv': some(60) })
  expect(await run()).toMatchObject({ status: 'succeeded', requests: 2 })
  await project.write({ 'data/people.csv': some(59) })
  expect(await run()).toMatchObject({ outcomes: { acked: 1 } })
  expect([braze.subscribed.size, braze.subscribed.has(`${campaign} u59`)]).toEqual([59, false])
})

describe('limits', () => {
  test('of single endpoints are kept under those of the contract: no call is refused, and the rest waits', async () => {
    const of = (path: string) => (call: { readonly path: string }) => call.path === path
    braze.quotas = [{ of: of('/v2/subscription/status/set'), requests: 2, milliseconds: 3_600_000 }]
    const limits = '    limits_of: { subscriptions: [{ requests: 2, per: 1h }] }\n'
    await project.write({ 'activate.yml': activateYml(limits), 'data/people.csv': some(400) })
    await sync('subscribe', 'audience', `subscription_group_id: { value: ${campaign} }`)
    const planned = await withProject(
      project,
      wired => planSyncs(wired, wired.project.syncs, planOptions('2026-03-01T02:00:00Z')),
      { env: { SECRET_TOKEN: key } },
    )
    expect(planned.plans[0]).toMatchObject({ requests: 8, seconds_at_limit: 14_400 })
    expect(await run()).toMatchObject({
      ...{ requests: 2, retries: 0, outcomes: { acked: 100, pending: 300 } },
      problems: [{ code: 'A6060', message: expect.stringContaining('for subscription groups, 2') }],
    })
    expect([braze.refused.length, braze.subscribed.size]).toEqual([0, 100])
    // Attributes do not fall under it.
    await sync('track_attributes', 'mirror', 'tier: tier')
    expect(await run()).toMatchObject({ outcomes: { acked: 400 }, requests: 8 })
  })

  test('are those that Braze gives by default, and others where the contract says so', () => {
    const own = (more: object = {}) =>
      definition.actions(definition.settings.parse({ api_key: `\${env:KEY}`, instance: 'fra-01', ...more }))
    const rate = (requests: number, perMilliseconds: number) => [{ requests, perMilliseconds }]
    expect(own().subscribe?.limits).toMatchObject({ limits: rate(5_000, 60_000), toldByHeaders: true })
    expect(own().unsubscribe?.limits).toEqual(own().subscribe?.limits)
    expect(own().trigger_campaign?.limits).toMatchObject({ limits: rate(250_000, 3_600_000) })
    expect(own().trigger_canvas?.limits).toEqual(own().trigger_campaign?.limits)
    expect(own().track_event?.limits).toEqual(own().unset_attributes?.limits)
    const more = { limits_of: { subscriptions: [{ requests: 10_000, per: '1m' }] } }
    expect(own(more).subscribe?.limits?.limits).toEqual(rate(10_000, 60_000))
  })
})

test('a run that is killed sends nobody a second message, and the next says what it does not know', async () => {
  braze.slowness = 10
  await project.write({ 'activate.yml': activateYml('    concurrency: 2\n'), 'data/people.csv': some(2_000) })
  await sync('trigger_campaign', 'trigger', send)
  const child = start(project.root, 'run')
  const finished = finish(child)
  await until(() => braze.calls.length >= 6 || child.exitCode !== null)
  child.kill('SIGKILL')
  expect((await finished).code).toBe(null)
  const { outcomes, plan } = (await command(project.root, 'run', '--json')).json<RunDocument>().runs[0] ?? {}
  const blocked = plan?.reasons['unresolved.parked'] ?? 0
  expect(outcomes).toMatchObject({ rejected: 0, pending: 0, parked: 0 })
  expect(blocked).toBeGreaterThan(0)
  expect(blocked).toBeLessThanOrEqual(2 * 50)
  const reached = braze.messages.map(({ external_user_id: id }) => id)
  expect(new Set(reached).size).toBe(reached.length)
  expect(reached.length).toBeGreaterThanOrEqual(2_000 - blocked)
})

test('doctor says that a key is of another instance', async () => {
  await project.write({ 'activate.yml': activateYml() })
  const { json } = await shell(() => project.root, { SECRET_TOKEN: 'another-key' })('doctor', '--json')
  const { checks } = json() as { checks?: readonly { check: string; status: string; found: string }[] }
  const found = checks?.find(({ check }) => check === 'destination braze')
  expect(found).toMatchObject({ status: 'fail', found: expect.stringContaining('http_401') })
})

describe('what cannot work is found when the project is loaded', () => {
  const problems = async () => checkDestinations(await loadProject(project.root, { env: {} }), destinations)

  test('an instance that is missing, one that is misspelt, and an alias without a label', async () => {
    const settings = (text: string) => project.write({ 'activate.yml': activateYml().replace(/ {4}base_url.*/, text) })
    await settings('')
    expect(await problems()).toMatchObject([{ code: 'A5061', help: expect.stringContaining('fra-01') }])
    await settings('    instance: fra-1')
    expect(await problems()).toMatchObject([{ code: 'A6502', help: 'did you mean "fra-01"?' }])
    await settings('    instance: fra-02\n    identify_by: user_alias')
    expect(await problems()).toMatchObject([{ message: expect.stringContaining('alias_label') }])
  })

  test('a campaign that is not named, and a field that no event has', async () => {
    await sync('trigger_campaign', 'trigger', 'tier: tier')
    expect(await problems()).toMatchObject([
      {
        code: 'A6507',
        message: expect.stringContaining('campaign_id'),
        place: { file: 'syncs/everyone.yml', line: 5 },
      },
    ])
    await sync('subscribe', 'audience', 'subscription_group: { value: x }')
    expect(await problems()).toMatchObject([
      { code: 'A6506', help: 'did you mean "subscription_group_id"?' },
      { code: 'A6507' },
    ])
  })

  test('more objects in a request than any contract takes', async () => {
    await project.write({ 'activate.yml': activateYml('    objects_per_request: 76\n') })
    expect(await problems()).toMatchObject([{ code: 'A6502', message: expect.stringContaining('objects_per_request') }])
  })

  test.each([
    ['iad-03', 'https://rest.iad-03.braze.com'],
    ['us-10', 'https://rest.us-10.braze.com'],
    ['fra-02', 'https://rest.fra-02.braze.eu'],
  ])('the instance %s has its own address', (instance, address) => {
    const settings = definition.settings.parse({ api_key: `\${env:KEY}`, instance })
    expect(definition.baseUrl?.(settings)).toBe(address)
  })
})

describe('users', () => {
  const settings = { api_key: `\${env:KEY}`, instance: 'fra-01', alias_label: 'customer' }
  const ada = { key: 'C001', changeId: 'a1', op: 'enter', fields: { tier: 'gold' } } as const
  const written = (identify_by: string, fields: Readonly<Record<string, string>>) => {
    const own = definition.settings.parse({ ...settings, identify_by })
    const change = { ...ada, fields: { ...ada.fields, ...fields } }
    return definition.actions(own).track_attributes?.request?.([change], { settings: own, idempotencyKey: 'k' }).json
  }

  test.each([
    ['external_id', {}, { external_id: 'C001' }],
    ['external_id', { external_id: ' c-1 ' }, { external_id: 'c-1' }],
    ['braze_id', {}, { braze_id: 'C001' }],
    ['email', { email: ' Ada@Example.com' }, { email: 'ada@example.com' }],
    ['phone', { phone: '+447700900123' }, { phone: '+447700900123' }],
    ['user_alias', {}, { user_alias: { alias_name: 'C001', alias_label: 'customer' } }],
  ])('are known by %s, mapped as %j', (by, fields, who) => {
    expect(written(by, fields)).toEqual({ attributes: [{ tier: 'gold', ...who }] })
  })

  test('without the identifier are no part of a request', () => {
    expect(() => written('external_id', { external_id: ' ' })).toThrow('which user is meant')
  })

  test.each(['external_id', 'braze_id', 'email', 'phone', 'user_alias'])('examples hold for %s', identify_by => {
    expect(faultsOf(definition, { ...settings, identify_by })).toEqual([])
  })

  test('known by an alias have no actions for groups, which know none', () => {
    const own = definition.settings.parse({ ...settings, identify_by: 'user_alias' })
    expect(Object.keys(definition.actions(own)).filter(name => name.includes('subscribe'))).toEqual([])
  })
})
