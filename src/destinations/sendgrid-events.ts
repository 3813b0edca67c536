/**
 * What SendGrid reports of mails: its Signed Event Webhook ("Getting Started with the Event Webhook Security Features" and
 * "Event reference", twilio.com/docs/sendgrid, read 2026-11). An event finds its record by the change id that went with the
 * mail as a custom argument, which comes back beside SendGrid's own fields.
 */
import { createPublicKey, type KeyObject, verify as verifySignature } from 'node:crypto'
import { z } from 'zod'
import type { Callback, CallbackReport, CallbackRequest } from '../delivery/destination.ts'
import { valueAt } from './record-outcomes.ts'

/** The custom argument that names the change. */
export const changeArgument = 'activate_change_id'

export const eventWebhookKey = z
  .string()
  .refine(text => publicKeyOf(text) !== undefined, 'the key as SendGrid shows it: base64, without line breaks')
  .optional()
  .describe(
    'The public key of your Signed Event Webhook. With it, `activate callbacks` shows what became of each mail, and suppresses who unsubscribed',
  )

interface EventSettings {
  readonly event_webhook_key?: string | undefined
}

/** Who opens and clicks is not asked about. Leaving one group is no leaving of all, and SendGrid keeps to it by itself. */
const reported: Readonly<Record<string, { readonly final: boolean; readonly optOut: boolean }>> = {
  processed: { final: false, optOut: false },
  deferred: { final: false, optOut: false },
  delivered: { final: true, optOut: false },
  bounce: { final: true, optOut: false },
  dropped: { final: true, optOut: false },
  spamreport: { final: false, optOut: true },
  unsubscribe: { final: false, optOut: true },
  group_unsubscribe: { final: false, optOut: false },
}

export const eventWebhook: Callback<EventSettings> = {
  optOuts: 'email',
  lacks: ({ event_webhook_key: key }) => (key === undefined ? 'event_webhook_key' : undefined),
  verify,
  read: ({ body }) => {
    const events: unknown = JSON.parse(body)
    if (!Array.isArray(events)) throw new TypeError('events come as a list')
    return events.flatMap(reportOf)
  },
}

/** ECDSA with SHA-256 over the time and the body as they came; the key is the base64 of a DER document. */
function verify({ event_webhook_key: key }: EventSettings, { headers, body }: CallbackRequest): boolean {
  const signature = headers['x-twilio-email-event-webhook-signature']
  const at = headers['x-twilio-email-event-webhook-timestamp']
  const publicKey = key === undefined ? undefined : publicKeyOf(key)
  if (publicKey === undefined || signature === undefined || at === undefined) return false
  return verifySignature('sha256', Buffer.from(at + body), publicKey, Buffer.from(signature, 'base64'))
}

function publicKeyOf(text: string): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })
  } catch {
    return undefined // not a key
  }
}

/** `status` is the code of a bounce (RFC 3463); the `reason` is text about a person, and is not kept. */
function reportOf(event: unknown): readonly CallbackReport[] {
  const [outcome, reference, status, email] = ['event', changeArgument, 'status', 'email'].map(name => {
    const value = valueAt(event, name)
    return typeof value === 'string' ? value : undefined
  })
  const meaning = outcome !== undefined && Object.hasOwn(reported, outcome) ? reported[outcome] : undefined
  if (outcome === undefined || meaning === undefined) return []
  return [
    {
      ...{ outcome, final: meaning.final },
      ...(reference !== undefined && { reference }),
      ...(status !== undefined && { code: status }),
      ...(meaning.optOut && email !== undefined && { optOut: email }),
    },
  ]
}
