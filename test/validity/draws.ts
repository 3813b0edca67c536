/** Whether draws are as good as chance: of each salt uniform, of two salts independent, of a larger share a superset. */
import { createHash } from 'node:crypto'
import { isWithheld, unitInterval } from '../../src/plan/policies/assignment.ts'
import { chiSquareUpper } from '../../src/report/stats/distributions.ts'
import { exactly, type Figure, figure } from './figure.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** Kolmogorov's limit: the chance of so large a greatest distance from the uniform distribution. */
function kolmogorovUpper(distance: number, n: number): number {
  const x = (Math.sqrt(n) + 0.12 + 0.11 / Math.sqrt(n)) * distance
  const terms = Array.from({ length: 100 }, (_, index) => (-1) ** index * Math.exp(-2 * ((index + 1) * x) ** 2))
  return Math.min(1, Math.max(0, 2 * terms.reduce((sum, term) => sum + term, 0)))
}

function chiSquared(observed: readonly number[], expected: number): number {
  return observed.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

function drawsOf(salt: string, people: number): Float64Array {
  return Float64Array.from({ length: people }, (_, person) => unitInterval(sha256, salt, `user_${person}`))
}

function tally(values: Iterable<number>, buckets: number): readonly number[] {
  const counts = Array.from({ length: buckets }, () => 0)
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}

function greatestDistance(draws: Float64Array): number {
  const n = draws.length
  return draws.toSorted().reduce((most, u, index) => Math.max(most, u - index / n, (index + 1) / n - u), 0)
}

/** `salts` of `people` each; each salt is compared with the one before it. */
export function draws(salts: number, people: number): readonly Figure[] {
  const [share, cells] = [0.05, 100]
  const counts = { uneven: 0, dependent: 0, overlaps: [] as number[], leastKs: 1 }
  let before: Float64Array | undefined
  for (let salt = 0; salt < salts; salt++) {
    const own = drawsOf(`sync-${salt}-v1`, people)
    const buckets = tally(
      own.map(u => Math.floor(u * cells)),
      cells,
    )
    if (chiSquareUpper(chiSquared(buckets, people / cells), cells - 1) < 0.001) counts.uneven += 1
    counts.leastKs = Math.min(counts.leastKs, kolmogorovUpper(greatestDistance(own), people))
    if (before !== undefined) {
      const earlier = before
      const pairs = tally(
        own.map((u, person) => 10 * Math.floor(u * 10) + Math.floor((earlier[person] ?? 0) * 10)),
        cells,
      )
      if (chiSquareUpper(chiSquared(pairs, people / cells), cells - 1) < 0.001) counts.dependent += 1
      const both = own.reduce((sum, u, person) => sum + (u < share && (earlier[person] ?? 1) < share ? 1 : 0), 0)
      const chance = share ** 2
      counts.overlaps.push((both - people * chance) / Math.sqrt(people * chance * (1 - chance)))
    }
    before = own
  }
  const spread = Math.sqrt(counts.overlaps.reduce((sum, z) => sum + z ** 2, 0) / counts.overlaps.length)
  // With few salts the spread itself is known less well than to the seven per cent that a thousand allow.
  const room = 0.07 * Math.max(1, Math.sqrt(1000 / salts))
  return [
    figure(
      `draws of ${people.toLocaleString('en-GB')} people in 100 buckets, each salt: p < 0.001`,
      counts.uneven,
      salts,
      0.004,
    ),
    { ...exactly('the same, Kolmogorov and Smirnov: 1e-4 over the least p', 1e-4 / counts.leastKs, 1) },
    figure('draws of two salts in 10 by 10 buckets: p < 0.001', counts.dependent, salts - 1, 0.004),
    exactly(
      'people whom two holdouts of 5 % both withhold: how far the spread of z is from 1',
      Math.abs(spread - 1),
      room,
    ),
    figure('people withheld at 5 % and not at 10 %, or at 10 % and not at 50 %', unnested(people), people, 0),
  ]
}

function unnested(people: number): number {
  const withheldAt = (share: number, key: string) => isWithheld(sha256, { salt: 'nested', share }, [key])
  const keys = Array.from({ length: people }, (_, person) => `user_${person}`)
  return keys.filter(key =>
    [
      [0.05, 0.1],
      [0.1, 0.5],
    ].some(([small = 0, large = 0]) => withheldAt(small, key) && !withheldAt(large, key)),
  ).length
}
