/**
 * HubSpot: any object by a unique property, and membership of static lists. Every action may be repeated: properties are set,
 * members are a set. A 2xx may hold refusals, so `errors` is read on each, whatever the status.
 */
import { z } from 'zod'
import {
  type Action,
  type Change,
  defineDestination,
  type HttpReply,
  type HttpRequest,
  type RateLimit,
  type RecordOutcome,
  type Verdict,
} from '../delivery/destination.ts'
import { interpretStatus, retryAfterOf } from '../delivery/interpret.ts'
import type { LimitReading } from '../delivery/rate-headers.ts'
import { duration } from '../project/duration.ts'
import type { Json } from '../project/project.ts'
import { secret } from '../project/secret.ts'
import { baseUrl } from './http-settings.ts'
import { hubspotExamples } from './hubspot-examples.ts'
import { unreadable, valueAt } from './record-outcomes.ts'

/** HubSpot's API is dated since 2026-03-30; v1 to v3 end in September 2027 (developers.hubspot.com, "API versioning", read 2026-11). */
export const apiVersion = '2026-09'

/**
 * What the documents do not say, or what nobody has tried against the service. Read 2026-11, developers.hubspot.com.
 *
 * - `recordsPerMembership`: no maximum is given for list memberships; 100 is what batches of objects take.
 * - `longPause`: the day of the DAILY limit ends at midnight in the account's time zone, which no reply names. Whoever
 *   finds it used up asks again after this.
 * - `lockPause`: 423 is to be waited out "at least 2 seconds".
 * - accounts in the EU: said to be reached at the same host; `base_url` is there in case they are not.
 * - whether an upsert or update answers in part, as a create does when every input has its own `objectWriteTraceId`. Either
 *   is read: named refusals by record, and a 400 for the whole request by halves.
 */
export const unverified = { recordsPerMembership: 100, longPause: 3_600_000, lockPause: 2_000 } as const

/** "Usage guidelines", read 2026-11: per app in ten seconds, per account in a day. For professional 650k is given elsewhere. */
const plans = {
  starter: { burst: 100, day: 250_000 },
  professional: { burst: 190, day: 625_000 },
  enterprise: { burst: 190, day: 1_000_000 },
} as const

/** The add-on "API limit increase". */
const increase = { burst: 250, day: 1_000_000 } as const

const examples = hubspotExamples(apiVersion)

const tenSeconds = 10_000
const oneDay = 86_400_000

const internalName = /^[a-z][a-z0-9_]*$/
const propertyName = () => z.string().regex(internalName, 'the internal name of a property, such as customer_id')

/** Properties by which an upsert is refused ("Partial upserts are not supported when using email as idProperty"). */
const neverUpsertedBy: Readonly<Record<string, string>> = {
  email: 'HubSpot takes no partial upserts by e-mail address',
  hs_object_id: 'a record that is not there has no hs_object_id',
}

const object = z
  .strictObject({
    type: z
      .string()
      .regex(/^[A-Za-z0-9_-]+$/, 'the name or id of an object type')
      .optional()
      .describe('The type as HubSpot knows it, such as `contacts` or `2-3453932`. Without it, the name given here'),
    upsert_by: propertyName()
      .optional()
      .describe('A unique property of your own. With it there is the action that creates or updates'),
    update_by: propertyName()
      .optional()
      .describe(
        '`email`, `hs_object_id`, or a unique property. Without it: `upsert_by`, else `email` for contacts and `hs_object_id` for others',
      ),
  })
  .superRefine(({ upsert_by: by }, context) => {
    const why = by === undefined ? undefined : neverUpsertedBy[by]
    if (why === undefined) return
    const help =
      'make a property with "unique values" in HubSpot, fill it with your key and name it here; or use `update_by`, which only updates'
    context.addIssue({ code: 'custom', path: ['upsert_by'], message: why, params: { code: 'A5060', help } })
  })

type HubspotObject = z.output<typeof object>

const settings = z.strictObject({
  token: secret().describe(
    'A service key, or the token of a private app, by reference. Scopes: `crm.objects.contacts.read` for `doctor`, `….write` of each object, `crm.lists.write`',
  ),
  objects: z
    .record(z.string().regex(internalName, 'a name of small letters, digits and _'), object)
    .prefault({ contacts: {} })
    .describe('Objects that syncs write, by the name that their actions get: `upsert_<name>`, `update_<name>`'),
  plan: z
    .enum(['starter', 'professional', 'enterprise'])
    .default('starter')
    .describe("The account's plan, whose limits are kept. `starter` holds for free accounts, too"),
  limit_increase: z.boolean().default(false).describe('Whether the account has the add-on "API limit increase"'),
  requests_per_day: z
    .int()
    .min(1)
    .optional()
    .describe("What syncs may use of the account's day, which all its apps share. Without it, the whole of the plan"),
  concurrency: z.int().min(1).max(32).default(4).describe('Requests under way at the same time'),
  timeout: duration().prefault('30s').describe('How long one attempt may take, from connecting to the last byte'),
  base_url: baseUrl().default('https://api.hubapi.com').describe('Where the API is'),
  allow_private_network: z.boolean().default(false).describe('Private addresses are refused unless this is true'),
})

type HubspotSettings = z.output<typeof settings>

export const hubspot = defineDestination({
  name: 'hubspot',
  summary: `HubSpot's CRM: contacts and other objects by a unique property, and static lists (API ${apiVersion})`,
  docs: 'https://developers.hubspot.com/docs/api-reference (read 2026-11)',
  settings,
  baseUrl: ({ base_url }) => base_url,
  headers: ({ token }) => ({ authorization: `Bearer ${token}` }),
  allowPrivateNetwork: ({ allow_private_network }) => allow_private_network,
  limits: limitsOf,
  concurrency: ({ concurrency }) => concurrency,
  timeout: ({ timeout }) => timeout,
  readLimits,
  probe: () => ({ method: 'GET', path: `/crm/objects/${apiVersion}/contacts?limit=1` }),
  actions: ({ objects }) => ({
    ...Object.assign({}, ...Object.entries(objects).map(([name, own]) => objectActions(name, own))),
    add_to_list: membership('add'),
    remove_from_list: membership('remove'),
  }),
})

function limitsOf({ plan, limit_increase, requests_per_day }: HubspotSettings): readonly RateLimit[] {
  const { burst, day } = plans[plan]
  const most = limit_increase ? day + increase.day : day
  return [
    { requests: limit_increase ? increase.burst : burst, perMilliseconds: tenSeconds },
    { requests: Math.min(most, requests_per_day ?? most), perMilliseconds: oneDay },
  ]
}

/** `X-HubSpot-RateLimit-*`; those of the day are missing for OAuth apps. */
function readLimits(headers: Readonly<Record<string, string>>, now: number): readonly LimitReading[] {
  const number = (name: string) => {
    const text = headers[`x-hubspot-ratelimit-${name}`]
    return text === undefined || !/^\d{1,12}$/.test(text) ? undefined : Number(text)
  }
  const [remaining, ofDay] = [number('remaining'), number('daily-remaining')]
  const interval = number('interval-milliseconds') ?? tenSeconds
  return [
    ...(remaining === undefined ? [] : [{ name: 'interval', remaining, until: now + interval }]),
    ...(ofDay === undefined ? [] : [{ name: 'day', remaining: ofDay, until: now + unverified.longPause }]),
  ]
}

const scalar = z.union([z.string().max(65_536), z.number(), z.boolean(), z.null()])
const property = z.union([scalar, z.array(z.union([z.string(), z.number()]))])

const email = () => z.email({ pattern: z.regexes.unicodeEmail })

const contact = {
  email: email().nullish().describe('E-mail address'),
  phone: z.string().nullish().describe('Telephone number; E.164 is kept as it is'),
  lifecyclestage: z
    .string()
    .nullish()
    .describe('Only moves forward, unless it is cleared before: HubSpot keeps the later stage'),
}

const bulk = { maxRecords: 100 }

function objectActions(name: string, own: HubspotObject): Readonly<Record<string, Action<HubspotSettings>>> {
  const type = own.type ?? name
  const { upsert_by: upsertBy } = own
  const updateBy = own.update_by ?? upsertBy ?? (type === 'contacts' ? 'email' : 'hs_object_id')
  const clear = `clear_${name}`
  // Whom an update means by one property must not be emptied by another.
  const clearUpdated = upsertBy === undefined || upsertBy === updateBy ? clear : `${clear}_by_${updateBy}`
  const upsert =
    upsertBy === undefined
      ? {}
      : {
          [`upsert_${name}`]: objectAction(type, 'upsert', upsertBy, {
            summary: `Creates ${name} or sets the mapped properties, by ${upsertBy}`,
            modes: ['upsert', 'mirror', 'append'],
            leavers: clear,
            examples: examples.upsert(type, upsertBy),
          }),
          [clear]: clearing(type, upsertBy),
        }
  return {
    ...upsert,
    [`update_${name}`]: objectAction(type, 'update', updateBy, {
      summary: `Sets the mapped properties of ${name} that exist, by ${updateBy}; others are refused`,
      modes: ['update', 'upsert', 'mirror'],
      leavers: clearUpdated,
      examples: examples.update(type, updateBy),
    }),
    [clearUpdated]: clearing(type, updateBy),
  }
}

type Own = Pick<Action<HubspotSettings>, 'summary' | 'modes' | 'leavers' | 'takesLeavers' | 'examples'>

function objectAction(type: string, verb: 'upsert' | 'update', by: string, own: Own): Action<HubspotSettings> {
  return {
    fields: fieldsOf(type, by),
    batch: bulk,
    idempotency: { kind: 'natural' },
    request: batch => objectRequest(type, verb, by, batch),
    interpret: (reply, batch) => interpretObjects(reply, batch, by),
    ...own,
  }
}

/** One that is gone has nothing left to empty. */
function clearing(type: string, by: string): Action<HubspotSettings> {
  return {
    ...objectAction(type, 'update', by, {
      summary: 'Empties the properties that the sync had sent. The record stays, and one that is gone counts as done',
      modes: [],
      takesLeavers: true,
      examples: examples.clear(type, by),
    }),
    request: batch => objectRequest(type, 'update', by, batch, () => ''),
    interpret: (reply, batch) => interpretObjects(reply, batch, by, true),
  }
}

/** `email` and `hs_object_id` are never a model's key by accident, so they have to be mapped. */
function fieldsOf(type: string, by: string): z.ZodObject {
  const known = type === 'contacts' ? contact : {}
  const own = z.union([z.string().min(1), z.number()]).optional()
  const id =
    by === 'email'
      ? email().describe('Says which contact is meant')
      : by === 'hs_object_id'
        ? recordId().describe("HubSpot's own id of the record, which says which is meant")
        : own.describe('Says which record is meant. Without it, the key of the model does')
  return z
    .object({ ...known, [by]: id })
    .catchall(property)
    .describe(
      'Any other name is a property, by its internal name: text, number, boolean, a list of choices, or null, which empties it. What is not mapped stays as it is',
    )
}

function recordId() {
  return z.union([z.string().regex(/^\d+$/, 'a record id of digits'), z.int().min(1)])
}

function idOf({ key, fields }: Pick<Change, 'key' | 'fields'>, by: string): string {
  const id = textOf(fields[by] === undefined ? key : (fields[by] ?? ''))
  if (id === '') throw new TypeError(`"${by}" is empty, so that HubSpot could not tell which record is meant`)
  return by === 'email' ? id.trim().toLowerCase() : id
}

/** Every value is text; none at all empties the property, and choices are joined (API reference, "Objects"). */
function textOf(value: Json): string {
  if (value === null) return ''
  return Array.isArray(value) ? value.map(textOf).join(';') : String(value)
}

function objectRequest(
  type: string,
  verb: 'upsert' | 'update',
  by: string,
  batch: readonly Change[],
  written: (value: Json) => string = textOf,
): HttpRequest {
  const inputs = batch.map(change => ({
    id: idOf(change, by),
    ...(by !== 'hs_object_id' && { idProperty: by }),
    properties: Object.fromEntries(
      Object.entries(change.fields).flatMap(([name, value]) => (name === by ? [] : [[name, written(value)]])),
    ),
    objectWriteTraceId: change.changeId,
  }))
  refuseTwins(inputs.map(({ id }) => id))
  return { method: 'POST', path: `/crm/objects/${apiVersion}/${type}/batch/${verb}`, json: { inputs } }
}

/** Two inputs with one id are refused with the whole batch, so they never meet in one. */
function refuseTwins(ids: readonly string[]): void {
  if (new Set(ids).size < ids.length) throw new TypeError('two records of one request mean the same in HubSpot')
}

const membershipFields = z.object({
  list_id: z
    .union([z.string().regex(/^\d+$/, 'a list id of digits'), z.int().min(1)])
    .describe('The id of a static list, best as a constant: each list needs requests of its own'),
  record_id: recordId().describe(
    "HubSpot's own record id (`hs_object_id`), from HubSpot's data in your warehouse: lists know no other",
  ),
})

function membership(verb: 'add' | 'remove'): Action<HubspotSettings> {
  return {
    summary:
      verb === 'add'
        ? 'Adds records to a static list. A record whose `record_id` changes stays on the list under its old one'
        : 'Takes records off a static list; the records themselves stay',
    modes: verb === 'add' ? ['audience', 'append'] : [],
    fields: membershipFields,
    batch: { maxRecords: unverified.recordsPerMembership },
    idempotency: { kind: 'natural' },
    ...(verb === 'add' ? { leavers: 'remove_from_list' } : { takesLeavers: true }),
    request: batch => {
      const [list, another] = new Set(batch.map(({ fields }) => textOf(fields.list_id ?? null)))
      if (list === undefined || another !== undefined) throw new TypeError('a request is about one list')
      const ids = batch.map(({ fields }) => textOf(fields.record_id ?? null))
      refuseTwins(ids)
      return { method: 'PUT', path: `/crm/lists/${apiVersion}/${list}/memberships/${verb}`, json: ids }
    },
    interpret: interpretMembership,
    examples: examples.membership(verb),
  }
}

/** `recordsIdsAdded` is spelt so in the specification. Members already there and unknown ids are passed over; only the unknown are named. */
function interpretMembership(reply: HttpReply, batch: readonly Change[]): Verdict {
  if (!isSuccess(reply)) return interpretFailure(reply)
  const lists = ['recordsIdsAdded', 'recordIdsRemoved', 'recordIdsMissing'].map(name => valueAt(reply.json, name))
  if (!lists.some(Array.isArray)) return unreadable(reply, 'recordIdsMissing')
  const [added, removed, missing] = lists.map(list => new Set(Array.isArray(list) ? list.map(String) : []))
  if (missing === undefined || missing.size === 0) return { kind: 'acked' }
  const outcomes = batch.flatMap(({ changeId, fields }): readonly RecordOutcome[] => {
    const id = textOf(fields.record_id ?? null)
    if (missing.has(id)) {
      return [{ changeId, outcome: 'rejected', code: 'record_missing', message: `HubSpot has no record ${id}` }]
    }
    return added?.has(id) || removed?.has(id) ? [{ changeId, outcome: 'acked' }] : []
  })
  return { kind: 'each', outcomes }
}

const isSuccess = ({ status }: HttpReply): boolean => status >= 200 && status < 300

/** Refusals of the account or the moment, in which an input had no part. */
const passing: Readonly<Record<string, 'retry' | 'uncertain'>> = { rate_limits: 'retry', internal_error: 'uncertain' }

/**
 * Results name their input by trace id, by the property that it was addressed by, or by record id; refusals by trace id or
 * by what was given as id. Where results name nobody, their number has to tell: as many as were not refused. Where nothing was
 * written and refusals name nobody, halves are tried until it is clear whom they mean.
 */
function interpretObjects(reply: HttpReply, batch: readonly Change[], by: string, goneIsDone = false): Verdict {
  if (!isSuccess(reply)) return interpretFailure(reply)
  const results = valueAt(reply.json, 'results')
  if (!Array.isArray(results)) return unreadable(reply, 'results')
  const said = valueAt(reply.json, 'errors')
  const errors: readonly unknown[] = Array.isArray(said) ? said : []
  const find = (names: readonly unknown[]) => {
    const given = new Set(names.filter(name => name !== undefined && name !== null).map(name => fold(String(name), by)))
    return batch.filter(change => given.has(fold(change.changeId, by)) || given.has(fold(idOf(change, by), by)))
  }
  const refused = errors.map(error => ({ error, changes: find(namesIn(error)) }))
  const [first] = refused
  if (results.length === 0 && first !== undefined && refused.every(({ changes }) => changes.length === 0))
    return { kind: 'refused', ...reasonOf(first.error) }
  const acked = results.map(result => {
    const id = by === 'hs_object_id' ? valueAt(result, 'id') : valueAt(result, `properties.${by}`)
    return find([valueAt(result, 'objectWriteTraceId'), id])
  })
  const named = new Set([...refused.flatMap(({ changes }) => changes), ...acked.flat()])
  const nameless = batch.filter(change => !named.has(change))
  const counted = Number(valueAt(reply.json, 'numErrors') ?? errors.length)
  const complete = counted === errors.length && refused.every(({ changes }) => changes.length > 0)
  const told = complete && acked.filter(changes => changes.length === 0).length === nameless.length
  return {
    kind: 'each',
    outcomes: [
      ...refused.flatMap(({ error, changes }) => changes.map(change => refusalOf(error, change.changeId, goneIsDone))),
      ...[...new Set(acked.flat()), ...(told ? nameless : [])].map(
        ({ changeId }) => ({ changeId, outcome: 'acked' }) as const,
      ),
    ],
  }
}

/** HubSpot does not tell e-mail addresses apart by case. */
const fold = (text: string, by: string) => (by === 'email' ? text.trim().toLowerCase() : text)

function namesIn(error: unknown): readonly unknown[] {
  const inner = valueAt(error, 'errors')
  const contexts = [error, ...(Array.isArray(inner) ? inner : [])].map(one => valueAt(one, 'context'))
  return contexts.flatMap(context => ['objectWriteTraceId', 'ids', 'id'].flatMap(name => valueAt(context, name) ?? []))
}

function refusalOf(error: unknown, changeId: string, goneIsDone: boolean): RecordOutcome {
  const { code, message } = reasonOf(error)
  if (code === 'object_not_found' && goneIsDone) return { changeId, outcome: 'acked' }
  return { changeId, outcome: passing[code] ?? 'rejected', code, message }
}

function reasonOf(error: unknown): { readonly code: string; readonly message: string } {
  const code = String(valueAt(error, 'category') ?? 'record_refused').toLowerCase()
  return { code, message: String(valueAt(error, 'message') ?? 'HubSpot gives no reason').slice(0, 500) }
}

/** 423 and 477 (a migration) say that nothing was processed; of 5xx nobody can tell, so they are repeated. */
function interpretFailure(reply: HttpReply): Verdict {
  const { status } = reply
  const text = String(valueAt(reply.json, 'message') ?? '').slice(0, 500)
  const message = text === '' ? `HTTP ${status}` : `HTTP ${status}: ${text}`
  const category = String(valueAt(reply.json, 'category') ?? '').toLowerCase()
  if (status === 429) {
    const policy = valueAt(reply.json, 'policyName')
    if (policy === 'DAILY') return { kind: 'retry', code: 'daily_limit', message, after: unverified.longPause }
    const after = retryAfterOf(reply) ?? (policy === 'SECONDLY' ? 1_000 : tenSeconds)
    return { kind: 'retry', code: 'rate_limited', message, after }
  }
  if (status === 423 || status === 477)
    return { kind: 'retry', code: `http_${status}`, message, after: retryAfterOf(reply) ?? unverified.lockPause }
  if (status === 404 && category !== 'object_not_found') return { kind: 'denied', code: 'no_such_place', message }
  if (status >= 400 && status < 500 && status !== 401 && status !== 403 && category !== '')
    return { kind: 'refused', code: category, message }
  return interpretStatus(reply)
}
