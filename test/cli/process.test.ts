/** What only a process of its own can show: start-up, signals, a reader who leaves. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
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
