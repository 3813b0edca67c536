import fc from 'fast-check'
import { expect, test } from 'vitest'
import { exitOfRun, severity, worst } from '../../src/cli/exit.ts'
import { exitCodes } from '../../src/project/problem.ts'

test('every reason has its place in the order of severity', () => {
  expect([...severity].sort()).toEqual(Object.keys(exitCodes).sort())
})

test('the worst of several syncs decides, whatever their order', () => {
  expect(worst([])).toBe('ok')
  expect(worst(['ok', 'held', 'partial'])).toBe('partial')
  expect(worst(['credentials', 'failed', 'locked'])).toBe('credentials')
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...severity), { minLength: 1 }), reasons => {
      const answer = worst(reasons)
      expect(reasons).toContain(answer)
      expect(worst([...reasons].reverse())).toBe(answer)
      for (const reason of reasons) expect(severity.indexOf(reason)).toBeLessThanOrEqual(severity.indexOf(answer))
    }),
  )
})

test.each([
  ['succeeded', [], 'ok'],
  ['skipped', [], 'ok'],
  ['partial', ['A6001'], 'partial'],
  ['held', ['A4012'], 'held'],
  ['locked', ['A9001'], 'locked'],
  ['interrupted', [], 'interrupted'],
  ['failed', [], 'failed'],
  ['failed', ['A4001'], 'failed'],
  ['failed', ['A1150'], 'credentials'],
  ['failed', ['A2005'], 'invalid'],
  ['failed', ['A0000'], 'failed'],
] as const)('a run that %s with %j ends as %s', (status, codes, exit) => {
  expect(exitOfRun({ status, problems: codes.map(code => ({ code, message: '' })) })).toBe(exit)
})
