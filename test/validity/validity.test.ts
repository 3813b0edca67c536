/** That the machinery of `npm run validity` works; what it says needs more repetitions than a test has time for. */
import { expect, test } from 'vitest'
import { isWithin, seeded } from './chance.ts'
import { draws } from './draws.ts'
import { liveProgramme } from './programme.ts'
import {
  bootstrapped,
  peekedRevenue,
  quotientsWithoutEffect,
  revenueWithEffects,
  revenueWithoutEffect,
} from './revenue.ts'
import { peekedShares, sampleRatios, singleLookShares } from './sums.ts'

test('a programme is lived through the real tool: a large lift is found, and none is made up', async () => {
  const [none, large] = await liveProgramme({ seed: 7, lifts: [0, 0.25], nights: 6, perNight: 200, lookEvery: 2 })
  expect(none).toMatchObject({ lift: 0, missed: false, decided: undefined, missedAtEnd: false, falseAlarms: [] })
  expect(large).toMatchObject({ lift: 0.25, missed: false, decided: 'better', decidedAtEnd: 'better', falseAlarms: [] })
  expect(large?.looks).toBe(2)
})

test('the sums without the tool hold their bounds, and what is known to fail does', () => {
  const figures = [
    singleLookShares(300, 1),
    ...[
      ...peekedShares(120, 2, 0),
      ...revenueWithoutEffect(150, 4),
      ...revenueWithEffects(80, 5),
      ...peekedRevenue(10, 6),
    ],
    ...[...quotientsWithoutEffect(150, 7), ...sampleRatios(8, 5), ...draws(12, 2000)],
    ...bootstrapped('three prices', [0, 0, 0, 0, 0, 0, 0, 5, 10, 40], [1900, 100], { repetitions: 60, seed: 8 }),
  ]
  expect(figures.filter(({ holds }) => !holds)).toEqual([])
  expect(figures.filter(({ mustFail }) => mustFail)).toHaveLength(5)
})

test('a method that misses far more often than it says is found out', () => {
  expect(isWithin(6, 100, 0.05)).toBe(true)
  expect(isWithin(20, 100, 0.05)).toBe(false)
  expect(isWithin(0, 5, 0.05)).toBe(true)
  const [first, again] = [seeded(3), seeded(3)]
  expect([first(), first()]).toEqual([again(), again()])
})
