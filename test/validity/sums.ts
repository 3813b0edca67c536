/**
 * The simulation plan without the tool around it: many more repetitions than nights could be run. Each answers with misses out of repetitions, and
 * what is known to fail is run beside it, and has to.
 */
import { type Boundary, critical } from '../../src/report/stats/boundary.ts'
import { compareMeans } from '../../src/report/stats/means.ts'
import { compareProportions, outcomesNeeded, scoreOfDifference } from '../../src/report/stats/proportions.ts'
import { sampleRatio, sequentialSampleRatio } from '../../src/report/stats/sample-ratio.ts'
import { isWithin, normal, seeded } from './chance.ts'

export interface Figure {
  readonly what: string
  readonly misses: number
  readonly repetitions: number
  /** The share of misses that is promised at most; for what is known to fail, the share above which it does. */
  readonly bound: number
  readonly mustFail: boolean
  readonly holds: boolean
}

function figure(what: string, misses: number, repetitions: number, bound: number, mustFail = false): Figure {
  const holds = mustFail ? misses / repetitions > bound : isWithin(misses, repetitions, bound)
  return { what, misses, repetitions, bound, mustFail, holds }
}

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

/**
 * Revenue of few buyers (a twentieth) with a long tail, cut at its 99th percentile, no lift, 19:1. With 25 buyers expected of the withheld each tail keeps
 * within what the simulation plan allows; with ten, the two together do.
 */
export function revenueTails(repetitions: number, seed: number): readonly Figure[] {
  const [many, few] = [revenueVerdicts(repetitions, seed, 500), revenueVerdicts(repetitions, seed + 1, 200)]
  return [
    figure('revenue, 9,500 : 500, 5 % buyers, no lift: "lower"', many.low, many.told, 0.035),
    figure('revenue, 9,500 : 500, 5 % buyers, no lift: "higher"', many.high, many.told, 0.035),
    figure('revenue, 3,800 : 200, 5 % buyers, no lift: either', few.low + few.high, few.told, 0.05),
    figure('the same by Welch: "higher"', few.welch, few.told, 0.036, true),
  ]
}

function revenueVerdicts(repetitions: number, seed: number, withheldUnits: number) {
  const random = seeded(seed)
  const [buyers, cap] = [0.05, Math.exp(1.5 * 2.326)]
  const spend = () => (random() < buyers ? Math.min(cap, Math.exp(1.5 * normal(random))) : 0)
  const counts = { low: 0, high: 0, welch: 0, told: 0 }
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const [treated, withheld] = [sums(19 * withheldUnits, spend), sums(withheldUnits, spend)]
    const answer = compareMeans(treated, withheld, { kind: 'fixed', alpha: 0.05 })
    if (answer.kind !== 'estimated') continue
    counts.told += 1
    if (answer.verdict === 'lower') counts.low += 1
    if (answer.verdict === 'higher') counts.high += 1
    const se = Math.sqrt(treated.m2 / (treated.n - 1) / treated.n + withheld.m2 / (withheld.n - 1) / withheld.n)
    if ((treated.sum / treated.n - withheld.sum / withheld.n) / se > 1.97) counts.welch += 1
  }
  return counts
}

function sums(n: number, draw: () => number) {
  const values = Float64Array.from({ length: n }, draw)
  let [sum, nonZero, m2, m3] = [0, 0, 0, 0]
  for (const value of values) {
    sum += value
    if (value !== 0) nonZero += 1
  }
  for (const value of values) {
    const away = value - sum / n
    m2 += away ** 2
    m3 += away ** 3
  }
  return { n, nonZero, sum, m2, m3 }
}

/** Arms of the right size, looked at each day for ninety days; and a twentieth of the withheld that goes missing. */
export function sampleRatios(repetitions: number, seed: number): readonly Figure[] {
  const random = seeded(seed)
  let [alarms, found] = [0, 0]
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
    const lost = sampleRatio([counts.treated, Math.round(counts.withheld * 0.9)], [0.95, 0.05])
    if (lost.kind === 'estimated' && lost.verdict === 'mismatch') found += 1
  }
  return [
    figure('arms as they were drawn, 90 daily looks: sample-ratio alarm', alarms, repetitions, 0.01),
    figure('a tenth of the withheld gone, 90,000 people: alarm', found, repetitions, 0.9, true),
  ]
}
