import { createHash } from 'node:crypto'
import { appendFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { openLedger } from '../../src/ledger/store.ts'
import { shell, temporaryFolder } from './activate.ts'

const folder = temporaryFolder()
const activate = shell(folder, { ACTIVATE_USER: 'ada' })
const path = (file: string) => join(folder(), file)

const identity = `identity:
  key: customer_id
  identifiers:
    email: { normalise: email }
    phone: { normalise: e164, region: GB }
    device: {}
    email_sha256: { hash_of: email }
policies:
  caps: [{ name: sms, channel: sms, max: 1, per: 24h }]
`

beforeEach(async () => {
  expect(await activate('init', '.', '--quiet')).toMatchObject({ code: 0 })
  await appendFile(path('activate.yml'), identity)
})

async function inForce(): Promise<readonly Record<string, unknown>[]> {
  const ledger = await openLedger({ type: 'sqlite', path: path('.activate/ledger.db') })
  const found = []
  for await (const chunk of ledger.suppressions()) found.push(...chunk)
  await ledger.close()
  return found.map(({ kind, hash, channel, reason, actor }) => ({ kind, hash, channel, reason, actor }))
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex')
const suppressed = (kind: string, value: string, more = {}) => ({
  ...{ kind, hash: hash(`${kind}:${value}`), channel: undefined, reason: 'opt_out', actor: 'ada' },
  ...more,
})

test.each([
  ['an e-mail address', [' Ada@Example.COM '], suppressed('email', 'ada@example.com'), 'email A***@Example.COM'],
  ['a phone number', ['+44 (0)7700 900123'], suppressed('phone', '+447700900123'), 'phone ***23'],
  ['a national number', ['07700 900123', '--identifier', 'phone'], suppressed('phone', '+447700900123'), 'phone ***23'],
  ['a key', ['C001'], suppressed('customer_id', 'C001'), 'customer_id C001'],
  ['a key by name', ['a@b', '--identifier', 'customer_id'], suppressed('customer_id', 'a@b'), 'customer_id'],
  ['a composite key', ['["A7", "2026-03"]'], suppressed('customer_id', '["A7","2026-03"]'), 'customer_id'],
  ['another identifier', [' d-17 ', '--identifier', 'device'], suppressed('device', 'd-17'), 'device d***'],
  [
    'a hashed identifier',
    [hash('ada@example.com').toUpperCase(), '--identifier', 'email_sha256'],
    suppressed('email_sha256', hash('ada@example.com')),
    'email_sha256',
  ],
])('%s is recorded by the hash of its normalised value, and not repeated in full', async (_what, args, found, said) => {
  const { code, stdout } = await activate('suppress', ...args)
  expect([code, stdout]).toEqual([0, expect.stringContaining(`suppressed ${said}`)])
  expect(await inForce()).toEqual([found])
})

test('an opt-out holds for a channel, gives its reason, and ends when it is lifted', async () => {
  const sms = ['+447700900123', '--channel', 'sms'] as const
  await activate('suppress', ...sms, '--reason', 'complaint', '--by', 'bob')
  const found = suppressed('phone', '+447700900123', { channel: 'sms', reason: 'complaint', actor: 'bob' })
  expect(await inForce()).toEqual([found])
  expect((await activate('suppress', '+447700900123', '--lift')).stdout).toMatch(
    /^nothing to lift: phone \*\*\*23 is not/,
  )
  expect((await activate('suppress', ...sms)).stdout).toBe('phone ***23 was suppressed on sms already\n')
  expect((await activate('suppress', ...sms, '--lift')).stdout).toMatch(/^lifted phone \*\*\*23 on sms/)
  expect(await inForce()).toEqual([])
})

test('the JSON document counts, and tells no value', async () => {
  const { stdout, json } = await activate('suppress', 'ada@example.com', '--json')
  expect(json()).toEqual({
    ...{ schema: 'activate.suppress/1', channel: null, reason: 'opt_out', by: 'ada', added: 1, already: 0 },
  })
  expect(stdout).not.toContain('example.com')
})

describe('what would be no opt-out is refused', () => {
  test.each([
    ['a blank address', ['  ', '--identifier', 'email'], 'not an e-mail address'],
    ['half an address', ['ada@', '--identifier', 'email'], 'not an e-mail address'],
    ['a number too short', ['+44 12'], 'not a phone number'],
    ['a blank key', [' '], 'this customer_id is blank'],
    ['an unknown identifier', ['x', '--identifier', 'emial'], 'did you mean "email"?'],
    ['an unknown channel', ['C001', '--channel', 'smss'], 'did you mean "sms"?'],
    ['a reason of several words', ['C001', '--reason', 'so sorry'], 'one word'],
    ['nothing at all', [], 'give one value'],
    ['a value and a file', ['C001', '--file', 'x.csv'], 'give one value'],
  ])('%s', async (_what, args, said) => {
    const { code, stderr } = await activate('suppress', ...args)
    expect([code, stderr]).toEqual([7, expect.stringContaining(said)])
    expect(await inForce()).toEqual([])
  })

  test('an address in a project that knows no addresses', async () => {
    await writeFile(path('activate.yml'), 'name: bare\ndestinations: {}\n')
    for (const file of ['syncs/lapsing.yml', 'models/lapsing_customers.sql']) await rm(path(file))
    const { code, stderr } = await activate('suppress', 'ada@example.com')
    expect([code, stderr]).toEqual([7, expect.stringContaining('say --identifier key')])
    expect(await activate('suppress', 'ada@example.com', '--identifier', 'key')).toMatchObject({ code: 0 })
    expect(await inForce()).toEqual([suppressed('key', 'ada@example.com')])
  })
})

describe('a file', () => {
  const file = async (text: string, ...more: readonly string[]) => {
    await writeFile(path('list.csv'), text)
    return activate('suppress', '--file', 'list.csv', ...more)
  }

  test('opts out every value of its first column, as its header or its values say', async () => {
    expect((await file('email,name\nA@example.com,Ada\nb@example.com,"Bo, Jr"\n')).stdout).toBe(
      'suppressed 2 values on every channel, from this moment on\n',
    )
    expect((await file('who\nb@example.com\nC001\n+447700900123\n')).stdout).toContain('(1 already were)')
    expect((await inForce()).map(({ kind }) => kind)).toEqual(['email', 'email', 'customer_id', 'phone'])
    expect((await file('email\na@example.com\nnobody@example.com\n', '--lift')).stdout).toContain(
      'lifted 1 of 2 values',
    )
  })

  test('is taken as a whole or not at all, and each bad row is named', async () => {
    const { code, stderr } = await file('email\na@example.com\nnonsense\n\nb@\n')
    expect(code).toBe(7)
    expect(stderr).toContain('row 2 (line 3): this is not an e-mail address')
    expect(stderr).toContain('row 3 (line 5): this is not an e-mail address')
    expect(await inForce()).toEqual([])
  })

  test('with many bad rows names the first of them', async () => {
    const { stderr } = await file(`email\n${'nonsense\n'.repeat(50)}`)
    expect(stderr).toContain('row 20 ')
    expect(stderr).not.toContain('row 21 ')
    expect(stderr).toContain('and 30 rows more')
  })

  test('may be long, but not so long that runs would wait for it', async () => {
    const rows = Array.from({ length: 50_000 }, (_, index) => `p${index}@example.com\n`)
    expect((await file(`email\n${rows.join('')}`)).stdout).toMatch(/^suppressed 50,000 values/)
    const { code, stderr } = await file(`email\n${rows.join('')}one@more.example\n`)
    expect([code, stderr]).toEqual([7, expect.stringContaining('has more than 50,000 rows')])
  })

  test('without a header, or without rows, is refused', async () => {
    expect((await file('a@example.com\nb@example.com\n')).stderr).toContain('not like a header')
    expect((await file('email\n')).stderr).toContain('has no rows')
    expect((await activate('suppress', '--file', 'missing.csv')).code).not.toBe(0)
  })
})
