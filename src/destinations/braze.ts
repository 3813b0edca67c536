/**
 * Braze: attributes and events, campaigns and canvases that are triggered, transactional e-mail, subscription groups.
 * Attributes and subscriptions may be repeated; a transactional e-mail is recognised by its `external_send_id`; of an event or
 * a trigger nobody can tell. `braze-replies.ts` reads what comes back.
 */
import { z } from 'zod'
import {
  type Action,
  type ActionLimits,
  type Change,
  defineDestination,
  type HttpReply,
  type HttpRequest,
} from '../delivery/destination.ts'
import { duration } from '../project/duration.ts'
import type { Json } from '../project/project.ts'
import { secret } from '../project/secret.ts'
import { brazeExamples } from './braze-examples.ts'
import { interpretIndexed, interpretWhole } from './braze-replies.ts'
import { baseUrl } from './http-settings.ts'
import { type Rate, rateLimits, rates } from './rates.ts'
import { unreadable, valueAt } from './record-outcomes.ts'

/**
 * What depends on the contract, or what nobody has tried against the service. Read 2026-11, www.braze.com/docs/api.
 *
 * - `objects`: 75 in one request, in total over its arrays; some contracts have 50, older ones 75 for each array.
 * - `trackBytes`: "4 MB" for a request; taken for the smaller reading.
 * - `requests`: of a contract, such as 3,000 in 3 seconds; windows may be fixed hours. `limits` has to be made yours.
 * - `triggers`, `subscriptions`: what an account has by default ("Rate limits"); that headers speak of the endpoint that was called.
 * - `entryProperties`: what a canvas calls the properties of an entry; newer pages also speak of `context`.
 * - instances in Australia, Indonesia, Japan and Korea: not listed here, to be given as `base_url`.
 * - that the count of attributes leaves out those that were refused, and counts two objects of one user once.
 */
export const unverified = {
  objects: { usual: 50, most: 75 },
  trackBytes: 4_000_000,
  requests: { requests: 3_000, per: '3s' },
  triggers: { requests: 250_000, per: '1h' },
  subscriptions: { requests: 5_000, per: '1m' },
  entryProperties: 'canvas_entry_properties',
} as const

/** Recipients of a trigger, and ids of a change of subscriptions: 50 each. */
const recipients = { maxRecords: 50 }

/** A repetition of a transactional e-mail is recognised for so long. */
const sendWindow = 24 * 3_600_000

const instances = [
  ...['iad-01', 'iad-02', 'iad-03', 'iad-04', 'iad-05', 'iad-06', 'iad-07', 'iad-08'],
  ...['us-09', 'us-10', 'fra-01', 'fra-02'],
] as const

const identifiers = ['external_id', 'braze_id', 'email', 'phone', 'user_alias'] as const
type Identifier = (typeof identifiers)[number]

const settings = z
  .strictObject({
    api_key: secret().describe(
      'A REST API key, by reference. Permissions: those of the endpoints that are used, and `campaigns.list` for `doctor`',
    ),
    instance: z
      .enum(instances)
      .optional()
      .describe('The instance, from the address of your dashboard. The key of another one is refused with 401'),
    base_url: baseUrl().optional().describe('In place of `instance`, for one that is not listed'),
    identify_by: z
      .enum(identifiers)
      .default('external_id')
      .describe("What a user is known by: the field of this name, else (not for e-mail and phone) the model's key"),
    alias_label: z.string().min(1).optional().describe('The label of aliases; needed with `identify_by: user_alias`'),
    objects_per_request: z
      .int()
      .min(1)
      .max(unverified.objects.most)
      .default(unverified.objects.usual)
      .describe('Attributes or events in one request; how many are taken is a matter of the contract'),
    limits: rates().prefault([unverified.requests]).describe('The rates of your contract, all of which hold together'),
    limits_of: z
      .strictObject({
        track: rates().default([]).describe('Attributes and events'),
        triggers: rates().prefault([unverified.triggers]).describe('Campaigns and canvases, together'),
        transactional_email: rates().default([]).describe('Transactional e-mail'),
        subscriptions: rates().prefault([unverified.subscriptions]).describe('Subscription groups'),
      })
      .prefault({})
      .describe('What single actions may use of `limits`. What the headers say of the endpoint holds as well'),
    concurrency: z.int().min(1).max(64).default(8).describe('Requests under way at the same time'),
    timeout: duration().prefault('30s').describe('How long one attempt may take, from connecting to the last byte'),
    allow_private_network: z.boolean().default(false).describe('Private addresses are refused unless this is true'),
  })
  .superRefine(({ instance, base_url, identify_by, alias_label }, context) => {
    if ((instance === undefined) === (base_url === undefined)) {
      const help = `instances: ${instances.join(', ')}; others by base_url, such as https://rest.example.braze.com`
      const message = 'give either `instance` or `base_url`'
      context.addIssue({ code: 'custom', path: ['instance'], message, params: { code: 'A5061', help } })
    }
    if (identify_by === 'user_alias' && alias_label === undefined)
      context.addIssue({ code: 'custom', path: ['alias_label'], message: 'is needed with `identify_by: user_alias`' })
  })

type BrazeSettings = z.output<typeof settings>

export const braze = defineDestination({
  name: 'braze',
  summary: 'Braze: attributes, events, triggered campaigns and canvases, transactional e-mail, subscription groups',
  docs: 'https://www.braze.com/docs/api/home (read 2026-11)',
  settings,
  baseUrl: ({ instance, base_url }) => base_url ?? hostOf(instance ?? ''),
  headers: ({ api_key }) => ({ authorization: `Bearer ${api_key}` }),
  allowPrivateNetwork: ({ allow_private_network }) => allow_private_network,
  limits: ({ limits }) => rateLimits(limits),
  concurrency: ({ concurrency }) => concurrency,
  timeout: ({ timeout }) => timeout,
  probe: () => ({ method: 'GET', path: '/campaigns/list?page=0' }),
  actions: own => ({ ...trackActions(own), ...sendActions(own), ...subscriptionActions(own) }),
})

function hostOf(instance: string): string {
  return `https://rest.${instance}.braze.${instance.startsWith('fra') ? 'eu' : 'com'}`
}

/** Each endpoint, or group of them, has limits of its own, and its replies tell of those ("Rate limits"). */
function limitsOf(name: string, given: readonly Rate[]): ActionLimits {
  return { name, limits: rateLimits(given), toldByHeaders: true }
}

const value = z.json()

/** Who is meant; those that are never a model's key by accident have to be mapped. */
function whoFields({ identify_by }: BrazeSettings): Readonly<Record<string, z.ZodType>> {
  if (identify_by === 'email')
    return { email: z.email({ pattern: z.regexes.unicodeEmail }).describe('Says which user is meant') }
  if (identify_by === 'phone') return { phone: z.e164().describe('Says which user is meant, such as +447700900123') }
  const text = z.union([z.string().min(1).max(997), z.number()])
  return { [identify_by]: text.optional().describe("Says which user is meant. Without it, the model's key does") }
}

function trackActions(own: BrazeSettings): Readonly<Record<string, Action<BrazeSettings>>> {
  const batch = { maxRecords: own.objects_per_request, maxBytes: unverified.trackBytes }
  const limits = limitsOf('users/track', own.limits_of.track)
  const examples = examplesFor(own)
  const fields = z
    .object(whoFields(own))
    .catchall(value)
    .describe('Any other name is an attribute. NULL removes it; what is not mapped stays as it is')
  const attributes = (existing: boolean, written: (given: Json) => Json = given => given) => ({
    ...{ fields, batch, limits },
    idempotency: { kind: 'natural' } as const,
    request: (changes: readonly Change[]): HttpRequest => ({
      method: 'POST',
      path: '/users/track',
      json: { attributes: changes.map(change => attributesOf(change, own, existing, written)) },
    }),
    interpret: (reply: HttpReply, changes: readonly Change[]) =>
      interpretIndexed(reply, changes, 'attributes', new Set(changes.map(change => nameOf(change, own))).size),
  })
  return {
    track_attributes: {
      ...attributes(false),
      summary: 'Sets attributes of users, who are made where there are none',
      modes: ['upsert', 'mirror', 'append'],
      leavers: 'unset_attributes',
      examples: examples.attributes,
    },
    update_attributes: {
      ...attributes(true),
      summary: 'Sets attributes of users that exist; of others Braze says nothing',
      modes: ['update', 'upsert', 'mirror'],
      leavers: 'unset_attributes',
      examples: examples.update,
    },
    unset_attributes: {
      ...attributes(true, () => null),
      summary: 'Removes the attributes that the sync had sent; the user stays',
      modes: [],
      takesLeavers: true,
      leaverFields: [own.identify_by],
      examples: examples.unset,
    },
    track_event: {
      summary: 'Records an event. Braze tells no repetition apart, so what may have arrived is parked, not sent again',
      modes: ['append', 'trigger'],
      fields: z
        .object({
          ...whoFields(own),
          name: z.string().min(1).max(255).describe('The name of the event'),
          time: z.iso
            .datetime({ offset: true, error: 'an instant with its zone is needed; map it with `as: timestamp`' })
            .describe('When it happened: a timestamp with its zone, as `{ column: …, as: timestamp }` makes it'),
        })
        .catchall(value)
        .describe('Any other name is a property of the event'),
      ...{ batch, limits },
      idempotency: { kind: 'none' },
      request: changes => ({
        method: 'POST',
        path: '/users/track',
        json: { events: changes.map(change => eventOf(change, own)) },
      }),
      interpret: (reply, changes) => interpretIndexed(reply, changes, 'events'),
      examples: examples.events,
    },
  }
}

function attributesOf(change: Change, own: BrazeSettings, existing: boolean, written: (given: Json) => Json) {
  const { [own.identify_by]: _, ...rest } = change.fields
  const set = Object.fromEntries(Object.entries(rest).map(([name, given]) => [name, written(given)]))
  return { ...set, ...whoOf(own)(change), ...(existing && { _update_existing_only: true }) }
}

function eventOf(change: Change, own: BrazeSettings) {
  const { [own.identify_by]: _, name, time, ...properties } = change.fields
  return { ...whoOf(own)(change), name, time, properties }
}

/** A user as an object of `users/track` names it. */
function whoOf(own: BrazeSettings): (change: Pick<Change, 'key' | 'fields'>) => Readonly<Record<string, Json>> {
  const { identify_by: by, alias_label: label = '' } = own
  return change => {
    const name = nameOf(change, own)
    return by === 'user_alias' ? { user_alias: { alias_name: name, alias_label: label } } : { [by]: name }
  }
}

function nameOf({ key, fields }: Pick<Change, 'key' | 'fields'>, { identify_by: by }: BrazeSettings): string {
  const mapped = fields[by]
  const name = String(mapped === undefined ? key : (mapped ?? '')).trim()
  if (name === '') throw new TypeError(`"${by}" is empty, so that Braze could not tell which user is meant`)
  return by === 'email' ? name.toLowerCase() : name
}

function examplesFor(own: BrazeSettings) {
  return brazeExamples({
    by: own.identify_by,
    who: whoOf(own),
    recipient: change => recipientOf(change, own),
    name: change => nameOf(change, own),
  })
}

/** Triggers and e-mails call an external id by another name. */
function recipientOf(change: Change, own: BrazeSettings): Readonly<Record<string, Json>> {
  const who = whoOf(own)(change)
  const { external_id: id } = who
  return id === undefined ? who : { external_user_id: id }
}

/** An attribute for a recipient need not have arrived before: Braze asks for minutes between an update and a trigger. */
const profile = z
  .record(z.string(), value)
  .nullish()
  .describe(
    'Attributes that are set with the message: an object. Minutes may pass before those of another sync are seen',
  )

const messageFields = { attributes: profile }
const uuid = () => z.string().regex(/^[A-Za-z0-9-]{8,64}$/, 'the API identifier, as the dashboard shows it')

function sendActions(own: BrazeSettings): Readonly<Record<string, Action<BrazeSettings>>> {
  const examples = examplesFor(own)
  const trigger = (path: string, id: 'campaign_id' | 'canvas_id', properties: string): Action<BrazeSettings> => ({
    summary: `Triggers a ${id === 'canvas_id' ? 'canvas' : 'campaign'} for users. Nothing tells a repetition apart, so what may have arrived is parked`,
    modes: ['trigger', 'append'],
    fields: z
      .object({
        ...whoFields(own),
        [id]: uuid().describe('Best as a constant: each one needs requests of its own'),
        send_to_existing_only: z
          .boolean()
          .optional()
          .describe('False makes users that are not there; Braze takes true'),
        ...messageFields,
      })
      .catchall(value)
      .describe('Any other name is a property that the message can show'),
    batch: recipients,
    limits: limitsOf('triggers', own.limits_of.triggers),
    idempotency: { kind: 'none' },
    request: changes => {
      const [target, another] = new Set(changes.map(({ fields }) => fields[id] ?? null))
      if (another !== undefined) throw new TypeError(`a request is about one ${id}`)
      const to = changes.map(change => {
        const { [own.identify_by]: _, [id]: __, attributes, send_to_existing_only: existing, ...rest } = change.fields
        return {
          ...recipientOf(change, own),
          ...(existing !== undefined && { send_to_existing_only: existing }),
          ...(attributes && { attributes }),
          [properties]: rest,
        }
      })
      return { method: 'POST', path, json: { [id]: target, recipients: to } }
    },
    interpret: (reply, changes) => interpretIndexed(reply, changes, 'recipients'),
    examples: id === 'canvas_id' ? examples.canvas(properties) : examples.campaign,
  })
  return {
    trigger_campaign: trigger('/campaigns/trigger/send', 'campaign_id', 'trigger_properties'),
    trigger_canvas: trigger('/canvas/trigger/send', 'canvas_id', unverified.entryProperties),
    send_transactional_email: {
      summary: 'Sends one transactional e-mail; the same change within 24 hours sends nothing more',
      modes: ['trigger', 'append'],
      fields: z
        .object({ ...whoFields(own), campaign_id: uuid().describe('The transactional campaign'), ...messageFields })
        .catchall(value)
        .describe('Any other name is a property that the message can show'),
      limits: limitsOf('transactional e-mail', own.limits_of.transactional_email),
      idempotency: { kind: 'keyed', window: sendWindow },
      request: ([change, another]) => {
        if (change === undefined || another !== undefined) throw new TypeError('a request carries one recipient')
        const { [own.identify_by]: _, campaign_id: id, attributes, ...rest } = change.fields
        return {
          method: 'POST',
          path: `/transactional/v1/campaigns/${encodeURIComponent(String(id))}/send`,
          json: {
            external_send_id: change.changeId,
            trigger_properties: rest,
            recipient: { ...recipientOf(change, own), ...(attributes && { attributes }) },
          },
        }
      },
      interpret: reply =>
        reply.status < 300 && typeof valueAt(reply.json, 'dispatch_id') !== 'string'
          ? unreadable(reply, 'dispatch_id')
          : interpretWhole(reply),
      examples: examples.email,
    },
  }
}

/** The names of lists of ids; groups know neither aliases nor Braze's own ids. */
const listOfIds: Readonly<Partial<Record<Identifier, string>>> = {
  external_id: 'external_ids',
  email: 'emails',
  phone: 'phones',
}

function subscriptionActions(own: BrazeSettings): Readonly<Record<string, Action<BrazeSettings>>> {
  const list = listOfIds[own.identify_by]
  if (list === undefined) return {}
  const subscription = (state: 'subscribed' | 'unsubscribed') => ({
    fields: z.object({ ...whoFields(own), subscription_group_id: uuid().describe('The subscription group') }),
    batch: recipients,
    limits: limitsOf('subscription groups', own.limits_of.subscriptions),
    idempotency: { kind: 'natural' } as const,
    request: (changes: readonly Change[]): HttpRequest => {
      const groups = [...new Set(changes.map(({ fields }) => fields.subscription_group_id ?? null))]
      const json = groups.map(group => ({
        subscription_group_id: group,
        subscription_state: state,
        [list]: changes
          .filter(({ fields }) => fields.subscription_group_id === group)
          .map(change => nameOf(change, own)),
      }))
      return { method: 'POST', path: '/v2/subscription/status/set', json: { subscription_groups: json } }
    },
    interpret: (reply: HttpReply, changes: readonly Change[]) =>
      interpretIndexed(reply, changes, 'subscription_groups'),
    examples: examplesFor(own).subscription(state, list),
  })
  return {
    subscribe: {
      ...subscription('subscribed'),
      summary: 'Subscribes users to a group',
      modes: ['audience', 'append'],
      leavers: 'unsubscribe',
    },
    unsubscribe: {
      ...subscription('unsubscribed'),
      summary: 'Unsubscribes users from a group',
      modes: ['append'],
      takesLeavers: true,
    },
  }
}
