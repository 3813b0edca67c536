/**
 * Several p-values at once: of the syncs of a programme, of the arms of an experiment. Answers keep the order of the question.
 */
import { demand } from './demand.ts'

/** Holm ("A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6, 1979): the risk of any false alarm. */
export function holm(pValues: readonly number[]): readonly number[] {
  const n = pValues.length
  return stepwise(pValues, 'ascending', (p, rank) => p * (n - rank), Math.max)
}

/** Benjamini and Hochberg (JRSS B 57, 1995): the share of false alarms among the alarms. */
export function benjaminiHochberg(pValues: readonly number[]): readonly number[] {
  const n = pValues.length
  return stepwise(pValues, 'descending', (p, rank) => p * (n / (n - rank)), Math.min)
}

/** `rank` counts from 0 in the given order; each adjusted value is at least (or at most) the one before it. */
function stepwise(
  pValues: readonly number[],
  order: 'ascending' | 'descending',
  adjust: (p: number, rank: number) => number,
  extreme: (a: number, b: number) => number,
): readonly number[] {
  demand(
    pValues.every(p => p >= 0 && p <= 1),
    `p-values must be between 0 and 1, and are ${pValues.join(', ')}`,
  )
  const sign = order === 'ascending' ? 1 : -1
  const ranked = pValues.map((p, index) => ({ p, index })).sort((left, right) => sign * (left.p - right.p))
  const adjusted = pValues.map(() => 1)
  let before = order === 'ascending' ? 0 : 1
  ranked.forEach(({ p, index }, rank) => {
    before = extreme(before, Math.min(1, adjust(p, rank)))
    adjusted[index] = before
  })
  return adjusted
}
