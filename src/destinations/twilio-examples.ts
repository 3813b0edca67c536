/** Worked requests and replies of Twilio: its page and its conformance test are made from them. */
import type { Change, Example, Verdict } from '../delivery/destination.ts'

const account = `AC${'0'.repeat(32)}`
const path = `/2010-04-01/Accounts/${account}/Messages.json`
const callbackUrl = 'https://hooks.example.com/callbacks/twilio'

/** The settings of the examples and of the reference page. */
export const twilioExample = {
  account_sid: account,
  auth_token: `\${env:TWILIO_AUTH_TOKEN}`,
  messaging_service_sid: `MG${'0'.repeat(32)}`,
  whatsapp_from: '+14155238886',
  status_callback: callbackUrl,
}

const reminder: Change = {
  key: 'c1',
  changeId: 's1',
  op: 'enter',
  fields: { to: '+447700900123', body: 'Your plan renews on 1 March' },
}

const reminderRequest = {
  method: 'POST',
  path,
  form: {
    To: '+447700900123',
    MessagingServiceSid: twilioExample.messaging_service_sid,
    Body: 'Your plan renews on 1 March',
    ValidityPeriod: '14400',
    StatusCallback: callbackUrl,
  },
} as const

function refusal(name: string, status: number, code: number, words: string, verdict: Verdict): Example {
  const body = { code, message: words, more_info: `https://www.twilio.com/docs/errors/${code}`, status }
  return { name, changes: [reminder], request: reminderRequest, reply: { status, body }, verdict }
}

const stopped = 'Attempt to send to unsubscribed recipient'

export const smsExamples: readonly Example[] = [
  {
    name: 'Twilio has it; what became of it comes by callback',
    changes: [reminder],
    request: reminderRequest,
    reply: { status: 201, body: { sid: `SM${'1'.repeat(32)}`, status: 'accepted', error_code: null } },
    verdict: { kind: 'each', outcomes: [{ changeId: 's1', outcome: 'acked', reference: `SM${'1'.repeat(32)}` }] },
  },
  refusal('somebody who answered STOP', 400, 21610, stopped, {
    kind: 'each',
    outcomes: [{ changeId: 's1', outcome: 'rejected', code: '21610', message: stopped, optOut: '+447700900123' }],
  }),
  refusal('a number that is none', 400, 21211, "Invalid 'To' Phone Number", {
    kind: 'each',
    outcomes: [{ changeId: 's1', outcome: 'rejected', code: '21211', message: "Invalid 'To' Phone Number" }],
  }),
  refusal('too many requests at once, of which this one was not processed', 429, 20429, 'Too Many Requests', {
    kind: 'retry',
    code: 'rate_limited',
    message: 'Too Many Requests',
  }),
  refusal('a full queue', 400, 21611, 'This number has exceeded the maximum number of queued messages', {
    kind: 'retry',
    code: '21611',
    message: 'This number has exceeded the maximum number of queued messages',
    after: 60_000,
  }),
  refusal('no such account', 404, 20404, 'The requested resource was not found', {
    kind: 'denied',
    code: 'no_such_place',
    message: 'The requested resource was not found',
  }),
  refusal('wrong credentials', 401, 20003, 'Authenticate', { kind: 'denied', code: '20003', message: 'Authenticate' }),
]

export const whatsappExamples: readonly Example[] = [
  {
    name: 'a template with its values',
    changes: [
      {
        ...reminder,
        fields: {
          to: '+447700900123',
          body: null,
          content_sid: `HX${'2'.repeat(32)}`,
          content_variables: { '1': 'Ada' },
        },
      },
    ],
    request: {
      method: 'POST',
      path,
      form: {
        To: 'whatsapp:+447700900123',
        From: 'whatsapp:+14155238886',
        ContentSid: `HX${'2'.repeat(32)}`,
        ContentVariables: '{"1":"Ada"}',
        ValidityPeriod: '14400',
        StatusCallback: callbackUrl,
      },
    },
    reply: { status: 201, body: { sid: `SM${'3'.repeat(32)}`, status: 'queued', error_code: null } },
    verdict: { kind: 'each', outcomes: [{ changeId: 's1', outcome: 'acked', reference: `SM${'3'.repeat(32)}` }] },
  },
]
