import { describe, expect, test } from 'vitest'
import { type DeliveryShape, estimateDelivery } from '../../src/plan/summary.ts'

const shape: DeliveryShape = {
  maxRecords: { enter: 10, change: 10, leave: 5 },
  limits: [{ requests: 10, perMilliseconds: 1_000 }],
  leaversApart: true,
}
const rate = (name: string, requests: number) => ({ name, limits: [{ requests, perMilliseconds: 1_000 }] })
const sends = { enter: 900, change: 100, leave: 100 }

describe('what a delivery will take', () => {
  test('is by the account alone where no action has limits of its own', () => {
    expect(estimateDelivery(sends, shape)).toEqual({ requests: 120, seconds: 12 })
    expect(estimateDelivery(sends, { ...shape, limits: [] })).toEqual({ requests: 120, seconds: 0 })
  })

  test.each([
    ['of those who stay', { change: rate('a', 2) }, 50],
    ['of those who leave', { leave: rate('b', 1) }, 20],
    ['of both, apart', { change: rate('a', 5), leave: rate('b', 5) }, 20],
    ['of both, shared', { change: rate('a', 5), leave: rate('a', 5) }, 24],
    ['that are wider than those of the account', { change: rate('a', 1_000) }, 12],
  ])('is by the tightest limit, also one %s', (_of, ofActions, seconds) => {
    expect(estimateDelivery(sends, { ...shape, ofActions })).toEqual({ requests: 120, seconds })
  })
})
