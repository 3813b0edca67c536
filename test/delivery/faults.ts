/** Everything that a destination may do to a request, and what each of these is known to mean. The rows of the matrix. */
import { interpretStatus } from '../../src/delivery/interpret.ts'
import {
  applied,
  type Behaviour,
  chunked,
  drip,
  dripHead,
  endless,
  falselyPacked,
  fin,
  gzipBomb,
  hangingUp,
  type Received,
  reply,
  replyBytes,
  reset,
  stall,
  truncated,
  twice,
} from '../fault-server.ts'
import { type Far, interpretResults } from './delivery-kit.ts'

/**
 * What the fault tells of a record. `yes`: it was taken. `lost`: nobody can tell. `later`: it was surely not processed. `no`:
 * refused for good. `stop`: no further request makes sense.
 */
export type Meaning = 'yes' | 'lost' | 'later' | 'no' | 'stop'

export interface Fault {
  readonly name: string
  readonly behave: (request: Received, now: number) => Behaviour
  readonly means: Meaning | ((place: number, size: number) => Meaning)
  /** Befalls each request with the same record, not one request only. */
  readonly always?: boolean
  /** Takes the client's whole patience. */
  readonly slow?: boolean
  /** Befalls the head, before the body was read. */
  readonly early?: boolean
}

/** One word for each record, as `interpretEach` reads it. */
const word = { yes: 'acked', no: 'rejected', later: 'retry', lost: 'uncertain' } as const
type Word = keyof typeof word

function results(request: Received, said: (place: number) => Word | undefined) {
  return request.records.flatMap(({ change_id }, place) => {
    const one = said(place)
    return one === undefined ? [] : [{ id: change_id, status: word[one] }]
  })
}

/** Applied are those that are acknowledged. */
function each(request: Received, status: number, said: (place: number) => Word | undefined): Behaviour {
  const list = results(request, said)
  const yes = new Set(list.filter(one => one.status === 'acked').map(({ id }) => id))
  return applied(reply(status, { results: list }), ({ change_id }) => yes.has(change_id))
}

export const allYes = (request: Received): Behaviour => each(request, 200, () => 'yes')

const whole = (request: Received) => replyBytes(200, { results: results(request, () => 'yes') })
const throttled = (name: string, headers: (now: number) => Readonly<Record<string, string>>): Fault => ({
  name: `429 ${name}`,
  behave: (_request, now) => reply(429, '', headers(now)),
  means: 'later',
})

/** The two sides of one fault that the client cannot tell apart. */
function eitherWay(name: string, behave: Fault['behave'], more: Partial<Fault> = {}): readonly Fault[] {
  return [
    { name: `${name}, not applied`, behave: (...given) => applied(behave(...given), false), means: 'lost', ...more },
    { name: `${name}, applied`, behave: (...given) => applied(behave(...given)), means: 'lost', ...more },
  ]
}

/** A reply is cut here, in shares of its head or its body. */
const cuts: readonly (readonly [string, (text: string) => string])[] = [
  ['before the reply', () => ''],
  ['within the head', text => text.slice(0, 30)],
  ['between head and body', text => text.slice(0, text.indexOf('\r\n\r\n') + 4)],
  ['within the body', text => text.slice(0, -5)],
]

const serverErrors = [500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 520, 522, 524, 599] as const
const redirects = [300, 301, 302, 303, 307, 308] as const

export const faults: readonly Fault[] = [
  { name: 'none', behave: allYes, means: 'yes' },

  throttled('without Retry-After', () => ({})),
  throttled('with seconds', () => ({ 'retry-after': '7' })),
  throttled('with a date', now => ({ 'retry-after': new Date(now + 9_000).toUTCString() })),
  throttled('with a date in the past', now => ({ 'retry-after': new Date(now - 9_000).toUTCString() })),
  throttled('with negative seconds', () => ({ 'retry-after': '-5' })),
  throttled('with an absurd time', () => ({ 'retry-after': '99999999999999999999' })),
  throttled('with something unreadable', () => ({ 'retry-after': 'soon, promised' })),
  ...[408, 425].map((status): Fault => ({ name: `${status}`, behave: () => reply(status), means: 'later' })),

  ...serverErrors.map(
    (status): Fault => ({ name: `${status}`, behave: () => applied(reply(status, 'no')), means: 'lost' }),
  ),
  { name: '500, not applied', behave: () => reply(500), means: 'lost' },
  ...eitherWay('503 with Retry-After', () => reply(503, '', { 'retry-after': '3' })),

  ...[400, 404, 409, 413, 422].map(
    (status): Fault => ({
      name: `${status} for one record`,
      behave: () => reply(status, 'bad'),
      means: (_place, size) => (size === 1 ? 'no' : 'later'),
    }),
  ),
  {
    name: '422 for each request with a poison record',
    behave: request =>
      request.records.some(({ change_id }) => change_id.endsWith('2')) ? reply(422) : allYes(request),
    means: (place, size) => (size === 1 || place === 1 ? 'no' : 'yes'),
    always: true,
  },
  ...[401, 403].map(
    (status): Fault => ({ name: `${status}, a token expired`, behave: () => reply(status), means: 'stop' }),
  ),
  ...redirects.map(
    (status): Fault => ({
      name: `${status} to a private address`,
      behave: () => reply(status, '', { location: 'http://169.254.169.254/latest/meta-data' }),
      means: 'stop',
    }),
  ),
  { name: '302 without a location', behave: () => reply(302), means: 'stop' },

  ...eitherWay('a stall', stall, { slow: true }),
  ...eitherWay('a head that drips', () => dripHead(), { slow: true }),
  ...eitherWay('a body that drips', () => drip(), { slow: true }),
  ...eitherWay('an endless body', endless),
  ...cuts.flatMap(([where, cut]) => [
    ...eitherWay(`a reset ${where}`, request => reset(cut(whole(request)))),
    ...eitherWay(`an end ${where}`, request => fin(cut(whole(request)))),
  ]),
  { name: 'a reset before the body was read', behave: () => reset(), means: 'lost', early: true },
  { name: 'an end before the body was read', behave: () => fin(), means: 'lost', early: true },
  {
    name: 'a 413 before the body was read',
    behave: () => hangingUp(reply(413, '', { connection: 'close' })),
    means: (_p, size) => (size === 1 ? 'no' : 'later'),
    early: true,
  },
  ...eitherWay('a truncated body', truncated),
  ...eitherWay('a chunk of no size', request =>
    chunked(JSON.stringify({ results: results(request, () => 'yes') }), 'bad size'),
  ),
  ...eitherWay('chunks without an end', request =>
    chunked(JSON.stringify({ results: results(request, () => 'yes') }), 'cut'),
  ),
  {
    name: 'chunks with an end',
    behave: request => applied(chunked(JSON.stringify({ results: results(request, () => 'yes') }), 'whole')),
    means: 'yes',
  },
  {
    name: 'hints before the reply',
    behave: request => applied(fin(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${whole(request)}`)),
    means: 'yes',
  },
  ...eitherWay('something that is not HTTP', () => fin('SSH-2.0-OpenSSH\r\n')),
  ...eitherWay('two lengths', () => fin('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 20\r\n\r\n{}')),

  ...eitherWay('200 with a page', () => reply(200, '<html>Welcome</html>', { 'content-type': 'text/html' })),
  ...eitherWay('200 with nothing', () => reply(200)),
  ...eitherWay('204', () => reply(204)),
  ...eitherWay('200 with another shape', () => reply(200, { results: 'all' })),
  ...eitherWay('200 with an empty list', () => reply(200, { results: [] })),
  ...eitherWay('a gzip bomb', () => gzipBomb()),
  {
    name: 'a body that is not packed although it says so',
    behave: request => applied(falselyPacked({ results: results(request, () => 'yes') })),
    means: 'yes',
  },

  {
    name: '207 in which some are refused',
    behave: request => each(request, 207, place => (place === 1 ? 'no' : 'yes')),
    means: place => (place === 1 ? 'no' : 'yes'),
  },
  {
    name: '207 in which some were not processed',
    behave: request => each(request, 207, place => (place === 0 ? 'later' : 'yes')),
    means: place => (place === 0 ? 'later' : 'yes'),
  },
  {
    name: '207 in which some are unclear and some were not processed',
    behave: request => each(request, 207, place => (['lost', 'later', 'yes'] as const)[place]),
    means: place => (['lost', 'later', 'yes'] as const)[place] ?? 'yes',
  },
  {
    name: 'results in another order',
    behave: request => {
      const { records } = request
      return applied(reply(200, { results: [...results({ ...request, records }, () => 'yes')].reverse() }))
    },
    means: 'yes',
  },
  {
    name: 'too few results',
    behave: request => applied(each(request, 200, place => (place === 0 ? undefined : 'yes'))),
    means: place => (place === 0 ? 'lost' : 'yes'),
  },
  {
    name: 'too few results, and the rest not applied',
    behave: request => each(request, 200, place => (place === 0 ? undefined : 'yes')),
    means: place => (place === 0 ? 'lost' : 'yes'),
  },
  {
    name: 'results twice over',
    behave: request =>
      applied(reply(200, { results: [...results(request, () => 'yes'), ...results(request, () => 'yes')] })),
    means: 'yes',
  },
  {
    name: 'results that contradict each other',
    behave: request =>
      applied(
        reply(200, {
          results: [...results(request, () => 'yes'), ...results(request, place => (place === 0 ? 'no' : undefined))],
        }),
      ),
    means: place => (place === 0 ? 'lost' : 'yes'),
  },
  {
    name: 'results of strangers as well',
    behave: request =>
      applied(reply(200, { results: [{ id: 'stranger', status: 'rejected' }, ...results(request, () => 'yes')] })),
    means: 'yes',
  },

  {
    name: 'a second reply at once',
    behave: request => twice({ results: results(request, () => 'yes') }, { results: results(request, () => 'no') }),
    means: 'yes',
  },
  { name: 'a reply after which the connection is closed', behave: request => hangingUp(allYes(request)), means: 'yes' },
]

/** Reads `{"results": […]}` where the status allows it. */
export const interpretEach: NonNullable<Far['interpret']> = (received, batch) =>
  received.status === 200 || received.status === 207 || received.status === 204
    ? interpretResults(received, batch)
    : interpretStatus(received)
