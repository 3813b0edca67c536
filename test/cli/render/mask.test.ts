import { expect, test } from 'vitest'
import { maskFields, maskSample } from '../../../src/cli/render/mask.ts'

test.each([
  ['email', 'anna@example.com', 'a***@example.com'],
  ['contact', 'anna@example.com', 'a***@example.com'],
  ['note_for_crm', 'mail anna@example.com or +44 20 7946 0018', 'mail a***@example.com or ***18'],
  ['first_name', 'Anna', 'A***'],
  ['firstName', 'Éva', 'É***'],
  ['greeting', 'Hi Anna', 'H***'],
  ['to', '+442079460018', '***18'],
  ['contact', '+442079460018', '***18'],
  ['phone2', '020 7946 0018', '***18'],
  ['mobile', 442079460018, '***18'],
  ['email', '', ''],
  ['email', null, null],
])('%s %j becomes %j', (name, value, masked) => {
  expect(maskFields({ [name]: value })).toEqual({ [name]: masked })
})

test.each([
  ['lifecycle_stage', 'at-risk'],
  ['renewal_date', '2026-03-01'],
  ['seen_at', '2026-03-01T02:00:00Z'],
  ['ltv_eur', 1234567890.5],
  ['amount', '1234567890.55'],
  ['consented', true],
  ['tier', 'gold'],
])('%s %j stays as it is', (name, value) => {
  expect(maskFields({ [name]: value })).toEqual({ [name]: value })
})

test('what is nested in a personal field is personal', () => {
  const fields = { address: { lines: ['1 High Street', 'Leeds'] }, extra: { email: 'x@y.org', n: 1 } }
  expect(maskFields(fields)).toEqual({ address: { lines: ['1***', 'L***'] }, extra: { email: 'x***@y.org', n: 1 } })
})

test('both sides of a sample are masked and its key stays', () => {
  const sample = {
    key: 'C1',
    op: 'change',
    decision: 'send',
    before: { name: 'Ann' },
    after: { name: 'Anna' },
  } as const
  expect(maskSample(sample)).toEqual({ ...sample, before: { name: 'A***' }, after: { name: 'A***' } })
})
