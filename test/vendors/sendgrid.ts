/**
 * A SendGrid that behaves like one: mails are all or nothing with errors by index, contacts are taken as jobs that are worked
 * off later, and what is applied is known to the fake alone.
 */
import { type Answer, type Call, startVendor, type Vendor } from './vendor.ts'

export interface Contact {
  readonly id: string
  fields: Record<string, unknown>
  custom: Record<string, unknown>
  readonly lists: Set<string>
}

interface Job {
  readonly contacts: readonly Record<string, unknown>[]
  readonly lists: readonly string[]
  polls: number
  result?: Record<string, unknown>
}

export interface Sendgrid extends Vendor {
  /** One for each mail that left, in order. */
  readonly mails: { readonly to: string; readonly data: Record<string, unknown>; readonly changeId: string }[]
  readonly contacts: Map<string, Contact>
  readonly jobs: Map<string, Job>
  /** Questions until a job is worked off. */
  pendingPolls: number
  /** Whether jobs ever end. */
  stuck: boolean
  /** Requests that each endpoint has left until the next reset, as its headers tell. */
  readonly remaining: Record<'mail' | 'contacts' | 'imports' | 'lists' | 'other', number>
  /** Seconds until then. */
  resetIn: number
  /** Where files are; the vendor's own address unless a test says otherwise. */
  filesAt: string
  /** The file in which a job says whom it did not take; undefined: there is none. */
  file: ((refused: readonly Record<string, unknown>[]) => string) | undefined
}

const customFields = ['w1_T', 'w2_N']

export async function startSendgrid(key: string): Promise<Sendgrid> {
  const files: string[] = []
  const vendor = await startVendor(call => answer(call))
  const far: Sendgrid = Object.assign(vendor, {
    mails: [] as Sendgrid['mails'],
    contacts: new Map<string, Contact>(),
    jobs: new Map<string, Job>(),
    pendingPolls: 1,
    stuck: false,
    remaining: { mail: 1_000, contacts: 1_000, imports: 1_000, lists: 1_000, other: 1_000 },
    resetIn: 1,
    file: undefined,
    filesAt: vendor.url,
  })

  function answer(call: Call): Answer {
    if (call.path.startsWith('/files/')) return fileOf(call)
    if (call.headers.authorization !== `Bearer ${key}`) return refused(401, 'authorization required')
    const reset = String(Math.ceil(Date.now() / 1000) + far.resetIn)
    const endpoint = endpointOf(call)
    if (far.remaining[endpoint] <= 0) {
      far.remaining[endpoint] = 1_000
      return {
        ...refused(429, 'too many requests'),
        headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset },
      }
    }
    far.remaining[endpoint] -= 1
    const headers = { 'x-ratelimit-remaining': String(far.remaining[endpoint]), 'x-ratelimit-reset': reset }
    return { ...routed(call), headers }
  }

  function routed(call: Call): Answer {
    const { method, path } = call
    if (method === 'GET' && path === '/v3/scopes') return { status: 200, body: { scopes: ['mail.send'] } }
    if (method === 'POST' && path === '/v3/mail/send') return mail(JSON.parse(call.body))
    if (method === 'PUT' && path === '/v3/marketing/contacts') return upsert(call.body)
    const job = /^\/v3\/marketing\/contacts\/imports\/(.+)$/.exec(path)?.[1]
    if (method === 'GET' && job !== undefined) return poll(job)
    const list = /^\/v3\/marketing\/lists\/(.+)\/contacts$/.exec(path)?.[1]
    if (method === 'DELETE' && list !== undefined) return remove(list, call.query.get('contact_ids') ?? '')
    return refused(404, 'not found')
  }

  function mail(json: MailBody): Answer {
    const { personalizations } = json
    if (personalizations.length > 1_000) return refused(400, 'too many', 'personalizations')
    const errors = personalizations.flatMap(({ to }, index) =>
      isAddress(to[0]?.email)
        ? []
        : [{ message: 'Does not contain a valid address.', field: `personalizations.${index}.to`, help: null }],
    )
    if (json.template_id === 'd-unknown') errors.push({ message: 'unknown template', field: 'template_id', help: null })
    if (errors.length > 0) return { status: 400, body: { errors } }
    for (const { to, dynamic_template_data: data, custom_args: args } of personalizations)
      far.mails.push({ to: to[0]?.email ?? '', data, changeId: args.activate_change_id })
    return { status: 202 }
  }

  function upsert(body: string): Answer {
    const { contacts, list_ids: lists = [] } = JSON.parse(body) as ContactsBody
    if (Buffer.byteLength(body) > 6_000_000) return refused(413, 'payload too large')
    if (contacts.length > 30_000) return refused(400, 'too many contacts', 'contacts')
    const unknown = contacts.findIndex(({ custom_fields: own = {} }) =>
      Object.keys(own).some(id => !customFields.includes(id)),
    )
    if (unknown >= 0) return refused(400, 'no such custom field', `contacts[${unknown}].custom_fields`)
    const id = `job-${far.jobs.size + 1}`
    far.jobs.set(id, { contacts, lists, polls: 0 })
    return { status: 202, body: { job_id: id } }
  }

  function poll(id: string): Answer {
    const job = far.jobs.get(id)
    if (job === undefined) return refused(404, 'no such job')
    job.polls += 1
    if (!far.stuck && job.polls > far.pendingPolls) job.result ??= workOff(job)
    return { status: 200, body: { id, job_type: 'upsert', status: 'pending', ...job.result } }
  }

  function workOff(job: Job): Record<string, unknown> {
    const wrong = job.contacts.filter(({ email }) => !isAddress(email))
    for (const { email, custom_fields: own, ...fields } of job.contacts) {
      if (!isAddress(email)) continue
      const contact = far.contacts.get(email) ?? { id: idOf(email), fields: {}, custom: {}, lists: new Set<string>() }
      // What is left out stays as it was.
      contact.fields = { ...contact.fields, ...fields }
      contact.custom = { ...contact.custom, ...(own as Record<string, unknown> | undefined) }
      for (const list of job.lists) contact.lists.add(list)
      far.contacts.set(email, contact)
    }
    const errored = wrong.length
    const status = errored === 0 ? 'completed' : errored === job.contacts.length ? 'failed' : 'errored'
    const text = errored === 0 ? undefined : far.file?.(wrong)
    if (text !== undefined) files.push(text)
    const errorsUrl = text === undefined ? {} : { errors_url: `${far.filesAt}/files/${files.length - 1}?signature=s3` }
    return { status, results: { requested_count: job.contacts.length, errored_count: errored, ...errorsUrl } }
  }

  /** A file is at another place, which is given away by nothing but its address. */
  function fileOf({ path, headers }: Call): Answer {
    if (headers.authorization !== undefined) return { status: 400, body: 'only one way to authenticate' }
    const text = files[Number(path.slice('/files/'.length))]
    return text === undefined ? { status: 404 } : { status: 200, body: text }
  }

  function remove(list: string, ids: string): Answer {
    const wanted = ids.split(',')
    for (const contact of far.contacts.values()) if (wanted.includes(contact.id)) contact.lists.delete(list)
    return { status: 202, body: { job_id: 'removal' } }
  }

  return far
}

function endpointOf({ path }: Call): keyof Sendgrid['remaining'] {
  if (path === '/v3/mail/send') return 'mail'
  if (path === '/v3/marketing/contacts') return 'contacts'
  if (path.startsWith('/v3/marketing/contacts/imports/')) return 'imports'
  return path.startsWith('/v3/marketing/lists/') ? 'lists' : 'other'
}

interface MailBody {
  readonly template_id: string
  readonly personalizations: readonly {
    readonly to: readonly { readonly email: string }[]
    readonly dynamic_template_data: Record<string, unknown>
    readonly custom_args: { readonly activate_change_id: string }
  }[]
}

interface ContactsBody {
  readonly list_ids?: readonly string[]
  readonly contacts: readonly (Record<string, unknown> & { readonly custom_fields?: Record<string, unknown> })[]
}

function isAddress(text: unknown): text is string {
  return typeof text === 'string' && /^[^@\s]+@[^@\s]+\.[a-z]{2,}$/.test(text) && !text.endsWith('.invalid')
}

/** The id that SendGrid gives a contact: a UUID. */
export function idOf(email: string): string {
  const digits = Buffer.from(email.padEnd(16, '.')).toString('hex').slice(0, 32)
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20, 32)}`
}

function refused(status: number, message: string, field?: string): Answer {
  return { status, body: { errors: [{ message, field: field ?? null, help: null }] } }
}
