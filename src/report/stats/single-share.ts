/** How far one share is known: of people withheld who were reached nevertheless, of rows that a destination matched. */
import { type Count, checkCount } from './aggregates.ts'
import { type Answer, type Effect, estimated, notEstimable } from './answer.ts'
import { demandLevel } from './demand.ts'
import { betaQuantile, normalUpperQuantile } from './distributions.ts'

/** Wilson's interval ("Probable inference", JASA 22, 1927): near the nominal coverage on average. Shares in [0, 1]. */
export function wilson({ n, x }: Count, alpha: number): Answer<Effect> {
  checkCount({ n, x })
  demandLevel(alpha, 'alpha')
  if (n === 0) return notEstimable('empty_arm')
  const [p, z2] = [x / n, normalUpperQuantile(alpha / 2) ** 2]
  const centre = (p + z2 / (2 * n)) / (1 + z2 / n)
  const half = Math.sqrt(z2 * ((p * (1 - p)) / n + z2 / (4 * n ** 2))) / (1 + z2 / n)
  const lower = x === 0 ? 0 : centre - half
  const upper = x === n ? 1 : centre + half
  return estimated({ estimate: p, lower, upper })
}

/** Clopper and Pearson's interval (Biometrika 26, 1934): never below the nominal coverage, hence for bounds of what must not be. */
export function clopperPearson({ n, x }: Count, alpha: number): Answer<Effect> {
  checkCount({ n, x })
  demandLevel(alpha, 'alpha')
  if (n === 0) return notEstimable('empty_arm')
  const lower = x === 0 ? 0 : betaQuantile(alpha / 2, x, n - x + 1)
  const upper = x === n ? 1 : betaQuantile(1 - alpha / 2, x + 1, n - x)
  return estimated({ estimate: x / n, lower, upper })
}
