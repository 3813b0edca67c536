import { afterEach, expect, test } from 'vitest'
import {
  acceptMessage,
  changeMembers,
  createTasks,
  emptyMemory,
  logRequest,
  type Memory,
  writeContacts,
} from '../../src/sandbox/memory.ts'
import { renderPage } from '../../src/sandbox/page.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts'

const open: Sandbox[] = []
afterEach(async () => {
  for (const sandbox of open.splice(0)) await sandbox.close()
})

const options = { faults: {}, seed: 1, search: '', live: false }
const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>&amp;`

/** A memory in which every text that a client can choose is hostile. */
function hostileMemory(): Memory {
  const memory = emptyMemory()
  writeContacts(memory, [{ id: hostile, change_id: hostile, properties: { name: hostile } }], 0, true)
  changeMembers(memory, [{ list: hostile, id: hostile }], 'add')
  const task = { id: hostile, change_id: 't', title: hostile, owner: hostile, due_on: null, note: hostile }
  createTasks(memory, [task], 0)
  const email = {
    to: 'ada@example.com',
    subject: hostile,
    body: hostile,
    template: hostile,
    data: { [hostile]: hostile },
    reference: hostile,
  }
  for (const bodyHash of ['a', 'b'])
    acceptMessage(memory, { channel: 'email', content: email, idempotencyKey: undefined, bodyHash }, 0)
  acceptMessage(
    memory,
    { channel: 'sms', content: { to: hostile, text: hostile }, idempotencyKey: undefined, bodyHash: '' },
    0,
  )
  logRequest(memory, { n: 1, at: 0, method: hostile, path: hostile, status: 404, records: 0, failed: 0, note: hostile })
  return memory
}

test('escapes every value, wherever it comes from', () => {
  const page = renderPage(hostileMemory(), { ...options, search: '' })
  const searched = renderPage(hostileMemory(), { ...options, search: hostile })
  for (const text of [page, searched]) {
    expect(text).not.toMatch(/<script|<img/i)
    expect(text).not.toContain('"\'>')
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  }
})

test('says at the top whether anything arrived twice', () => {
  const memory = emptyMemory()
  const send = (reference: string) =>
    acceptMessage(
      memory,
      {
        channel: 'sms',
        content: { to: '+447700900123', text: 'Hi', reference },
        idempotencyKey: undefined,
        bodyHash: '',
      },
      0,
    )
  expect(renderPage(memory, options)).toContain('No messages yet')
  send('s1')
  expect(renderPage(memory, options)).toContain('0 arrived twice')
  send('s1')
  expect(renderPage(memory, options)).toContain('1 arrived twice')
})

test('narrows contacts and messages to what is searched for', () => {
  const memory = emptyMemory()
  writeContacts(
    memory,
    [
      { id: 'c1', properties: { name: 'Ada' } },
      { id: 'c2', properties: { name: 'Bob' } },
    ],
    0,
    true,
  )
  const page = renderPage(memory, { ...options, search: 'ada' })
  expect(page).toContain('<code>c1</code>')
  expect(page).not.toContain('<code>c2</code>')
})

test('is served without script and forbids any', async () => {
  const sandbox = await startSandbox({ port: 0, faults: { lost: 0.02 }, seed: 3 })
  open.push(sandbox)
  const reply = await fetch(`${sandbox.url}/?q=%3Cscript%3E&live=1`)
  expect(reply.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(reply.headers.get('content-type')).toBe('text/html; charset=utf-8')
  const page = await reply.text()
  expect(page).not.toContain('<script')
  expect(page).toContain('lost 2 %')
})
