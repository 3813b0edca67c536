/** Worked requests and replies of HubSpot: its page and its conformance test are made from them. */
import type { Change, Example } from '../delivery/destination.ts'

const times = { startedAt: '2026-11-02T02:00:00.000Z', completedAt: '2026-11-02T02:00:00.120Z' }

/** For the dated version of the API. `type` and `by` are those of the action. */
export function hubspotExamples(version: string) {
  const path = (type: string, verb: string) => `/crm/objects/${version}/${type}/batch/${verb}`

  return {
    upsert: (type: string, by: string): readonly Example[] => [
      {
        name: 'one record is written, another refused, and NULL empties a property',
        changes: [change(by, 1, 'enter', { tier: 'gold', churn_score: 0.25 }), change(by, 2, 'change', { tier: null })],
        request: {
          method: 'POST',
          path: path(type, 'upsert'),
          json: { inputs: [input(by, 1, { tier: 'gold', churn_score: '0.25' }), input(by, 2, { tier: '' })] },
        },
        reply: {
          status: 200,
          body: {
            status: 'COMPLETE',
            results: [{ id: '9001', new: true, properties: { [by]: idAt(by, 1), tier: 'gold' } }],
            ...times,
            numErrors: 1,
            errors: [refusal('VALIDATION_ERROR', 'tier may not be empty', idAt(by, 2))],
          },
        },
        verdict: {
          kind: 'each',
          outcomes: [
            { changeId: 'a2', outcome: 'rejected', code: 'validation_error', message: 'tier may not be empty' },
            { changeId: 'a1', outcome: 'acked' },
          ],
        },
      },
      {
        name: 'the whole batch is refused, so its halves are tried',
        changes: [change(by, 1, 'enter', { tier: 'gold' }), change(by, 2, 'enter', { tier: 'tin' })],
        request: {
          method: 'POST',
          path: path(type, 'upsert'),
          json: { inputs: [input(by, 1, { tier: 'gold' }), input(by, 2, { tier: 'tin' })] },
        },
        reply: {
          status: 400,
          body: { status: 'error', category: 'VALIDATION_ERROR', message: 'tin was not one of the allowed options' },
        },
        verdict: {
          kind: 'refused',
          code: 'validation_error',
          message: 'HTTP 400: tin was not one of the allowed options',
        },
      },
    ],

    update: (type: string, by: string): readonly Example[] => [
      {
        name: 'a refusal that names nobody leaves in doubt whom it meant',
        changes: [change(by, 1, 'change', { tier: 'gold' }), change(by, 2, 'change', { tier: 'gold' })],
        request: {
          method: 'POST',
          path: path(type, 'update'),
          json: { inputs: [input(by, 1, { tier: 'gold' }), input(by, 2, { tier: 'gold' })] },
        },
        reply: {
          status: 207,
          body: {
            status: 'COMPLETE',
            results: [{ id: '9001', properties: {}, objectWriteTraceId: 'a1' }],
            ...times,
            numErrors: 1,
            errors: [{ status: 'error', category: 'OBJECT_NOT_FOUND', message: 'Could not get some objects' }],
          },
        },
        verdict: { kind: 'each', outcomes: [{ changeId: 'a1', outcome: 'acked' }] },
      },
      {
        name: 'the limit of the day is used up: the run ends, the rest waits',
        changes: [change(by, 1, 'change', { tier: 'gold' })],
        request: { method: 'POST', path: path(type, 'update'), json: { inputs: [input(by, 1, { tier: 'gold' })] } },
        reply: {
          status: 429,
          headers: { 'x-hubspot-ratelimit-daily-remaining': '0' },
          body: {
            status: 'error',
            errorType: 'RATE_LIMIT',
            policyName: 'DAILY',
            message: 'You have reached your daily limit.',
          },
        },
        verdict: {
          kind: 'retry',
          code: 'daily_limit',
          message: 'HTTP 429: You have reached your daily limit.',
          after: 3_600_000,
        },
      },
    ],

    clear: (type: string, by: string): readonly Example[] => [
      {
        name: 'who leaves loses what was sent, and one that is gone is done',
        changes: [change(by, 1, 'leave', { tier: 'gold' }), change(by, 2, 'leave', { tier: 'gold' })],
        request: {
          method: 'POST',
          path: path(type, 'update'),
          json: { inputs: [input(by, 1, { tier: '' }), input(by, 2, { tier: '' })] },
        },
        reply: {
          status: 200,
          body: {
            status: 'COMPLETE',
            results: [{ id: '9001', properties: { tier: '' }, objectWriteTraceId: 'a1' }],
            ...times,
            numErrors: 1,
            errors: [refusal('OBJECT_NOT_FOUND', 'Could not get some objects', idAt(by, 2))],
          },
        },
        verdict: {
          kind: 'each',
          outcomes: [
            { changeId: 'a2', outcome: 'acked' },
            { changeId: 'a1', outcome: 'acked' },
          ],
        },
      },
    ],

    archive: (type: string): readonly Example[] => {
      const changes = [1, 2].map(number => change('hs_object_id', number, 'leave', { tier: 'gold' }))
      const request = {
        method: 'POST',
        path: path(type, 'archive'),
        json: { inputs: [{ id: '9001' }, { id: '9002' }] },
      } as const
      return [
        {
          name: 'who leaves is archived; nothing is said of anybody, and it means all',
          ...{ changes, request, reply: { status: 204, body: '' }, verdict: { kind: 'acked' } },
        },
        {
          name: 'one that is gone is done; of the other nothing is said',
          ...{ changes, request },
          reply: {
            status: 207,
            body: {
              status: 'COMPLETE',
              ...times,
              numErrors: 1,
              errors: [refusal('OBJECT_NOT_FOUND', 'Could not get some objects', '9001')],
            },
          },
          verdict: { kind: 'each', outcomes: [{ changeId: 'a1', outcome: 'acked' }] },
        },
        {
          name: 'one may not be archived',
          ...{ changes, request },
          reply: {
            status: 207,
            body: {
              status: 'COMPLETE',
              ...times,
              numErrors: 1,
              errors: [refusal('VALIDATION_ERROR', 'the record is under a legal hold', '9002')],
            },
          },
          verdict: {
            kind: 'each',
            outcomes: [
              {
                changeId: 'a2',
                outcome: 'rejected',
                code: 'validation_error',
                message: 'the record is under a legal hold',
              },
            ],
          },
        },
      ]
    },

    membership: (verb: 'add' | 'remove'): readonly Example[] => [
      {
        name: 'one id is unknown; whoever is not named is asked for once more, without it',
        changes: ['51', '52', '53'].map(id => member(id, verb)),
        request: { method: 'PUT', path: `/crm/lists/${version}/42/memberships/${verb}`, json: ['51', '52', '53'] },
        reply: {
          status: 200,
          body: {
            [verb === 'add' ? 'recordsIdsAdded' : 'recordIdsRemoved']: ['51'],
            recordIdsMissing: ['52'],
          },
        },
        verdict: {
          kind: 'each',
          outcomes: [
            { changeId: 'm51', outcome: 'acked' },
            { changeId: 'm52', outcome: 'rejected', code: 'record_missing', message: 'HubSpot has no record 52' },
          ],
        },
      },
      {
        name: 'nothing is missing, so everybody is as they should be',
        changes: [member('51', verb)],
        request: { method: 'PUT', path: `/crm/lists/${version}/42/memberships/${verb}`, json: ['51'] },
        reply: { status: 200, body: { recordsIdsAdded: [], recordIdsRemoved: [], recordIdsMissing: [] } },
        verdict: { kind: 'acked' },
      },
    ],
  }
}

function idAt(by: string, number: number): string {
  return by === 'email' ? `c${number}@example.com` : by === 'hs_object_id' ? `900${number}` : `C00${number}`
}

function change(by: string, number: number, op: Change['op'], fields: Change['fields']): Change {
  return { key: `C00${number}`, changeId: `a${number}`, op, fields: { ...fields, [by]: idAt(by, number) } }
}

function input(by: string, number: number, properties: Readonly<Record<string, string>>) {
  const id = { id: idAt(by, number), ...(by !== 'hs_object_id' && { idProperty: by }) }
  return { ...id, properties, objectWriteTraceId: `a${number}` }
}

function refusal(category: string, message: string, id: string) {
  return { status: 'error', category, message, context: { ids: [id] } }
}

function member(id: string, verb: 'add' | 'remove'): Change {
  const op = verb === 'add' ? 'enter' : 'leave'
  return { key: `C${id}`, changeId: `m${id}`, op, fields: { list_id: '42', record_id: id } }
}
