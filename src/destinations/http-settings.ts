/** The settings of the generic destination, as `activate.yml` has them. */
import { z } from 'zod'
import { duration } from '../project/duration.ts'
import { holdsSecret, secret, secretText } from '../project/secret.ts'
import { rates } from './rates.ts'

const dottedPath = z.string().regex(/^[^.\s]+(\.[^.\s]+)*$/, 'a name, or names joined by dots')
const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'a header name')

/** Checked as far as it is written out; the whole address is checked when it is opened. Shared by all HTTP destinations. */
export function baseUrl() {
  return secretText().refine(text => holdsSecret(text) || isBaseUrl(text), {
    error: 'must be an http or https address without user, query and fragment',
  })
}

function isBaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, search, hash } = new URL(text)
  return /^https?:$/.test(protocol) && [username, password, search, hash].every(part => part === '')
}

const window = duration().prefault('24h').describe('How long the destination remembers the key')

const urlPath = () => z.string().regex(/^\/(?!\/)[^\s?#\\]*(\?[^\s#\\]*)?$/, 'a path that starts with one slash')

const longestSettle = 3_600_000

const lookup = z
  .strictObject({
    path: urlPath().describe(
      'Asked with GET. `{change_ids}` stands for the change ids in question, joined by commas; `{change_id}` for the one of a single record',
    ),
    settle: duration()
      .refine(milliseconds => milliseconds <= longestSettle, 'at most 1h, because the run waits for it')
      .describe(
        'How long after sending what was applied is found there at the latest: the time that the API may take for a request and until its search shows it. The API must say; there is no default',
      ),
    list: dottedPath
      .optional()
      .describe(
        'Where the reply has its list of what was found, such as `items`. Without it the reply is the one thing',
      ),
    id: dottedPath.describe("The field of what was found that carries the record's change id"),
    field: z
      .string()
      .min(1)
      .optional()
      .describe('The field of each record that carries its change id to the API; needed with `envelope: none`'),
    more: dottedPath
      .optional()
      .describe(
        "The reply's field that says that there is more than it lists, such as `next_page`: anything but false, null, 0 and an empty text",
      ),
    absent: z
      .array(z.int().min(400).max(499))
      .optional()
      .describe('Statuses that mean that there is no such record, such as [404]; only with `{change_id}`'),
    max_records: z
      .int()
      .min(1)
      .max(1_000)
      .default(50)
      .describe('At most this many change ids in one question; only with `{change_ids}`'),
  })
  .superRefine(({ path, list, absent }, context) => {
    const issue = (at: string, message: string) => context.addIssue({ code: 'custom', path: [at], message })
    const [several, one] = [path.includes('{change_ids}'), path.includes('{change_id}')]
    if (several === one)
      issue('path', 'must name either {change_ids} or {change_id}, or the API cannot know what is asked')
    for (const [name] of path.matchAll(/\{[^}]*\}/g)) {
      if (name !== '{change_ids}' && name !== '{change_id}')
        issue('path', `${name} is not known here; {change_ids} and {change_id} are`)
    }
    if (several && list === undefined) issue('list', 'is needed where several are asked about')
    if (several && absent !== undefined) issue('absent', 'cannot tell which of several is absent: ask with {change_id}')
    if (!several && list === undefined && absent === undefined)
      issue('absent', 'is needed without a list: nothing else says that a record is not there')
  })
  .describe('How the API is asked whether it has a record')

const idempotency = z
  .union(
    [
      z.enum(['natural', 'none']),
      z.strictObject({ lookup }),
      z.strictObject({ header: headerName.describe('The header that carries the key'), window }),
      z.strictObject({
        field: z.string().min(1).describe('The field of each record that carries its change id'),
        window,
      }),
    ],
    {
      error:
        'must be natural, none, { header: NAME, window: 24h }, { field: NAME, window: 24h } or { lookup: { path, settle, id, … } }',
    },
  )
  .describe(
    'What a repetition does. `natural`: the same again changes nothing. `none`: each repetition is a new effect. A header or a field: the destination recognises our key. `lookup`: each repetition is a new effect, but the destination can be asked whether it has the first',
  )

const outcomes = z
  .strictObject({
    list: dottedPath.describe('Where the reply has its list of answers, such as `results` or `data.items`'),
    id: dottedPath.describe("The item's field that names the record: its key, or its change id"),
    ok: z
      .strictObject({
        field: dottedPath.describe("The item's field that says how it went"),
        equals: z.json().describe('The value of that field that means yes'),
      })
      .describe('How an item says that its record was taken'),
    error: dottedPath.optional().describe("The item's field with the reason of a refusal"),
    code: dottedPath
      .optional()
      .describe("The item's field with a short code of the refusal, by which refusals are grouped"),
  })
  .describe('How to read answers per record. Without it, a 2xx acknowledges every record of the request')

const batch = z
  .strictObject({
    max_records: z.int().min(1).max(100_000).describe('At most this many records in one request'),
    max_bytes: z.int().min(1).optional().describe('At most this many bytes in one body'),
    wrap: z
      .string()
      .min(1)
      .optional()
      .describe('The body is an object with the records under this name. Without it, the body is a JSON array'),
  })
  .describe('Several records in one request. Without it, each request carries one bare record')

const action = z
  .strictObject({
    summary: z.string().optional().describe('What the action does, in one line, for people'),
    method: z.enum(['POST', 'PUT', 'PATCH', 'DELETE']).describe('The HTTP method'),
    path: urlPath().describe(
      'Joined to `base_url`. `{key}` and `{change_id}` stand for those of the record, URL-encoded, where each request carries one record',
    ),
    batch: batch.optional(),
    envelope: z
      .enum(['record', 'none'])
      .default('record')
      .describe('`record`: an object with `key`, `change_id`, `op` and `fields`. `none`: just the fields'),
    idempotency,
    outcomes: outcomes.optional(),
    accepts: z
      .array(z.int().min(400).max(499))
      .optional()
      .describe('Statuses beside 2xx that acknowledge the request, such as [404, 410] where a removal finds nothing'),
    for: z
      .enum(['leavers', 'all'])
      .optional()
      .describe(
        '`leavers`: takes those who leave a mirror or an audience, on behalf of the other actions. `all`: this action takes its own leavers too, told apart by `op`',
      ),
    leavers: z
      .string()
      .optional()
      .describe('The action that takes the leavers of this one, where several are marked `for: leavers`'),
  })
  .superRefine((value, context) => {
    if (value.batch !== undefined && /\{(key|change_id)\}/.test(value.path)) {
      context.addIssue({
        code: 'custom',
        path: ['path'],
        message: 'a path with {key} needs one record per request: leave `batch` out',
      })
    }
    for (const [name] of value.path.matchAll(/\{[^}]*\}/g)) {
      if (name === '{key}' || name === '{change_id}') continue
      context.addIssue({
        code: 'custom',
        path: ['path'],
        message: `${name} is not known here; {key} and {change_id} are`,
      })
    }
    if (
      typeof value.idempotency === 'object' &&
      'lookup' in value.idempotency &&
      value.envelope === 'none' &&
      value.idempotency.lookup.field === undefined
    ) {
      context.addIssue({
        code: 'custom',
        path: ['idempotency', 'lookup', 'field'],
        message: 'is needed with `envelope: none`: the API must be given the change id that it is asked about later',
      })
    }
    if (value.for === 'all' && value.envelope === 'none') {
      context.addIssue({
        code: 'custom',
        path: ['for'],
        message: 'leavers cannot be told apart with `envelope: none`, which carries no `op`',
      })
    }
  })

const oauth2 = z
  .strictObject({
    token_url: baseUrl().describe('Where access tokens are issued, such as https://login.example.com/oauth2/token'),
    client_id: secretText().describe('The client, as the issuer knows it'),
    client_secret: secret().describe("The client's secret, by reference"),
    scope: z.string().min(1).optional().describe('What is asked for, such as `contacts.write`; names joined by spaces'),
    client_auth: z
      .enum(['basic', 'body'])
      .default('basic')
      .describe('How the client proves itself: `basic` by a header, which every issuer must take, `body` by fields'),
  })
  .describe('OAuth 2.0 client credentials (RFC 6749, 4.4). A token is renewed before it expires, and once after a 401')

export const httpSettings = z
  .strictObject({
    base_url: baseUrl().describe(
      `Where the API is, such as https://api.example.com/v1; may come from \`\${env:NAME}\``,
    ),
    allow_private_network: z
      .boolean()
      .default(false)
      .describe('Private and loopback addresses are refused unless this is true'),
    headers: z
      .record(headerName, secretText())
      .default({})
      .describe(`Sent with every request; secrets by reference, such as \`Bearer \${env:TOKEN}\``),
    auth: z
      .strictObject({ oauth2 })
      .optional()
      .describe('For access tokens that expire. A token that does not expire is a header, by reference'),
    signing: z
      .strictObject({ standard_webhooks: secret().describe('The signing secret: `whsec_` and base64, or any text') })
      .optional()
      .describe('Signs every request (Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature)'),
    limits: rates()
      .default([])
      .describe(
        'Rates that are never exceeded; all of them hold together, for all destinations and processes that use the same account. A run waits for them for at most 15 minutes, then ends as `partial`',
      ),
    concurrency: z
      .int()
      .min(1)
      .max(256)
      .default(4)
      .describe('Requests under way at the same time, at most; fewer while the destination is throttling or slow'),
    timeout: duration().prefault('30s').describe('How long one attempt may take, from connecting to the last byte'),
    probe: z
      .string()
      .regex(/^\/(?!\/)\S*$/, 'a path that starts with one slash')
      .optional()
      .describe('A path that `activate doctor` may GET to prove address and credentials'),
    actions: z
      .record(z.string().regex(/^[A-Za-z][A-Za-z0-9_-]*$/, 'a name of letters, digits, _ and -'), action)
      .describe('What syncs can do here, by name'),
  })
  .superRefine(({ actions, auth, headers }, context) => {
    const own = Object.keys(headers).find(name => name.toLowerCase() === 'authorization')
    if (auth !== undefined && own !== undefined) {
      const params = { code: 'A1160', help: 'leave the header out: `auth` sends the token' }
      context.addIssue({ code: 'custom', path: ['headers', own], message: '`auth` makes this header', params })
    }
    const takers = Object.entries(actions).flatMap(([name, { for: whom }]) => (whom === 'leavers' ? [name] : []))
    if (Object.keys(actions).length === 0)
      context.addIssue({ code: 'custom', path: ['actions'], message: 'at least one action is needed' })
    for (const [name, value] of Object.entries(actions)) {
      if (value.leavers !== undefined && !takers.includes(value.leavers)) {
        const message = `"${value.leavers}" is not an action with \`for: leavers\``
        context.addIssue({ code: 'custom', path: ['actions', name, 'leavers'], message })
      }
      if (takers.length > 1 && value.for === undefined && value.leavers === undefined) {
        const message = `several actions are \`for: leavers\` (${takers.join(', ')}): name one under \`leavers\``
        context.addIssue({ code: 'custom', path: ['actions', name], message })
      }
    }
  })

export type OAuth2Settings = z.output<typeof oauth2>
export type HttpSettings = z.output<typeof httpSettings>
export type HttpActionSettings = HttpSettings['actions'][string]
export type HttpLookupSettings = z.output<typeof lookup>
