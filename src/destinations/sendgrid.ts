/**
 * SendGrid: mail by dynamic templates, and the contacts of Marketing Campaigns. A mail that may have left is never sent again
 * by guess, because nothing there recognises it. Contacts are taken as a job: a 202 promises nothing, the job is asked about.
 *
 * Sources: SendGrid's OpenAPI descriptions (twilio/sendgrid-oai, tsg_mail_v3 and tsg_mc_contacts_v3, read 2026-11), "Mail
 * Send", "Add or Update a Contact", "Import Contacts Status" and "Remove Contacts from a List" (twilio.com/docs/sendgrid,
 * read 2026-11).
 */
import { z } from 'zod'
import {
  type Action,
  type ActionLimits,
  type Change,
  defineDestination,
  type Fault,
  type HttpReply,
  type Verdict,
} from '../delivery/destination.ts'
import { interpretStatus } from '../delivery/interpret.ts'
import { duration } from '../project/duration.ts'
import type { Json } from '../project/project.ts'
import { secret } from '../project/secret.ts'
import { baseUrl } from './http-settings.ts'
import { type Rate, rateLimits, rates } from './rates.ts'
import { valueAt } from './record-outcomes.ts'
import { changeArgument, eventWebhook, eventWebhookKey } from './sendgrid-events.ts'
import { contactExamples, mailExamples, removalExamples } from './sendgrid-examples.ts'
import { contactJob, contactsPath, type Identifier, identifiers } from './sendgrid-job.ts'

/**
 * Not verified against a live account. `clearing`: the documentation only says that what is left out stays as it is; an empty
 * text is what its own form sends for an emptied field. `mostRemoved`: no limit is named, so a path of 4 kB. `mailBytes`:
 * 30 MB are told in places. Requests a second are not published; headers (X-RateLimit-*) tell them while it runs.
 * `pointsAt`: the form in which an error names a record, known of mail alone.
 */
const unverified = {
  clearing: '',
  mostRemoved: 100,
  mailBytes: 25_000_000,
  requestsPerSecond: 10,
  probePath: '/v3/scopes',
  pointsAt: /^(?:personalizations|contacts)(?:\.|\[)(\d+)/,
}

/** 30,000 contacts or 6 MB, whichever is less; a little is left for what stands around the records. */
const mostContacts = 30_000
const contactsBytes = 5_500_000

const mailPath = '/v3/mail/send'

const hosts = { global: 'https://api.sendgrid.com', eu: 'https://api.eu.sendgrid.com' } as const

const ownName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'letters, digits and underscores')

const settings = z
  .strictObject({
    api_key: secret().describe('The API key, by reference'),
    region: z.enum(['global', 'eu']).default('global').describe('`eu` for subusers whose data stays in the EU'),
    template_data: z
      .array(ownName)
      .default([])
      .describe('The names that your dynamic templates use; `mail` takes each of them as a field'),
    custom_fields: z
      .record(ownName, z.string().min(1))
      .default({})
      .describe(
        'Custom fields that exist in Marketing Campaigns: a name of your own, and the id there. `contacts` takes each name as a field',
      ),
    recipients_per_request: z
      .int()
      .min(1)
      .max(1_000)
      .default(100)
      .describe('At most so many mails in one request. When its answer is lost, all of them are parked'),
    contacts_per_job: z
      .int()
      .min(1)
      .max(mostContacts)
      .default(5_000)
      .describe('At most so many contacts in one job. Several small jobs run beside each other, large ones one by one'),
    job_deadline: duration()
      .prefault('2h')
      .describe('How long a job is asked about; what has not ended by then is sent again by the next run'),
    job_poll: duration()
      .refine(milliseconds => milliseconds > 0, 'longer than nothing')
      .prefault('5s')
      .describe('How soon a job is asked about for the first time; each further question waits twice as long'),
    event_webhook_key: eventWebhookKey,
    requests_per_second: z
      .int()
      .min(1)
      .max(10_000)
      .default(unverified.requestsPerSecond)
      .describe('At most so many requests in a second; what SendGrid says in its headers holds as well'),
    limits_of: z
      .strictObject({
        mail: rates().default([]).describe('`mail`'),
        contacts: rates().default([]).describe('`contacts`'),
        list_removal: rates().default([]).describe('`list_removal`'),
      })
      .prefault({})
      .describe(
        'Rates of single actions, as your account has them: SendGrid publishes none. What its headers say of an endpoint holds for that alone',
      ),
    concurrency: z.int().min(1).max(64).default(4).describe('Requests under way at the same time'),
    timeout: duration().prefault('60s').describe('How long one attempt may take, from connecting to the last byte'),
    base_url: baseUrl().optional().describe('Where the API is, in place of the region; for a proxy of your own'),
    allow_private_network: z.boolean().default(false).describe('Whether `base_url` may be a private address'),
  })
  .superRefine(({ template_data: names, custom_fields: custom }, context) => {
    const refuse = (setting: string, given: readonly string[], taken: object) => {
      for (const name of given.filter(each => Object.hasOwn(taken, each)))
        context.addIssue({ code: 'custom', path: [setting], message: `"${name}" is the name of a field already` })
    }
    refuse('template_data', names, mailFields.shape)
    refuse('custom_fields', Object.keys(custom), contactFields.shape)
  })

type Settings = z.output<typeof settings>

const email = () => z.email({ pattern: z.regexes.unicodeEmail }).max(254)
const words = (longest: number) => z.string().max(longest).nullable().optional()

const mailFields = z.object({
  to: email().describe("The recipient's e-mail address"),
  to_name: words(255).describe("The recipient's name"),
  template_id: z.string().regex(/^d-/, 'a dynamic template, whose id begins with d-').describe('The dynamic template'),
  from: email().describe('A verified sender'),
  from_name: words(255).describe("The sender's name"),
  reply_to: email().nullable().optional().describe('Where answers go, where not to the sender'),
  unsubscribe_group: z.int().nullable().optional().describe('The group that an unsubscribe link unsubscribes from'),
})

const contactFields = z.object({
  email: email().nullable().optional().describe('E-mail address; SendGrid keeps it in lower case'),
  phone_number_id: z.e164().nullable().optional().describe('Telephone number in E.164, as an identifier'),
  external_id: words(254).describe('An id of your own'),
  anonymous_id: words(254).describe('An id of somebody who is not known by name'),
  first_name: words(50).describe('First name'),
  last_name: words(50).describe('Last name'),
  address_line_1: words(100).describe('Address, first line'),
  address_line_2: words(100).describe('Address, second line'),
  city: words(60).describe('City'),
  state_province_region: words(50).describe('State, province or region'),
  postal_code: words(50).describe('Postal code'),
  country: words(50).describe('Country'),
  list_id: z
    .uuid()
    .nullable()
    .optional()
    .describe('The list that contacts are added to, and that leavers are taken off'),
  contact_id: z
    .uuid()
    .nullable()
    .optional()
    .describe(
      "SendGrid's own id of the contact. Only `list_removal` sends it, and leavers cannot be removed without it",
    ),
})

const standard: readonly string[] = Object.keys(contactFields.shape).filter(
  name => name !== 'list_id' && name !== 'contact_id',
)

export const sendgrid = defineDestination({
  name: 'sendgrid',
  summary: 'Mail by dynamic templates, and the contacts of Marketing Campaigns, through SendGrid',
  docs: 'https://www.twilio.com/docs/sendgrid/api-reference',
  settings,
  baseUrl: ({ base_url: url, region }) => url ?? hosts[region],
  allowPrivateNetwork: ({ allow_private_network: allowed }) => allowed,
  headers: ({ api_key: key }) => ({ authorization: `Bearer ${key}` }),
  limits: ({ requests_per_second: requests }) => [{ requests, perMilliseconds: 1000 }],
  concurrency: ({ concurrency }) => concurrency,
  timeout: ({ timeout }) => timeout,
  probe: () => ({ method: 'GET', path: unverified.probePath }),
  callback: eventWebhook,
  actions: given => ({ mail: mail(given), contacts: contacts(given), list_removal: listRemoval(given) }),
})

/** Every endpoint has a limit of its own, which its headers tell of ("Rate limits", twilio.com/docs/sendgrid, read 2026-11). */
function limitsOf(name: string, given: readonly Rate[]): ActionLimits {
  return { name, limits: rateLimits(given), toldByHeaders: true }
}

function mail({
  template_data: names,
  recipients_per_request: maxRecords,
  event_webhook_key: key,
  limits_of: limits,
}: Settings): Action<Settings> {
  const reports = key !== undefined
  const value = z.json().nullable().optional().describe('A value of the template')
  return {
    summary:
      'Sends one mail for each record, by a dynamic template. Names under `template_data` are fields too: NULL is given to the template as null',
    modes: ['trigger', 'append'],
    fields: mailFields.extend(Object.fromEntries(names.map(name => [name, value]))),
    batch: { maxRecords, maxBytes: unverified.mailBytes },
    limits: limitsOf('mail/send', limits.mail),
    idempotency: { kind: 'none' },
    request: batch => ({ method: 'POST', path: mailPath, json: envelopeOf(batch, names) }),
    interpret: (reply, batch) => (reports ? named(interpretMail(reply, batch), batch) : interpretMail(reply, batch)),
    examples: mailExamples,
  }
}

/** Sender and template belong to the whole request, so records that differ in them go in requests of their own. */
function envelopeOf(batch: readonly Change[], names: readonly string[]) {
  const shared = (field: string) => sharedValue(batch, field)
  const reply = shared('reply_to')
  const group = shared('unsubscribe_group')
  return {
    from: withName(shared('from'), shared('from_name')),
    ...(reply !== undefined && { reply_to: { email: reply } }),
    template_id: shared('template_id'),
    ...(group !== undefined && { asm: { group_id: group } }),
    personalizations: batch.map(({ changeId, fields }) => ({
      to: [withName(fields.to, fields.to_name)],
      dynamic_template_data: Object.fromEntries(
        names.filter(name => Object.hasOwn(fields, name)).map(name => [name, fields[name]]),
      ),
      custom_args: { [changeArgument]: changeId },
    })),
  }
}

function withName(address: Json | undefined, name: Json | undefined) {
  return { email: address, ...(name !== undefined && name !== null && { name }) }
}

/** What all records have; NULL is nothing. Throws when they differ: the kit then makes smaller requests. */
function sharedValue(batch: readonly Change[], field: string): Json | undefined {
  const [first, ...others] = batch.map(({ fields }) => fields[field] ?? undefined)
  if (others.some(other => other !== first)) throw new TypeError(`records of one request differ in "${field}"`)
  return first
}

function interpretMail(reply: HttpReply, batch: readonly Change[]): Verdict {
  if (reply.status >= 200 && reply.status < 300) {
    if (reply.status === 202 && reply.text.trim() === '') return { kind: 'acked' }
    return { kind: 'uncertain', code: 'unreadable_reply', message: `HTTP ${reply.status} in place of an empty 202` }
  }
  return refusalOf(reply, batch)
}

/** Under their change ids, which events name, so that what is reported of a mail finds it. */
function named(verdict: Verdict, batch: readonly Change[]): Verdict {
  if (verdict.kind !== 'acked') return verdict
  return { kind: 'each', outcomes: batch.map(({ changeId }) => ({ changeId, outcome: 'acked', reference: changeId })) }
}

/** A 400 applies to the whole request; where its errors name records, those are at fault. A 404 is about the address, or the list in it. */
function refusalOf(reply: HttpReply, batch: readonly Change[]): Verdict {
  const verdict = interpretStatus(reply)
  if (reply.status === 404) return { kind: 'denied', code: 'no_such_place', message: 'HTTP 404' }
  const errors = valueAt(reply.json, 'errors')
  if (verdict.kind !== 'refused' || reply.status === 413 || !Array.isArray(errors)) return verdict
  const faults = errors.flatMap((error): readonly Fault[] => {
    const field = valueAt(error, 'field')
    const index = typeof field === 'string' ? unverified.pointsAt.exec(field)?.[1] : undefined
    const change = index === undefined ? undefined : batch[Number(index)]
    return change === undefined ? [] : [{ changeId: change.changeId, code: codeOf(reply), message: textOf(error) }]
  })
  const [first] = errors
  const message = first === undefined ? verdict.message : textOf(first)
  return { kind: 'refused', code: codeOf(reply), message, ...(faults.length > 0 && { faults: onceEach(faults) }) }
}

function onceEach(faults: readonly Fault[]): readonly Fault[] {
  return [...new Map(faults.toReversed().map(fault => [fault.changeId, fault])).values()].toReversed()
}

function codeOf({ status }: HttpReply): string {
  return `http_${status}`
}

function textOf(error: unknown): string {
  const [message, field] = [valueAt(error, 'message'), valueAt(error, 'field')]
  const said = typeof message === 'string' ? message : 'refused without a reason'
  return typeof field === 'string' ? `${field}: ${said}` : said
}

function contacts({
  custom_fields: custom,
  contacts_per_job: maxRecords,
  job_deadline: deadline,
  job_poll: every,
  limits_of: limits,
}: Settings): Action<Settings> {
  const value = z
    .union([z.string().max(1_000), z.number(), z.null()])
    .optional()
    .describe('A custom field')
  const fields = contactFields
    .extend(Object.fromEntries(Object.keys(custom).map(name => [name, value])))
    .refine(given => identifiers.some(name => (given[name] ?? null) !== null), {
      message: `a contact needs one of ${identifiers.join(', ')}`,
      path: ['email'],
    })
  return {
    summary:
      'Creates or updates contacts, and adds them to `list_id`. All identifiers that a contact has must be given to update it. What is not mapped stays as it is, NULL clears. Names under `custom_fields` are fields too',
    modes: ['upsert', 'mirror', 'audience', 'append'],
    fields,
    batch: { maxRecords, maxBytes: contactsBytes },
    idempotency: { kind: 'natural' },
    leavers: 'list_removal',
    request: batch => {
      const list = sharedValue(batch, 'list_id')
      const json = {
        ...(list !== undefined && { list_ids: [list] }),
        contacts: batch.map(each => contactOf(each, custom)),
      }
      return { method: 'PUT', path: contactsPath, json }
    },
    interpret: interpretContacts,
    limits: limitsOf('contacts', limits.contacts),
    job: contactJob(deadline, every),
    examples: contactExamples,
  }
}

function contactOf({ fields }: Change, custom: Settings['custom_fields']) {
  const known = Object.entries(fields).filter(([name]) => standard.includes(name))
  const own = Object.entries(fields).flatMap(([name, value]) => {
    const id = Object.hasOwn(custom, name) ? custom[name] : undefined
    return id === undefined ? [] : [[id, cleared(value)] as const]
  })
  return {
    // An identifier that is NULL is none; it cannot be taken away like this (there is an endpoint of its own for it).
    ...Object.fromEntries(
      known
        .filter(([name, value]) => value !== null || !isIdentifier(name))
        .map(([name, value]) => [name, cleared(value)]),
    ),
    ...(own.length > 0 && { custom_fields: Object.fromEntries(own) }),
  }
}

function isIdentifier(name: string): name is Identifier {
  return (identifiers as readonly string[]).includes(name)
}

function cleared(value: Json): Json {
  return value ?? unverified.clearing
}

function interpretContacts(reply: HttpReply, batch: readonly Change[]): Verdict {
  if (reply.status < 200 || reply.status >= 300) return refusalOf(reply, batch)
  const reference = valueAt(reply.json, 'job_id')
  if (typeof reference === 'string' && reference !== '') return { kind: 'accepted', reference }
  return { kind: 'uncertain', code: 'unreadable_reply', message: `the reply (${reply.status}) names no job` }
}

function listRemoval({ limits_of: limits }: Settings): Action<Settings> {
  return {
    summary: 'Takes contacts off `list_id`, by `contact_id`; a 202 means that the removal is being processed',
    modes: [],
    fields: z.object({
      list_id: z.uuid().describe('The list'),
      contact_id: z.uuid().describe("SendGrid's own id of the contact, as the sync had it"),
    }),
    batch: { maxRecords: unverified.mostRemoved },
    limits: limitsOf('list removal', limits.list_removal),
    idempotency: { kind: 'natural' },
    takesLeavers: true,
    request: batch => {
      const list = sharedValue(batch, 'list_id')
      const ids = batch.map(({ fields }) => fields.contact_id ?? undefined)
      if (list === undefined || ids.includes(undefined))
        throw new TypeError('a leaver needs list_id and contact_id, as it was sent')
      const wanted = ids.map(id => encodeURIComponent(String(id))).join(',')
      return {
        method: 'DELETE',
        path: `/v3/marketing/lists/${encodeURIComponent(String(list))}/contacts?contact_ids=${wanted}`,
      }
    },
    interpret: (reply, batch) => {
      if (reply.status < 200 || reply.status >= 300) return refusalOf(reply, batch)
      if (typeof (valueAt(reply.json, 'job_id') ?? valueAt(reply.json, 'jobId')) === 'string') return { kind: 'acked' }
      return { kind: 'uncertain', code: 'unreadable_reply', message: `the reply (${reply.status}) names no job` }
    },
    examples: removalExamples,
  }
}
