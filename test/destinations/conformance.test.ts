import type { DestinationDefinition, Example } from '../../src/delivery/destination.ts'
import { destinations } from '../../src/destinations/index.ts'
import { sendgridExample } from '../../src/destinations/sendgrid-examples.ts'
import { twilioExample } from '../../src/destinations/twilio-examples.ts'
import { resolveSecrets } from '../../src/project/secret.ts'
import { describeDestination } from '../conformance/destination.ts'

const ada = { key: 'c1', changeId: 'a1', op: 'enter', fields: { email: 'ada@example.com' } } as const
const bob = { key: 'c2', changeId: 'b1', op: 'change', fields: { email: null } } as const

/** The generic destination's actions exist only by settings, and so do their examples. */
const httpExamples: readonly Example[] = [
  {
    name: 'one record is taken, another refused',
    changes: [ada, bob],
    request: {
      method: 'POST',
      path: '/customers',
      headers: { 'idempotency-key': 'request-key' },
      json: {
        records: [
          { key: 'c1', change_id: 'a1', op: 'enter', fields: { email: 'ada@example.com' } },
          { key: 'c2', change_id: 'b1', op: 'change', fields: { email: null } },
        ],
      },
    },
    reply: {
      status: 200,
      body: {
        results: [
          { key: 'c1', status: 'ok' },
          { key: 'c2', status: 'error', error: 'no' },
        ],
      },
    },
    verdict: {
      kind: 'each',
      outcomes: [
        { changeId: 'a1', outcome: 'acked' },
        { changeId: 'b1', outcome: 'rejected', code: 'record_refused', message: 'no' },
      ],
    },
  },
]

const http = destinations.find(({ name }) => name === 'http')
if (http === undefined) throw new Error('the generic destination is gone')
const httpWithExamples: DestinationDefinition = {
  ...http,
  name: 'http with examples',
  actions: settings =>
    Object.fromEntries(
      Object.entries(http.actions(settings)).map(([name, action]) => [name, { ...action, examples: httpExamples }]),
    ),
}

const token = 'tok-5f1e9c'
const written: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  crm: { token: `\${env:TOKEN}` },
  'http with examples': {
    base_url: 'https://api.example.com',
    headers: { authorization: `Bearer \${env:TOKEN}` },
    actions: {
      push: {
        method: 'POST',
        path: '/customers',
        batch: { max_records: 100, wrap: 'records' },
        idempotency: { header: 'Idempotency-Key' },
        outcomes: { list: 'results', id: 'key', ok: { field: 'status', equals: 'ok' }, error: 'error' },
      },
    },
  },
  hubspot: {
    token: `\${env:TOKEN}`,
    objects: { contacts: { upsert_by: 'customer_id', update_by: 'email' }, deals: {} },
  },
  braze: { api_key: `\${env:TOKEN}`, instance: 'fra-01' },
  messaging: { token: `\${env:TOKEN}`, look_up_sms: true },
  sendgrid: { ...sendgridExample, api_key: `\${env:TOKEN}` },
  twilio: { ...twilioExample, auth_token: `\${env:TOKEN}` },
}

for (const definition of [...destinations, httpWithExamples]) {
  const settings = written[definition.name]
  if (settings === undefined) continue
  const resolved = resolveSecrets(definition.settings.parse(settings), { env: { TOKEN: token }, readFile: () => '' })
  describeDestination(definition, {
    resolved: resolved as Readonly<Record<string, unknown>>,
    secrets: [token],
    ...(definition.name === 'braze' && { answersByPlace: true }),
  })
}
