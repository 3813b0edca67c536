import { expect, test } from 'vitest'
import { approvalNeed } from '../../src/plan/approval.ts'
import type { RequireApproval } from '../../src/project/project.ts'

const sending = (send: number) => ({
  config_hash: 'now',
  decisions: { send, withhold: 0, defer: 0, skip: 0, blocked: 0 },
})
const because = (required: RequireApproval, send: number, last?: string) =>
  approvalNeed(required, sending(send), last).because

test('is never asked for unless the sync says so', () => {
  expect(approvalNeed('never', sending(1_000_000), undefined)).toEqual({ needed: false })
})

test('always means every night on which something leaves', () => {
  expect(because('always', 1, 'now')).toBe('every plan of this sync needs approval')
  expect(because('always', 0, 'before')).toBeUndefined()
})

test('over a size means more sends than that', () => {
  expect(because({ over: 10 }, 10, 'before')).toBeUndefined()
  expect(because({ over: 10 }, 11, 'now')).toBe('it sends 11 changes, more than require_approval over 10')
})

test('on change means that what people wrote differs from the last run, also when there is nothing to send', () => {
  expect(because('on_change', 5, 'now')).toBeUndefined()
  expect(because('on_change', 0, 'before')).toBe('its configuration changed since the last run')
})

test('on change also means the first run', () => {
  expect(because('on_change', 0)).toBe('no settled run has gone by its configuration yet')
})
