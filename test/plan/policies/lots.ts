/** What statistics say of draws: tails of χ², of the normal and of Kolmogorov's distribution, and tests of lots. Pure. */

/** A draw of many people with one salt: for each, in which hundredth of the interval their number fell. */
export type Lots = Uint8Array

export const hundredths = 100

/** P(X ≥ x) for χ² with so many degrees of freedom: the regularised upper incomplete gamma (Numerical Recipes, section 6.2). */
export function chiSquaredTail(x: number, degrees: number): number {
  const [a, half] = [degrees / 2, x / 2]
  if (half <= 0) return 1
  const scale = Math.exp(a * Math.log(half) - half - logGamma(a))
  return half < a + 1 ? 1 - scale * lowerSeries(a, half) : scale * upperFraction(a, half)
}

function lowerSeries(a: number, x: number): number {
  let [term, sum] = [1 / a, 1 / a]
  for (let n = 1; term > sum * 1e-16; n += 1) {
    term *= x / (a + n)
    sum += term
  }
  return sum
}

/** Lentz's method. */
function upperFraction(a: number, x: number): number {
  let b = x + 1 - a
  let c = 1e300
  let d = 1 / b
  let product = d
  for (let n = 1; n < 10_000; n += 1) {
    const factor = -n * (n - a)
    b += 2
    d = 1 / (factor * d + b)
    c = b + factor / c
    product *= c * d
    if (Math.abs(c * d - 1) < 1e-15) break
  }
  return product
}

/** Stirling's series, after Γ(x + 1) = x Γ(x) has made the argument large. */
function logGamma(x: number): number {
  if (x < 12) return logGamma(x + 1) - Math.log(x)
  const square = x * x
  const series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / square) / square) / square) / x
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series
}

/** P(|Z| ≥ z): a squared normal is χ² with one degree. */
export function normalTails(z: number): number {
  return chiSquaredTail(z * z, 1)
}

/** The p-value that these are uniform on [0, 1] (Kolmogorov and Smirnov, with Stephens' correction for few values). */
export function uniformityOf(values: readonly number[]): number {
  const n = values.length
  const distances = [...values].sort((a, b) => a - b).map((value, i) => Math.max((i + 1) / n - value, value - i / n))
  const scaled = (Math.sqrt(n) + 0.12 + 0.11 / Math.sqrt(n)) * Math.max(...distances)
  const terms = Array.from({ length: 100 }, (_, j) => (j % 2 === 0 ? 2 : -2) * Math.exp(-2 * ((j + 1) * scaled) ** 2))
  return Math.min(
    1,
    terms.reduce((sum, term) => sum + term, 0),
  )
}

/** How many people fell into each hundredth. */
export function tally(lots: Lots): readonly number[] {
  const counts = new Array<number>(hundredths).fill(0)
  for (const lot of lots) counts[lot] = (counts[lot] ?? 0) + 1
  return counts
}

/** The p-value that every hundredth is as likely as the others. */
export function evenness(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / hundredths
  return chiSquaredTail(
    counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0),
    hundredths - 1,
  )
}

/** The p-value that a person's tenth in one draw says nothing of their tenth in the other: χ² of the 10 × 10 table. */
export function independence(one: Lots, other: Lots): number {
  const table = new Array<number>(100).fill(0)
  one.forEach((lot, person) => {
    const cell = Math.floor(lot / 10) * 10 + Math.floor((other[person] ?? 0) / 10)
    table[cell] = (table[cell] ?? 0) + 1
  })
  const tenths = Array.from({ length: 10 }, (_, tenth) => tenth)
  const sumOf = (cells: readonly number[]) => cells.reduce((sum, cell) => sum + (table[cell] ?? 0), 0)
  const rows = tenths.map(row => sumOf(tenths.map(column => row * 10 + column)))
  const columns = tenths.map(column => sumOf(tenths.map(row => row * 10 + column)))
  const deviation = table.map((count, cell) => {
    const expected = ((rows[Math.floor(cell / 10)] ?? 0) * (columns[cell % 10] ?? 0)) / one.length
    return (count - expected) ** 2 / expected
  })
  return chiSquaredTail(
    deviation.reduce((sum, part) => sum + part, 0),
    81,
  )
}

/** How far the overlap of two holdouts of so many hundredths is from what independent ones have, in standard deviations. */
export function overlap(one: Lots, other: Lots, share: number): number {
  const n = one.length
  const inOne = one.reduce((sum, lot) => sum + (lot < share ? 1 : 0), 0)
  const inOther = other.reduce((sum, lot) => sum + (lot < share ? 1 : 0), 0)
  const inBoth = one.reduce((sum, lot, person) => sum + (lot < share && (other[person] ?? 0) < share ? 1 : 0), 0)
  const variance = (inOne * inOther * (n - inOne) * (n - inOther)) / (n * n * (n - 1))
  return (inBoth - (inOne * inOther) / n) / Math.sqrt(variance)
}
