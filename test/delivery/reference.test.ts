import { expect, test } from 'vitest'
import { referencePage } from '../../src/delivery/reference.ts'
import { destinations } from '../../src/destinations/index.ts'
import { sendgridExample } from '../../src/destinations/sendgrid-examples.ts'
import { twilioExample } from '../../src/destinations/twilio-examples.ts'

const settings: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  http: {
    base_url: 'https://api.example.com',
    actions: { push: { method: 'POST', path: '/customers', idempotency: { header: 'Idempotency-Key' } } },
  },
  file: { path: 'out' },
  hubspot: { token: `\${env:TOKEN}` },
  braze: { api_key: `\${env:TOKEN}`, instance: 'iad-01' },
  table: { client: 'sqlite', path: 'crm.db', table: 'people', key: 'id' },
  sendgrid: sendgridExample,
  twilio: twilioExample,
}

test.each(
  destinations.map(definition => [definition.name, definition] as const),
)('the page of %s names all its settings and actions', (name, definition) => {
  const own = settings[name] ?? {}
  const page = referencePage(definition, { settings: own })
  for (const setting of Object.keys(definition.settings.shape)) expect(page).toContain(`| \`${setting}\` |`)
  for (const action of Object.keys(definition.actions(definition.settings.parse(own))))
    expect(page).toContain(`### \`${action}\``)
  expect(page).not.toMatch(/undefined|\[object/)
  expect(referencePage(definition, { settings: own })).toBe(page)
})

test('a page says what is a job and what comes by callback, and shows forms as they read', () => {
  const page = (name: string) => {
    const definition = destinations.find(each => each.name === name)
    return definition === undefined ? '' : referencePage(definition, { settings: settings[name] ?? {} })
  }
  expect(page('sendgrid')).toContain('**accepted** as the job `j-1`')
  expect(page('sendgrid')).toContain('It is asked about after 5s')
  expect(page('sendgrid')).toContain('the others go on without')
  expect(page('twilio')).toContain('## Callbacks')
  expect(page('twilio')).toContain('To=+447700900123\nMessagingServiceSid=MG')
  expect(page('twilio')).toContain('the address is **suppressed**')
})

test('a page says what may be repeated, what is required, and shows the examples', () => {
  const messaging = destinations.find(({ name }) => name === 'messaging')
  const page = messaging === undefined ? '' : referencePage(messaging, { settings: {} })
  expect(page).toContain('recognises a repetition for 1d')
  expect(page).toContain('every repetition is a new effect')
  expect(page).toContain('| `to` | text | **required** |')
  expect(page).toContain('POST /messages/email\nidempotency-key: e1')
})
