import { expect, test } from 'vitest'
import { demoNights, demoStart, interestingCustomer } from '../../src/sandbox/demo-nights.ts'

test('nights follow each other a day apart and one of them is hard', () => {
  const nights = demoNights(demoStart, 7)
  expect(nights.map(({ date }) => date)).toEqual([
    '2026-03-02',
    '2026-03-03',
    '2026-03-04',
    '2026-03-05',
    '2026-03-06',
    '2026-03-07',
    '2026-03-08',
  ])
  expect(nights.filter(({ faults }) => Object.keys(faults).length > 0)).toHaveLength(1)
  expect(nights[0]?.asOf).toBe(demoStart)
  expect(demoNights(demoStart, 0)).toEqual([])
})

test('finds the customer with the most to tell', () => {
  const message = { id: 'm_1', channel: 'email', to: 'Bob@example.com', received_at: '' } as const
  const state = {
    contacts: { a: { email: 'ada@example.com' }, b: { email: 'bob@example.com' }, c: {} },
    writes: { a: 2, b: 1, c: 1 },
    messages: [message, { ...message, id: 'm_2' }],
  }
  expect(interestingCustomer(state)).toEqual({ key: 'b', writes: 1, messages: 2 })
  expect(interestingCustomer({ contacts: {}, writes: {}, messages: [] })).toBeUndefined()
})
