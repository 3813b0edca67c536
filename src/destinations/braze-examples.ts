/** Worked requests and replies of Braze: its page and its conformance test are made from them. */
import type { Change, Example } from '../delivery/destination.ts'
import type { Json } from '../project/project.ts'

interface Names {
  readonly by: string
  readonly who: (change: Change) => Readonly<Record<string, Json>>
  readonly recipient: (change: Change) => Readonly<Record<string, Json>>
  readonly name: (change: Change) => string
}

const campaign = '5ddf9b8e-2a2d-4a3a-8d24-7e0f8c1f6a11'
const group = 'b2a7c4de-9b7e-4c57-a6c9-0b6a5b1d2e3f'
const ok = { message: 'success' } as const

export function brazeExamples({ by, who, recipient, name }: Names) {
  const change = (number: number, op: Change['op'], fields: Change['fields']): Change => {
    const id =
      by === 'email' ? { email: `c${number}@example.com` } : by === 'phone' ? { phone: `+44770090012${number}` } : {}
    return { key: `C00${number}`, changeId: `a${number}`, op, fields: { ...fields, ...id } }
  }
  const track = (json: unknown) => ({ method: 'POST', path: '/users/track', json }) as const

  const first = change(1, 'enter', { tier: 'gold', score: 0.25 })
  const second = change(2, 'change', { tier: null, score: 1 })
  const last = change(1, 'leave', { tier: 'gold' })
  const met = { name: 'renewal_due', time: '2026-11-02T02:00:00Z' }
  const event = change(1, 'enter', { ...met, plan: 'gold' })
  const other = change(2, 'enter', { ...met, plan: 'tin' })
  const message = change(1, 'enter', { campaign_id: campaign, first_name: 'Ada', attributes: { tier: 'gold' } })
  const entry = change(1, 'enter', { canvas_id: campaign, first_name: 'Ada' })
  const member = change(1, 'enter', { subscription_group_id: group })

  return {
    attributes: [
      {
        name: 'the second of two is refused: its place in the array says which',
        changes: [first, second],
        request: track({
          attributes: [
            { tier: 'gold', score: 0.25, ...who(first) },
            { tier: null, score: 1, ...who(second) },
          ],
        }),
        reply: {
          status: 201,
          body: {
            ...ok,
            attributes_processed: 1,
            errors: [{ type: "'score' must be a string", input_array: 'attributes', index: 1 }],
          },
        },
        verdict: {
          kind: 'each',
          outcomes: [
            { changeId: 'a2', outcome: 'rejected', code: 'record_refused', message: "'score' must be a string" },
            { changeId: 'a1', outcome: 'acked' },
          ],
        },
      },
      {
        name: 'a maintenance: what was queued will be done',
        changes: [first],
        request: track({ attributes: [{ tier: 'gold', score: 0.25, ...who(first) }] }),
        reply: { status: 202, body: { message: 'queued' } },
        verdict: { kind: 'acked' },
      },
    ],
    update: [
      {
        name: 'all of it is taken',
        changes: [first],
        request: track({ attributes: [{ tier: 'gold', score: 0.25, ...who(first), _update_existing_only: true }] }),
        reply: { status: 201, body: { ...ok, attributes_processed: 1 } },
        verdict: { kind: 'acked' },
      },
    ],
    unset: [
      {
        name: 'null removes what was sent',
        changes: [last],
        request: track({ attributes: [{ tier: null, ...who(last), _update_existing_only: true }] }),
        reply: { status: 201, body: { ...ok, attributes_processed: 1 } },
        verdict: { kind: 'acked' },
      },
    ],
    events: [
      {
        name: 'fewer were taken than were sent, and nobody is named: who it was stays uncertain',
        changes: [event, other],
        request: track({
          events: [
            { ...who(event), ...met, properties: { plan: 'gold' } },
            { ...who(other), ...met, properties: { plan: 'tin' } },
          ],
        }),
        reply: { status: 201, body: { ...ok, events_processed: 1 } },
        verdict: { kind: 'each', outcomes: [] },
      },
    ],
    campaign: [
      {
        name: 'accepted',
        changes: [message],
        request: {
          method: 'POST',
          path: '/campaigns/trigger/send',
          json: {
            campaign_id: campaign,
            recipients: [
              { ...recipient(message), attributes: { tier: 'gold' }, trigger_properties: { first_name: 'Ada' } },
            ],
          },
        },
        reply: { status: 201, body: { dispatch_id: 'd1', ...ok } },
        verdict: { kind: 'acked' },
      },
      {
        name: 'a campaign that cannot be triggered',
        changes: [change(1, 'enter', { campaign_id: campaign, first_name: 'Ada' })],
        request: {
          method: 'POST',
          path: '/campaigns/trigger/send',
          json: {
            campaign_id: campaign,
            recipients: [{ ...recipient(message), trigger_properties: { first_name: 'Ada' } }],
          },
        },
        reply: { status: 400, body: { message: 'Invalid Campaign ID' } },
        verdict: { kind: 'refused', code: 'http_400', message: 'HTTP 400: Invalid Campaign ID' },
      },
    ],
    canvas: (properties: string): readonly Example[] => [
      {
        name: 'accepted',
        changes: [entry],
        request: {
          method: 'POST',
          path: '/canvas/trigger/send',
          json: { canvas_id: campaign, recipients: [{ ...recipient(entry), [properties]: { first_name: 'Ada' } }] },
        },
        reply: { status: 201, body: { dispatch_id: 'd1', ...ok } },
        verdict: { kind: 'acked' },
      },
    ],
    email: [
      {
        name: 'accepted; the change itself is what a repetition is recognised by',
        changes: [message],
        request: {
          method: 'POST',
          path: `/transactional/v1/campaigns/${campaign}/send`,
          json: {
            external_send_id: 'a1',
            trigger_properties: { first_name: 'Ada' },
            recipient: { ...recipient(message), attributes: { tier: 'gold' } },
          },
        },
        reply: { status: 201, body: { dispatch_id: 'd1', status: 'sent' } },
        verdict: { kind: 'acked' },
      },
    ],
    subscription: (state: string, list: string): readonly Example[] => [
      {
        name: 'accepted',
        changes: [member],
        request: {
          method: 'POST',
          path: '/v2/subscription/status/set',
          json: {
            subscription_groups: [{ subscription_group_id: group, subscription_state: state, [list]: [name(member)] }],
          },
        },
        reply: { status: 201, body: ok },
        verdict: { kind: 'acked' },
      },
    ],
  } satisfies Readonly<Record<string, readonly Example[] | ((...names: never[]) => readonly Example[])>>
}
