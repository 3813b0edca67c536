import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ActivateError } from '../../src/project/problem.ts'
import { type FaultPlan, faultKinds, faultOf, parseFaults } from '../../src/sandbox/faults.ts'

/** Every complaint about a text, in order. */
function slipsOf(text: string): string[] {
  try {
    parseFaults(text)
  } catch (error) {
    if (error instanceof ActivateError) return error.problems.map(({ code, message }) => `${code} ${message}`)
    throw error
  }
  return []
}

function fates(plan: FaultPlan, seed: number, count: number) {
  return Array.from({ length: count }, (_, index) => faultOf(plan, seed, index + 1))
}

test('reads shares as percentages or fractions', () => {
  expect(parseFaults('5xx=2%, timeout=1%,reset=.5%,429=0.03,LOST=1%')).toEqual({
    '5xx': 0.02,
    timeout: 0.01,
    reset: 0.005,
    '429': 0.03,
    lost: 0.01,
  })
})

test('reads nothing as no faults', () => {
  expect(parseFaults('  ')).toEqual({})
})

test.each([
  ['6xx=2%', '"6xx" is not a kind of fault (5xx, 429, timeout, reset, lost)'],
  ['5xx', '"5xx" needs a share between 0% and 100%, as in 5xx=2%'],
  ['5xx=-1%', '"5xx=-1%" needs a share'],
  ['5xx=101%', '"5xx=101%" needs a share'],
  ['5xx=2', '"5xx=2" needs a share'],
  ['5xx=1%=2%', '"5xx=1%=2%" needs a share'],
  ['5xx=1%,5xx=2%', '"5xx" is given twice'],
  ['5xx=60%,lost=50%', 'the shares add up to 110%, more than all requests'],
  ['5xx=1%,', '"" is not a kind of fault'],
])('refuses %s and says why', (text, complaint) => {
  expect(slipsOf(text).join('\n')).toContain(complaint)
  expect(slipsOf(text).every(slip => slip.startsWith('A8501 '))).toBe(true)
})

test('names every slip at once', () => {
  expect(slipsOf('6xx=2%,timeout=200%')).toHaveLength(2)
})

test('the same seed gives the same fates, another seed others', () => {
  const plan = parseFaults('5xx=10%,timeout=5%,reset=5%,429=10%,lost=5%')
  expect(fates(plan, 7, 500)).toEqual(fates(plan, 7, 500))
  expect(fates(plan, 8, 500)).not.toEqual(fates(plan, 7, 500))
})

test('each kind happens about as often as its share says', () => {
  const plan = parseFaults('5xx=20%,timeout=4%,reset=6%,429=10%,lost=5%')
  const drawn = fates(plan, 1, 20_000)
  for (const kind of faultKinds) {
    const share = drawn.filter(fault => fault?.kind === kind).length / drawn.length
    expect(Math.abs(share - (plan[kind] ?? 0))).toBeLessThan(0.012)
  }
})

test('nothing goes wrong without a plan, and everything does under a full one', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 1_000_000 }), (seed, n) => {
      expect(faultOf({}, seed, n)).toBeUndefined()
      expect(faultOf({ lost: 1 }, seed, n)).toEqual({ kind: 'lost' })
    }),
  )
})
