/** One attempt over HTTP: base URL, credentials and signature are added to the frozen bytes, and the reply gets its meaning. */
import type { z } from 'zod'
import type { Action, Change, DestinationDefinition, HttpReply, LookupVerdict, Verdict } from './destination.ts'
import { addressRefused } from './egress.ts'
import type { FrozenHttpRequest } from './frozen-request.ts'
import { misconfigured, type Sent } from './http.ts'
import { interpretStatus } from './interpret.ts'
import { type EgressOptions, openClient, parseBase } from './open-client.ts'
import { openTokens } from './open-tokens.ts'
import { tokenExpired } from './token.ts'

/** Calls during one attempt. */
export interface AttemptHooks {
  /** The bytes are about to be written, which may be after waiting for a connection; says whether they may still leave. */
  readonly onLeaving?: () => boolean
  /** A whole reply is there. */
  readonly onHeaders?: (headers: Readonly<Record<string, string>>) => void
}

/** Whether the access token let it through; a request that it did not was not processed. */
type Exchanged =
  | Sent
  | {
      readonly kind: 'withheld'
      /** Another attempt cannot help. */
      readonly denied?: true
      readonly reason: { readonly code: string; readonly message: string }
    }

function withheld(code: string, message: string): Extract<Exchanged, { kind: 'withheld' }> {
  return { kind: 'withheld', reason: { code, message } }
}

interface ExchangeContext extends AttemptHooks {
  /** Signed as the message's id: the same for every attempt. */
  readonly id: string
  readonly at: number
  readonly changes: readonly Change[]
}

export interface AttemptContext extends ExchangeContext {
  readonly interpret: Action<never>['interpret'] | undefined
}

/** What is answered for the destination when no answer of it can be read. */
type NoAnswer = Exclude<LookupVerdict, { kind: 'each' }>

export interface QuestionContext<Answer> extends ExchangeContext {
  readonly interpret: (reply: HttpReply, batch: readonly Change[]) => Answer
}

export interface Egress {
  /** Where it goes, and the credentials it goes with: what makes an account. */
  readonly address: string
  readonly credentials: unknown
  send(request: FrozenHttpRequest, context: AttemptContext): Promise<Verdict>
  ask<Answer>(request: FrozenHttpRequest, context: QuestionContext<Answer>): Promise<Answer | NoAnswer>
  close(): Promise<void>
}

/** Milliseconds for one attempt when the definition names none. */
const defaultTimeout = 30_000

/** What holds for every address that is spoken to on behalf of a destination. */
export function boundsOf<Schema extends DestinationDefinition['settings']>(
  definition: DestinationDefinition<Schema>,
  settings: z.output<Schema>,
): { readonly timeout: number; readonly allowPrivateNetwork: boolean } {
  return {
    timeout: definition.timeout?.(settings) ?? defaultTimeout,
    allowPrivateNetwork: definition.allowPrivateNetwork?.(settings) ?? false,
  }
}

/** Throws A6007, A6009 or A6011, see `openHttpDestination`. */
export function openEgress<Schema extends DestinationDefinition['settings']>(
  definition: DestinationDefinition<Schema>,
  settings: z.output<Schema>,
  options: EgressOptions & { readonly name: string },
): Egress {
  const base = parseBase(definition.baseUrl?.(settings), options.name)
  const basePath = base.pathname.replace(/\/+$/, '')
  const standing = definition.headers?.(settings) ?? {}
  const { timeout, allowPrivateNetwork } = boundsOf(definition, settings)
  const connections = definition.concurrency(settings)
  const client = openClient(base, options, { connections, timeout, allowPrivateNetwork })

  const refresh = definition.refresh?.(settings)
  const tokens = refresh && openTokens(refresh, { ...options, timeout, allowPrivateNetwork })

  async function exchange(request: FrozenHttpRequest, context: ExchangeContext): Promise<Exchanged> {
    const { id, at, onLeaving, onHeaders } = context
    const answer = tokens === undefined ? undefined : await tokens.get(at)
    if (answer?.kind === 'unavailable') return withheld('token_unavailable', answer.message)
    if (answer?.kind === 'denied') return { ...withheld('token_denied', answer.message), denied: true }
    const token = answer?.token.token
    const signature = definition.sign?.(settings, { id, at, body: request.body ?? '' })
    const own = { ...standing, ...request.headers, ...signature }
    const sent = await client.send({
      method: request.method,
      path: basePath + request.path,
      headers: token === undefined ? own : { ...own, ...refresh?.headers(token) },
      body: request.body,
      ...(onLeaving && { onLeaving }),
    })
    if (sent.kind !== 'reply') return sent
    onHeaders?.(sent.reply.headers)
    if (tokens === undefined || token === undefined) return sent
    const { status } = sent.reply
    if (status === 401 && tokens.refused(token)) return withheld(tokenExpired, 'the access token is not taken any more')
    if (status !== 401 && status !== 429 && status < 500) tokens.accepted(token)
    return sent
  }

  return {
    address: base.href,
    credentials: [standing, refresh && [refresh.url, refresh.request]],
    async send(request, context) {
      const sent = await exchange(request, context)
      if (sent.kind === 'withheld') return { kind: sent.denied ? 'denied' : 'retry', ...sent.reason }
      const verdict = verdictOf(sent, context.changes, context.interpret, context.at)
      // It may be the answer to another request, and every one that follows on this connection, too.
      if (sent.kind === 'reply' && isBesideThePoint(sent.reply, verdict, context.changes)) client.renew()
      return verdict
    },
    async ask(request, context) {
      const sent = await exchange(request, context)
      if (sent.kind === 'withheld') return { kind: sent.denied ? 'denied' : 'unanswered', ...sent.reason }
      return answerOf(sent, context.changes, context.interpret)
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

/** Whether a yes does not speak of what was sent. */
function isBesideThePoint({ status }: HttpReply, verdict: Verdict, changes: readonly Change[]): boolean {
  if (status >= 300) return false
  if (verdict.kind !== 'each') return verdict.kind === 'uncertain'
  const named = new Set(verdict.outcomes.map(({ changeId }) => changeId))
  return changes.some(({ changeId }) => !named.has(changeId))
}

/** A question that was lost has no effect, so it is as good as one that never left. */
function answerOf<Answer>(
  sent: Sent,
  changes: readonly Change[],
  interpret: QuestionContext<Answer>['interpret'],
): Answer | NoAnswer {
  if (sent.kind !== 'reply') {
    const denied = sent.kind === 'not_sent' && misconfigured.has(sent.code)
    return { kind: denied ? 'denied' : 'unanswered', code: codeOf(sent), message: sent.message }
  }
  try {
    return interpret(sent.reply, changes)
  } catch (error) {
    return { ...unreadable(sent.reply, error), kind: 'unanswered' }
  }
}

function read(
  reply: HttpReply,
  changes: readonly Change[],
  interpret: NonNullable<AttemptContext['interpret']>,
): Verdict {
  try {
    return interpret(reply, changes)
  } catch (error) {
    return { ...unreadable(reply, error), kind: 'uncertain' }
  }
}

function unreadable({ status }: HttpReply, error: unknown): { readonly code: string; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'unreadable_reply', message: `HTTP ${status}, unreadable: ${message}` }
}

function codeOf(sent: Exclude<Sent, { kind: 'reply' }>): string {
  if (sent.code === addressRefused) return 'address_refused'
  return sent.code.toLowerCase()
}
