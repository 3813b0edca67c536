/**
 * The sandbox's messenger (docs/reference/sandbox-api.md): one message per request. An e-mail is recognised by its key for 24
 * hours; an SMS cannot be recognised, so one that may have left is never repeated by guess. Where the settings say so, the
 * messenger is asked whether it has the SMS.
 */
import { z } from 'zod'
import {
  type Change,
  defineDestination,
  type Example,
  type HttpReply,
  type Lookup,
  type Verdict,
} from '../delivery/destination.ts'
import { interpretStatus } from '../delivery/interpret.ts'
import type { Json } from '../project/project.ts'
import { interpretLookup } from './http-lookup.ts'
import { valueAt } from './record-outcomes.ts'
import { errorOf, sandboxBasics, sandboxSettings } from './sandbox-settings.ts'

const day = 24 * 60 * 60 * 1000

/** The messenger takes requests in no time, and its search shows them two seconds later. */
const settle = 5_000

const settings = sandboxSettings.extend({
  look_up_sms: z
    .boolean()
    .default(false)
    .describe('Ask the sandbox whether it has an SMS when the answer was lost; without it, such an SMS is parked'),
})

const email = z.object({
  to: z.email({ pattern: z.regexes.unicodeEmail }).describe("The recipient's e-mail address"),
  subject: z.string().min(1).max(998).describe('One line; 998 characters at most'),
  body: z.string().nullable().optional().describe('The text'),
  template: z.string().nullable().optional().describe('The name of a template, in place of a text'),
  data: z.record(z.string(), z.json()).nullable().optional().describe("The template's values: an object"),
})

const sms = z.object({
  to: z.e164().describe('Telephone number in E.164, such as +447700900123'),
  text: z.string().min(1).max(1600).describe('The text; 1,600 characters at most'),
})

export const messaging = defineDestination({
  name: 'messaging',
  summary: "The sandbox's messenger: e-mail and SMS",
  docs: 'docs/reference/sandbox-api.md',
  ...sandboxBasics,
  settings,
  actions: ({ look_up_sms }) => ({
    send_email: {
      summary: 'Sends one e-mail; the same key within 24 hours sends nothing more',
      modes: ['trigger', 'append'],
      fields: email,
      idempotency: { kind: 'keyed', window: day },
      request: batch => {
        const change = only(batch)
        return {
          method: 'POST',
          path: '/messages/email',
          headers: { 'idempotency-key': change.changeId },
          json: messageOf(change),
        }
      },
      interpret,
      examples: emailExamples,
    },
    send_sms: {
      summary: 'Sends one SMS; each request is a message',
      modes: ['trigger', 'append'],
      fields: sms,
      ...(look_up_sms ? { idempotency: { kind: 'lookup', settle }, lookup } : { idempotency: { kind: 'none' } }),
      request: batch => {
        const change = only(batch)
        return { method: 'POST', path: '/messages/sms', json: messageOf(change) }
      },
      interpret,
      examples: smsExamples,
    },
  }),
})

const lookup: Lookup<unknown> = {
  maxRecords: 100,
  request: batch => ({
    method: 'GET',
    path: `/messages?references=${batch.map(({ changeId }) => encodeURIComponent(changeId)).join(',')}`,
  }),
  interpret: (reply, batch) => interpretLookup(reply, batch, { list: 'messages', id: 'reference' }),
  examples: [
    {
      name: 'one that arrived, though the answer was lost',
      changes: [
        { key: 'c1', changeId: 's1', op: 'enter', fields: { to: '+447700900123', text: 'Your payment failed' } },
      ],
      request: { method: 'GET', path: '/messages?references=s1' },
      reply: { status: 200, body: { messages: [{ id: 'm_2', channel: 'sms', reference: 's1' }] } },
      verdict: { kind: 'each', findings: [{ changeId: 's1', finding: 'found' }] },
    },
    {
      name: 'one that did not',
      changes: [
        { key: 'c1', changeId: 's1', op: 'enter', fields: { to: '+447700900123', text: 'Your payment failed' } },
      ],
      request: { method: 'GET', path: '/messages?references=s1' },
      reply: { status: 200, body: { messages: [] } },
      verdict: { kind: 'each', findings: [{ changeId: 's1', finding: 'absent' }] },
    },
  ],
}

/** A message has no earlier state that NULL could clear, so NULL is left out. */
function messageOf({ fields, changeId }: Change): Readonly<Record<string, Json>> {
  const given = Object.entries(fields).filter(([, value]) => value !== null)
  return { ...Object.fromEntries(given), reference: changeId }
}

function only(batch: readonly Change[]): Change {
  const [change, second] = batch
  if (change === undefined || second !== undefined) throw new TypeError('a message request carries exactly one record')
  return change
}

function interpret(reply: HttpReply): Verdict {
  if (reply.status === 202) {
    if (typeof valueAt(reply.json, 'id') === 'string') return { kind: 'acked' }
    return { kind: 'uncertain', code: 'unreadable_reply', message: 'the reply (202) names no message id' }
  }
  const error = errorOf(reply)
  if (error !== undefined && (reply.status === 422 || reply.status === 409)) return { kind: 'refused', ...error }
  return interpretStatus(reply)
}

const reminder: Change = {
  key: '["c1","2026-03-01"]',
  changeId: 'e1',
  op: 'enter',
  fields: { to: 'ada@example.com', subject: 'Your plan renews on 1 March', body: null },
}

const emailRequest = {
  method: 'POST',
  path: '/messages/email',
  headers: { 'idempotency-key': 'e1' },
  json: { to: 'ada@example.com', subject: 'Your plan renews on 1 March', reference: 'e1' },
} as const

const emailExamples: readonly Example[] = [
  {
    name: 'accepted',
    changes: [reminder],
    request: emailRequest,
    reply: { status: 202, body: { id: 'm_1' } },
    verdict: { kind: 'acked' },
  },
  {
    name: 'a recipient that is refused',
    changes: [reminder],
    request: emailRequest,
    reply: { status: 422, body: { error: { code: 'invalid_recipient', message: 'not an e-mail address' } } },
    verdict: { kind: 'refused', code: 'invalid_recipient', message: 'not an e-mail address' },
  },
  {
    name: 'the key was used for another message',
    changes: [reminder],
    request: emailRequest,
    reply: {
      status: 409,
      body: { error: { code: 'idempotency_mismatch', message: 'the key was used with another body' } },
    },
    verdict: { kind: 'refused', code: 'idempotency_mismatch', message: 'the key was used with another body' },
  },
]

const smsExamples: readonly Example[] = [
  {
    name: 'accepted',
    changes: [{ key: 'c1', changeId: 's1', op: 'enter', fields: { to: '+447700900123', text: 'Your payment failed' } }],
    request: {
      method: 'POST',
      path: '/messages/sms',
      json: { to: '+447700900123', text: 'Your payment failed', reference: 's1' },
    },
    reply: { status: 202, body: { id: 'm_2' } },
    verdict: { kind: 'acked' },
  },
]
