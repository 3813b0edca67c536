import { describe, expect, test } from 'vitest'
import { isReservedAddress, literalAddress, type ResolveAll } from '../../src/delivery/egress.ts'
import { createHttpClient } from '../../src/delivery/http.ts'
import { ok, startFaultServer } from '../fault-server.ts'

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
