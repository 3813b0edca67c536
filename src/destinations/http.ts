/**
 * The generic destination: any JSON API, described in `activate.yml`. What it sends and how it reads replies comes from
 * its settings alone.
 */
import {
  type Action,
  type Change,
  defineDestination,
  type HttpRequest,
  type Idempotency,
  type RequestContext,
} from '../delivery/destination.ts'
import { interpretStatus } from '../delivery/interpret.ts'
import { ActivateError } from '../project/problem.ts'
import { type Json, modes } from '../project/project.ts'
import { lookupFrom } from './http-lookup.ts'
import { type HttpActionSettings, type HttpSettings, httpSettings } from './http-settings.ts'
import { clientCredentials } from './oauth2.ts'
import { rateLimits } from './rates.ts'
import { readOutcomes, unreadable } from './record-outcomes.ts'
import { standardWebhookHeaders } from './standard-webhooks.ts'

export const http = defineDestination({
  name: 'http',
  summary: 'Any JSON API: paths, batches, idempotency and answers per record are described in the project',
  settings: httpSettings,
  baseUrl: settings => settings.base_url,
  headers: settings => settings.headers,
  allowPrivateNetwork: settings => settings.allow_private_network,
  limits: settings => rateLimits(settings.limits),
  concurrency: settings => settings.concurrency,
  timeout: settings => settings.timeout,
  refresh: ({ auth }) => auth && clientCredentials(auth.oauth2),
  sign: ({ signing }, message) =>
    signing === undefined ? {} : standardWebhookHeaders(signing.standard_webhooks, message),
  actions: settings =>
    Object.fromEntries(Object.entries(settings.actions).map(([name, own]) => [name, actionFrom(name, own, settings)])),
  probe: settings => ({ method: 'GET', path: settings.probe ?? '/' }),
})

function actionFrom(name: string, own: HttpActionSettings, settings: HttpSettings): Action<HttpSettings> {
  const leavers = leaversOf(name, own, settings)
  return {
    summary: own.summary ?? `${own.method} ${own.path}`,
    modes: own.for === 'leavers' ? [] : modes,
    ...(own.batch && {
      batch: { maxRecords: own.batch.max_records, ...(own.batch.max_bytes && { maxBytes: own.batch.max_bytes }) },
    }),
    idempotency: idempotencyOf(own),
    ...(isLookup(own.idempotency) && { lookup: lookupFrom(own.idempotency.lookup) }),
    takesLeavers: own.for !== undefined,
    ...(leavers !== undefined && { leavers }),
    request: (changes, context) => requestOf(own, changes, context),
    interpret: (reply, changes) => {
      if (own.accepts?.includes(reply.status)) return { kind: 'acked' }
      if (own.outcomes === undefined || !mayHoldOutcomes(reply.status)) return interpretStatus(reply)
      const outcomes = readOutcomes(reply, changes, own.outcomes)
      if (isSuccess(reply.status)) return outcomes ? { kind: 'each', outcomes } : unreadable(reply, own.outcomes.list)
      return outcomes && outcomes.length > 0 ? { kind: 'each', outcomes } : interpretStatus(reply)
    },
  }
}

function leaversOf(name: string, own: HttpActionSettings, settings: HttpSettings): string | undefined {
  if (own.for !== undefined) return undefined
  return (
    own.leavers ??
    Object.keys(settings.actions).find(other => other !== name && settings.actions[other]?.for === 'leavers')
  )
}

function isLookup(
  idempotency: HttpActionSettings['idempotency'],
): idempotency is Extract<HttpActionSettings['idempotency'], { lookup: unknown }> {
  return typeof idempotency === 'object' && 'lookup' in idempotency
}

function idempotencyOf({ idempotency }: HttpActionSettings): Idempotency {
  if (isLookup(idempotency)) return { kind: 'lookup', settle: idempotency.lookup.settle }
  return typeof idempotency === 'string' ? { kind: idempotency } : { kind: 'keyed', window: idempotency.window }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

/** Credentials, throttling and faults of the server concern the request, whatever their bodies list. */
function mayHoldOutcomes(status: number): boolean {
  return isSuccess(status) || (status >= 400 && status < 500 && ![401, 403, 408, 425, 429].includes(status))
}

function requestOf(
  own: HttpActionSettings,
  changes: readonly Change[],
  context: RequestContext<HttpSettings>,
): HttpRequest {
  const [first] = changes
  if (first === undefined) throw new TypeError('a request carries at least one record')
  const bodyless = own.method === 'DELETE' && own.path.includes('{key}')
  return {
    method: own.method,
    path: pathOf(own.path, first),
    ...keyHeader(own, changes, context),
    ...(!bodyless && { json: bodyOf(own, changes, first) }),
  }
}

function bodyOf(own: HttpActionSettings, changes: readonly Change[], first: Change): unknown {
  if (own.batch === undefined) return recordOf(own, first)
  const records = changes.map(change => recordOf(own, change))
  return own.batch.wrap === undefined ? records : { [own.batch.wrap]: records }
}

function recordOf({ envelope, idempotency }: HttpActionSettings, change: Change): Readonly<Record<string, Json>> {
  const field = idFieldOf(idempotency)
  const id = field === undefined ? {} : { [field]: change.changeId }
  if (envelope === 'none') return { ...change.fields, ...id }
  return { key: change.key, change_id: change.changeId, op: change.op, fields: change.fields, ...id }
}

/** The field of each record by which the API recognises it, or by which it is asked about it later. */
function idFieldOf(idempotency: HttpActionSettings['idempotency']): string | undefined {
  if (isLookup(idempotency)) return idempotency.lookup.field
  return typeof idempotency === 'object' && 'field' in idempotency ? idempotency.field : undefined
}

/** One record goes under its own change id, so that the key outlives a re-batching; several go under the request's. */
function keyHeader(
  { idempotency }: HttpActionSettings,
  changes: readonly Change[],
  context: RequestContext<HttpSettings>,
): Pick<HttpRequest, 'headers'> {
  if (typeof idempotency === 'string' || !('header' in idempotency)) return {}
  const [only, second] = changes
  const key = only !== undefined && second === undefined ? only.changeId : context.idempotencyKey
  return { headers: { [idempotency.header.toLowerCase()]: key } }
}

function pathOf(path: string, change: Change): string {
  if (!path.includes('{')) return path
  if (path.includes('{key}')) assertSegment(change.key)
  return path
    .replaceAll('{key}', () => encodeURIComponent(change.key))
    .replaceAll('{change_id}', () => encodeURIComponent(change.changeId))
}

/** URLs normalise `.` and `..` away, encoded or not (WHATWG URL, "double-dot path segment"), so that another thing would be addressed. */
function assertSegment(key: string): void {
  if (key !== '' && key !== '.' && key !== '..' && !/\p{Surrogate}/u.test(key)) return
  throw new ActivateError('failed', {
    code: 'A6510',
    message: `the key ${JSON.stringify(key)} cannot stand in a path`,
    help: 'leave the row out of the model, or use an action that carries the key in its body',
  })
}
