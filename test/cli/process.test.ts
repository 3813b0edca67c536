/** What only a process of its own can show: start-up, signals, a reader who leaves. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'

const binary = resolve('bin/activate')
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'activate-process-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

function start(...argv: readonly string[]) {
  return spawn(process.execPath, [binary, ...argv], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode
  const [code] = (await once(child, 'exit')) as [number | null]
  return code
}

test('the bundle answers --version', async () => {
  const child = start('--version')
  expect(await text(child.stdout)).toMatch(/^\d+\.\d+\.\d+\n$/)
  expect(await exitOf(child)).toBe(0)
})

test('a reader who leaves ends the output without an error', async () => {
  const child = start('schema', 'project')
  child.stdout.destroy()
  expect(await text(child.stderr)).toBe('')
  expect(await exitOf(child)).toBe(0)
})

test.each(['SIGINT', 'SIGTERM'] as const)('the sandbox prints its address and ends well on %s', async signal => {
  const child = start('sandbox', '--port', '0')
  const talk = text(child.stderr)
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  const answer = await fetch(`${line.trim()}/state`)
  expect(answer.status).toBe(200)
  await answer.text()
  child.kill(signal)
  expect(await exitOf(child)).toBe(0)
  expect(await talk).toContain('stopping the sandbox')
})

test('the daemon starts, tells what is due next, and stops on SIGTERM', async () => {
  expect(await exitOf(start('init', 'project', '--quiet'))).toBe(0)
  const child = start('-C', 'project', 'schedule')
  let talk = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    talk += chunk
    if (chunk.includes('started')) child.kill('SIGTERM')
  })
  expect(await exitOf(child)).toBe(0)
  expect(talk).toMatch(/schedule of 1 sync started, next due .*Z\n/)
  expect(talk).toMatch(/stopped\n$/)
})

test('Ctrl-C lets the request that is under way finish; the next run sends the rest, and nobody twice', async () => {
  const received: string[] = []
  let third: ServerResponse | undefined
  const arrived = deferred()
  const server = createServer((request, response) => {
    void text(request).then(body => {
      received.push((JSON.parse(body) as { key: string }).key)
      if (received.length === 3) {
        third = response
        arrived.resolve(undefined)
      } else response.end('{}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await hookProject(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`)

  const child = start('-C', 'hooked', 'run')
  const stdout = text(child.stdout)
  let talk = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    talk += chunk
    if (chunk.includes('stopping')) third?.end('{}')
  })
  await arrived.promise
  child.kill('SIGINT')
  expect(await exitOf(child)).toBe(130)
  expect(talk).toContain('stopping')
  expect(await stdout).toMatch(/lapsing +interrupted +3 +0 +0 +2/)

  expect(await exitOf(start('-C', 'hooked', 'run'))).toBe(0)
  expect([...received].sort()).toEqual(['C001', 'C002', 'C003', 'C004', 'C005'])
  server.close()
  server.closeAllConnections()
})

function deferred() {
  let resolve: (value: unknown) => void = () => undefined
  const promise = new Promise(done => {
    resolve = done
  })
  return { promise, resolve }
}

/** The starter project, sending one record at a time to this address. */
async function hookProject(address: string): Promise<void> {
  expect(await exitOf(start('init', 'hooked', '--quiet'))).toBe(0)
  await writeFile(
    join(folder, 'hooked', 'activate.yml'),
    `name: hooked
sources:
  customers: { csv: data/customers.csv, columns: { customer_id: { type: string }, last_order_at: { type: date } } }
vars: { lapsing_after_days: 60 }
destinations:
  files:
    type: http
    base_url: ${address}
    allow_private_network: true
    concurrency: 1
    actions: { write: { method: POST, path: /records, idempotency: none } }
`,
  )
  await writeFile(
    join(folder, 'hooked', 'syncs', 'lapsing.yml'),
    'model: lapsing_customers\ndestination: files\naction: write\nmode: upsert\nfields: { email: email }\n',
  )
}
