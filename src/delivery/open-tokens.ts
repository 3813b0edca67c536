/** Access tokens over HTTP: the issuer is asked by a client of its own, under the rules that hold for the destination. */
import type { HttpReply, Refresh } from './destination.ts'
import { freeze } from './frozen-request.ts'
import { misconfigured } from './http.ts'
import { type EgressOptions, openClient, parseBase } from './open-client.ts'
import { createTokenKeeper, type TokenAnswer, type TokenKeeper } from './token.ts'

/** Bytes of an issuer's reply; longer ones are no answer. */
const mostTokenBytes = 64 * 1024

export interface OpenTokens extends TokenKeeper {
  close(): Promise<void>
}

interface TokenOptions extends EgressOptions {
  readonly name: string
  readonly timeout: number
  readonly allowPrivateNetwork: boolean
}

/** Throws A6009 when the address is not usable, A6007 when it is a literal one that is not allowed. */
export function openTokens(refresh: Refresh, options: TokenOptions): OpenTokens {
  const name = `${options.name} (token)`
  const url = parseBase(refresh.url, name)
  const client = openClient(url, { ...options, name, maxReplyBytes: mostTokenBytes }, { ...options, connections: 1 })
  const request = freeze({ ...refresh.request, path: url.pathname })

  async function fetch(now: number): Promise<TokenAnswer> {
    const sent = await client.send(request)
    if (sent.kind === 'reply') return answerOf(sent.reply, refresh, now)
    const message = `no access token: ${sent.code}, ${sent.message}`
    return { kind: misconfigured.has(sent.code) ? 'denied' : 'unavailable', message }
  }

  return { ...createTokenKeeper(fetch), close: () => client.close() }
}

/** Nothing of the reply's body is quoted: it may hold a token. */
function answerOf(reply: HttpReply, refresh: Refresh, now: number): TokenAnswer {
  const { status } = reply
  if (status >= 200 && status < 300) {
    const read = refresh.read(reply)
    if (read === undefined)
      return { kind: 'denied', message: `the issuer's reply (HTTP ${status}) holds no access token` }
    const { token, expiresIn } = read
    return { kind: 'token', token: { token, ...(expiresIn !== undefined && { expiresAt: now + expiresIn }) } }
  }
  const message = `the issuer of access tokens answered HTTP ${status}`
  const mayPass = status === 408 || status === 425 || status === 429 || status >= 500
  return { kind: mayPass ? 'unavailable' : 'denied', message }
}
