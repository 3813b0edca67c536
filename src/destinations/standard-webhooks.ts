/**
 * Signatures after the Standard Webhooks specification (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md,
 * read 2026-11): HMAC-SHA256 over `id.timestamp.body`, so that a receiver can tell who sent the bytes, and when.
 */
import { createHmac } from 'node:crypto'
import { ActivateError } from '../project/problem.ts'

const prefix = 'whsec_'

/** The key's bytes: base64 after `whsec_`, otherwise the text itself. Throws A6511. */
export function signingKey(secret: string): Buffer {
  if (!secret.startsWith(prefix)) return Buffer.from(secret, 'utf8')
  const text = secret.slice(prefix.length)
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text) || text.length % 4 === 1) {
    throw new ActivateError('credentials', {
      code: 'A6511',
      message: 'the signing secret starts with "whsec_" but does not go on in base64',
      help: 'copy the whole secret again, or leave the prefix out to use the text as it is',
    })
  }
  return Buffer.from(text, 'base64')
}

/** The three headers. `at` in milliseconds; `id` is the same for every attempt, so that the receiver can deduplicate. */
export function standardWebhookHeaders(
  secret: string,
  message: { readonly id: string; readonly at: number; readonly body: string },
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(message.at / 1000))
  const signature = createHmac('sha256', signingKey(secret))
    .update(`${message.id}.${timestamp}.${message.body}`)
    .digest('base64')
  return { 'webhook-id': message.id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
}
