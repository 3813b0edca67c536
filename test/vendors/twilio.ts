/**
 * A Twilio that behaves like one: every accepted request is another message, numbers that answered STOP are refused, and what
 * became of a message is told by a signed callback later.
 */
import { signatureOf } from '../../src/destinations/twilio.ts'
import { type Answer, type Call, startVendor, type Vendor } from './vendor.ts'

export interface Twilio extends Vendor {
  readonly messages: { readonly sid: string; readonly to: string; readonly form: URLSearchParams }[]
  /** Numbers that answered STOP. */
  readonly stopped: Set<string>
  /** Requests that are still refused because there are too many at once. */
  busy: number
  /** Requests that find the sender's queue full. */
  full: number
}

export const account = `AC${'a'.repeat(32)}`

export async function startTwilio(token: string): Promise<Twilio> {
  const far: Twilio = Object.assign(await startVendor(call => answer(call)), {
    messages: [] as Twilio['messages'],
    stopped: new Set<string>(),
    busy: 0,
    full: 0,
  })

  function answer({ method, path, headers, body }: Call): Answer {
    const expected = `Basic ${Buffer.from(`${account}:${token}`).toString('base64')}`
    if (headers.authorization !== expected) return refused(401, 20003, 'Authenticate')
    const messagesPath = `/2010-04-01/Accounts/${account}/Messages.json`
    if (method === 'GET' && path === messagesPath) return { status: 200, body: { messages: [] } }
    if (method !== 'POST' || path !== messagesPath) return refused(404, 20404, 'Not found')
    if (headers['content-type'] !== 'application/x-www-form-urlencoded')
      return refused(400, 21604, "A 'To' is required")
    return accept(new URLSearchParams(body))
  }

  function accept(form: URLSearchParams): Answer {
    const to = form.get('To') ?? ''
    if (far.busy > 0) {
      far.busy -= 1
      return refused(429, 20429, 'Too Many Requests')
    }
    if (far.full > 0) {
      far.full -= 1
      return refused(400, 21611, 'Queue full')
    }
    if (!/^(whatsapp:)?\+[1-9]\d{6,14}$/.test(to) || to.endsWith('0000'))
      return refused(400, 21211, "Invalid 'To' Phone Number")
    if (far.stopped.has(to.replace('whatsapp:', '')))
      return refused(400, 21610, 'Attempt to send to unsubscribed recipient')
    if ((form.get('Body') ?? '').length > 1_600) return refused(400, 21617, 'Body too long')
    const sid = `SM${String(far.messages.length + 1).padStart(32, '0')}`
    far.messages.push({ sid, to, form })
    return { status: 201, body: { sid, status: 'queued', error_code: null, to } }
  }

  return far
}

/** A call of Twilio's, as it would be made to `url` and signed with `token`. */
export function callOf(
  { url, token }: { readonly url: string; readonly token: string },
  parameters: Readonly<Record<string, string>>,
): { readonly method: 'POST'; readonly headers: Record<string, string>; readonly body: string } {
  const body = new URLSearchParams(parameters)
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'x-twilio-signature': signatureOf(token, url, body),
  }
  return { method: 'POST', headers, body: body.toString() }
}

function refused(status: number, code: number, message: string): Answer {
  return { status, body: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status } }
}
