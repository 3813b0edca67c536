/**
 * The sandbox's HTTP face, as docs/reference/sandbox-api.md describes it: who may come in, how often, what goes wrong on
 * purpose, and which transition of the memory a route is. Time comes from `now`, chance from the seed.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import type { z } from 'zod'
import {
  type Complaint,
  checkEmail,
  checkSms,
  emailBody,
  maxBodyBytes,
  maxRecords,
  membersBody,
  removeBody,
  smsBody,
  tasksBody,
  upsertBody,
} from './bodies.ts'
import { type Fault, type FaultPlan, faultOf } from './faults.ts'
import {
  acceptMessage,
  changeMembers,
  count,
  createTasks,
  findMessages,
  type IncomingMessage,
  logRequest,
  type Memory,
  type RecordResult,
  removeContacts,
  wipe,
  writeContacts,
} from './memory.ts'
import { renderPage } from './page.ts'
import { stateOf } from './state.ts'
import { type Bucket, type BucketRate, fullBucket, takeToken } from './throttle.ts'

export interface AppOptions {
  readonly memory: Memory
  /** Asked at each request, since the demo's nights differ. */
  readonly faults: () => FaultPlan
  readonly seed: number
  readonly token: string
  readonly rate: BucketRate
  readonly now: () => number
  /** Called after each request that changed something, before its answer leaves. */
  readonly save: () => void
  /** Aborted when the sandbox closes, so that nothing waits for it. */
  readonly closing: AbortSignal
}

type Env = { Bindings: HttpBindings; Variables: { records: number; failed: number } }
type Status = 400 | 401 | 403 | 404 | 409 | 413 | 422 | 429 | 500 | 503

function refuse(
  c: Context,
  status: Status,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): Response {
  return c.json({ error: { code, message } }, status, headers)
}

/** Thrown by body readers; becomes the whole request's error. */
class Refusal extends HTTPException {
  readonly complaint: Complaint

  constructor(complaint: Complaint) {
    super(400, { message: complaint.message })
    this.complaint = complaint
  }
}

export function sandboxApp(options: AppOptions): Hono<Env> {
  const { memory, now } = options
  const app = new Hono<Env>()
  app.notFound(c => refuse(c, 404, 'not_found', `there is no ${c.req.method} ${c.req.path}`))
  app.onError((error, c) => {
    if (error instanceof Refusal) return refuse(c, 400, error.complaint.code, error.complaint.message)
    return refuse(c, 500, 'internal', error.message)
  })
  const limited = bodyLimit({
    maxSize: maxBodyBytes,
    onError: c => refuse(c, 413, 'body_too_large', `a body has at most ${maxBodyBytes} bytes`),
  })
  for (const area of ['/crm/*', '/messages/*']) app.use(area, treat(options), limited)
  addCrm(app, memory, now)
  addMessenger(app, memory, now)
  addWindows(app, options)
  return app
}

/** What happens to a request of an area before and after its route: token, rate limit, chosen fault, log. */
function treat(options: AppOptions): MiddlewareHandler<Env> {
  const { memory, faults, seed, rate, now } = options
  let bucket: Bucket | undefined
  return async (c, next) => {
    const at = now()
    const n = count(memory, 'requests')
    const log = (status: number | 'none', fault?: Fault, note?: string) => {
      const { records = 0, failed = 0 } = c.var
      logRequest(memory, {
        n,
        at,
        method: c.req.method,
        path: c.req.path,
        status,
        records,
        failed,
        fault: fault?.kind,
        note,
      })
      options.save()
    }
    if (!knowsToken(c, options.token)) {
      log(401)
      return unauthorized(c)
    }
    const taken = takeToken(bucket ?? fullBucket(rate, at), rate, at)
    bucket = taken.bucket
    if (taken.wait > 0) {
      count(memory, 'throttled')
      log(429, undefined, 'over the rate limit')
      return refuse(c, 429, 'rate_limited', 'too many requests', {
        'retry-after': String(Math.ceil(taken.wait / 1_000)),
      })
    }
    const fault = faultOf(faults(), seed, n)
    if (fault !== undefined) count(memory, fault.kind)
    const applied = fault === undefined || fault.kind === 'lost' || (fault.kind === '5xx' && fault.applied)
    if (applied) await next()
    const answered =
      fault === undefined ? c.res.status : fault.kind === '5xx' ? fault.status : fault.kind === '429' ? 429 : 'none'
    log(answered, fault, fault === undefined ? undefined : applied ? 'processed all the same' : 'not processed')
    if (fault === undefined) return
    // A middleware that answers after its route must forget that route's answer first, or hono would merge the headers.
    c.res = undefined
    c.res = await suffer(c, fault, options.closing)
  }
}

async function suffer(c: Context<Env>, fault: Fault, closing: AbortSignal): Promise<Response> {
  if (fault.kind === '5xx') {
    return fault.status === 500
      ? refuse(c, 500, 'internal', 'a fault was chosen for this request')
      : refuse(c, 503, 'unavailable', 'a fault was chosen for this request')
  }
  if (fault.kind === '429')
    return refuse(c, 429, 'rate_limited', 'a fault was chosen for this request', { 'retry-after': '1' })
  if (fault.kind === 'timeout') await connectionEnds(c, closing)
  c.env.incoming.socket.resetAndDestroy()
  return RESPONSE_ALREADY_SENT
}

function connectionEnds(c: Context<Env>, closing: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (closing.aborted || c.env.incoming.socket.destroyed) resolve()
    c.env.incoming.socket.once('close', () => resolve())
    closing.addEventListener('abort', () => resolve(), { once: true })
  })
}

function knowsToken(c: Context, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(c.req.header('authorization') ?? ''), digest(`Bearer ${token}`))
}

function unauthorized(c: Context): Response {
  return refuse(c, 401, 'unauthorized', 'the token is missing or wrong', { 'www-authenticate': 'Bearer' })
}

/** The body in this shape, with its exact bytes. Throws a Refusal. */
async function readBody<Schema extends z.ZodType>(
  c: Context,
  schema: Schema,
): Promise<{ body: z.output<Schema>; bytes: Uint8Array }> {
  const bytes = new Uint8Array(await c.req.arrayBuffer())
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new Refusal({
      code: 'bad_request',
      message: `the body is not JSON in UTF-8: ${error instanceof Error ? error.message : String(error)}`,
    })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return { body: parsed.data, bytes }
  const [issue] = parsed.error.issues
  throw new Refusal({
    code: 'bad_request',
    message: `${issue?.path.join('.') || 'the body'}: ${issue?.message ?? 'not the shape that is expected'}`,
  })
}

async function readBatch<Schema extends z.ZodType<{ records: readonly unknown[] }>>(
  c: Context<Env>,
  schema: Schema,
): Promise<z.output<Schema>> {
  const { body } = await readBody(c, schema)
  if (body.records.length > maxRecords)
    throw new Refusal({
      code: 'batch_too_large',
      message: `a batch has at most ${maxRecords} records, not ${body.records.length}`,
    })
  return body
}

function answerBatch(c: Context<Env>, results: readonly RecordResult[]): Response {
  c.set('records', results.length)
  c.set('failed', results.filter(({ status }) => status === 'error').length)
  return c.json({ results })
}

function addCrm(app: Hono<Env>, memory: Memory, now: () => number): void {
  app.post('/crm/contacts/batch/upsert', async c =>
    answerBatch(c, writeContacts(memory, (await readBatch(c, upsertBody)).records, now(), true)),
  )
  app.post('/crm/contacts/batch/update', async c =>
    answerBatch(c, writeContacts(memory, (await readBatch(c, upsertBody)).records, now(), false)),
  )
  app.post('/crm/contacts/batch/remove', async c =>
    answerBatch(c, removeContacts(memory, (await readBatch(c, removeBody)).records, now())),
  )
  app.post('/crm/lists/members/batch/add', async c =>
    answerBatch(c, changeMembers(memory, (await readBatch(c, membersBody)).records, 'add')),
  )
  app.post('/crm/lists/members/batch/remove', async c =>
    answerBatch(c, changeMembers(memory, (await readBatch(c, membersBody)).records, 'remove')),
  )
  app.post('/crm/tasks/batch/create', async c =>
    answerBatch(c, createTasks(memory, (await readBatch(c, tasksBody)).records, now())),
  )
}

function addMessenger(app: Hono<Env>, memory: Memory, now: () => number): void {
  const take = (c: Context<Env>, complaint: Complaint | undefined, message: IncomingMessage): Response => {
    c.set('records', 1)
    c.set('failed', complaint === undefined ? 0 : 1)
    if (complaint !== undefined) return refuse(c, 422, complaint.code, complaint.message)
    const accepted = acceptMessage(memory, message, now())
    if (accepted.kind === 'mismatch')
      return refuse(c, 409, 'idempotency_mismatch', 'this idempotency key was used for another message')
    return c.json({ id: accepted.id }, 202, accepted.kind === 'replayed' ? { 'idempotent-replay': 'true' } : {})
  }
  app.post('/messages/email', async c => {
    const { body, bytes } = await readBody(c, emailBody)
    const key = c.req.header('idempotency-key')
    if (key !== undefined && (key.length < 1 || key.length > 255))
      throw new Refusal({ code: 'bad_request', message: 'an Idempotency-Key has 1 to 255 characters' })
    const bodyHash = createHash('sha256').update(bytes).digest('hex')
    return take(c, checkEmail(body), { channel: 'email', content: body, idempotencyKey: key, bodyHash })
  })
  app.get('/messages', c => {
    const references = new Set((c.req.query('references') ?? '').split(',').filter(reference => reference !== ''))
    if (references.size === 0 || references.size > maxRecords)
      throw new Refusal({
        code: 'bad_request',
        message: `references names 1 to ${maxRecords} references, joined by commas`,
      })
    const found = findMessages(memory, references, now())
    return c.json({
      messages: found.map(({ id, channel, content }) => ({ id, channel, reference: content.reference })),
    })
  })
  app.post('/messages/sms', async c => {
    const { body } = await readBody(c, smsBody)
    return take(c, checkSms(body), { channel: 'sms', content: body, idempotencyKey: undefined, bodyHash: '' })
  })
}

/** The routes for people, tests and `doctor`. What needs no token answers only to a local name, so that no web page can read it by DNS rebinding. */
function addWindows(app: Hono<Env>, { memory, token, faults, seed, save }: AppOptions): void {
  app.get('/health', c => c.json({ status: 'ok' }))
  app.get('/account', c => (knowsToken(c, token) ? c.json({ account: 'sandbox' }) : unauthorized(c)))
  app.get('/state', localOnly, c => c.json(stateOf(memory), 200, { 'cache-control': 'no-store' }))
  app.post('/reset', localOnly, c => {
    wipe(memory)
    save()
    return c.body(null, 204)
  })
  app.get('/', localOnly, c => {
    const page = renderPage(memory, {
      faults: faults(),
      seed,
      search: c.req.query('q') ?? '',
      live: c.req.query('live') === '1',
    })
    return c.body(page, 200, pageHeaders)
  })
}

const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const

const localHost = /^(localhost|127\.0\.0\.1)(:\d{1,5})?$/

const localOnly: MiddlewareHandler = async (c, next) => {
  const host = c.req.header('host') ?? ''
  const origin = c.req.header('origin')
  if (!localHost.test(host)) return refuse(c, 403, 'forbidden', 'the sandbox answers to localhost and 127.0.0.1 only')
  if (origin !== undefined && origin !== `http://${host}`)
    return refuse(c, 403, 'forbidden', 'another site may not use the sandbox')
  return next()
}
