/** One attempt over HTTP: base URL, credentials and signature are added to the frozen bytes, and the reply gets its meaning. */
import type { z } from 'zod'
import { ActivateError } from '../project/problem.ts'
import type { Action, Change, DestinationDefinition, HttpReply, HttpRequest, Verdict } from './destination.ts'
import { AddressRefusedError, addressRefused, type ResolveAll } from './egress.ts'
import { createHttpClient, type HttpClient, misconfigured, type Sent } from './http.ts'
import { interpretStatus } from './interpret.ts'

export interface EgressOptions {
  /** How names become addresses; the system's resolver by default. */
  readonly resolve?: ResolveAll
  /** Bytes of a reply's body; longer ones are lost. Ten MiB by default. */
  readonly maxReplyBytes?: number
}

export interface FrozenHttpRequest {
  readonly method: string
  /** Below the base URL; starts with a slash. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

export interface AttemptContext {
  /** Signed as the message's id: the same for every attempt. */
  readonly id: string
  readonly at: number
  readonly changes: readonly Change[]
  readonly interpret: Action<never>['interpret'] | undefined
  readonly onLeaving: (() => boolean) | undefined
}

export interface Egress {
  send(request: FrozenHttpRequest, context: AttemptContext): Promise<Verdict>
  close(): Promise<void>
}

/** Milliseconds for one attempt when the definition names none. */
const defaultTimeout = 30_000

/** Throws A6007, A6009 or A6011, see `openHttpDestination`. */
export function openEgress<Schema extends DestinationDefinition['settings']>(
  definition: DestinationDefinition<Schema>,
  settings: z.output<Schema>,
  options: EgressOptions & { readonly name: string },
): Egress {
  const base = parseBase(definition.baseUrl?.(settings), options.name)
  const basePath = base.pathname.replace(/\/+$/, '')
  const standing = definition.headers?.(settings) ?? {}
  const client = openClient(base, options, {
    connections: definition.concurrency(settings),
    timeout: definition.timeout?.(settings) ?? defaultTimeout,
    allowPrivateNetwork: definition.allowPrivateNetwork?.(settings) ?? false,
  })

  return {
    async send(request, { id, at, changes, interpret, onLeaving }) {
      const signature = definition.sign?.(settings, { id, at, body: request.body ?? '' })
      const sent = await client.send({
        method: request.method,
        path: basePath + request.path,
        headers: { ...standing, ...request.headers, ...signature },
        body: request.body,
        ...(onLeaving && { onLeaving }),
      })
      return verdictOf(sent, changes, interpret, at)
    },
    close: () => client.close(),
  }
}

/** What is sent once `interpret` sees the reply; a function that fails on a reply could not read it. */
function verdictOf(
  sent: Sent,
  changes: readonly Change[],
  interpret: AttemptContext['interpret'],
  at: number,
): Verdict {
  if (sent.kind === 'lost') return { kind: 'uncertain', code: codeOf(sent), message: sent.message }
  if (sent.kind === 'not_sent') {
    const kind = misconfigured.has(sent.code) ? 'denied' : 'retry'
    return { kind, code: codeOf(sent), message: sent.message }
  }
  return interpret === undefined ? interpretStatus(sent.reply, changes, at) : read(sent.reply, changes, interpret)
}

function read(
  reply: HttpReply,
  changes: readonly Change[],
  interpret: NonNullable<AttemptContext['interpret']>,
): Verdict {
  try {
    return interpret(reply, changes)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { kind: 'uncertain', code: 'unreadable_reply', message: `HTTP ${reply.status}, unreadable: ${message}` }
  }
}

function codeOf(sent: Exclude<Sent, { kind: 'reply' }>): string {
  if (sent.code === addressRefused) return 'address_refused'
  return sent.code.toLowerCase()
}

function parseBase(text: string | undefined, name: string): URL {
  if (text === undefined) {
    throw new ActivateError('failed', { code: 'A6011', message: `the destination ${name} has no base URL` })
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  const fault =
    url === undefined
      ? 'it is not an absolute URL'
      : url.protocol !== 'http:' && url.protocol !== 'https:'
        ? `its scheme is ${url.protocol.slice(0, -1)}`
        : url.username !== '' || url.password !== ''
          ? 'it holds credentials'
          : url.search !== '' || url.hash !== ''
            ? 'it holds a query or a fragment'
            : undefined
  if (url !== undefined && fault === undefined) return url
  throw new ActivateError('invalid', {
    code: 'A6009',
    message: `the base URL of the destination ${name} is not usable: ${fault ?? 'it cannot be read'}`,
    help: 'give an absolute http or https URL, and credentials as headers or a token',
  })
}

function openClient(
  base: URL,
  options: EgressOptions & { readonly name: string },
  settings: { readonly connections: number; readonly timeout: number; readonly allowPrivateNetwork: boolean },
): HttpClient {
  try {
    return createHttpClient({
      origin: base.origin,
      ...settings,
      ...(options.resolve && { resolve: options.resolve }),
      ...(options.maxReplyBytes !== undefined && { maxReplyBytes: options.maxReplyBytes }),
    })
  } catch (error) {
    if (!(error instanceof AddressRefusedError)) throw error
    throw new ActivateError('failed', {
      code: 'A6007',
      message: `the destination ${options.name} may not be spoken to: ${error.message}`,
      help: 'set allow_private_network: true on the destination when this address is meant',
    })
  }
}

/** Serialises once; every attempt sends these bytes. Throws for a path that holds a lone surrogate. */
export function freeze({ method, path, headers, json, form }: HttpRequest): FrozenHttpRequest {
  const [type, body] =
    json !== undefined
      ? ['application/json', JSON.stringify(json)]
      : form !== undefined
        ? ['application/x-www-form-urlencoded', new URLSearchParams(form).toString()]
        : [undefined, undefined]
  const lowered = Object.fromEntries(
    Object.entries(headers ?? {}).map(([header, value]) => [header.toLowerCase(), value]),
  )
  return {
    method,
    path: escapePath(path.startsWith('/') ? path : `/${path}`),
    headers: type === undefined ? lowered : { 'content-type': type, ...lowered },
    body,
  }
}

/** Spaces and letters beyond ASCII are escaped; what is escaped already stays. Throws for a lone surrogate. */
function escapePath(path: string): string {
  return /^[\x21-\x7e]*$/.test(path) ? path : path.replaceAll(/[^\x21-\x7e]+/g, encodeURIComponent)
}
