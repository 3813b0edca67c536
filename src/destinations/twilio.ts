/**
 * Twilio's messages: SMS and WhatsApp, one per request. A 201 means that Twilio has it, not that the phone has: what became of
 * it comes later, by callback. Nothing repeats safely, so a message that may have left is never sent again by guess.
 *
 * Sources: Twilio's OpenAPI description (twilio/twilio-oai, api_v2010, read 2026-11), "Message resource", "Error and warning
 * dictionary", "Security: validating requests" and "Advanced opt-out" (twilio.com/docs, read 2026-11).
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import {
  type Action,
  type ActionLimits,
  type CallbackReport,
  type CallbackRequest,
  type Change,
  defineDestination,
  type HttpReply,
  type RecordOutcome,
  type Verdict,
} from '../delivery/destination.ts'
import { interpretStatus, retryAfterOf } from '../delivery/interpret.ts'
import { duration } from '../project/duration.ts'
import { secret } from '../project/secret.ts'
import { baseUrl } from './http-settings.ts'
import { type Rate, rateLimits, rates } from './rates.ts'
import { valueAt } from './record-outcomes.ts'
import { smsExamples, whatsappExamples } from './twilio-examples.ts'

/**
 * Not verified against a live account: how long a full queue (21611) wants to be left alone; how many requests Twilio takes
 * at a time; that 403 and 404 with a code of the 21000s or 63000s are about the one message, and any other about the account.
 */
const unverified = { queueFullPause: 60_000, requestsPerSecond: 10, concurrency: 4, aboutOneMessage: /^(21|63)\d{3}$/ }

const codes = { rateLimited: '20429', denied: '20003', optedOut: '21610', queueFull: '21611' }

const sid = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}[0-9a-fA-F]{32}$`), `${prefix} and 32 hex digits`)

const settings = z
  .strictObject({
    account_sid: sid('AC').describe('The account whose messages these are'),
    auth_token: secret()
      .optional()
      .describe("The account's token, by reference. Needed for callbacks in any case, which Twilio signs with it"),
    api_key_sid: sid('SK').optional().describe('An API key, in place of the token'),
    api_key_secret: secret().optional().describe("The API key's secret, by reference"),
    messaging_service_sid: sid('MG').optional().describe('The messaging service that chooses the sender'),
    from: z.string().min(1).max(64).optional().describe('The sender of an SMS, where no messaging service chooses it'),
    whatsapp_from: z.e164().optional().describe('The number that WhatsApp messages come from'),
    status_callback: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe(
        'The address at which `activate callbacks` is reached from outside, to the letter: Twilio signs it. Without it, nothing is known of a message after it was accepted',
      ),
    validity: duration()
      .refine(milliseconds => milliseconds >= 1_000 && milliseconds <= 36_000_000, 'between 1s and 10h')
      .prefault('4h')
      .describe(
        "How long a message may wait in Twilio's queue before it is stale and is not sent any more; 10h at most",
      ),
    requests_per_second: z
      .int()
      .min(1)
      .max(1_000)
      .default(unverified.requestsPerSecond)
      .describe('At most so many messages in a second. Twilio queues what its senders cannot take at once'),
    limits_of: z
      .strictObject({
        sms: rates().default([]).describe('The sender of `sms`: `from`, or the messaging service'),
        whatsapp: rates().default([]).describe('The sender of `whatsapp`'),
      })
      .prefault({})
      .describe(
        'What a sender takes, such as one message in `1s` for a long code in the US, so that nothing waits in its queue until it is stale. All destinations of the account that have the sender share it',
      ),
    concurrency: z.int().min(1).max(64).default(unverified.concurrency).describe('Requests under way at the same time'),
    timeout: duration().prefault('30s').describe('How long one attempt may take, from connecting to the last byte'),
    base_url: baseUrl().default('https://api.twilio.com').describe('Where the API is; for a proxy of your own'),
    allow_private_network: z.boolean().default(false).describe('Whether `base_url` may be a private address'),
  })
  .superRefine((given, context) => {
    const issue = (at: string, message: string) => context.addIssue({ code: 'custom', path: [at], message })
    if ((given.api_key_sid === undefined) !== (given.api_key_secret === undefined))
      issue('api_key_sid', 'an API key has a sid and a secret')
    if (given.auth_token === undefined && given.api_key_sid === undefined)
      issue('auth_token', 'give the token, or an API key')
  })

type Settings = z.output<typeof settings>

const to = z.e164().describe('Telephone number in E.164, such as +447700900123')

const smsFields = z.object({
  to,
  body: z.string().min(1).max(1600).describe('The text; 1,600 characters at most'),
})

const whatsappFields = z
  .object({
    to,
    body: z
      .string()
      .min(1)
      .max(1600)
      .nullable()
      .optional()
      .describe('The text; WhatsApp takes free texts only within 24 hours of what the person wrote'),
    content_sid: sid('HX').nullable().optional().describe('An approved template, in place of a text'),
    content_variables: z
      .record(z.string(), z.union([z.string(), z.number()]))
      .nullable()
      .optional()
      .describe("The template's values: an object"),
  })
  .refine(({ body, content_sid: template }) => (body ?? template ?? null) !== null, {
    path: ['body'],
    message: 'a message needs a text or a template',
  })

export const twilio = defineDestination({
  name: 'twilio',
  summary: 'SMS and WhatsApp messages through Twilio',
  docs: 'https://www.twilio.com/docs/messaging/api/message-resource',
  settings,
  baseUrl: ({ base_url: url }) => url,
  allowPrivateNetwork: ({ allow_private_network: allowed }) => allowed,
  headers: ({ account_sid: account, auth_token: token, api_key_sid: key, api_key_secret: keySecret }) => {
    const [user, password] = key === undefined ? [account, token] : [key, keySecret]
    return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
  },
  limits: ({ requests_per_second: requests }) => [{ requests, perMilliseconds: 1000 }],
  concurrency: ({ concurrency }) => concurrency,
  timeout: ({ timeout }) => timeout,
  // Not the account itself, which a standard API key may not read.
  probe: ({ account_sid: account }) => ({
    method: 'GET',
    path: `/2010-04-01/Accounts/${account}/Messages.json?PageSize=1`,
  }),
  actions: given => ({
    ...(given.messaging_service_sid === undefined && given.from === undefined ? {} : { sms: sms(given) }),
    ...(given.whatsapp_from === undefined ? {} : { whatsapp: whatsapp(given) }),
  }),
  callback: { optOuts: 'phone', lacks: lackOf, verify, read: ({ body }) => reportsIn(new URLSearchParams(body)) },
})

const messages = { modes: ['trigger', 'append'], idempotency: { kind: 'none' } } as const

/** A sender has a rate of its own, whoever sends through it; an account has none that is documented but its concurrency. */
function limitsOf(sender: string | undefined, given: readonly Rate[]): ActionLimits {
  return { name: `sender ${sender}`, limits: rateLimits(given) }
}

function sms({ messaging_service_sid: sender, from: number, limits_of: limits }: Settings): Action<Settings> {
  return {
    summary: 'Sends one SMS; needs `from` or `messaging_service_sid`',
    ...messages,
    limits: limitsOf(sender ?? number, limits.sms),
    fields: smsFields,
    request: (batch, { settings: given }) => {
      const { to: recipient, body } = fieldsOf(batch, smsFields)
      const { messaging_service_sid: service, from } = given
      return message(given, {
        To: recipient,
        MessagingServiceSid: service,
        From: service ? undefined : from,
        Body: body,
      })
    },
    interpret,
    examples: smsExamples,
  }
}

function whatsapp({ whatsapp_from: sender, limits_of: limits }: Settings): Action<Settings> {
  return {
    summary: 'Sends one WhatsApp message; needs `whatsapp_from`',
    ...messages,
    limits: limitsOf(`whatsapp:${sender}`, limits.whatsapp),
    fields: whatsappFields,
    request: (batch, { settings: given }) => {
      const { to: recipient, body, content_sid: template, content_variables: values } = fieldsOf(batch, whatsappFields)
      return message(given, {
        To: `whatsapp:${recipient}`,
        From: `whatsapp:${given.whatsapp_from}`,
        Body: body ?? undefined,
        ContentSid: template ?? undefined,
        ContentVariables: values ? JSON.stringify(values) : undefined,
      })
    },
    interpret,
    examples: whatsappExamples,
  }
}

/** A message has no earlier state that NULL could clear, so NULL is left out. */
function message(given: Settings, parts: Readonly<Record<string, string | undefined>>) {
  const form: Record<string, string> = {}
  for (const [name, value] of Object.entries(parts)) if (value !== undefined) form[name] = value
  form.ValidityPeriod = String(Math.floor(given.validity / 1000))
  if (given.status_callback !== undefined) form.StatusCallback = given.status_callback
  return { method: 'POST', path: `/2010-04-01/Accounts/${given.account_sid}/Messages.json`, form } as const
}

function fieldsOf<Fields extends z.ZodObject>(batch: readonly Change[], fields: Fields): z.output<Fields> {
  const [change, second] = batch
  if (change === undefined || second !== undefined) throw new TypeError('a message request carries exactly one record')
  return fields.parse(change.fields)
}

function interpret(reply: HttpReply, batch: readonly Change[]): Verdict {
  const { status } = reply
  const [change] = batch
  if (change === undefined || status >= 500 || status < 200) return interpretStatus(reply)
  if (status < 300) return created(reply, change)
  const said = textOf(valueAt(reply.json, 'code'))
  const words = textOf(valueAt(reply.json, 'message')) ?? `HTTP ${status}`
  if (status === 429 || said === codes.rateLimited) return waitFor('rate_limited', words, retryAfterOf(reply))
  if (said === undefined) return interpretStatus(reply)
  if (said === codes.queueFull) return waitFor(said, words, retryAfterOf(reply) ?? unverified.queueFullPause)
  const aboutAll = status === 401 || ((status === 403 || status === 404) && !unverified.aboutOneMessage.test(said))
  if (aboutAll && status === 404) return { kind: 'denied', code: 'no_such_place', message: words }
  if (aboutAll || said === codes.denied) return { kind: 'denied', code: said, message: words }
  if (status === 408 || status === 425) return interpretStatus(reply)
  const { to: address } = change.fields
  const optOut = said === codes.optedOut && typeof address === 'string' ? { optOut: address } : {}
  return one({ changeId: change.changeId, outcome: 'rejected', code: said, message: words, ...optOut })
}

function created(reply: HttpReply, { changeId }: Change): Verdict {
  const reference = textOf(valueAt(reply.json, 'sid'))
  if (reference !== undefined) return one({ changeId, outcome: 'acked', reference })
  return { kind: 'uncertain', code: 'unreadable_reply', message: `the reply (${reply.status}) names no message` }
}

function waitFor(code: string, message: string, after: number | undefined): Verdict {
  return { kind: 'retry', code, message, ...(after !== undefined && { after }) }
}

function one(outcome: RecordOutcome): Verdict {
  return { kind: 'each', outcomes: [outcome] }
}

function textOf(value: unknown): string | undefined {
  return (typeof value === 'string' && value !== '') || typeof value === 'number' ? String(value) : undefined
}

/** After these, Twilio says nothing more of a message; `read` may follow `delivered` on WhatsApp. */
const finalStatuses: readonly string[] = ['delivered', 'undelivered', 'failed', 'canceled']

function lackOf({ auth_token: token, status_callback: url }: Settings): string | undefined {
  return token === undefined ? 'auth_token' : url === undefined ? 'status_callback' : undefined
}

function verify({ auth_token: token, status_callback: url }: Settings, { headers, body }: CallbackRequest): boolean {
  if (token === undefined || url === undefined) return false
  const expected = Buffer.from(signatureOf(token, url, new URLSearchParams(body)))
  const given = Buffer.from(headers['x-twilio-signature'] ?? '')
  return expected.length === given.length && timingSafeEqual(expected, given)
}

/** HMAC-SHA1 over the address and every parameter, sorted by name ("Security: validating requests", read 2026-11). */
export function signatureOf(token: string, url: string, parameters: URLSearchParams): string {
  const sorted = [...parameters].sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
  return createHmac('sha1', token)
    .update(url + sorted.map(([name, value]) => name + value).join(''))
    .digest('base64')
}

/** A status of a message that was sent, or what somebody wrote: of that, only that they opted out is of interest. */
function reportsIn(parameters: URLSearchParams): readonly CallbackReport[] {
  const given = (name: string) => parameters.get(name) ?? undefined
  if (given('OptOutType') === 'STOP') {
    const from = addressIn(given('From'))
    if (from === undefined) throw new TypeError('an opt-out without a sender')
    return [{ outcome: 'opt_out', final: true, optOut: from }]
  }
  // START, UNSTOP and what a messaging service takes for them. Nothing says when it was written, so nothing is lifted for it.
  if (given('OptOutType') === 'START') return [{ outcome: 'opt_in', final: true, optIn: true }]
  const outcome = given('MessageStatus') ?? given('SmsStatus')
  const reference = given('MessageSid') ?? given('SmsSid')
  if (outcome === undefined || outcome === 'received') return []
  if (reference === undefined) throw new TypeError('a status without a message')
  const code = given('ErrorCode')
  const address = code === codes.optedOut ? addressIn(given('To')) : undefined
  return [
    {
      ...{ reference, outcome, final: finalStatuses.includes(outcome) },
      ...(code !== undefined && { code }),
      ...(address !== undefined && { optOut: address }),
    },
  ]
}

function addressIn(text: string | undefined): string | undefined {
  return text?.replace(/^whatsapp:/, '')
}
