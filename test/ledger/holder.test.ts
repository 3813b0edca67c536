import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { expect, test } from 'vitest'
import { currentHolder, isGone } from '../../src/ledger/holder.ts'

const self = currentHolder()
const isLinux = process.platform === 'linux'

/** Ended and reaped, so that its id is free. */
async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '0'])
  await once(child, 'exit')
  return child.pid ?? 0
}

function withOrigin(part: number, value: string): string {
  return self.token
    .split('/')
    .map((own, index) => (index === part ? value : own))
    .join('/')
}

test('is the same process every time it is asked', () => {
  expect(self).toMatchObject({ host: hostname(), pid: process.pid })
  expect(currentHolder()).toEqual(self)
})

test('is not gone itself', () => {
  expect(isGone(self, self)).toBe(false)
})

test('is gone when its process has ended', async () => {
  expect(isGone({ ...self, pid: await endedPid(), token: 'other' }, self)).toBe(true)
})

test('is not known to be gone on another host', async () => {
  expect(isGone({ host: 'elsewhere', pid: await endedPid(), token: 'other' }, self)).toBe(false)
})

test('is not gone while its process lives, whoever owns it', () => {
  expect(isGone({ ...self, pid: process.ppid, token: 'other' }, self)).toBe(false)
  expect(isGone({ ...self, pid: 1, token: 'other' }, self)).toBe(false)
})

test('is gone when this process has its id', () => {
  expect(isGone({ ...self, token: 'other' }, self)).toBe(true)
})

test.runIf(isLinux)('is gone when its id belongs to a process that started at another time', () => {
  expect(isGone({ ...self, pid: process.ppid, token: withOrigin(3, '1') }, self)).toBe(true)
})

test.runIf(isLinux)('is not known to be gone in another container or before a reboot', async () => {
  const pid = await endedPid()
  expect(isGone({ ...self, pid, token: withOrigin(1, 'another boot') }, self)).toBe(false)
  expect(isGone({ ...self, pid, token: withOrigin(2, 'pid:[1]') }, self)).toBe(false)
  expect(isGone({ ...self, pid, token: withOrigin(3, '1') }, self)).toBe(true)
})
