/** Which lives to live: first every failpoint at each of its hits in every scenario, then kills by chance, without end. */
import { type FailpointName, failpointNames } from '../../src/failpoints/failpoints.ts'
import { pick, seededRandom } from '../../src/sandbox/seeded.ts'
import type { Kill, LifePlan } from './life.ts'
import type { Scenario } from './scenario.ts'

/** Places that are reached only while a dead run is recovered. */
const ofRecovery: readonly FailpointName[] = [
  'recover.found',
  'recover.redelivered',
  'recover.settled',
  'ledger.move.before',
  'ledger.move.after',
]

/** How often a place is reached in a small night; once where nothing is said. */
const hits: Partial<Record<FailpointName, number>> = {
  'ledger.updateRun.before': 3,
  'ledger.updateRun.after': 3,
  'ledger.begin.before': 2,
  'ledger.begin.after': 2,
  'ledger.conclude.before': 2,
  'ledger.conclude.after': 2,
  'ledger.move.before': 2,
  'ledger.move.after': 2,
  'send.before': 2,
  'send.leaving': 2,
  'send.after': 2,
  'transaction.inside': 3,
}

export const everyHit: readonly { readonly name: FailpointName; readonly hit: number }[] = failpointNames.flatMap(
  name => Array.from({ length: hits[name] ?? 1 }, (_, index) => ({ name, hit: index + 1 })),
)

const inFlight: Kill = { name: 'send.after', hit: 1 }

/** Places that a run reaches only if there is something to send. */
function isOfSending({ name }: { readonly name: FailpointName }): boolean {
  return /^(send|ledger\.(begin|conclude))\./.test(name)
}

/**
 * Nights in which every hit kills once. Two kills share a night, so that the second also finds what the first has left. Those of sending
 * come first: a run that died late leaves nothing to send.
 */
function exhaustiveNights(): readonly (readonly Kill[])[] {
  const recovery = everyHit.filter(({ name }) => ofRecovery.includes(name))
  const others = everyHit.filter(({ name }) => !ofRecovery.includes(name))
  const ordered = [...others.filter(isOfSending), ...others.filter(kill => !isOfSending(kill))]
  const half = Math.ceil(ordered.length / 2)
  const pairs = ordered.slice(0, half).map((kill, index) => [kill, ...ordered.slice(half + index, half + index + 1)])
  return [...pairs, ...recovery.map(kill => [inFlight, kill])]
}

/** A first night, in which there is always something to send, killed at this place. */
export function firstNightPlan(scenario: Scenario, seed: number, name: FailpointName): LifePlan {
  const kill = { name, hit: 1 }
  return { scenario, seed, faultRate: 0, nights: [ofRecovery.includes(name) ? [inFlight, kill] : [kill]] }
}

/** Few enough nights that what was refused in the first is not yet due again in the last. */
const nightsOfLife = 5

/** Every hit once in each scenario; or, with `classes`, in so many idempotency classes, which take turns, as their scenarios do. */
export function* exhaustivePlans(
  scenarios: readonly Scenario[],
  seed: number,
  { classes, ledger }: { readonly classes?: number; readonly ledger?: string | undefined },
): Generator<LifePlan> {
  const nights = exhaustiveNights()
  const lives: (readonly (readonly Kill[])[])[] = []
  for (let from = 0; from < nights.length; from += nightsOfLife) lives.push(nights.slice(from, from + nightsOfLife))
  for (const scenario of scenarios) {
    for (const [index, kills] of lives.entries()) {
      if (classes !== undefined && !isItsTurn(scenarios, scenario, index, classes)) continue
      yield { scenario, nights: kills, seed: seed + index, faultRate: 0.12, ...(ledger && { ledger }) }
    }
  }
}

function isItsTurn(scenarios: readonly Scenario[], scenario: Scenario, life: number, classes: number): boolean {
  const names = [...new Set(scenarios.map(({ idempotency }) => idempotency))]
  const own = names.indexOf(scenario.idempotency)
  const siblings = scenarios.filter(({ idempotency }) => idempotency === scenario.idempotency)
  const turn = life + Math.floor(life / names.length) + own
  return (life + own) % names.length < classes && siblings[turn % siblings.length] === scenario
}

/** Kills at a random place and hit, or at a random moment. */
export function* randomPlans(
  scenarios: readonly Scenario[],
  seed: number,
  { nights: length = 3, ledger }: { readonly nights?: number; readonly ledger?: string | undefined } = {},
): Generator<LifePlan, never> {
  for (let number = 0; ; number++) {
    const random = seededRandom(seed, 'plan', number)
    const kill = (): Kill => (random() < 0.3 ? { milliseconds: Math.floor(random() * 400) } : pick(random, everyHit))
    const night = () => Array.from({ length: 1 + Math.floor(random() * 3) }, kill)
    const scenario = scenarios[number % scenarios.length]
    if (scenario === undefined) throw new RangeError('torture needs a scenario')
    const nights = Array.from({ length }, night)
    yield { scenario, nights, seed: seed + number, faultRate: random() * 0.25, ...(ledger && { ledger }) }
  }
}
