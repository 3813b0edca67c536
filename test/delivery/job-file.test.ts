/** Where a file that a vendor's answer points to may be fetched from: the address is somebody else's word. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { HttpReply, JobFile } from '../../src/delivery/destination.ts'
import { askFile } from '../../src/delivery/job-file.ts'

const batch = [{ key: 'k', changeId: 'c1', op: 'enter', fields: {} }] as const
const verdict = { kind: 'each', outcomes: [{ changeId: 'c1', outcome: 'acked' }] } as const
const fileAt = (address: string | undefined): JobFile => ({
  address: () => address,
  interpret: ({ text }) => {
    if (text === 'odd') throw new Error('unreadable')
    return text === 'told' ? verdict : undefined
  },
})
const answer: HttpReply = { status: 200, headers: {}, text: '{}', json: {} }

let port = 0
let seen: (readonly [string, string | undefined])[] = []
const server = createServer((request, response) => {
  seen.push([request.url ?? '', request.headers.authorization])
  if (request.url === '/away') response.writeHead(302, { location: '/told' }).end()
  else if (request.url === '/large') response.end('told'.padEnd(5_000))
  else if (request.url === '/gone') response.writeHead(404).end('told')
  else response.end(request.url?.slice(1).split('?')[0])
})
beforeAll(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => new Promise(resolve => server.close(resolve)))
beforeEach(() => {
  seen = []
})

const options = { name: 'far', timeout: 2_000, allowPrivateNetwork: true }
const ask = (address: string | undefined, more: Partial<Parameters<typeof askFile>[3]> = {}) =>
  askFile(fileAt(address), answer, batch, { ...options, ...more })

describe('the file of a job', () => {
  test('is fetched once, with its query and without credentials', async () => {
    expect(await ask(`http://127.0.0.1:${port}/told?signature=x`)).toEqual(verdict)
    expect(seen).toEqual([['/told?signature=x', undefined]])
  })

  test.each([
    ['a literal private address', () => `https://127.0.0.1:${port}/told`],
    ['the same, written as a number', () => `https://2130706433:${port}/told`],
    ['an address in the clear', () => `http://files.example.com:${port}/told`],
    ['a name that leads to a private address', () => `https://files.example.com:${port}/told`],
    ['the metadata service of a cloud', () => 'https://169.254.169.254/latest/meta-data'],
  ])('is not asked for at %s', async (_what, address) => {
    const resolve: NonNullable<Parameters<typeof askFile>[3]['resolve']> = (_name, done) =>
      done(null, [{ address: '127.0.0.1', family: 4 }])
    expect(await ask(address(), { allowPrivateNetwork: false, resolve })).toBeUndefined()
    expect(seen).toEqual([])
  })

  test.each([
    ['with credentials in its address', () => `http://user:password@127.0.0.1:${port}/told`],
    ['by another protocol', () => 'file:///etc/passwd'],
    ['at what is no address', () => 'told'],
    ['where none is named', () => undefined],
  ])('is not asked for %s', async (_what, address) => {
    expect(await ask(address())).toBeUndefined()
    expect(seen).toEqual([])
  })

  test.each([
    ['is elsewhere: no redirect is followed', '/away', 1],
    ['is gone', '/gone', 1],
    ['is larger than any', '/large', 1],
    ['cannot be read', '/odd', 1],
    ['does not say whom it means', '/vague', 1],
  ])('says nothing when it %s', async (_what, path, requests) => {
    expect(await ask(`http://127.0.0.1:${port}${path}`, { maxReplyBytes: 1_000 })).toBeUndefined()
    expect(seen).toHaveLength(requests)
  })

  test('says nothing when nobody answers there', async () => {
    expect(await ask('http://127.0.0.1:1/told')).toBeUndefined()
  })
})
