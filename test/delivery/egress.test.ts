import { describe, expect, test } from 'vitest'
import { isReservedAddress, literalAddress, type ResolveAll } from '../../src/delivery/egress.ts'
import { createHttpClient } from '../../src/delivery/http.ts'
import { ok, reply, startFaultServer } from '../fault-server.ts'

const spellings = [
  '127.0.0.1',
  '127.1',
  '2130706433',
  '0x7f.1',
  '0x7f000001',
  '0177.0.0.1',
  '0.0.0.0',
  '0',
  '10.1.2.3',
  '100.64.0.1',
  '169.254.169.254',
  '172.16.0.1',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '127.0.0.1.',
  '0x7F.0.0.0x1',
  '017700000001',
  '127.0x000001',
  '①②⑦.⓪.⓪.①',
  '127。0。0。1',
  '%31%32%37.0.0.1',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
  '192.0.2.1',
  '240.0.0.1',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[0:0:0:0:0:ffff:0a00:0001]',
  '[::127.0.0.1]',
  '[2002:7f00:1::]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b::10.0.0.1]',
  '[64:ff9b:1::1]',
  '[2001:0:1::1]',
  '[fe80::1]',
  '[fd00::1]',
  '[ff02::1]',
  '[::ffff:0:127.0.0.1]',
  '[::ffff:169.254.169.254]',
  '[::ffff:0:a9fe:a9fe]',
  '[0000:0000:0000:0000:0000:0000:0000:0001]',
  '[64:ff9b::169.254.169.254]',
  '[2002:a9fe:a9fe::1]',
  '[2001:10::1]',
  '[2001:20::1]',
  '[2001:db8::1]',
  '[3fff::1]',
  '[5f00::1]',
  '[fd00:ec2::254]',
  '[fec0::1]',
]

describe('the egress rules', () => {
  test.each(spellings)('refuse http://%s/', spelling => {
    const literal = literalAddress(new URL(`http://${spelling}/`).hostname)
    expect(literal).toBeDefined()
    expect(isReservedAddress(literal ?? '')).toBe(true)
    const options = {
      origin: new URL(`http://${spelling}/`).origin,
      connections: 1,
      timeout: 1_000,
      allowPrivateNetwork: false,
    }
    expect(() => createHttpClient(options)).toThrow('reserved')
  })

  test.each([
    '8.8.8.8',
    '172.32.0.1',
    '100.128.0.1',
    '1.1.1.1',
    '[2606:4700:4700::1111]',
    '[::ffff:8.8.8.8]',
    '[64:ff9b::808:808]',
  ])('allow http://%s/', spelling => {
    expect(isReservedAddress(literalAddress(new URL(`http://${spelling}/`).hostname) ?? '')).toBe(false)
  })

  test('see through a zone', () => {
    expect(isReservedAddress('fe80::1%eth0')).toBe(true)
  })

  const resolveTo =
    (...addresses: readonly string[]): ResolveAll =>
    (_hostname, done) =>
      done(
        null,
        addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
      )

  test.each([
    [['127.0.0.1']],
    [['8.8.8.8', '127.0.0.1']],
    [['::ffff:127.0.0.1']],
    [['::1', '8.8.8.8']],
  ])('refuse a name that resolves to %j, without connecting', async addresses => {
    const server = await startFaultServer(ok)
    const origin = `http://crm.example:${server.port}`
    const client = createHttpClient({
      origin,
      connections: 1,
      timeout: 2_000,
      allowPrivateNetwork: false,
      resolve: resolveTo(...addresses),
    })
    const sent = await client.send({ method: 'POST', path: '/', headers: {}, body: '{}' })
    expect(sent).toMatchObject({ kind: 'not_sent', code: 'EADDRESSREFUSED' })
    expect(server.requests).toEqual([])
    await client.close()
    await server.close()
  })

  test('a name that answers differently the second time is checked by the answer that is used', async () => {
    const server = await startFaultServer(ok)
    const answers = [['8.8.8.8'], ['127.0.0.1'], ['8.8.4.4', '::ffff:127.0.0.1']]
    let asked = 0
    const client = createHttpClient({
      origin: `http://rebinding.example:${server.port}`,
      connections: 1,
      // Nobody answers at the public address; what matters is where the second and third attempt go.
      timeout: 300,
      allowPrivateNetwork: false,
      resolve: (hostname, done) => resolveTo(...(answers[asked++] ?? []))(hostname, done),
    })
    const send = () => client.send({ method: 'POST', path: '/', headers: {}, body: '{}' })
    expect((await send()).kind).toBe('not_sent')
    expect(await send()).toMatchObject({ kind: 'not_sent', code: 'EADDRESSREFUSED' })
    expect(await send()).toMatchObject({ kind: 'not_sent', code: 'EADDRESSREFUSED' })
    expect(asked).toBe(3)
    expect(server.requests).toEqual([])
    await client.close()
    await server.close()
  })

  test.each([301, 302, 303, 307, 308])('are not led elsewhere by HTTP %i', async status => {
    const inside = await startFaultServer(ok)
    const outside = await startFaultServer(() => reply(status, '', { location: `${inside.url}/admin` }))
    const client = createHttpClient({ origin: outside.url, connections: 1, timeout: 2_000, allowPrivateNetwork: true })
    const sent = await client.send({ method: 'POST', path: '/', headers: {}, body: '{}' })
    expect(sent).toMatchObject({ kind: 'reply', reply: { status } })
    expect([outside.requests.length, inside.requests.length]).toEqual([1, 0])
    await client.close()
    await outside.close()
    await inside.close()
  })

  test('a name that cannot be resolved was not sent to', async () => {
    const resolve: ResolveAll = (_hostname, done) =>
      done(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), [])
    const client = createHttpClient({
      origin: 'http://crm.example',
      connections: 1,
      timeout: 2_000,
      allowPrivateNetwork: false,
      resolve,
    })
    const sent = await client.send({ method: 'POST', path: '/', headers: {}, body: '{}' })
    expect(sent).toEqual({ kind: 'not_sent', code: 'ENOTFOUND', message: 'no such name' })
    await client.close()
  })
})
