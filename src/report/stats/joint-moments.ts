/** Two groups of one arm as one, with their covariate: days as weeks, weeks as everything so far. No row is looked at again. */
import type { WithCovariate } from './cuped.ts'

export const noMoments: WithCovariate = {
  ...{ n: 0, nonZero: 0, sum: 0, m2: 0, m3: 0 },
  ...{ sumX: 0, mxx: 0, mxy: 0, mxxx: 0, mxxy: 0, mxyy: 0 },
}

/** Centred sums of both, about the means of the whole (Pébay, Sandia SAND2008-6212, section 3). */
export function mergeMoments(a: WithCovariate, b: WithCovariate): WithCovariate {
  const n = a.n + b.n
  if (a.n === 0 || b.n === 0) return a.n === 0 ? b : a
  const [x, y] = [(a.sumX + b.sumX) / n, (a.sum + b.sum) / n]
  const [s, t] = [about(a, x, y), about(b, x, y)]
  return {
    ...{ n, nonZero: a.nonZero + b.nonZero, sum: a.sum + b.sum, sumX: a.sumX + b.sumX },
    ...{ m2: s.m2 + t.m2, m3: s.m3 + t.m3, mxx: s.mxx + t.mxx, mxy: s.mxy + t.mxy },
    ...{ mxxx: s.mxxx + t.mxxx, mxxy: s.mxxy + t.mxxy, mxyy: s.mxyy + t.mxyy },
  }
}

/** The sums of a group about another point than its own means, about which its first moments are zero. */
function about({ n, sum, sumX, m2, m3, mxx, mxy, mxxx, mxxy, mxyy }: WithCovariate, x: number, y: number) {
  const [dx, dy] = [sumX / n - x, sum / n - y]
  return {
    m2: m2 + n * dy ** 2,
    m3: m3 + 3 * dy * m2 + n * dy ** 3,
    mxx: mxx + n * dx ** 2,
    mxy: mxy + n * dx * dy,
    mxxx: mxxx + 3 * dx * mxx + n * dx ** 3,
    mxxy: mxxy + 2 * dx * mxy + dy * mxx + n * dx ** 2 * dy,
    mxyy: mxyy + 2 * dy * mxy + dx * m2 + n * dx * dy ** 2,
  }
}
