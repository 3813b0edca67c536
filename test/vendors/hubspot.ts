/** HubSpot as its documents describe it: what it keeps, what it refuses, and in how many ways it says so. */
import { apiVersion } from '../../src/destinations/hubspot.ts'
import { type Answer, type Call, startVendor, type Vendor } from './vendor.ts'

type Properties = Readonly<Record<string, string>>

interface Input {
  readonly id: string
  readonly idProperty?: string
  readonly properties: Readonly<Record<string, unknown>>
  readonly objectWriteTraceId?: string
}

export interface Hubspot extends Vendor {
  /** Contacts by HubSpot's own record id. */
  readonly contacts: Map<string, Properties>
  readonly lists: Map<string, Set<string>>
  /** `whole`: one bad input refuses the batch. `part`: the others are written. */
  mode: 'whole' | 'part'
  /** Records that were archived, by their ids. */
  readonly archived: Map<string, Properties>
  /** Ids of records that may not be archived. */
  readonly held: Set<string>
  /** By what a result names the input that it answers. */
  names: 'trace' | 'property' | 'nobody'
  /** Whether a refusal names the input that it means. */
  blames: boolean
  /** Calls that the day still has. */
  daily: number
  /** Calls that are taken before one is told that ten seconds have had enough. */
  burst: number
}

const tiers = ['', 'gold', 'tin']
const objects = `/crm/objects/${apiVersion}/contacts`

export async function startHubspot(token: string): Promise<Hubspot> {
  const contacts = new Map<string, Properties>()
  const lists = new Map<string, Set<string>>()
  let next = 9001

  function behave(call: Call): Answer {
    if (call.headers.authorization !== `Bearer ${token}`)
      return refusal(401, 'INVALID_AUTHENTICATION', 'The OAuth token used to make this call is not valid.')
    const limited = limit()
    if (limited !== undefined) return limited
    const counted = headers()
    if (call.method === 'GET' && call.path === objects) return { status: 200, headers: counted, body: { results: [] } }
    const membership = /^\/crm\/lists\/([^/]+)\/(\d+)\/memberships\/(add|remove)$/.exec(call.path)
    if (membership?.[1] === apiVersion) return member(membership[2] ?? '', membership[3] ?? '', call.json as string[])
    if (call.path === `${objects}/batch/archive`) {
      const { inputs } = call.json as { readonly inputs: readonly Input[] }
      return { ...archive(inputs), headers: counted }
    }
    for (const verb of ['upsert', 'update'] as const) {
      if (call.path === `${objects}/batch/${verb}`) {
        const { inputs } = call.json as { readonly inputs: readonly Input[] }
        return { ...write(verb, inputs), headers: counted }
      }
    }
    return { status: 404, body: { status: 'error', message: 'resource not found' } }
  }

  function limit(): Answer | undefined {
    const spent = hubspot.daily <= 0 ? 'DAILY' : hubspot.burst <= 0 ? 'TEN_SECONDLY_ROLLING' : undefined
    if (spent === undefined) {
      hubspot.daily -= 1
      hubspot.burst -= 1
      return undefined
    }
    if (spent === 'TEN_SECONDLY_ROLLING') hubspot.burst = Number.POSITIVE_INFINITY
    const message = `You have reached your ${spent} limit.`
    const body = { status: 'error', errorType: 'RATE_LIMIT', policyName: spent, message }
    return { status: 429, headers: { ...headers(), 'retry-after': '1' }, body }
  }

  const headers = () =>
    Number.isFinite(hubspot.daily) ? { 'X-HubSpot-RateLimit-Daily-Remaining': String(hubspot.daily) } : undefined

  function write(verb: 'upsert' | 'update', inputs: readonly Input[]): Answer {
    const ids = inputs.map(({ id }) => id.toLowerCase())
    if (inputs.length > 100) return refusal(400, 'VALIDATION_ERROR', 'The maximum number of inputs is 100')
    if (new Set(ids).size < ids.length) return refusal(400, 'VALIDATION_ERROR', 'Duplicate IDs found in batch input')
    if (verb === 'upsert' && inputs.some(({ idProperty }) => idProperty === 'email'))
      return refusal(400, 'VALIDATION_ERROR', 'Partial upserts are not supported when using email as idProperty')
    const judged = inputs.map(input => ({ input, fault: faultOf(verb, input) }))
    const first = judged.find(({ fault }) => fault !== undefined)?.fault
    if (first !== undefined && hubspot.mode === 'whole') return refusal(400, first.category, first.message)
    const results = judged.flatMap(({ input, fault }) => (fault === undefined ? [store(input)] : []))
    const errors = judged.flatMap(({ input, fault }) =>
      fault === undefined
        ? []
        : [{ status: 'error', ...fault, ...(hubspot.blames && { context: { ids: [input.id] } }) }],
    )
    const some = errors.length === 0 ? {} : { numErrors: errors.length, errors }
    return { status: 200, body: { status: 'COMPLETE', results, ...some } }
  }

  function find({ id, idProperty }: Input): string | undefined {
    if (idProperty === undefined) return contacts.has(id) ? id : undefined
    return [...contacts].find(([, has]) => has[idProperty]?.toLowerCase() === id.toLowerCase())?.[0]
  }

  function faultOf(verb: string, input: Input): { readonly category: string; readonly message: string } | undefined {
    const odd = Object.entries(input.properties).find(([, value]) => typeof value !== 'string')
    if (odd !== undefined) return { category: 'VALIDATION_ERROR', message: `${odd[0]} must be a string` }
    if (!tiers.includes(String(input.properties.tier ?? '')))
      return { category: 'VALIDATION_ERROR', message: `${input.properties.tier} was not one of the allowed options` }
    if (verb === 'update' && find(input) === undefined)
      return { category: 'OBJECT_NOT_FOUND', message: 'Could not get some contacts objects' }
    return undefined
  }

  function store(input: Input) {
    const known = find(input)
    const id = known ?? String(next++)
    const own = input.idProperty === undefined ? {} : { [input.idProperty]: input.id }
    const properties = { ...contacts.get(id), ...own, ...(input.properties as Properties) }
    contacts.set(id, properties)
    return {
      id,
      new: known === undefined,
      properties: hubspot.names === 'property' ? properties : {},
      ...(hubspot.names === 'trace' && { objectWriteTraceId: input.objectWriteTraceId }),
    }
  }

  /** Ids that are not there are passed over, as everything that is repeated; what is held is named, unless all is refused for it. */
  function archive(inputs: readonly Input[]): Answer {
    if (inputs.length > 100) return refusal(400, 'VALIDATION_ERROR', 'The maximum number of inputs is 100')
    if (inputs.some(input => Object.keys(input).join() !== 'id'))
      return refusal(400, 'VALIDATION_ERROR', 'Unknown property of an input')
    const kept = inputs.filter(({ id }) => hubspot.held.has(id))
    if (kept.length > 0 && hubspot.mode === 'whole')
      return refusal(400, 'VALIDATION_ERROR', 'A record may not be archived')
    for (const { id } of inputs) {
      const record = contacts.get(id)
      if (record === undefined || hubspot.held.has(id)) continue
      contacts.delete(id)
      hubspot.archived.set(id, record)
    }
    if (kept.length === 0) return { status: 204 }
    const errors = kept.map(({ id }) => ({
      ...{ status: 'error', category: 'VALIDATION_ERROR', message: 'The record may not be archived' },
      context: { ids: [id] },
    }))
    return { status: 207, body: { status: 'COMPLETE', numErrors: errors.length, errors } }
  }

  /** Who is on the list already, and who is unknown, is passed over. */
  function member(list: string, verb: string, ids: readonly string[]): Answer {
    const members = lists.get(list)
    if (members === undefined) return { status: 404, body: { status: 'error', message: `list ${list} not found` } }
    const missing = ids.filter(id => !contacts.has(id))
    const changed = ids.filter(id => contacts.has(id) && members.has(id) !== (verb === 'add'))
    for (const id of changed) {
      if (verb === 'add') members.add(id)
      else members.delete(id)
    }
    const done = verb === 'add' ? { recordsIdsAdded: changed } : { recordIdsRemoved: changed }
    return { status: 200, body: { ...done, recordIdsMissing: missing } }
  }

  const hubspot: Hubspot = Object.assign(await startVendor(behave), {
    ...{ archived: new Map<string, Properties>(), held: new Set<string>() },
    ...({ contacts, lists, mode: 'part', names: 'property', blames: true } as const),
    ...{ daily: Number.POSITIVE_INFINITY, burst: Number.POSITIVE_INFINITY },
  })
  return hubspot
}

function refusal(status: number, category: string, message: string): Answer {
  return { status, body: { status: 'error', category, message } }
}
