/** One attempt over HTTP: base URL, credentials and signature are added to the frozen bytes, and the reply gets its meaning. */
import type { z } from 'zod'
import type { Action, Change, DestinationDefinition, HttpReply, Verdict } from './destination.ts'
import { addressRefused } from './egress.ts'
import type { FrozenHttpRequest } from './frozen-request.ts'
import { misconfigured, type Sent } from './http.ts'
import { interpretStatus } from './interpret.ts'
import { type EgressOptions, openClient, parseBase } from './open-client.ts'
import { openTokens } from './open-tokens.ts'
import { tokenExpired } from './token.ts'

export interface AttemptContext {
  /** Signed as the message's id: the same for every attempt. */
  readonly id: string
  readonly at: number
  readonly changes: readonly Change[]
  readonly interpret: Action<never>['interpret'] | undefined
  readonly onLeaving: (() => void) | undefined
  readonly onHeaders: ((headers: Readonly<Record<string, string>>) => void) | undefined
}

export interface Egress {
  /** Where it goes, and the credentials it goes with: what makes an account. */
  readonly address: string
  readonly credentials: unknown
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
  const timeout = definition.timeout?.(settings) ?? defaultTimeout
  const allowPrivateNetwork = definition.allowPrivateNetwork?.(settings) ?? false
  const connections = definition.concurrency(settings)
  const client = openClient(base, options, { connections, timeout, allowPrivateNetwork })

  const refresh = definition.refresh?.(settings)
  const tokens = refresh && openTokens(refresh, { ...options, timeout, allowPrivateNetwork })

  return {
    address: base.href,
    credentials: [standing, refresh && [refresh.url, refresh.request]],
    async send(request, { id, at, changes, interpret, onLeaving, onHeaders }) {
      const answer = tokens === undefined ? undefined : await tokens.get(at)
      if (answer?.kind === 'unavailable') return { kind: 'retry', code: 'token_unavailable', message: answer.message }
      if (answer?.kind === 'denied') return { kind: 'denied', code: 'token_denied', message: answer.message }
      const token = answer?.token.token
      const signature = definition.sign?.(settings, { id, at, body: request.body ?? '' })
      const sent = await client.send({
        method: request.method,
        path: basePath + request.path,
        headers:
          token === undefined
            ? { ...standing, ...request.headers, ...signature }
            : { ...standing, ...request.headers, ...signature, ...refresh?.headers(token) },
        body: request.body,
        ...(onLeaving && { onLeaving }),
      })
      if (sent.kind === 'reply') onHeaders?.(sent.reply.headers)
      if (tokens !== undefined && token !== undefined && sent.kind === 'reply') {
        const { status } = sent.reply
        if (status === 401 && tokens.refused(token))
          return { kind: 'retry', code: tokenExpired, message: 'the access token is not taken any more' }
        if (status !== 401 && status !== 429 && status < 500) tokens.accepted(token)
      }
      return verdictOf(sent, changes, interpret, at)
    },
    async close() {
      await client.close()
      await tokens?.close()
    },
  }
}

/** What is sent once `interpret` sees the reply; a function that fails on a reply could not read it. */
function verdictOf(
  sent: Sent,
  changes: readonly Change[],
  interpret: AttemptContext['interpret'],
  at: number,
): Verdict {
  if (sent.kind !== 'reply') {
    const reason = { code: codeOf(sent), message: sent.message }
    if (sent.kind === 'lost') return { kind: 'uncertain', ...reason, connection: true }
    return misconfigured.has(sent.code) ? { kind: 'denied', ...reason } : { kind: 'retry', ...reason, connection: true }
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
