/** The two files that `init destination` writes: a definition that works, and its test. Pure. */

export const languages = ['js', 'ts'] as const
export type Language = (typeof languages)[number]

/** Path within the project to text. The endings make modules of them whatever the project's package.json says. */
export function destinationFiles(name: string, language: Language): Readonly<Record<string, string>> {
  const ending = language === 'ts' ? 'mts' : 'mjs'
  return {
    [`destinations/${name}.${ending}`]: definition(name, language),
    [`destinations/${name}.test.${ending}`]: testOf(name, ending),
  }
}

function definition(name: string, language: Language): string {
  const typed = language === 'ts'
  const hint = typed ? '' : '// @ts-check\n'
  const shape = typed ? '(change: Change)' : 'change'
  const comment = typed ? '' : "/** @param {import('activate/destination').Change} change */\n"
  const replied = typed ? '(reply: HttpReply, batch: readonly Change[]): Verdict' : '(reply, batch)'
  const replyComment = typed
    ? ''
    : `/**
 * @param {import('activate/destination').HttpReply} reply
 * @param {readonly import('activate/destination').Change[]} batch
 * @returns {import('activate/destination').Verdict}
 */
`
  const types = typed ? '  type Change,\n' : ''
  const more = typed ? '  type HttpReply,\n' : ''
  const last = typed ? '  type Verdict,\n' : ''
  return `${hint}/**
 * ${name}: what it takes, and how it answers. Pure functions and data; activate alone sends, limits and repeats.
 * The vendor's page of each fact belongs beside it, with the date it was read.
 */
import {
${types}  baseUrl,
  defineDestination,
${more}  interpretStatus,
  readOutcomes,
  secret,
  unreadable,
${last}  z,
} from 'activate/destination'

const path = { upsert: '/customers/upsert', remove: '/customers/remove' }

${comment}const customer = ${shape} => ({ id: change.key, attributes: change.fields })

/** One answer for each record, by its id. What is not named stays uncertain: silence is never a yes. */
${replyComment}function interpret${replied} {
  if (reply.status !== 200) return interpretStatus(reply)
  const outcomes = readOutcomes(reply, batch, {
    list: 'results',
    id: 'id',
    ok: { field: 'status', equals: 'ok' },
    error: 'error',
  })
  return outcomes ? { kind: 'each', outcomes } : unreadable(reply, 'results')
}

const ada${typed ? ': Change' : ''} = {
  key: 'C001',
  changeId: 'a1',
  op: ${typed ? "'enter'" : "/** @type {'enter'} */ ('enter')"},
  fields: { email: 'ada@example.com', tier: 'gold' },
}

export default defineDestination({
  name: '${name}',
  summary: 'Customers of ${name}',
  docs: 'https://docs.example.com/api (read 2026-11)',
  settings: z.strictObject({
    token: secret().describe('The API token, by reference'),
    base_url: baseUrl().default('https://api.example.com/v1').describe('Where the API is'),
    allow_private_network: z.boolean().default(false).describe('Private addresses are refused unless this is true'),
  }),
  baseUrl: ({ base_url }) => base_url,
  headers: ({ token }) => ({ authorization: \`Bearer \${token}\` }),
  allowPrivateNetwork: ({ allow_private_network }) => allow_private_network,
  limits: () => [{ requests: 10, perMilliseconds: 1000 }],
  concurrency: () => 4,
  probe: () => ({ method: 'GET', path: '/account' }),
  actions: () => ({
    upsert: {
      summary: 'Creates customers or changes their attributes, by id',
      modes: ['upsert', 'mirror'],
      fields: z
        .object({ email: z.email().nullable().optional().describe('E-mail address') })
        .catchall(z.json())
        .describe('Any other name is an attribute; NULL removes it'),
      batch: { maxRecords: 100, maxBytes: 1_000_000 },
      idempotency: { kind: 'natural' },
      leavers: 'remove',
      request: batch => ({ method: 'POST', path: path.upsert, json: { customers: batch.map(customer) } }),
      interpret,
      examples: [
        {
          name: 'a new customer',
          changes: [ada],
          request: {
            method: 'POST',
            path: path.upsert,
            json: { customers: [{ id: 'C001', attributes: { email: 'ada@example.com', tier: 'gold' } }] },
          },
          reply: { status: 200, body: { results: [{ id: 'C001', status: 'ok' }] } },
          verdict: { kind: 'each', outcomes: [{ changeId: 'a1', outcome: 'acked' }] },
        },
      ],
    },
    remove: {
      summary: 'Removes customers, by id',
      modes: [],
      takesLeavers: true,
      batch: { maxRecords: 100 },
      idempotency: { kind: 'natural' },
      request: batch => ({ method: 'POST', path: path.remove, json: { ids: batch.map(({ key }) => key) } }),
      interpret,
      examples: [
        {
          name: 'a customer who left',
          changes: [{ ...ada, op: 'leave' }],
          request: { method: 'POST', path: path.remove, json: { ids: ['C001'] } },
          reply: { status: 200, body: { results: [{ id: 'C001', status: 'error', error: 'locked' }] } },
          verdict: {
            kind: 'each',
            outcomes: [{ changeId: 'a1', outcome: 'rejected', code: 'record_refused', message: 'locked' }],
          },
        },
      ],
    },
  }),
})
`
}

function testOf(name: string, ending: string): string {
  return `/** \`node --test destinations/*.test.*\`, with activate installed in the project. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultsOf } from 'activate/destination'
import definition from './${name}.${ending}'

test('${name} builds and reads what its examples say', () => {
  assert.deepEqual(faultsOf(definition, { token: '\${env:TOKEN}' }), [])
})
`
}
