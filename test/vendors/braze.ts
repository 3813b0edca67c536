/** Braze as its documents describe it: what it keeps, what it refuses by place, and what it does twice when asked twice. */
import { type Answer, type Call, startVendor, type Vendor } from './vendor.ts'

type Data = Readonly<Record<string, unknown>>

export interface Braze extends Vendor {
  readonly users: Map<string, Data>
  /** Every event and message, in the order in which they took effect. */
  readonly events: Data[]
  readonly messages: Data[]
  readonly subscribed: Set<string>
  /** Whether a refusal has the place of the object that it means. */
  places: boolean
  /** Calls that this window still has; undefined: no end. */
  remaining: number | undefined
  /** Instant in seconds at which the window renews. */
  resetAt: number
}

const most = 75
const mostBytes = 4_000_000

export async function startBraze(key: string): Promise<Braze> {
  const users = new Map<string, Data>()
  const events: Data[] = []
  const messages: Data[] = []
  const subscribed = new Set<string>()
  const sends = new Set<string>()

  function behave(call: Call): Answer {
    if (call.headers.authorization !== `Bearer ${key}`) return { status: 401, body: { message: 'Invalid API key' } }
    if (braze.remaining !== undefined && Date.now() / 1000 >= braze.resetAt) braze.remaining = undefined
    const left = braze.remaining
    const headers: Record<string, string> =
      left === undefined
        ? {}
        : { 'X-RateLimit-Remaining': String(Math.max(0, left - 1)), 'X-RateLimit-Reset': String(braze.resetAt) }
    if (left !== undefined && left <= 0) return { status: 429, headers, body: { message: 'Rate limit exceeded' } }
    if (left !== undefined) braze.remaining = left - 1
    if (call.bytes > mostBytes) return { status: 413, headers, body: { message: 'Request too large' } }
    return { ...answer(call), headers }
  }

  function answer({ path, json }: Call): Answer {
    const body = (json ?? {}) as Data
    const transactional = /^\/transactional\/v1\/campaigns\/[^/]+\/send$/.test(path)
    if (transactional) return email(body)
    switch (path) {
      case '/campaigns/list':
        return { status: 200, body: { campaigns: [], message: 'success' } }
      case '/users/track':
        return track(listOf(body.attributes), listOf(body.events))
      case '/campaigns/trigger/send':
      case '/canvas/trigger/send':
        return trigger(body, listOf(body.recipients))
      case '/v2/subscription/status/set':
        return subscribe(listOf(body.subscription_groups))
      default:
        return { status: 404, body: { message: 'Not found' } }
    }
  }

  function track(attributes: readonly Data[], happened: readonly Data[]): Answer {
    if (attributes.length + happened.length > most)
      return { status: 400, body: { message: `The max number of objects is ${most}` } }
    const errors: Data[] = []
    const taken = (list: readonly Data[], array: string, fault: (item: Data) => string | undefined) =>
      list.filter((item, index) => {
        const type = fault(item)
        if (type !== undefined) errors.push({ type, ...(braze.places && { input_array: array, index }) })
        return type === undefined
      })
    const set = taken(attributes, 'attributes', ({ score }) =>
      typeof score === 'string' ? "'score' has to be a number" : undefined,
    )
    const done = taken(happened, 'events', ({ time }) => (typeof time === 'string' ? undefined : 'time is missing'))
    for (const { external_id: id, _update_existing_only: only, ...rest } of set) {
      const before = users.get(String(id))
      if (only === true && before === undefined) continue
      const after = Object.entries({ ...before, ...rest }).filter(([, value]) => value !== null)
      users.set(String(id), Object.fromEntries(after))
    }
    events.push(...done)
    return {
      status: 201,
      body: {
        message: 'success',
        ...(attributes.length > 0 && { attributes_processed: set.length }),
        ...(happened.length > 0 && { events_processed: done.length }),
        ...(errors.length > 0 && { errors }),
      },
    }
  }

  function trigger({ campaign_id, canvas_id }: Data, recipients: readonly Data[]): Answer {
    if (recipients.length > 50) return { status: 400, body: { message: 'at most 50 recipients' } }
    messages.push(...recipients.map(recipient => ({ target: campaign_id ?? canvas_id, ...recipient })))
    return { status: 201, body: { dispatch_id: `d${messages.length}`, message: 'success' } }
  }

  function email({ external_send_id: id, recipient }: Data): Answer {
    if (!sends.has(String(id))) messages.push({ target: 'email', ...(recipient as Data) })
    sends.add(String(id))
    return { status: 201, body: { dispatch_id: `d-${id}`, status: 'sent' } }
  }

  function subscribe(groups: readonly Data[]): Answer {
    const ids = groups.flatMap(({ external_ids }) => listOf(external_ids) as readonly unknown[])
    if (ids.length > 50) return { status: 400, body: { message: 'at most 50 ids' } }
    for (const group of groups) {
      for (const id of listOf(group.external_ids) as readonly unknown[]) {
        if (group.subscription_state === 'subscribed') subscribed.add(`${group.subscription_group_id} ${id}`)
        else subscribed.delete(`${group.subscription_group_id} ${id}`)
      }
    }
    return { status: 201, body: { message: 'success' } }
  }

  const braze: Braze = Object.assign(await startVendor(behave), {
    ...{ users, events, messages, subscribed, places: true, remaining: undefined, resetAt: 0 },
  })
  return braze
}

function listOf(value: unknown): readonly Data[] {
  return Array.isArray(value) ? value : []
}
