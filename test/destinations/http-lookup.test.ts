/** The generic destination asks an API whether it has a record. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Change, HttpReply, LookupVerdict } from '../../src/delivery/destination.ts'
import { checkDestinations, destinationShape, openDestination } from '../../src/delivery/registry.ts'
import { interpretLookup } from '../../src/destinations/http-lookup.ts'
import { destinations } from '../../src/destinations/index.ts'
import type { Project } from '../../src/project/project.ts'
import { type FarReply, startFar } from './far-end.ts'

const place = { file: 'activate.yml', line: 1, column: 1 }
const ada: Change = { key: 'c1', changeId: 'a1', op: 'enter', fields: { to: 'ada@example.com' } }
const bob: Change = { key: 'c2', changeId: 'b1', op: 'enter', fields: { to: 'bob@example.com' } }

const several = {
  path: '/messages?references={change_ids}',
  settle: '30s',
  list: 'items',
  id: 'reference',
  more: 'next',
}
const one = { path: '/messages/{change_id}', settle: '30s', id: 'reference', absent: [404] }

function settingsOf(
  lookup: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
  url = 'https://api.example.com',
) {
  const send = { method: 'POST', path: '/messages', idempotency: { lookup }, ...more }
  return {
    name: 'hook',
    type: 'http',
    place,
    places: {},
    settings: { base_url: url, allow_private_network: true, actions: { send } },
  }
}

function problemsOf(
  lookup: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
): readonly string[] {
  const project = { destinations: [settingsOf(lookup, more)], syncs: [] } as unknown as Project
  return checkDestinations(project, destinations).map(({ message }) => message)
}

describe('the settings of a look-up', () => {
  test('say how long to wait, and how many may be asked about at once', () => {
    const { actions } = destinationShape(settingsOf(several), destinations)
    expect(actions.send).toMatchObject({ idempotency: { kind: 'lookup', settle: 30_000 }, lookup: { maxRecords: 50 } })
    expect(destinationShape(settingsOf(one), destinations).actions.send?.lookup?.maxRecords).toBe(1)
  })

  test.each([
    ['no settle time', { ...several, settle: undefined }, 'actions.send.idempotency.lookup.settle": missing'],
    ['a settle time of days', { ...several, settle: '2d' }, 'at most 1h'],
    [
      'no field by which things are known',
      { ...several, id: undefined },
      'actions.send.idempotency.lookup.id": missing',
    ],
    ['a path that asks for nobody', { ...several, path: '/messages' }, 'must name either {change_ids} or {change_id}'],
    ['a path that asks twice', { ...several, path: '/m/{change_id}?r={change_ids}' }, 'must name either'],
    ['a key in the path', { ...several, path: '/m/{key}?r={change_ids}' }, '{key} is not known here'],
    ['several without a list', { ...several, list: undefined }, 'is needed where several are asked about'],
    ['a status for several', { ...several, absent: [404] }, 'cannot tell which of several is absent'],
    ['one without a way to say no', { ...one, absent: undefined }, 'nothing else says that a record is not there'],
    [
      'a name that is not known',
      { ...several, settled: '3s' },
      'unknown setting "actions.send.idempotency.lookup.settled"',
    ],
  ])('are refused with %s', (_name, lookup, message) => {
    const problems = problemsOf(JSON.parse(JSON.stringify(lookup)))
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(message)
  })

  test('need a field for the change id where records have no envelope', () => {
    expect(problemsOf(several, { envelope: 'none' })[0]).toContain('is needed with `envelope: none`')
    expect(problemsOf({ ...several, field: 'reference' }, { envelope: 'none' })).toEqual([])
  })
})

async function ask(reply: FarReply, lookup: Readonly<Record<string, unknown>>, changes: readonly Change[]) {
  const far = await startFar(() => reply)
  const settings = settingsOf(lookup, { envelope: 'none' }, far.url)
  const destination = await openDestination(settings, {
    definitions: destinations,
    env: {},
    readFile: () => '',
    root: '/',
  })
  try {
    return { answer: await destination.ask('send', changes, 0), far, destination }
  } finally {
    await destination.close()
    await far.close()
  }
}

const told = (verdict: LookupVerdict) =>
  verdict.kind === 'each' ? verdict.findings.map(({ finding }) => finding) : verdict.kind

describe('a question', () => {
  const field = { field: 'reference' }

  test('names the change ids, and has no body', async () => {
    const { far } = await ask({ status: 200, body: '{"items":[]}' }, { ...several, ...field }, [
      ada,
      { ...bob, changeId: 'b/1' },
    ])
    expect(far.requests).toMatchObject([{ method: 'GET', path: '/messages?references=a1,b%2F1', body: '' }])
  })

  test('is about the id that each record was sent with', async () => {
    const { destination } = await ask({ status: 200, body: '{"items":[]}' }, { ...several, ...field }, [ada])
    expect(destination.prepare('send', [ada], 'k').http?.body).toBe('{"to":"ada@example.com","reference":"a1"}')
  })

  test.each([
    ['a list', '{"items":[{"reference":"b1"}]}', ['absent', 'found']],
    ['an empty list', '{"items":[]}', ['absent', 'absent']],
    ['a list with more to come', '{"items":[{"reference":"b1"}],"next":"p2"}', ['unknown', 'found']],
    ['a list that ends', '{"items":[{"reference":"b1"}],"next":null}', ['absent', 'found']],
    ['everything there is, unasked', '{"items":[{"reference":"z9"},{"reference":"b1"}]}', ['unknown', 'found']],
    ['items that cannot be read', '{"items":[{"ref":"a1"}]}', ['unknown', 'unknown']],
    ['another shape', '{"data":[]}', 'unanswered'],
    ['a page', '<html>', 'unanswered'],
    ['nothing', '', 'unanswered'],
  ])('about several, answered with %s', async (_name, body, expected) => {
    const { answer } = await ask({ status: 200, body }, { ...several, ...field }, [ada, bob])
    expect(told(answer)).toEqual(expected)
  })

  test.each([
    ['the thing', { status: 200, body: '{"reference":"a1"}' }, ['found']],
    ['another thing', { status: 200, body: '{"reference":"b1"}' }, ['unknown']],
    ['a page', { status: 200, body: '<html>' }, ['unknown']],
    ['the status that means no', { status: 404, body: '' }, ['absent']],
    ['another status', { status: 410, body: '' }, 'unanswered'],
    ['being throttled', { status: 429, body: '' }, 'unanswered'],
    ['a fault', { status: 500, body: '' }, 'unanswered'],
    ['a redirect', { status: 302, body: '', headers: { location: 'http://10.0.0.1/' } }, 'denied'],
    ['a refusal', { status: 401, body: '' }, 'denied'],
  ])('about one, answered with %s', async (_name, reply, expected) => {
    const { answer } = await ask(reply, { ...one, ...field }, [ada])
    expect(told(answer)).toEqual(expected)
  })

  test('is never answered with no by a list that could hide a yes', () => {
    const item = fc.oneof(
      fc.record({ reference: fc.constantFrom('a1', 'b1', 'z9', 7, null) }),
      fc.constantFrom(null, 'a1', {}),
    )
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 6 }),
        fc.constantFrom(undefined, null, false, '', 'p2', 3),
        (items, next) => {
          const reply: HttpReply = { status: 200, headers: {}, text: '', json: { items, next } }
          const answer = interpretLookup(reply, [ada, bob], { list: 'items', id: 'reference', more: 'next' })
          if (answer.kind !== 'each') throw new TypeError('a list is an answer')
          const ids = items.map(one =>
            typeof one === 'object' && one !== null && 'reference' in one ? one.reference : undefined,
          )
          for (const { changeId, finding } of answer.findings) {
            expect(finding === 'found').toBe(ids.includes(changeId))
            if (finding === 'absent') expect(ids.every(id => id === 'a1' || id === 'b1') && !next).toBe(true)
          }
        },
      ),
    )
  })
})
