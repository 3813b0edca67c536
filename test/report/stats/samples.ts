/** Rows and their aggregates, for tests: what the warehouse computes in SQL, by the definitions. */
import type { Moments, PairedMoments } from '../../../src/report/stats/aggregates.ts'
import type { WithCovariate } from '../../../src/report/stats/cuped.ts'

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)

export function moments(values: readonly number[]): Moments {
  const n = values.length
  const centre = n === 0 ? 0 : total(values) / n
  const power = (k: number) => total(values.map(value => (value - centre) ** k))
  return { n, nonZero: values.filter(value => value !== 0).length, sum: total(values), m2: power(2), m3: power(3) }
}

export function paired(x: readonly number[], y: readonly number[]): PairedMoments {
  const n = x.length
  const { products, sumX, sumY } = centred(x, y)
  return { n, sumX, sumY, mxx: products(2, 0), myy: products(0, 2), mxy: products(1, 1) }
}

export function withCovariate(x: readonly number[], y: readonly number[]): WithCovariate {
  const { products, sumX } = centred(x, y)
  const [mxx, mxy] = [products(2, 0), products(1, 1)]
  return { ...moments(y), sumX, mxx, mxy, mxxx: products(3, 0), mxxy: products(2, 1), mxyy: products(1, 2) }
}

function centred(x: readonly number[], y: readonly number[]) {
  const [sumX, sumY] = [total(x), total(y)]
  const [cx, cy] = [sumX / x.length, sumY / y.length]
  const products = (i: number, j: number) => total(x.map((value, at) => (value - cx) ** i * ((y[at] ?? 0) - cy) ** j))
  return { sumX, sumY, products }
}

/** Zero-inflated, heavy-tailed revenue of a 95 : 5 split: the generator of the reference cases. */
export const heavyRevenue = {
  treated: range(9500).map(i => ((37 * i) % 100 < 22 ? spend(6101, i) : 0)),
  control: range(500).map(i => ((31 * i) % 10 < 2 ? spend(7919, i) : 0)),
}

function spend(factor: number, i: number): number {
  return Math.floor(1_000_000 / (((factor * i) % 1009) + 20)) / 100
}

/** 1 to n. */
export function range(n: number): readonly number[] {
  return Array.from({ length: n }, (_, index) => index + 1)
}
