/**
 * Revenue without the tool around it: few buy, what they spend has a long tail and is cut where a plan would have cut it. With no effect, with effects,
 * looked at every day, per order, and drawn from customers who really were.
 */

import { type Moments, merge } from '../../src/report/stats/aggregates.ts'
import type { Answer } from '../../src/report/stats/answer.ts'
import type { Boundary } from '../../src/report/stats/boundary.ts'
import { normalUpper, tUpperQuantile } from '../../src/report/stats/distributions.ts'
import type { Lift } from '../../src/report/stats/lift.ts'
import { compareMeans } from '../../src/report/stats/means.ts'
import { compareRatios, type RatioMoments, ratioMoments, ratioOf } from '../../src/report/stats/ratio-metrics.ts'
import { normal, seeded } from './chance.ts'
import { type Figure, figure } from './figure.ts'

type Random = () => number

const fixed: Boundary = { kind: 'fixed', alpha: 0.05 }

/** Places of buyers among `n` people, each with the chance `p`: as many draws as there are buyers. */
function eachBuyer(random: Random, n: number, p: number, visit: () => void): void {
  const gap = () => (p >= 1 ? 0 : Math.floor(Math.log(1 - random()) / Math.log(1 - p)))
  for (let at = gap(); at < n; at += 1 + gap()) visit()
}

/** Of `n` people, of whom some buy. */
function spendOf(random: Random, n: number, p: number, draw: () => number): Moments {
  const values: number[] = []
  eachBuyer(random, n, p, () => values.push(draw()))
  const nonZero = values.filter(value => value !== 0).length
  const sum = values.reduce((total, value) => total + value, 0)
  const centre = sum / n
  const idle = n - values.length
  const power = (k: number) => values.reduce((total, value) => total + (value - centre) ** k, 0) + idle * (-centre) ** k
  return { n, nonZero, sum, m2: power(2), m3: power(3) }
}

interface Spending {
  readonly sigma: number
  readonly buyers: number
}

/** The cut is the 99th percentile of what is spent without any effect. */
const capOf = ({ sigma }: Spending) => Math.exp(sigma * 2.3263)

function spender(random: Random, spending: Spending, factor = 1): () => number {
  return () => Math.min(capOf(spending), factor * Math.exp(spending.sigma * normal(random)))
}

/** The mean of what one buyer spends, after the cut. */
function meanSpend(spending: Spending, factor: number): number {
  const { sigma } = spending
  const [cap, mu] = [capOf(spending), Math.log(factor)]
  const z = (Math.log(cap) - mu) / sigma
  return Math.exp(mu + sigma ** 2 / 2) * (1 - normalUpper(z - sigma)) + cap * normalUpper(z)
}

interface Verdicts {
  told: number
  lower: number
  higher: number
  /** "higher" by the usual statistic. */
  usual: number
}

function count(verdicts: Verdicts, answer: Answer<Lift>, usual: boolean): void {
  if (answer.kind !== 'estimated') return
  verdicts.told += 1
  if (answer.verdict === 'lower') verdicts.lower += 1
  if (answer.verdict === 'higher') verdicts.higher += 1
  if (usual) verdicts.usual += 1
}

function welch(treated: Moments, withheld: Moments): boolean {
  const mean = ({ sum, n }: Moments) => sum / n
  const variance = ({ m2, n }: Moments) => m2 / (n - 1) / n
  const se = Math.sqrt(variance(treated) + variance(withheld))
  return (mean(treated) - mean(withheld)) / se > tUpperQuantile(0.025, withheld.n - 1)
}

function withoutEffect(
  repetitions: number,
  [treatedUnits, withheldUnits]: readonly [number, number],
  arm: (n: number) => Moments,
): Verdicts {
  const verdicts = { told: 0, lower: 0, higher: 0, usual: 0 }
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const [treated, withheld] = [arm(treatedUnits), arm(withheldUnits)]
    count(verdicts, compareMeans(treated, withheld, fixed), welch(treated, withheld))
  }
  return verdicts
}

function sides(what: string, { told, lower, higher }: Verdicts): readonly Figure[] {
  return [
    figure(`${what}: "lower"`, lower, told, 0.035),
    figure(`${what}: "higher"`, higher, told, 0.035),
    figure(`${what}: either`, lower + higher, told, 0.0546),
  ]
}

const spendings: readonly Spending[] = [1, 1.5].flatMap(sigma => [0.02, 0.05, 0.1].map(buyers => ({ sigma, buyers })))

/** The worst of six: tails of two lengths, three shares of buyers; and ten expected buyers among the withheld. */
export function revenueWithoutEffect(repetitions: number, seed: number): readonly Figure[] {
  const random = seeded(seed)
  const lived = (spending: Spending, withheld: number) =>
    withoutEffect(repetitions, [19 * withheld, withheld], n =>
      spendOf(random, n, spending.buyers, spender(random, spending)),
    )
  const all = spendings.map(spending => lived(spending, 500))
  const worst = (of: (verdicts: Verdicts) => number) =>
    all.reduce((most, each) => (of(each) / each.told > of(most) / most.told ? each : most))
  const [low, high, both, usual] = [
    worst(({ lower }) => lower),
    worst(({ higher }) => higher),
    worst(({ lower, higher }) => lower + higher),
    worst(verdicts => verdicts.usual),
  ]
  const what = 'revenue, 9,500 : 500, 2, 5 and 10 % buyers, σ 1 and 1.5, no effect, the worst of six'
  return [
    figure(`${what}: "lower"`, low.lower, low.told, 0.035),
    figure(`${what}: "higher"`, high.higher, high.told, 0.035),
    figure(`${what}: either`, both.lower + both.higher, both.told, 0.0546),
    figure('the same by Welch: "higher"', usual.usual, usual.told, 0.036, true),
    ...sides('revenue, 3,800 : 200, 5 % buyers, σ 1.5, no effect', lived({ sigma: 1.5, buyers: 0.05 }, 200)),
  ]
}

/** Everybody who buys spends so much more or less; the truth is that of values that are cut. */
export function revenueWithEffects(repetitions: number, seed: number): readonly Figure[] {
  const random = seeded(seed)
  return [0.7, 0.9, 1.2, 1.5].flatMap(factor => {
    const counts = { told: 0, absolute: 0, relative: 0 }
    for (const spending of spendings.filter(({ buyers }) => buyers > 0.02)) {
      const truth = { treated: meanSpend(spending, factor), withheld: meanSpend(spending, 1) }
      for (let repetition = 0; repetition < repetitions / 4; repetition++) {
        const treated = spendOf(random, 9500, spending.buyers, spender(random, spending, factor))
        const withheld = spendOf(random, 500, spending.buyers, spender(random, spending))
        const answer = compareMeans(treated, withheld, fixed)
        if (answer.kind !== 'estimated') continue
        counts.told += 1
        const difference = spending.buyers * (truth.treated - truth.withheld)
        if (isOutside(answer.absolute, difference)) counts.absolute += 1
        if (answer.relative.kind === 'estimated' && isOutside(answer.relative, truth.treated / truth.withheld - 1))
          counts.relative += 1
      }
    }
    const what = `revenue, 9,500 : 500, buyers spend ${factor > 1 ? '+' : '−'}${Math.abs(Math.round(100 * factor - 100))} %`
    return [
      figure(`${what}: interval of the difference misses`, counts.absolute, counts.told, 0.065),
      figure(`${what}: interval of the relative lift misses`, counts.relative, counts.told, 0.065),
    ]
  })
}

function isOutside({ lower, upper }: { readonly lower: number; readonly upper: number }, value: number): boolean {
  return lower > value || upper < value
}

/** Sixty days of 380 treated and 20 withheld people, looked at each day. */
export function peekedRevenue(repetitions: number, seed: number): readonly Figure[] {
  const random = seeded(seed)
  const sequence: Boundary = { kind: 'sequential', alpha: 0.05, plannedUnits: 24_000 }
  const spending = { sigma: 1.5, buyers: 0.1 }
  return [1, 1.3].map(factor => {
    const truth = spending.buyers * (meanSpend(spending, factor) - meanSpend(spending, 1))
    let missed = 0
    for (let repetition = 0; repetition < repetitions; repetition++) {
      let [treated, withheld] = [spendOf(random, 0, 0.5, () => 0), spendOf(random, 0, 0.5, () => 0)]
      for (let day = 0; day < 60; day++) {
        treated = merge(treated, spendOf(random, 380, spending.buyers, spender(random, spending, factor)))
        withheld = merge(withheld, spendOf(random, 20, spending.buyers, spender(random, spending)))
        const answer = compareMeans(treated, withheld, sequence)
        if (answer.kind !== 'estimated' || !isOutside(answer.absolute, truth)) continue
        missed += 1
        break
      }
    }
    const effect = factor === 1 ? 'no effect' : 'buyers spend +30 %'
    return figure(`revenue, 19:1, 60 daily looks, ${effect}: interval misses at any look`, missed, repetitions, 0.05)
  })
}

/** Revenue per order: nobody orders more or spends more for it. */
export function quotientsWithoutEffect(repetitions: number, seed: number): readonly Figure[] {
  const random = seeded(seed)
  return [500, 200].flatMap(withheldUnits => {
    const verdicts = { told: 0, lower: 0, higher: 0, usual: 0 }
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const [treated, withheld] = [ordersOf(random, 19 * withheldUnits), ordersOf(random, withheldUnits)]
      count(verdicts, compareRatios(treated, withheld, fixed), delta(treated, withheld))
    }
    const what = `revenue per order, ${(19 * withheldUnits).toLocaleString('en-GB')} : ${withheldUnits}, 5 % buyers, no effect`
    return [
      ...sides(what, verdicts),
      figure('the same by the delta method: "higher"', verdicts.usual, verdicts.told, 0.05, true),
    ]
  })
}

function delta(treated: RatioMoments, withheld: RatioMoments): boolean {
  const [t, w] = [ratioOf(treated), ratioOf(withheld)]
  return (t.mean - w.mean) / Math.sqrt(t.variance + w.variance) > 1.96
}

/** Of `n` people, of whom a twentieth order once or more often, each time for an amount of its own. */
function ordersOf(random: Random, n: number): RatioMoments {
  const spending = { sigma: 1, buyers: 0.05 }
  const amount = spender(random, spending)
  const [x, y]: [number[], number[]] = [[], []]
  eachBuyer(random, n, spending.buyers, () => {
    let [orders, spent] = [1, amount()]
    while (random() < 0.4) {
      orders += 1
      spent += amount()
    }
    x.push(orders)
    y.push(spent)
  })
  const idle = n - x.length
  const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)
  const [sumX, sum] = [total(x), total(y)]
  const [cx, cy] = [sumX / n, sum / n]
  const product = (i: number, j: number) =>
    x.reduce((whole, value, at) => whole + (value - cx) ** i * ((y[at] ?? 0) - cy) ** j, 0) +
    idle * (-cx) ** i * (-cy) ** j
  return ratioMoments({
    ...{ n, nonZero: x.length, sum, sumX, m2: product(0, 2), m3: product(0, 3), mxx: product(2, 0) },
    ...{ mxy: product(1, 1), mxxx: product(3, 0), mxxy: product(2, 1), mxyy: product(1, 2) },
  })
}

/** Arms drawn with replacement from customers who really were (0 for those who spent nothing), cut at the 99th percentile of what was spent. */
export function bootstrapped(
  name: string,
  spent: readonly number[],
  sizes: readonly [treated: number, withheld: number],
  { repetitions, seed }: { readonly repetitions: number; readonly seed: number },
): readonly Figure[] {
  const random = seeded(seed)
  const positive = spent.filter(value => value > 0).toSorted((a, b) => a - b)
  const cap = positive[Math.floor(0.99 * (positive.length - 1))] ?? 0
  const draw = () => Math.min(cap, positive[Math.floor(random() * positive.length)] ?? 0)
  const buyers = positive.length / spent.length
  const verdicts = withoutEffect(repetitions, sizes, n => spendOf(random, n, buyers, draw))
  const [treated, withheld] = sizes.map(size => size.toLocaleString('en-GB'))
  return sides(`${name}, ${treated} : ${withheld}, drawn again and again, no effect`, verdicts)
}
