import { expect, test } from 'vitest'
import { failpointNames } from '../../src/failpoints/failpoints.ts'
import { type LifePlan, liveAll } from './life.ts'
import { exhaustivePlans, firstNightPlan, randomPlans } from './plans.ts'
import { scenarios } from './scenario.ts'

/** Fixed, so that a failure is not a surprise; `npm run torture` takes others. */
const seed = 4

/** Far more than the half minute that each takes on two free cores: whoever shares the machine must not make them fail. */
const timeout = 1_200_000

test('a run that is killed at any named place is made good by the runs after it', { timeout }, async () => {
  const plans = [...exhaustivePlans(scenarios, seed, { classes: 2 })]
  const { violations, reached, figures } = await liveAll(plans, 2)
  expect(violations).toEqual([])
  expect(figures.kills).toBeGreaterThan(90)
  // A night without changes has spared some; a first night never is one.
  const spared = failpointNames.filter(name => !reached.has(name))
  const again = await liveAll(
    spared.map(name => firstNightPlan({ idempotency: 'keyed', mode: 'mirror', batch: false }, seed, name)),
    2,
  )
  expect(again.violations).toEqual([])
  expect(spared.filter(name => !again.reached.has(name))).toEqual([])
})

test('so is one that is killed again and again, at places and moments of chance', { timeout }, async () => {
  const plans = take(scenarios.length, randomPlans(scenarios, seed, { nights: 2 }))
  const { violations, figures } = await liveAll(plans, 2)
  expect(violations).toEqual([])
  expect(figures.kills).toBeGreaterThan(35)
})

function take(count: number, plans: Iterator<LifePlan>): readonly LifePlan[] {
  return Array.from({ length: count }, () => plans.next().value as LifePlan)
}
