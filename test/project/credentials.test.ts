import { expect, test } from 'vitest'
import { problemsOf, sound } from './folder.ts'

const ref = (inner: string): string => `\${${inner}}`
const withMain = (text: string) => ({ ...sound, 'activate.yml': text })
const crm = (settings: string) => withMain(`name: acme\ndestinations:\n  crm: { type: http, ${settings} }\n`)

test.each([
  ['token: hunter2', '3:29'],
  ['token: "hunter2"', '3:29'],
  ['api_key: hunter2', '3:31'],
  ['password: hunter2', '3:32'],
  ['client_secret: hunter2', '3:37'],
  ['headers: { authorization: Bearer hunter2 }', '3:48'],
  ['headers: { X-API-Key: hunter2 }', '3:44'],
  ['signing: { standard_webhooks: hunter2 }', '3:52'],
  ['actions: { upsert: { path: /x, token: hunter2 } }', '3:60'],
])('refuses the literal credential in %s and masks it', async (settings, at) => {
  const problems = await problemsOf(crm(settings))
  expect(problems.map(({ code, place }) => `${code} ${place?.line}:${place?.column}`)).toEqual([`A1140 ${at}`])
  expect(JSON.stringify(problems)).not.toContain('hunter2')
  expect(problems[0]?.help).toContain(ref('env:NAME'))
})

test.each([
  ['a destination', 'destinations: { crm: { type: http, base_url: "https://me:hunter2@example.com" } }'],
  [
    'the warehouse',
    'warehouse: { type: postgres, url: "postgres://me:hunter2@db/x" }\ndestinations: { crm: { type: crm } }',
  ],
  [
    'the ledger of a target',
    'destinations: { crm: { type: crm } }\ntargets: { p: { ledger: { type: postgres, url: "postgres://db/x?password=hunter2" } } }',
  ],
])('refuses a password in the URL of %s', async (_, text) => {
  const problems = await problemsOf(withMain(`name: acme\n${text}\n`))
  expect(problems.map(({ code }) => code)).toEqual(['A1142'])
  expect(JSON.stringify(problems)).not.toContain('hunter2')
})

test.each([
  '',
  'targets: { p: { ledger: { type: sqlite, key: hunter2hunter2hunter2hunter2hunter2 } } }\n',
])('refuses a literal key of the ledger and masks it %#', async target => {
  const own = target === '' ? 'ledger: { type: sqlite, key: hunter2hunter2hunter2hunter2hunter2 }\n' : target
  const problems = await problemsOf(withMain(`${sound['activate.yml']}${own}`))
  expect(problems.map(({ code }) => code)).toEqual(['A1140'])
  expect(JSON.stringify(problems)).not.toContain('hunter2')
})

test('takes a reference as the key of the ledger, and refuses what only looks like one', async () => {
  const keyed = (key: string) => withMain(`${sound['activate.yml']}ledger: { type: sqlite, key: "${key}" }\n`)
  expect(await problemsOf(keyed(ref('file:/run/ledger-key')))).toEqual([])
  expect((await problemsOf(keyed(`${ref('env:A')}${ref('B')}`))).map(({ code }) => code)).toEqual(['A1141'])
})

test('refuses a literal credential in a target that is not chosen', async () => {
  const problems = await problemsOf(
    withMain(`${sound['activate.yml']}targets:\n  p:\n    destinations:\n      crm: { type: crm, token: hunter2 }\n`),
  )
  expect(problems.map(({ code, place }) => `${code} ${place?.line}:${place?.column}`)).toEqual(['A1140 7:32'])
})

test('takes references, and keys that only sound like credentials', async () => {
  const settings = `token: "${ref('env:T')}", headers: { authorization: "Bearer ${ref('file:/run/t')}" }, token_url: x, idempotency: { header: Idempotency-Key }`
  expect(await problemsOf(crm(settings))).toEqual([])
  const url = `postgres://me:${ref('env:PW')}@db/x`
  expect(await problemsOf(withMain(`${sound['activate.yml']}warehouse: { type: postgres, url: "${url}" }\n`))).toEqual(
    [],
  )
})

test('refuses a malformed reference in the URL of a warehouse', async () => {
  const problems = await problemsOf(
    withMain(`${sound['activate.yml']}warehouse: { type: postgres, url: "${ref('PG_URL')}" }\n`),
  )
  expect(problems.map(({ code, place }) => `${code} ${place?.line}:${place?.column}`)).toEqual(['A1141 4:35'])
})

test.each([
  ['a misspelt key on the same line', 'crm: { type: http, tokn: 1, token: hunter2, prot: 3 }'],
  ['malformed YAML on the same line', 'crm: { type: http, token: hunter2, x: }]'],
  ['a broken quote', 'crm:\n    token: "hunter2" x'],
  ['a duplicate key', 'crm: { type: http, token: hunter2, token: hunter2 }'],
  ['an unknown key of the ledger', 'crm: { type: http }\nledger: { type: sqlite, password: hunter2 }'],
])('shows no credential in the lines of other problems: %s', async (_, text) => {
  const problems = await problemsOf(withMain(`name: acme\ndestinations:\n  ${text}\n`))
  expect(problems.length).toBeGreaterThan(0)
  expect(JSON.stringify(problems)).not.toContain('hunter2')
})
