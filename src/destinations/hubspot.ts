/**
 * HubSpot: any object by a unique property, and membership of static lists. Every action may be repeated: properties are set,
 * members are a set, and what is archived stays so. `hubspot-replies.ts` reads what comes back.
 */
import { z } from 'zod'
import { type Action, type Change, defineDestination, type HttpRequest } from '../delivery/destination.ts'
import { duration } from '../project/duration.ts'
import type { Json } from '../project/project.ts'
import { secret } from '../project/secret.ts'
import { baseUrl } from './http-settings.ts'
import { hubspotExamples } from './hubspot-examples.ts'
import { limitsOf, readLimits, unverified } from './hubspot-limits.ts'
import { idOf, interpretArchive, interpretMembership, interpretObjects, textOf } from './hubspot-replies.ts'

/** HubSpot's API is dated since 2026-03-30; v1 to v3 end in September 2027 (developers.hubspot.com, "API versioning", read 2026-11). */
export const apiVersion = '2026-09'

const examples = hubspotExamples(apiVersion)

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
    leavers: z
      .enum(['clear', 'archive'])
      .default('clear')
      .describe(
        'What becomes of who leaves a mirror. `clear` empties the properties that the sync had sent, and the record stays. `archive` takes the record itself away, with all that others wrote in it: it can be restored in HubSpot for 90 days, and is deleted for good after that. Only a record whose `hs_object_id` is mapped can be archived',
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
  const [clear, archive, archives] = [`clear_${name}`, `archive_${name}`, own.leavers === 'archive']
  // Whom an update means by one property must not be emptied by another.
  const clearUpdated = upsertBy === undefined || upsertBy === updateBy ? clear : `${clear}_by_${updateBy}`
  const upsert =
    upsertBy === undefined
      ? {}
      : {
          [`upsert_${name}`]: objectAction({ type, archives }, 'upsert', upsertBy, {
            summary: `Creates ${name} or sets the mapped properties, by ${upsertBy}`,
            modes: ['upsert', 'mirror', 'append'],
            leavers: archives ? archive : clear,
            examples: examples.upsert(type, upsertBy),
          }),
          ...(!archives && { [clear]: clearing(type, upsertBy) }),
        }
  return {
    ...upsert,
    [`update_${name}`]: objectAction({ type, archives }, 'update', updateBy, {
      summary: `Sets the mapped properties of ${name} that exist, by ${updateBy}; others are refused`,
      modes: ['update', 'upsert', 'mirror'],
      leavers: archives ? archive : clearUpdated,
      examples: examples.update(type, updateBy),
    }),
    ...(archives ? { [archive]: archiving(type) } : { [clearUpdated]: clearing(type, updateBy) }),
  }
}

type Own = Pick<Action<HubspotSettings>, 'summary' | 'modes' | 'leavers' | 'takesLeavers' | 'leaverFields' | 'examples'>

/** `archives`: leavers are archived, by an id that is mapped for that alone. */
interface Target {
  readonly type: string
  readonly archives: boolean
}

function objectAction(target: Target, verb: 'upsert' | 'update', by: string, own: Own): Action<HubspotSettings> {
  return {
    fields: fieldsOf(target, by),
    batch: bulk,
    idempotency: { kind: 'natural' },
    request: batch => objectRequest(target, verb, by, batch),
    interpret: (reply, batch) => interpretObjects(reply, batch, by),
    ...own,
  }
}

/** One that is gone has nothing left to empty. */
function clearing(type: string, by: string): Action<HubspotSettings> {
  const target = { type, archives: false }
  return {
    ...objectAction(target, 'update', by, {
      summary: 'Empties the properties that the sync had sent. The record stays, and one that is gone counts as done',
      modes: [],
      ...{ takesLeavers: true, leaverFields: [by] },
      examples: examples.clear(type, by),
    }),
    request: batch => objectRequest(target, 'update', by, batch, () => ''),
    interpret: (reply, batch) => interpretObjects(reply, batch, by, true),
  }
}

/**
 * Restorable for 90 days ("Archive a batch of contacts by ID", developers.hubspot.com, read 2026-11). It takes HubSpot's own ids
 * alone, so what is unique elsewhere does not name a record here.
 */
function archiving(type: string): Action<HubspotSettings> {
  return {
    summary:
      'Archives the records themselves, with all that others wrote in them; HubSpot restores them for 90 days. One that is gone counts as done',
    modes: [],
    fields: z.object({ hs_object_id: recordId().describe("HubSpot's own id of the record, as the sync had sent it") }),
    batch: bulk,
    idempotency: { kind: 'natural' },
    takesLeavers: true,
    irrevocable: 'the records are archived with all that others wrote in them, and HubSpot deletes them after 90 days',
    request: batch => {
      const ids = batch.map(({ fields }) => textOf(fields.hs_object_id ?? null))
      if (ids.includes('')) throw new TypeError('a leaver is archived by its hs_object_id, which the sync had not sent')
      refuseTwins(ids)
      const json = { inputs: ids.map(id => ({ id })) }
      return { method: 'POST', path: `/crm/objects/${apiVersion}/${type}/batch/archive`, json }
    },
    interpret: interpretArchive,
    examples: examples.archive(type),
  }
}

/** `email` and `hs_object_id` are never a model's key by accident, so they have to be mapped. */
function fieldsOf({ type, archives }: Target, by: string): z.ZodObject {
  const known = type === 'contacts' ? contact : {}
  const own = z.union([z.string().min(1), z.number()]).optional()
  const id =
    by === 'email'
      ? email().describe('Says which contact is meant')
      : by === 'hs_object_id'
        ? recordId().describe("HubSpot's own id of the record, which says which is meant")
        : own.describe('Says which record is meant. Without it, the key of the model does')
  return z
    .object({ ...known, ...(archives && idForArchive), [by]: id })
    .catchall(property)
    .describe(
      'Any other name is a property, by its internal name: text, number, boolean, a list of choices, or null, which empties it. What is not mapped stays as it is',
    )
}

/** Read-only at HubSpot, so it is never sent as a property. */
const idForArchive = {
  hs_object_id: z
    .union([z.string().regex(/^\d*$/, 'a record id of digits'), z.int().min(1)])
    .nullish()
    .describe("HubSpot's own id of the record, if your warehouse knows it: by it, a leaver is archived"),
}

function recordId() {
  return z.union([z.string().regex(/^\d+$/, 'a record id of digits'), z.int().min(1)])
}

function objectRequest(
  { type, archives }: Target,
  verb: 'upsert' | 'update',
  by: string,
  batch: readonly Change[],
  written: (value: Json) => string = textOf,
): HttpRequest {
  const inputs = batch.map(change => ({
    id: idOf(change, by),
    ...(by !== 'hs_object_id' && { idProperty: by }),
    properties: Object.fromEntries(
      Object.entries(change.fields).flatMap(([name, value]) =>
        name === by || (archives && name === 'hs_object_id') ? [] : [[name, written(value)]],
      ),
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
