import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRunBudget, retryFloor, retryShare } from '../../src/delivery/run-budget.ts'

test('allows a share of the requests and a floor, and never more', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 3_000 }), steps => {
      const budget = createRunBudget()
      let [requests, retries] = [0, 0]
      for (const isRetry of steps) {
        if (!isRetry) requests += 1
        else {
          retries += 1
          expect(budget.spend(requests)).toBe(retries <= retryFloor + retryShare * requests)
        }
      }
    }),
  )
})
