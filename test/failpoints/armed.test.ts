import { expect, test } from 'vitest'
import { failpointsFrom } from '../../src/failpoints/armed.ts'
import { failpointNames, noFailpoints } from '../../src/failpoints/failpoints.ts'
import { instrumentDestination, instrumentLedger, instrumentWarehouse } from '../../src/failpoints/instrument.ts'

test('a trap is sprung at its hit alone, and several may be set', async () => {
  const sent: string[] = []
  const { reach } = failpointsFrom('outbox:2=kill, send.before=stop', signal => sent.push(signal))
  for (const name of ['outbox', 'check', 'send.before', 'outbox', 'outbox', 'send.before'] as const) {
    await reach(name)
    sent.push(name)
  }
  expect(sent).toEqual(['outbox', 'check', 'SIGSTOP', 'send.before', 'SIGKILL', 'outbox', 'outbox', 'send.before'])
})

test.each([
  'nowhere=kill',
  'outbox',
  'outbox=explode',
  'outbox:0=kill',
  'outbox:x=kill',
  'outbox=kill,',
])('a trap that could never be sprung is refused: %s', text => {
  expect(() => failpointsFrom(text)).toThrow('ACTIVATE_FAILPOINT is NAME[:HIT]=kill or =stop')
})

test('without a trap nothing is wrapped, so that nothing is paid', () => {
  expect(failpointsFrom(undefined)).toBe(noFailpoints)
  expect(failpointsFrom('')).toBe(noFailpoints)
  const part = {} as never
  for (const instrument of [instrumentLedger, instrumentDestination, instrumentWarehouse])
    expect(instrument(part, noFailpoints)).toBe(part)
})

test('every name is there once', () => {
  expect(new Set(failpointNames).size).toBe(failpointNames.length)
})
