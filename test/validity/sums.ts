/**
 * The simulation plan without the tool around it: many more repetitions than nights could be run. Each answers with misses out of repetitions, and
 * what is known to fail is run beside it, and has to.
 */
import { type Boundary, critical } from '../../src/report/stats/boundary.ts'
import { normalUpperQuantile } from '../../src/report/stats/distributions.ts'
import { compareProportions, outcomesNeeded, scoreOfDifference } from '../../src/report/stats/proportions.ts'
import { sampleRatio, sequentialSampleRatio } from '../../src/report/stats/sample-ratio.ts'
import { binomialWeight } from '../../src/report/stats/special-functions.ts'
import { seeded } from './chance.ts'
import { exactly, type Figure, figure } from './figure.ts'

/** Binomial by inversion for small n·p, by the sum of draws else; exact either way. */
function conversions(random: () => number, n: number, p: number): number {
  let x = 0
  for (let unit = 0; unit < n; unit++) if (random() < p) x += 1
  return x
}

/** Ninety days of 95 treated and 5 withheld people, looked at each day; `lift` is added to the treated. */
export function peekedShares(repetitions: number, seed: number, lift: number): readonly Figure[] {
  const random = seeded(seed)
  const [days, p] = [90, 0.4]
  const sequence: Boundary = { kind: 'sequential', alpha: 0.05, plannedUnits: 9000 }
  const once: Boundary = { kind: 'fixed', alpha: 0.05 }
  let [alarms, fixedAlarms, uncovered] = [0, 0, 0]
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const [treated, withheld] = [
      { n: 0, x: 0 },
      { n: 0, x: 0 },
    ]
    let [alarm, fixedAlarm, missed] = [false, false, false]
    for (let day = 0; day < days; day++) {
      treated.n += 95
      treated.x += conversions(random, 95, p + lift)
      withheld.n += 5
      withheld.x += conversions(random, 5, p)
      const information = { units: treated.n + withheld.n, df: Number.POSITIVE_INFINITY }
      const z = Math.abs(scoreOfDifference(treated, withheld, 0))
      if (withheld.x >= 5 && z > critical(once, information)) fixedAlarm = true
      if (Math.min(withheld.x, withheld.n - withheld.x) < outcomesNeeded(sequence)) continue
      const c = critical(sequence, information)
      if (z > c) alarm = true
      // The interval holds a value exactly when its test does not refuse it.
      if (Math.abs(scoreOfDifference(treated, withheld, lift)) > c) missed = true
    }
    if (alarm) alarms += 1
    if (fixedAlarm) fixedAlarms += 1
    if (missed) uncovered += 1
  }
  const points = `${(lift * 100).toFixed(0)} pp`
  if (lift !== 0)
    return [
      figure(
        `shares, 19:1, 90 daily looks, true lift ${points}: interval misses at any look`,
        uncovered,
        repetitions,
        0.05,
      ),
    ]
  return [
    figure('shares, 19:1, 90 daily looks, no lift: an alarm at any look', alarms, repetitions, 0.05),
    figure('the same with the interval of a single look', fixedAlarms, repetitions, 0.2, true),
  ]
}

/** One look at 19:1 with at least five outcomes expected of the withheld. */
export function singleLookShares(repetitions: number, seed: number): Figure {
  const random = seeded(seed)
  let [misses, told] = [0, 0]
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const p = 0.1 + 0.3 * random()
    const lift = 0.1 * random()
    const treated = { n: 1900, x: conversions(random, 1900, p + lift) }
    const withheld = { n: 100, x: conversions(random, 100, p) }
    const answer = compareProportions(treated, withheld, { kind: 'fixed', alpha: 0.05 })
    if (answer.kind !== 'estimated') continue
    told += 1
    if (answer.absolute.lower > lift || answer.absolute.upper < lift) misses += 1
  }
  return figure('shares, 1,900 : 100, one look, lifts of 0 to 10 pp: interval misses', misses, told, 0.06)
}

/** Arms of the right size, looked at each day for ninety days; and a tenth or a twentieth of the withheld that goes missing. */
export function sampleRatios(repetitions: number, seed: number): readonly Figure[] {
  const random = seeded(seed)
  let [alarms, found, lost] = [0, 0, 0]
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const counts = { treated: 0, withheld: 0 }
    let alarm = false
    for (let day = 0; day < 90; day++) {
      const withheld = conversions(random, 1000, 0.05)
      counts.withheld += withheld
      counts.treated += 1000 - withheld
      const answer = sequentialSampleRatio([[counts.treated, counts.withheld]], [0.95, 0.05])
      if (answer.kind === 'estimated' && answer.verdict === 'mismatch') alarm = true
    }
    if (alarm) alarms += 1
    const isNoticed = (kept: number) => {
      const answer = sampleRatio([counts.treated, Math.round(counts.withheld * kept)], [0.95, 0.05])
      return answer.kind === 'estimated' && answer.verdict === 'mismatch'
    }
    if (isNoticed(0.9)) found += 1
    if (isNoticed(0.95)) lost += 1
  }
  return [
    figure('arms as they were drawn, 90 daily looks: sample-ratio alarm', alarms, repetitions, 0.01),
    figure('a tenth of the withheld gone, 90,000 people: alarm', found, repetitions, 0.9, true),
    figure('a twentieth of the withheld gone, 90,000 people: alarm', lost, repetitions, undefined),
  ]
}

/** The exact chance that the interval of a difference holds the true one: every possible pair of counts, weighted. */
export function coverage(nT: number, nC: number, pT: number, pC: number): number {
  const chance = (k: number, n: number, p: number) =>
    k === 0 ? (1 - p) ** n : k === n ? p ** n : binomialWeight(k, n - k, p, 1 - p)
  const weights = (n: number, p: number) => Array.from({ length: n + 1 }, (_, k) => chance(k, n, p))
  const [treated, withheld] = [weights(nT, pT), weights(nC, pC)]
  // The test is the interval: what it does not refuse is inside.
  const c = normalUpperQuantile(0.025)
  let covered = 0
  treated.forEach((own, x) => {
    if (own < 1e-9) return
    withheld.forEach((other, y) => {
      if (own * other < 1e-9) return
      if (Math.abs(scoreOfDifference({ n: nT, x }, { n: nC, x: y }, pT - pC)) <= c) covered += own * other
    })
  })
  return covered
}

/** From even arms to 99:1, with at least five people of each arm expected with the outcome and without. */
export function exactCoverage(): readonly Figure[] {
  const arms = [
    [40, 40],
    [200, 200],
    [360, 40],
    [760, 40],
    [1900, 100],
    [3960, 40],
  ] as const
  const enough = (n: number, p: number) => Math.min(n * p, n * (1 - p)) >= 5 - 1e-9
  const misses = arms.flatMap(([nT, nC]) =>
    [0.125, 0.2, 0.3, 0.5, 0.7, 0.8, 0.875].flatMap(p =>
      [-0.1, -0.05, 0, 0.05, 0.1]
        .filter(effect => enough(nT, p + effect) && enough(nC, p))
        .map(effect => 1 - coverage(nT, nC, p + effect, p)),
    ),
  )
  const average = misses.reduce((sum, miss) => sum + miss) / misses.length
  const what = `shares, 1:1 to 99:1, ${misses.length} settings counted exactly: interval misses`
  return [exactly(`${what}, the worst`, Math.max(...misses), 0.06), exactly(`${what}, on average`, average, 0.05)]
}
