import { describe, expect, test } from 'vitest'
import { checkDestinations, openDestination } from '../../src/delivery/registry.ts'
import { destinations } from '../../src/destinations/index.ts'
import { ActivateError } from '../../src/project/problem.ts'
import type { DestinationSettings, FieldMapping, Project, Sync } from '../../src/project/project.ts'

const at = (line: number) => ({ file: 'activate.yml', line, column: 1 })
const push = { method: 'POST', path: '/customers', idempotency: 'natural' }

function destination(
  type: string,
  settings: Readonly<Record<string, unknown>>,
  places: DestinationSettings['places'] = {},
): DestinationSettings {
  return { name: 'dest', type, settings, places, place: at(10) }
}

function field(name: string, from: FieldMapping['from'] = { column: name }): FieldMapping {
  return { field: name, from, place: { file: 'syncs/s.yml', line: 7, column: 3 } }
}

function sync(parts: Partial<Sync>): Sync {
  return {
    name: 's',
    path: 'syncs/s.yml',
    model: 'm',
    destination: 'dest',
    action: 'upsert_contacts',
    mode: 'upsert',
    fields: [field('email')],
    guard: { minRows: 1, mappingChange: 'pass' },
    onMappingChange: 'resend',
    onBadKey: 'fail',
    onUncertain: 'park',
    priority: 0,
    requireApproval: 'never',
    owners: [],
    tags: [],
    enabled: true,
    place: { file: 'syncs/s.yml', line: 1, column: 1 },
    ...parts,
  }
}

function check(settings: DestinationSettings, ...syncs: readonly Sync[]) {
  const project = { destinations: [settings], syncs } as Partial<Project> as Project
  return checkDestinations(project, destinations)
}

const crm = destination('crm', {})

describe('settings', () => {
  test('that fit raise no problem', () => {
    expect(check(crm, sync({}), sync({ mode: 'mirror' }))).toEqual([])
    expect(check(destination('http', { base_url: `\${env:URL}`, actions: { push } }))).toEqual([])
  })

  test('an unknown type names the nearest', () => {
    const place = at(11)
    expect(check(destination('htpp', {}, { type: place }))).toEqual([
      { code: 'A6501', message: 'destination "dest": unknown type "htpp"', place, help: 'did you mean "http"?' },
    ])
  })

  test('are all told at once, each at its place', () => {
    const settings = {
      base_url: 'ftp://example.com',
      headers: { 'bad name': 'x' },
      actions: { push: { ...push, methd: 'POST', method: 'GET', batch: { max_records: 0 } } },
    }
    const places = {
      base_url: at(12),
      'actions.push': at(13),
      'actions.push.methd': at(14),
      'actions.push.method': at(15),
      'actions.push.batch.max_records': at(16),
    }
    const problems = check(destination('http', settings, places))
    expect(problems.map(({ code, place }) => [code, place?.line])).toEqual(
      expect.arrayContaining([
        ['A6502', 12],
        ['A6502', 14],
        ['A6502', 15],
        ['A6502', 16],
      ]),
    )
    expect(problems).toContainEqual({
      code: 'A6502',
      message: 'destination "dest": unknown setting "actions.push.methd"',
      place: at(14),
      help: 'did you mean "method"?',
    })
  })

  test('a missing one stands at the block that lacks it', () => {
    const problems = check(
      destination(
        'http',
        { base_url: 'https://api.example.com', actions: { push: { method: 'POST', path: '/x' } } },
        { 'actions.push': at(13) },
      ),
    )
    expect(problems).toMatchObject([
      { code: 'A6502', place: at(13), message: expect.stringMatching(/actions\.push\.idempotency/) },
    ])
  })

  test('a word that a setting does not take names the nearest', () => {
    const settings = { base_url: 'https://a.example', actions: { push: { ...push, method: 'post' } } }
    expect(check(destination('http', settings))).toMatchObject([{ code: 'A6502', help: 'did you mean "POST"?' }])
  })

  test('a literal credential is refused without showing it', () => {
    const problems = check(destination('crm', { token: 'hunter2' }))
    expect(problems).toMatchObject([{ code: 'A1140', message: expect.stringMatching(/token/) }])
    expect(JSON.stringify(problems)).not.toContain('hunter2')
  })

  const refused: readonly (readonly [string, DestinationSettings])[] = [
    [
      '{key} in the path of a batch',
      destination('http', {
        base_url: 'https://a.example',
        actions: { push: { ...push, path: '/c/{key}', batch: { max_records: 2 } } },
      }),
    ],
    [
      'an unknown placeholder',
      destination('http', { base_url: 'https://a.example', actions: { push: { ...push, path: '/c/{id}' } } }),
    ],
    [
      'a path that names another host',
      destination('http', { base_url: 'https://a.example', actions: { push: { ...push, path: '//b.example' } } }),
    ],
    ['no action', destination('http', { base_url: 'https://a.example', actions: {} })],
    ['a base URL with credentials', destination('http', { base_url: 'https://u:p@a.example', actions: { push } })],
    ['SQLite with a url', destination('table', { client: 'sqlite', path: 'a.db', url: 'x', table: 't', key: 'id' })],
    ['Postgres without one', destination('table', { client: 'postgres', table: 't', key: 'id' })],
    ['a table that is no name', destination('table', { client: 'sqlite', path: 'a.db', table: 't as u', key: 'id' })],
  ]
  test.each(refused)('refuse %s', (_name, settings) => {
    expect(check(settings).map(({ code }) => code)).toEqual(['A6502'])
  })
})

describe('syncs', () => {
  const one = (parts: Partial<Sync>, settings = crm) => {
    const problems = check(settings, sync(parts))
    expect(problems).toHaveLength(1)
    return problems[0]
  }

  test('an unknown destination or action names the nearest', () => {
    expect(one({ destination: 'dset' })).toMatchObject({ code: 'A6503', help: 'did you mean "dest"?' })
    expect(one({ action: 'upsert_contact' })).toMatchObject({ code: 'A6504', help: 'did you mean "upsert_contacts"?' })
    expect(one({ action: 'toString' })).toMatchObject({ code: 'A6504' })
  })

  test('what is wrong is shown where it stands', () => {
    const places = { destination: at(2), action: at(3), mode: at(4) }
    const lineOf = (parts: Partial<Sync>) => one({ places, ...parts })?.place?.line
    expect(lineOf({ destination: 'dset' })).toBe(2)
    expect(lineOf({ action: 'upsert_contact' })).toBe(3)
    expect(lineOf({ mode: 'audience' })).toBe(4)
    expect(lineOf({ mode: 'audience', places: {} })).toBe(1)
  })

  test('a mode that the action does not know is told with the actions that do', () => {
    expect(one({ mode: 'audience' })).toMatchObject({
      code: 'A6505',
      help: expect.stringMatching(/for "audience" there is add_to_list/),
    })
    expect(one({ action: 'remove_contacts' })).toMatchObject({
      code: 'A6505',
      help: expect.stringMatching(/only takes the leavers/),
    })
  })

  test('a mirror needs an action that takes the leavers', () => {
    const http = (actions: Readonly<Record<string, unknown>>) =>
      destination('http', { base_url: 'https://a.example', actions })
    expect(one({ action: 'push', mode: 'mirror' }, http({ push }))).toMatchObject({
      code: 'A6505',
      help: expect.stringMatching(/for: leavers/),
    })
    expect(check(http({ push, drop: { ...push, for: 'leavers' } }), sync({ action: 'push', mode: 'mirror' }))).toEqual(
      [],
    )
    expect(check(http({ push: { ...push, for: 'all' } }), sync({ action: 'push', mode: 'audience' }))).toEqual([])
  })

  const messaging = destination('messaging', {})
  const email = { action: 'send_email', mode: 'trigger' } as const

  test('an unknown field names the nearest, at its own line', () => {
    const fields = [field('to'), field('subjct'), field('subject')]
    expect(one({ ...email, fields }, messaging)).toMatchObject({
      code: 'A6506',
      place: { line: 7 },
      help: 'did you mean "subject"?',
    })
  })

  test('a required field that is not mapped is told', () => {
    expect(one({ ...email, fields: [field('to')] }, messaging)).toMatchObject({
      code: 'A6507',
      message: expect.stringMatching(/"subject"/),
    })
  })

  test('a constant that the field cannot take is told before it is sent', () => {
    expect(one({ ...email, fields: [field('to', { value: 'nobody' }), field('subject')] }, messaging)).toMatchObject({
      code: 'A6508',
    })
    expect(one({ fields: [field('plan', { value: ['a', 'list'] })] })).toMatchObject({ code: 'A6508' })
  })

  test('properties of your own are welcome where the destination has such', () => {
    expect(check(crm, sync({ fields: [field('ltv_eur'), field('greeting', { template: 'Hi' })] }))).toEqual([])
  })

  test('columns that a table declares are its fields', () => {
    const table = destination('table', {
      client: 'sqlite',
      path: 'a.db',
      table: 't',
      key: 'id',
      columns: { email: 'string' },
    })
    expect(one({ action: 'upsert', fields: [field('emial')] }, table)).toMatchObject({
      code: 'A6506',
      help: 'did you mean "email"?',
    })
  })
})

describe('opening', () => {
  const open = (settings: DestinationSettings) =>
    openDestination(settings, { definitions: destinations, env: {}, readFile: () => '', root: '/' })

  test('tells every missing secret with exit code credentials', async () => {
    const headers = { a: `\${env:ONE}`, b: `\${env:TWO}` }
    const error = await open(destination('http', { base_url: 'https://a.example', headers, actions: { push } })).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(ActivateError)
    expect(error).toMatchObject({ exit: 'credentials', problems: [{ code: 'A1150' }, { code: 'A1150' }] })
  })

  test('refuses settings that were never checked', async () => {
    await expect(open(destination('nothing', {}))).rejects.toThrow(/A6501/)
    await expect(open(destination('http', {}))).rejects.toThrow(/A6502/)
  })
})
